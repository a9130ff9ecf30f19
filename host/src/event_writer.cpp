#include "event_writer.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <vector>

#include <fmt/format.h>
#include <spdlog/logger.h>
#include <spdlog/sinks/rotating_file_sink.h>

#include "console.hpp"
#include "status_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

constexpr std::size_t kFileBytes = 10 * 1024 * 1024;
constexpr std::size_t kFiles = 3;
constexpr std::size_t kMaxEarly = 1000;
// How long the last lines may take to reach stderr.
constexpr auto kConsoleTime = std::chrono::milliseconds(40);

std::string field_text(const core::FieldValue& value) {
    return std::visit(
        [](const auto& v) {
            if constexpr (std::is_same_v<std::decay_t<decltype(v)>, double>) {
                return fmt::format("{:.6g}", v);
            } else {
                return fmt::format("{}", v);
            }
        },
        value);
}

// "10:22:33.123 warning service.exit promptbin#1: killed by signal 9 (SIGKILL) (signal=9
// uptime_ms=123)"
std::string readable(const core::Event& event) {
    std::string text = fmt::format("{} {} {} {}#{}: {}", iso_time(event.wall).substr(11, 12),
                                   core::to_string(event.severity), core::to_string(event.name),
                                   event.service, event.generation, event.cause);
    std::string fields;
    for (const auto& [name, value] : event.fields) {
        if (name == "output_tail") {
            continue;  // Many lines; the file has them, and the cause has the last one.
        }
        fields += (fields.empty() ? "" : " ") + name + "=" + field_text(value);
    }
    return fields.empty() ? text : text + " (" + fields + ")";
}

core::WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

}  // namespace

struct EventWriter::Impl {
    explicit Impl(core::Scheduler& loop, core::Severity severity)
        : log_loop(loop), console(severity), err(STDERR_FILENO, "err") {}

    void put(const std::string& json, const std::string& text);
    void put_file(const std::string& json);

    core::Scheduler& log_loop;
    const core::Severity console;
    std::atomic<std::size_t> waiting{0};
    std::atomic<std::size_t> dropped{0};
    Console err;
    // The log thread alone.
    std::shared_ptr<spdlog::sinks::rotating_file_sink_st> file;
    std::vector<std::string> early;
};

void EventWriter::Impl::put_file(const std::string& json) {
    if (!file) {
        if (early.size() < kMaxEarly) {
            early.push_back(json);
        }
        return;
    }
    try {
        file->log(spdlog::details::log_msg({}, spdlog::level::info, json));
        file->flush();
    } catch (const std::exception&) {
        ++dropped;  // The disk is full or gone; supervision goes on, the count says what is
                    // missing.
    }
}

void EventWriter::Impl::put(const std::string& json, const std::string& text) {
    if (const auto lost = dropped.exchange(0); lost != 0) {
        put_file(fmt::format(R"({{"ts":"{}","level":"warning","event":"log.dropped","count":{}}})",
                             iso_time(wall_now()), lost));
    }
    put_file(json);
    if (!text.empty()) {
        err.line(text);
    }
}

EventWriter::EventWriter(core::Scheduler& log_loop, core::Severity console)
    : impl_(std::make_shared<Impl>(log_loop, console)) {}

EventWriter::~EventWriter() = default;

std::string EventWriter::open(const std::string& folder) {
    try {
        spdlog::file_event_handlers handlers;
        // What the causes quote is nobody else's.
        handlers.after_open = [](const spdlog::filename_t&, std::FILE* file) {
            fchmod(fileno(file), 0600);
        };
        impl_->file = std::make_shared<spdlog::sinks::rotating_file_sink_st>(
            folder + "/steward.log", kFileBytes, kFiles - 1, /*rotate_on_open=*/false, handlers);
        impl_->file->set_pattern("%v");
    } catch (const std::exception& e) {
        return e.what();
    }
    for (const auto& json : std::exchange(impl_->early, {})) {
        impl_->put_file(json);
    }
    return {};
}

void EventWriter::write(const core::Event& event) {
    if (impl_->waiting >= kMaxWaiting) {
        ++impl_->dropped;
        return;
    }
    ++impl_->waiting;
    impl_->log_loop.post([impl = impl_, event] {
        --impl->waiting;
        const bool show = event.severity >= impl->console;
        impl->put(mcp::to_json(*event_object(event)), show ? readable(event) : std::string());
    });
}

void EventWriter::line(core::Severity severity, const std::string& source,
                       const std::string& text) {
    if (impl_->waiting >= kMaxWaiting) {
        ++impl_->dropped;
        return;
    }
    ++impl_->waiting;
    impl_->log_loop.post([impl = impl_, severity, source, text, wall = wall_now()] {
        --impl->waiting;
        auto object = mcp::ordered_object();
        object->set("ts", iso_time(wall));
        object->set("level", std::string(core::to_string(severity)));
        object->set("event", std::string("log"));
        object->set("source", source);
        object->set("text", text);
        const bool show = severity >= impl->console;
        impl->put(mcp::to_json(*object),
                  show ? fmt::format("{} {} {}: {}", iso_time(wall).substr(11, 12),
                                     core::to_string(severity), source, mcp::excerpt(text, 400))
                       : std::string());
    });
}

void EventWriter::flush() {
    if (impl_->file) {
        impl_->file->flush();
    }
    impl_->err.flush(std::chrono::steady_clock::now() + kConsoleTime);
}

}  // namespace steward::host
