#include "session.hpp"

#include <pthread.h>
#include <sched.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <condition_variable>
#include <csignal>
#include <cstring>
#include <future>
#include <mutex>
#include <new>
#include <optional>
#include <thread>
#include <vector>

#include <fmt/core.h>

#include "event_writer.hpp"
#include "paths.hpp"
#include "service_config.hpp"
#include "state_folder.hpp"
#include "status_json.hpp"
#include "status_socket.hpp"
#include "steward/core/spawn.hpp"
#include "steward/mcp/json.hpp"
#include "version.hpp"

namespace steward::host {
namespace {

// How long the last answers and lines may take once the tree is empty: so long at least, and until
// so long after the end began.
constexpr core::Duration kFlushTime = std::chrono::milliseconds(60);
constexpr core::Duration kFlushTimeOfAll = std::chrono::milliseconds(700);
// Of it, what is for the log.
constexpr core::Duration kLogTime = std::chrono::milliseconds(50);
// Of that, what is for the app's last lines.
constexpr core::Duration kOutputTime = std::chrono::milliseconds(30);
// Of it, how long stdout may hold them up.
constexpr auto kScreenTime = std::chrono::milliseconds(40);
// The pause between two portions of the app's output for those who follow it.
constexpr core::Duration kOutputPause = std::chrono::milliseconds(10);
// How long the first start waits for the state folder; a disk that hangs does not keep the app
// down.
constexpr core::Duration kFolderTime = std::chrono::seconds(1);

enum class Wake { kAtOnce, kBehindOthers };

std::thread run_loop(core::Loop& loop, const char* name, Wake wake = Wake::kAtOnce) {
    try {
        return std::thread([&loop, name, wake] {
            pthread_setname_np(pthread_self(), name);
            // A thread of that policy takes the processor from nobody when it is woken. What it
            // starts is as usual again; a policy that somebody has chosen stays.
            if (wake == Wake::kBehindOthers && sched_getscheduler(0) == SCHED_OTHER) {
                const sched_param none{};
                (void)sched_setscheduler(0, SCHED_BATCH | SCHED_RESET_ON_FORK, &none);
            }
            loop.run();
        });
    } catch (const std::system_error& e) {
        throw std::runtime_error(
            fmt::format("cannot start a thread: {}; allow more processes (ulimit -u)", e.what()));
    }
}

core::Severity severity_of_plugin_level(int level) {
    return level <= 0 ? core::Severity::kDebug
                      : static_cast<core::Severity>(
                            std::min(level, static_cast<int>(core::Severity::kError)));
}

std::string output_line(const core::OutputLine& line) {
    return fmt::format("{} #{} {} {}", iso_time(line.wall), line.generation,
                       line.stream == core::OutputStream::kErr ? "err" : "out", line.text);
}

}  // namespace

struct Session::Impl {
    explicit Impl(Setup s);

    void watch_signals();
    void watch_parent();
    void ensure_folder(std::function<void()> then);
    void folder_made(core::Result<StateFolder> made, const std::string& trouble);
    void go_on();
    void begin_end(const std::string& reason, bool at_once);
    void finished(const std::string& left);
    void leave();
    void halt();
    void publish_event(const core::Event& event);
    void changed();
    void publish_output();
    void flush_files();
    StatusSource status_source();

    Setup setup;
    Paths paths;
    core::Loop loop;
    core::Loop log_loop;
    core::Loop output_loop;
    EventWriter writer;
    core::Supervisor supervisor;
    core::Service* service = nullptr;
    std::thread loop_thread;
    std::thread log_thread;
    std::thread output_thread;

    // The loop's thread alone.
    std::atomic<std::uint64_t> version{0};  // changed by the loop's thread, read by any
    core::UniqueFd signals;
    core::UniqueFd parent;
    int signals_seen = 0;
    bool ending = false;
    core::TimePoint end_began{};
    bool folder_wanted = false;
    bool folder_done = false;
    std::vector<std::function<void()>> waiting_for_folder;
    std::optional<StateFolder> folder;
    std::string log_file;
    std::unique_ptr<StatusSocket> socket;
    std::uint64_t last_published = 0;  // of the app's output lines
    core::TimePoint published_at{};
    std::atomic<bool> output_posted{false};  // set by the output thread
    std::function<void()> change_hook;
    std::function<void()> output_hook;
    std::function<void(core::Duration, std::function<void()>)> last;

    std::mutex mutex;
    std::condition_variable condition;
    bool over = false;  // guarded by mutex
};

Session::Impl::Impl(Setup s)
    : setup(std::move(s)),
      paths(find_paths()),
      writer(log_loop, setup.console),
      supervisor(loop, log_loop, output_loop,
                 {paths.guardian,
                  std::string(kVersion),
                  {paths.prober, paths.plugins, setup.options.plugin_dirs, plugin_cache_file()},
                  [this](int level, const std::string& line) {
                      writer.line(severity_of_plugin_level(level), "plugin", line);
                  }}) {
    core::OutputOptions output;
    output.on_lines = [this] {
        if (!output_posted.exchange(true)) {
            loop.post([this] { publish_output(); });
        }
    };
    service = &supervisor.add(service_config(setup.options, paths), strategy_choice(setup.options),
                              std::move(output));
    service->on_change([this] { changed(); });
    supervisor.events().subscribe([this](const core::Event& event) {
        ++version;  // The first subscriber: it is counted before anybody else hears of it.
        publish_event(event);
        writer.write(event);
    });
    // A subreaper inherits the orphans of a guardian that was killed.
    if (const auto status = core::become_subreaper(); !status) {
        writer.line(core::Severity::kWarning, "session", status.error().text);
    }
    watch_signals();
    if (setup.watch_parent) {
        watch_parent();
    }
    loop_thread = run_loop(loop, "loop");
    try {
        log_thread = run_loop(log_loop, "log", Wake::kBehindOthers);
        output_thread = run_loop(output_loop, "output");
    } catch (...) {
        halt();
        throw;
    }
}

// ---- what ends a session

void Session::Impl::watch_signals() {
    const sigset_t set = Session::ending_signals();
    signals.reset(signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK));
    loop.watch(signals.get(), core::Interest::kRead, [this](bool, bool) {
        signalfd_siginfo info{};
        while (read(signals.get(), &info, sizeof info) == static_cast<ssize_t>(sizeof info)) {
            const bool again = ++signals_seen > 1;
            begin_end(fmt::format("SIG{}", sigabbrev_np(static_cast<int>(info.ssi_signo))), again);
        }
    });
}

void Session::Impl::watch_parent() {
    const pid_t pid = getppid();
    if (pid <= 1) {
        return;  // Started by init, or across a namespace: there is no parent to lose.
    }
    parent.reset(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
    if (!parent || getppid() != pid) {
        loop.post([this] { begin_end("the parent process is gone", /*at_once=*/false); });
        return;
    }
    loop.watch(parent.get(), core::Interest::kRead, [this](bool, bool) {
        loop.unwatch(parent.get());
        begin_end("the parent process is gone", /*at_once=*/false);
    });
}

void Session::Impl::begin_end(const std::string& reason, bool at_once) {
    if (ending) {
        if (at_once) {
            supervisor.exit(reason, /*at_once=*/true);
        }
        return;
    }
    ending = true;
    end_began = loop.now();
    supervisor.exit(reason, at_once, [this](const std::string& left) { finished(left); });
    // What waits for the folder is asked for in vain, and answered.
    for (const auto& task : std::exchange(waiting_for_folder, {})) {
        task();
    }
}

void Session::Impl::finished(const std::string& left) {
    if (!left.empty()) {
        writer.line(core::Severity::kError, "session", "left behind: " + left);
    }
    // Whatever hangs from here on, the process ends in time.
    const auto latest = std::max(loop.now() + kFlushTime, end_began + kFlushTimeOfAll);
    loop.arm(latest, [this] { leave(); });
    if (socket) {
        published_at = {};
        publish_output();
        socket->close();
    }
    const auto files = [this] {
        loop.post(
            [this] { supervisor.output(*service).flush(kOutputTime, [this] { flush_files(); }); });
    };
    if (last) {
        last(std::max(core::Duration::zero(), latest - loop.now() - kLogTime), files);
    } else {
        files();
    }
}

// Behind the app's output, which may wait for the same disk.
void Session::Impl::flush_files() {
    if (const auto lost = supervisor.output(*service).counters().waiting_bytes; lost != 0) {
        writer.line(core::Severity::kWarning, "session",
                    fmt::format("{} bytes of the app's output were not written in time", lost));
    }
    log_loop.post([this] {
        writer.flush();
        if (setup.screen) {
            setup.screen->flush(std::chrono::steady_clock::now() + kScreenTime);
        }
        loop.post([this] { leave(); });
    });
}

void Session::Impl::leave() {
#ifdef STEWARD_SANITIZED
    {
        const std::lock_guard lock(mutex);
        over = true;
    }
    condition.notify_all();
#else
    _exit(0);
#endif
}

// ---- the state folder

// Files and sockets are made at the app's first start, not before: a client that only looks leaves
// no trace.
void Session::Impl::ensure_folder(std::function<void()> then) {
    if (folder_done || ending) {
        then();
        return;
    }
    waiting_for_folder.push_back(std::move(then));
    if (std::exchange(folder_wanted, true)) {
        return;
    }
    loop.arm(loop.now() + kFolderTime, [this] {
        if (!folder_done) {
            writer.line(core::Severity::kWarning, "session",
                        "the state folder " + StateFolder::base_folder() +
                            " does not answer; until it does there is no log file");
            go_on();
        }
    });
    log_loop.post([this] {
        auto made = std::make_shared<core::Result<StateFolder>>(
            StateFolder::create(StateFolder::base_folder()));
        std::string trouble;
        if (*made) {
            trouble = writer.open((*made)->path());
        }
        loop.post([this, made, trouble] { folder_made(std::move(*made), trouble); });
    });
}

// In time, or after the app was started without it.
void Session::Impl::folder_made(core::Result<StateFolder> made, const std::string& trouble) {
    if (!trouble.empty()) {
        writer.line(core::Severity::kWarning, "session", trouble);
    }
    if (made) {
        folder.emplace(std::move(*made));
        log_file = folder->path() + "/steward.log";
        ++version;
        supervisor.output(*service).set_folder(folder->path());
        if (!ending) {
            socket = std::make_unique<StatusSocket>(loop, status_source());
            if (const auto opened = socket->open(folder->path()); !opened) {
                writer.line(core::Severity::kWarning, "session", opened.error().text);
            }
        }
        if (folder_done) {
            writer.line(core::Severity::kInfo, "session",
                        "the state folder came late: " + folder->path());
        }
    } else {
        writer.line(core::Severity::kWarning, "session",
                    made.error().text + "; there will be no log file");
    }
    go_on();
}

void Session::Impl::go_on() {
    folder_done = true;
    for (const auto& task : std::exchange(waiting_for_folder, {})) {
        task();
    }
}

StatusSource Session::Impl::status_source() {
    StatusSource source;
    source.status_json = [this] {
        return mcp::to_json(*status_object(service->status(), log_file));
    };
    source.events = [this](std::size_t count) {
        std::vector<std::string> lines;
        for (const auto& event : supervisor.events().recent(count)) {
            lines.push_back(mcp::to_json(*event_object(event)));
        }
        return lines;
    };
    source.log_lines = [this](std::size_t count) {
        std::vector<std::string> lines;
        for (const auto& line : supervisor.output(*service).tail(count)) {
            // Newer ones are on their way to the followers: nobody gets a line twice.
            if (line.sequence <= last_published) {
                lines.push_back(output_line(line));
            }
        }
        return lines;
    };
    return source;
}

// What an app writes fast is passed on in portions, at most so often, and what is not in memory any
// more by then is left out: neither the loop nor its queue is filled by it.
void Session::Impl::publish_output() {
    if (const auto next = published_at + kOutputPause; loop.now() < next) {
        loop.arm(next, [this] { publish_output(); });
        return;
    }
    published_at = loop.now();
    output_posted = false;
    const auto& output = supervisor.output(*service);
    if (socket && socket->has_log_followers()) {
        const auto lines = output.lines_since(last_published, SIZE_MAX);
        const auto left_out = lines.empty() ? 0 : lines.front().sequence - last_published - 1;
        if (left_out != 0) {
            socket->publish_log(fmt::format("{} #0 log {} lines are left out here, {} has them",
                                            iso_time(lines.front().wall), left_out, output.path()));
        }
        for (const auto& line : lines) {
            last_published = line.sequence;
            socket->publish_log(output_line(line));
        }
    } else {
        last_published = output.last_sequence();
    }
    if (output_hook) {
        output_hook();
    }
}

// Making the JSON takes longer than a step of the state machine, and stands between a crash and the
// next start: only for somebody who reads it. Before the log, whose thread would take the processor
// away when it is woken.
void Session::Impl::publish_event(const core::Event& event) {
    if (!socket || !socket->has_event_followers()) {
        return;
    }
    try {
        socket->publish_event(mcp::to_json(*event_object(event)));
    } catch (const std::bad_alloc&) {
        return;  // Missed here, it can still be in the log.
    }
}

void Session::Impl::changed() {
    ++version;
    if (socket && socket->has_status_followers()) {
        socket->publish_status(mcp::to_json(*status_object(service->status(), log_file)));
    }
    if (change_hook) {
        change_hook();
    }
}

// ---- the interface

Session::Session(Setup setup) : impl_(std::make_unique<Impl>(std::move(setup))) {}

Session::~Session() {
    halt();
}

void Session::halt() {
    impl_->halt();
}

void Session::Impl::halt() {
    core::Loop* const loops[] = {&loop, &log_loop, &output_loop};
    for (auto* const one : loops) {
        one->stop();
    }
    for (auto* const thread : {&loop_thread, &log_thread, &output_thread}) {
        if (thread->joinable()) {
            thread->join();
        }
    }
}

std::string Session::prepare_plugins() {
    std::promise<std::string> done;
    impl_->loop.post([this, &done] {
        impl_->supervisor.prepare_plugins([&done](const core::Status& status) {
            done.set_value(status ? std::string() : status.error().text);
        });
    });
    return done.get_future().get();
}

void Session::post(std::function<void()> task) {
    impl_->loop.post(std::move(task));
}

core::Service& Session::service() {
    return *impl_->service;
}
core::Supervisor& Session::supervisor() {
    return impl_->supervisor;
}
core::Loop& Session::loop() {
    return impl_->loop;
}
std::string Session::status_json() {
    ++impl_->version;
    return mcp::to_json(*status_object(impl_->service->status(), impl_->log_file));
}
std::uint64_t Session::status_version() const {
    return impl_->version;
}
const std::string& Session::log_file() const {
    return impl_->log_file;
}

void Session::start_for_client(const std::string& reason) {
    impl_->ensure_folder([this, reason] {
        if (!impl_->ending) {
            impl_->service->start_for_client(reason);
        }
    });
}

void Session::start(const std::string& reason, Settled settled) {
    impl_->ensure_folder(
        [this, reason, settled = std::move(settled)] { impl_->service->start(reason, settled); });
}

void Session::restart(const std::string& reason, Settled settled) {
    impl_->ensure_folder(
        [this, reason, settled = std::move(settled)] { impl_->service->restart(reason, settled); });
}

void Session::stop(const std::string& reason, Settled settled) {
    auto task = [this, reason, settled = std::move(settled)] {
        impl_->service->stop(reason, settled);
    };
    if (impl_->folder_wanted && !impl_->folder_done && !impl_->ending) {
        impl_->waiting_for_folder.push_back(std::move(task));  // Behind the start that waits there.
    } else {
        task();
    }
}

void Session::log(core::Severity severity, const std::string& source, const std::string& text) {
    impl_->writer.line(severity, source, text);
}

void Session::end(const std::string& reason, bool at_once) {
    impl_->loop.post([this, reason, at_once] { impl_->begin_end(reason, at_once); });
}

void Session::on_end(std::function<void(core::Duration, std::function<void()>)> last) {
    impl_->loop.post([this, last = std::move(last)] { impl_->last = last; });
}

void Session::on_output(std::function<void()> written) {
    impl_->loop.post([this, written = std::move(written)] { impl_->output_hook = written; });
}

void Session::on_change(std::function<void()> changed) {
    impl_->loop.post([this, changed = std::move(changed)] { impl_->change_hook = changed; });
}

int Session::wait() {
    std::unique_lock lock(impl_->mutex);
    impl_->condition.wait(lock, [this] { return impl_->over; });
    return 0;
}

sigset_t Session::ending_signals() {
    sigset_t set;
    sigemptyset(&set);
    for (const int number : {SIGTERM, SIGHUP, SIGINT}) {
        sigaddset(&set, number);
    }
    return set;
}

void Session::block_signals() {
    const sigset_t set = ending_signals();
    pthread_sigmask(SIG_BLOCK, &set, nullptr);
    // A client that is gone is an error of write(), not the end of the process.
    signal(SIGPIPE, SIG_IGN);
    // So is a file that may not grow.
    signal(SIGXFSZ, SIG_IGN);
}

}  // namespace steward::host
