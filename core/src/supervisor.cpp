#include "steward/core/supervisor.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "steward/core/guardian_client.hpp"
#include "steward/core/held_port.hpp"
#include "steward/core/os_linux.hpp"

namespace steward::core {

// A service with everything that it is built from.
struct Supervisor::Entry {
    GuardianClient guardian;
    HeldPort port;
    PluginStrategies strategies;
    AppOutput output;
    OsLinux os;
    std::unique_ptr<Service> service;
};

Supervisor::Supervisor(Loop& loop, Loop& files, Loop& output, SupervisorOptions options)
    : loop_(loop),
      files_(files),
      output_(output),
      options_(std::move(options)),
      catalogue_(options_.plugins),
      libraries_(options_.host_version, options_.plugin_log) {}

Supervisor::~Supervisor() = default;

Service& Supervisor::add(ServiceConfig config, StrategyChoice choice, OutputOptions output) {
    auto report = [this, name = config.name](EventName event_name, const std::string& plugin,
                                             const std::string& call, const std::string& cause) {
        Event event;
        event.name = event_name;
        event.severity = Severity::kWarning;
        event.service = name;
        event.cause = cause;
        event.fields = {{"plugin", plugin}, {"call", call}};
        event.at = loop_.now();
        event.wall = std::chrono::time_point_cast<std::chrono::microseconds>(
            std::chrono::system_clock::now());
        events_.append(std::move(event));
    };
    output.on_trouble = [this, name = config.name](const OutputTrouble& trouble) {
        Event event;
        event.name = trouble.over ? EventName::kOutputResumed : EventName::kOutputDegraded;
        event.severity = trouble.over ? Severity::kInfo : Severity::kWarning;
        event.service = name;
        event.cause = trouble.cause;
        if (trouble.over) {
            event.fields = {{"dropped_lines", static_cast<std::int64_t>(trouble.lines)},
                            {"dropped_bytes", static_cast<std::int64_t>(trouble.bytes)}};
        }
        event.wall = std::chrono::time_point_cast<std::chrono::microseconds>(
            std::chrono::system_clock::now());
        loop_.post([this, event = std::move(event)]() mutable {
            event.at = loop_.now();
            events_.append(std::move(event));
        });
    };
    entries_.push_back(std::unique_ptr<Entry>(new Entry{
        GuardianClient(loop_, options_.guardian_file),
        HeldPort(loop_),
        PluginStrategies(loop_, files_, catalogue_, libraries_, std::move(choice),
                         std::move(report)),
        AppOutput(loop_, output_, files_, std::move(output)),
        OsLinux(loop_),
        nullptr,
    }));
    auto& entry = *entries_.back();
    auto publish = [this](Event event) {
        const bool first_start =
            event.name == EventName::kServiceStarted && !std::exchange(cache_saved_, true);
        events_.append(std::move(event));
        if (first_start) {
            files_.post([this] { catalogue_.save_cache(); });
        }
    };
    entry.service = std::make_unique<Service>(
        std::move(config), ServiceParts{loop_, entry.guardian, entry.port, entry.strategies,
                                        entry.output, entry.os, publish});
    services_.push_back(entry.service.get());
    return *entry.service;
}

Supervisor::Entry& Supervisor::entry_of(const Service& service) {
    for (const auto& entry : entries_) {
        if (entry->service.get() == &service) {
            return *entry;
        }
    }
    throw std::logic_error("no such service");
}

AppOutput& Supervisor::output(const Service& service) {
    return entry_of(service).output;
}

void Supervisor::prepare_plugins(std::function<void(Status)> done) {
    struct Progress {
        std::size_t open;
        Status first = Nothing{};
        std::function<void(Status)> done;
    };
    if (entries_.empty()) {
        loop_.post([done = std::move(done)] { done(Nothing{}); });
        return;
    }
    const auto progress =
        std::make_shared<Progress>(Progress{entries_.size(), Nothing{}, std::move(done)});
    for (const auto& entry : entries_) {
        entry->strategies.prepare([progress](const Status& status) {
            if (!status && progress->first) {
                progress->first = status;
            }
            if (--progress->open == 0) {
                progress->done(progress->first);
            }
        });
    }
}

void Supervisor::list_plugins(const StrategyChoice& choice,
                              std::function<void(std::vector<PluginInfo>)> answer) {
    std::vector<std::string> named{choice.health, choice.restart, choice.port, choice.metrics};
    std::erase_if(named, [](const std::string& name) { return name.find('/') == name.npos; });
    files_.post([this, named = std::move(named), answer = std::move(answer)] {
        auto found = catalogue_.list();
        for (const auto& name : named) {
            auto info = catalogue_.find(name);
            const bool is_new =
                info && std::none_of(found.begin(), found.end(), [&info](const PluginInfo& other) {
                    return other.file == info->file;
                });
            if (is_new) {
                found.push_back(std::move(*info));
            }
        }
        loop_.post([answer, found = std::move(found)] { answer(found); });
    });
}

void Supervisor::exit(const std::string& reason, bool at_once,
                      std::function<void(std::string)> finished) {
    if (std::exchange(exit_asked_, true)) {
        for (const auto& entry : entries_) {
            entry->service->exit(reason, at_once);
        }
        return;
    }
    finished_ = finished ? std::move(finished) : [](const std::string&) {};
    unfinished_ = entries_.size();
    if (unfinished_ == 0) {
        loop_.post([this] { std::exchange(finished_, nullptr)({}); });
        return;
    }
    for (const auto& entry : entries_) {
        entry->service->exit(reason, at_once,
                             [this, name = entry->service->config().name](const std::string& left) {
                                 if (!left.empty()) {
                                     left_ += (left_.empty() ? "" : "; ") + name + ": " + left;
                                 }
                                 if (--unfinished_ == 0) {
                                     std::exchange(finished_, nullptr)(left_);
                                 }
                             });
    }
}

}  // namespace steward::core
