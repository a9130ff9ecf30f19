#include "steward/core/guardian_client.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "guardian/protocol.h"
#include "process_evidence.hpp"
#include "spawn_document.hpp"
#include "steward/sdk/proc_tree.hpp"

namespace steward::core {
namespace {

constexpr Duration kAnswerTime = std::chrono::milliseconds(200);
// The first order waits in the socket until the new guardian has been loaded.
constexpr Duration kFirstAnswerTime = std::chrono::seconds(2);
// Between two rounds of a sweep: most trees are empty after a few, the rest may take for ever.
constexpr Duration kFirstSweepWait = std::chrono::milliseconds(2);
constexpr Duration kLastSweepWait = std::chrono::milliseconds(100);
constexpr Duration kCloseTime = std::chrono::milliseconds(60);
// A look at an idle guardian costs a healthy app if it goes wrong, so it is patient.
constexpr Duration kPingTime = std::chrono::seconds(2);
constexpr std::size_t kMaxDescribed = 8;

// Does it pass? All else is wrong until somebody changes something.
bool is_shortage(int error) {
    return error == EAGAIN || error == ENOMEM || error == EMFILE || error == ENFILE ||
           error == ENOBUFS || error == EINTR;
}

Exited exited_from(int wait_status) {
    const bool signaled = WIFSIGNALED(wait_status);
    return Exited{signaled, signaled ? WTERMSIG(wait_status) : WEXITSTATUS(wait_status), {}, {}};
}

std::string rejection(std::uint32_t reason) {
    switch (reason) {
        case kStewardGuardianReasonVersion:
            return "app-guardian is of another version: install both from one build";
        case kStewardGuardianReasonNotEmpty:
            return "app-guardian refused the start: the last instance is not gone";
        case kStewardGuardianReasonEnding:
            return "app-guardian has been told to end";
        default:
            return "app-guardian refused the start (reason " + std::to_string(reason) + ")";
    }
}

}  // namespace

struct GuardianClient::Impl : std::enable_shared_from_this<GuardianClient::Impl> {
    Impl(Scheduler& s, std::string f) : scheduler(s), file(std::move(f)) {}

    // ---- the guardian
    Status start_guardian();
    void on_socket();
    void on_guardian_end();
    void drop_guardian();
    void lose(const std::string& why);
    void sweep();
    void after_sweep();

    // ---- orders and reports
    bool send(steward_guardian_order& order, const int* fds, std::size_t fd_count);
    void order(std::uint16_t type);
    [[nodiscard]] bool empty_is_next() const;
    void expect_answer(std::uint64_t seq, Duration time);
    void answered(std::uint64_t seq);
    void check_answers();
    bool receive();
    void on_report(const steward_guardian_report& report, UniqueFd received);
    void on_foreign_report();
    void fail_spawn(std::string cause, int sys_errno, bool retryable);

    // ---- the guardian's silence
    void watch_app(UniqueFd pidfd);
    void forget_app();
    void ping(Duration answer_time);
    void on_silence();

    Scheduler& scheduler;
    std::string file;
    GuardianEvents events;

    ChildProcess guardian;  // pid 0: none
    UniqueFd socket;
    std::uint64_t next_seq = 1;
    std::uint64_t spawn_seq = 0;  // of the current generation's order
    std::map<std::uint64_t, TimePoint> unanswered;
    TimerId answer_timer = 0;
    std::uint64_t ping_seq = 0;  // the last one's, while `unanswered` has it
    bool continued = false;  // it was stopped and has been sent SIGCONT; its answer is waited for

    // The current generation.
    bool tree = false;   // a spawn was ordered, and neither empty nor spawn_failed has been told
    pid_t app = 0;       // started and not yet told as exited
    UniqueFd app_pidfd;  // of `app`: says that it is gone, not how
    TimerId owed_timer = 0;     // it is gone, the guardian has not said so
    bool told_started = false;  // told, so what follows is exited and empty, never spawn_failed
    std::optional<SpawnFailed> exec_failed;
    std::string command;    // for error texts
    std::string directory;  // likewise

    bool sweeping = false;  // the guardian is dead, its tree is being emptied here
    std::string lost_why;
    Duration sweep_wait{};
    TimerId sweep_timer = 0;
    TimerId close_timer = 0;
    std::function<void()> gone;
};

// ---- the guardian's life

Status GuardianClient::Impl::start_guardian() {
    std::array<int, 2> ends{-1, -1};
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
        return system_error("cannot make a socket for app-guardian");
    }
    socket.reset(ends[0]);
    const UniqueFd theirs(ends[1]);
    ProcessSpec spec;
    spec.file = file;
    spec.argv = {"app-guardian", std::to_string(getpid())};
    spec.descriptors = {{-1, 0}, {-1, 1}, {2, 2}, {theirs.get(), STEWARD_GUARDIAN_SOCKET}};
    spec.new_session = true;
    auto started = core::spawn(spec);
    if (!started) {
        socket.reset();
        return started.error();
    }
    guardian = std::move(*started);
    scheduler.watch(socket.get(), Interest::kRead, [self = weak_from_this()](bool, bool) {
        if (const auto impl = self.lock()) {
            impl->on_socket();
        }
    });
    scheduler.watch(guardian.pidfd.get(), Interest::kRead, [self = weak_from_this()](bool, bool) {
        if (const auto impl = self.lock()) {
            impl->on_guardian_end();
        }
    });
    return Nothing{};
}

void GuardianClient::Impl::on_socket() {
    while (receive()) {
    }
}

void GuardianClient::Impl::on_guardian_end() {
    if (guardian.pid == 0) {
        return;
    }
    // What it had said before it died still counts.
    while (receive()) {
    }
    if (!reap(guardian)) {
        return;
    }
    drop_guardian();
    if (gone) {
        scheduler.disarm(close_timer);
        std::exchange(gone, nullptr)();
        return;
    }
    const std::string why = std::exchange(lost_why, {});
    if (tree) {
        lose(why.empty() ? "the guardian was killed" : why);
    }
}

void GuardianClient::Impl::drop_guardian() {
    scheduler.disarm(answer_timer);
    answer_timer = 0;
    unanswered.clear();
    if (socket) {
        scheduler.unwatch(socket.get());
        socket.reset();
    }
    if (guardian.pidfd) {
        scheduler.unwatch(guardian.pidfd.get());
        guardian.pidfd.reset();
    }
    guardian.pid = 0;
}

// The guardian is dead: its tree has come to this process.
void GuardianClient::Impl::lose(const std::string& why) {
    lost_why = why;
    sweeping = true;
    sweep_wait = kFirstSweepWait;
    sweep();
}

void GuardianClient::Impl::sweep() {
    sweep_timer = 0;
    bool left = false;
    const auto orphans = inherited_children();
    for (const pid_t pid : orphans ? *orphans : std::vector<pid_t>{}) {
        // An unreaped child of ours: the number is its own.
        ::kill(pid, SIGKILL);
        int status = 0;
        if (waitpid(pid, &status, WNOHANG) != pid) {
            left = true;
            continue;
        }
        if (pid == app) {
            forget_app();
            auto exited = exited_from(status);
            exited.note = lost_why;
            if (events.exited) {
                events.exited(std::move(exited));
            }
        }
    }
    // Only a list proves that the tree is empty: what cannot be listed is still there.
    const auto rest = inherited_children();
    if (left || !orphans || !rest || !rest->empty()) {
        sweep_timer = scheduler.arm(scheduler.now() + sweep_wait, [self = weak_from_this()] {
            if (const auto impl = self.lock()) {
                impl->sweep();
            }
        });
        sweep_wait = std::min(sweep_wait * 2, kLastSweepWait);
        return;
    }
    after_sweep();
}

void GuardianClient::Impl::after_sweep() {
    sweeping = false;
    const std::string why = std::exchange(lost_why, {});
    if (app != 0) {
        // Reaped by the guardian just before it died, without a word.
        forget_app();
        if (events.exited) {
            events.exited(Exited{true, SIGKILL, {}, why + ", the app's own status is lost"});
        }
        tree = false;
        if (events.empty) {
            events.empty();
        }
        return;
    }
    if (exec_failed) {
        const auto failed = *std::exchange(exec_failed, std::nullopt);
        fail_spawn(failed.cause, failed.sys_errno, failed.retryable);
    } else if (told_started) {
        tree = false;
        if (events.empty) {
            events.empty();
        }
    } else {
        fail_spawn(why + " while the app was being started", 0, /*retryable=*/true);
    }
}

// ---- orders

bool GuardianClient::Impl::send(steward_guardian_order& message, const int* fds,
                                std::size_t fd_count) {
    iovec data{&message, sizeof message};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int) * kStewardGuardianMaxFds)> control{};
    if (fd_count > 0) {
        header.msg_control = control.data();
        header.msg_controllen = CMSG_SPACE(sizeof(int) * fd_count);
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * fd_count);
        std::memcpy(CMSG_DATA(c), fds, sizeof(int) * fd_count);
    }
    return sendmsg(socket.get(), &header, MSG_NOSIGNAL | MSG_DONTWAIT) ==
           static_cast<ssize_t>(sizeof message);
}

// True if the guardian has already said, unread as yet, that the tree is empty.
bool GuardianClient::Impl::empty_is_next() const {
    steward_guardian_report report{};
    const ssize_t n = recv(socket.get(), &report, sizeof report, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 && steward_guardian_report_valid(&report, static_cast<std::size_t>(n)) != 0 &&
           report.type == kStewardGuardianEmpty;
}

void GuardianClient::Impl::order(std::uint16_t type) {
    // After an exit the rest of the tree is killed, and mostly there is none: an order would only wake
    // the guardian, and this loop for its answer, on the way to the next start.
    if (guardian.pid == 0 || !tree || (app == 0 && empty_is_next())) {
        return;
    }
    steward_guardian_order message;
    steward_guardian_order_init(&message, type, next_seq++);
    // A failed send is a guardian that reads no more; the missing answer finds it.
    (void)send(message, nullptr, 0);
    expect_answer(message.seq, kAnswerTime);
}

void GuardianClient::Impl::expect_answer(std::uint64_t seq, Duration time) {
    TimePoint deadline = scheduler.now() + time;
    if (unanswered.erase(ping_seq) != 0) {
        scheduler.disarm(
            std::exchange(answer_timer, 0));  // This one's answer says as much, sooner.
    }
    for (const auto& [other, at] : unanswered) {
        deadline = std::max(deadline, at);  // Orders are answered in their order.
    }
    unanswered[seq] = deadline;
    if (answer_timer == 0) {
        answer_timer = scheduler.arm(deadline, [self = weak_from_this()] {
            if (const auto impl = self.lock()) {
                impl->check_answers();
            }
        });
    }
}

// The next order is waited for by its own deadline, not by what is left of a longer one.
void GuardianClient::Impl::answered(std::uint64_t seq) {
    unanswered.erase(seq);
    continued = false;
    if (unanswered.empty()) {
        scheduler.disarm(answer_timer);
        answer_timer = 0;
    }
}

void GuardianClient::Impl::check_answers() {
    answer_timer = 0;
    if (guardian.pid == 0) {
        return;
    }
    while (receive()) {  // The loop itself may have been late.
    }
    if (unanswered.empty()) {
        return;
    }
    if (unanswered.begin()->second <= scheduler.now()) {
        on_silence();
        return;
    }
    answer_timer = scheduler.arm(unanswered.begin()->second, [self = weak_from_this()] {
        if (const auto impl = self.lock()) {
            impl->check_answers();
        }
    });
}

// An order is what somebody waits for; but if all that is unanswered is a ping, the app runs, and is
// worth another try.
void GuardianClient::Impl::on_silence() {
    const bool only_ping = unanswered.count(ping_seq) != 0;
    if (only_ping && owed_timer == 0 && !std::exchange(continued, true)) {
        syscall(SYS_pidfd_send_signal, guardian.pidfd.get(), SIGCONT, nullptr, 0);
        expect_answer(ping_seq, kAnswerTime);
        return;
    }
    lost_why = "the guardian did not answer in time and was killed";
    // Its end is reported by its pidfd.
    syscall(SYS_pidfd_send_signal, guardian.pidfd.get(), SIGKILL, nullptr, 0);
}

void GuardianClient::Impl::ping(Duration answer_time) {
    if (guardian.pid == 0 || gone) {
        return;
    }
    if (!unanswered.empty()) {
        const auto pinged = unanswered.find(ping_seq);
        if (pinged == unanswered.end() || pinged->second <= scheduler.now() + answer_time) {
            return;  // It is being listened for already.
        }
        unanswered.erase(pinged);
        scheduler.disarm(std::exchange(answer_timer, 0));
    }
    steward_guardian_order message;
    steward_guardian_order_init(&message, kStewardGuardianPing, next_seq++);
    ping_seq = message.seq;
    (void)send(message, nullptr, 0);
    expect_answer(message.seq, answer_time);
}

// The guardian says how the app ended; that it has ended is seen here too, so that a guardian which
// works no more is noticed.
void GuardianClient::Impl::watch_app(UniqueFd pidfd) {
    if (!pidfd) {
        return;
    }
    app_pidfd = std::move(pidfd);
    scheduler.watch(app_pidfd.get(), Interest::kRead, [self = weak_from_this()](bool, bool) {
        const auto impl = self.lock();
        if (!impl) {
            return;
        }
        impl->scheduler.unwatch(impl->app_pidfd.get());
        impl->owed_timer = impl->scheduler.arm(impl->scheduler.now() + kAnswerTime,
                                               [self = impl->weak_from_this()] {
                                                   if (const auto i = self.lock()) {
                                                       // A guardian that answers cannot say it yet: a debugger has to let the app go.
                                                       i->ping(kAnswerTime);
                                                   }
                                               });
    });
}

void GuardianClient::Impl::forget_app() {
    app = 0;
    scheduler.disarm(std::exchange(owed_timer, 0));
    if (app_pidfd) {
        scheduler.unwatch(app_pidfd.get());
        app_pidfd.reset();
    }
}

// ---- reports

// Takes one report; false: there is none.
bool GuardianClient::Impl::receive() {
    if (!socket) {
        return false;
    }
    steward_guardian_report report{};
    iovec data{&report, sizeof report};
    alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
    msghdr header{};
    header.msg_iov = &data;
    header.msg_iovlen = 1;
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    const ssize_t n = recvmsg(socket.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && errno == ECONNRESET) {
        return true;  // Said once when the other end dies; what it had sent before is still to be
                      // read.
    }
    if (n <= 0) {
        if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
            // It reads no orders any more: make sure that it is dead; its pidfd says when.
            scheduler.unwatch(socket.get());
            syscall(SYS_pidfd_send_signal, guardian.pidfd.get(), SIGKILL, nullptr, 0);
        }
        return false;
    }
    UniqueFd received;  // STARTED brings a pidfd of the app
    for (cmsghdr* c = CMSG_FIRSTHDR(&header); c != nullptr; c = CMSG_NXTHDR(&header, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
            received.reset(fd);
        }
    }
    if (steward_guardian_report_valid(&report, static_cast<std::size_t>(n)) != 0) {
        on_report(report, std::move(received));
    } else if (report.size != sizeof report || report.version != STEWARD_GUARDIAN_VERSION) {
        on_foreign_report();
    }
    return true;
}

void GuardianClient::Impl::on_report(const steward_guardian_report& report, UniqueFd received) {
    switch (report.type) {
        case kStewardGuardianAck:
        case kStewardGuardianPong:
            answered(report.seq);
            break;
        case kStewardGuardianRejected:
            answered(report.seq);
            // 0: it could not even read the order.
            if (tree && (report.seq == spawn_seq || report.seq == 0)) {
                fail_spawn(rejection(report.detail), 0, /*retryable=*/true);
            }
            break;
        case kStewardGuardianStarted:
            app = report.pid;
            told_started = true;
            watch_app(std::move(received));
            if (events.started) {
                events.started(report.pid);
            }
            break;
        case kStewardGuardianExecFailed: {
            const bool setup = report.detail == kStewardGuardianStageSetup;
            const bool folder = report.detail == kStewardGuardianStageChdir;
            const std::string what = setup    ? "the app's process could not be made"
                                     : folder ? directory + ": cannot be the working directory"
                                              : command + ": cannot be executed";
            exec_failed =
                SpawnFailed{what + ": " + std::strerror(report.error), report.error, setup};
            break;
        }
        case kStewardGuardianExited:
            forget_app();
            if (events.exited) {
                events.exited(exited_from(report.status));
            }
            break;
        case kStewardGuardianEmpty:
            if (exec_failed) {
                const auto failed = *std::exchange(exec_failed, std::nullopt);
                fail_spawn(failed.cause, failed.sys_errno, failed.retryable);
            } else if (tree) {
                tree = false;
                if (events.empty) {
                    events.empty();
                }
            }
            break;
        default:
            break;
    }
}

// It speaks another version of the protocol, so it cannot have taken the order to start.
void GuardianClient::Impl::on_foreign_report() {
    if (!tree || told_started || exec_failed) {
        return;
    }
    fail_spawn(rejection(kStewardGuardianReasonVersion), 0, /*retryable=*/false);
    // Of no use: once the right one is installed, the next start begins with that.
    syscall(SYS_pidfd_send_signal, guardian.pidfd.get(), SIGKILL, nullptr, 0);
}

void GuardianClient::Impl::fail_spawn(std::string cause, int sys_errno, bool retryable) {
    tree = false;
    forget_app();
    scheduler.post(
        [self = weak_from_this(), failed = SpawnFailed{std::move(cause), sys_errno, retryable}] {
            if (const auto impl = self.lock(); impl && impl->events.spawn_failed) {
                impl->events.spawn_failed(failed);
            }
        });
}

// ---- the interface

GuardianClient::GuardianClient(Scheduler& scheduler, std::string file)
    : impl_(std::make_shared<Impl>(scheduler, std::move(file))) {}

GuardianClient::~GuardianClient() {
    impl_->forget_app();
    impl_->scheduler.disarm(impl_->sweep_timer);
    impl_->scheduler.disarm(impl_->close_timer);
    impl_->drop_guardian();
}

void GuardianClient::listen(GuardianEvents events) {
    impl_->events = std::move(events);
}

void GuardianClient::spawn(SpawnRequest request) {
    Impl& impl = *impl_;
    impl.command = request.argv.front();
    impl.directory = request.directory;
    impl.tree = true;
    impl.forget_app();
    impl.told_started = false;
    impl.exec_failed.reset();
    Duration answer_time = kAnswerTime;
    if (impl.guardian.pid == 0) {
        answer_time = kFirstAnswerTime;
        if (const auto started = impl.start_guardian(); !started) {
            const auto& error = started.error();
            const bool shortage = is_shortage(error.sys_errno);
            impl.fail_spawn(error.text + (shortage ? "" : "; install steward again, whole"),
                            error.sys_errno, shortage);
            return;
        }
    }
    steward_guardian_order order;
    steward_guardian_order_init(&order, kStewardGuardianSpawn, impl.next_seq++);
    if (request.listener >= 0 && request.listen_variables) {
        order.listen_pid_index = add_listen_variables(request.environment);
    }
    std::size_t size = 0;
    const auto doc = spawn_document(request, size);
    if (!doc) {
        impl.fail_spawn(doc.error().text, doc.error().sys_errno, /*retryable=*/true);
        return;
    }
    order.generation = request.generation;
    impl.spawn_seq = order.seq;
    order.argc = static_cast<std::uint32_t>(request.argv.size());
    order.envc = static_cast<std::uint32_t>(request.environment.size());
    order.document_size = size;
    std::array<int, kStewardGuardianMaxFds> fds{doc->get(), request.out.get(), request.err.get(),
                                                request.listener};
    std::size_t count = 3;
    if (request.listener >= 0) {
        order.flags = kStewardGuardianHasListener;
        count = 4;
    }
    // Before it is sent: if there is no memory for that, nothing has been started.
    impl.expect_answer(order.seq, answer_time);
    if (!impl.send(order, fds.data(), count)) {
        const int reason = errno;
        impl.answered(order.seq);
        impl.fail_spawn("cannot reach app-guardian: " + std::string(std::strerror(reason)), reason,
                        /*retryable=*/true);
    }
}

void GuardianClient::terminate() {
    impl_->order(kStewardGuardianTerm);
}
void GuardianClient::kill() {
    impl_->order(kStewardGuardianKill);
}

void GuardianClient::check() {
    impl_->ping(kPingTime);
}

void GuardianClient::signal_app(int number) {
    if (impl_->app != 0 && impl_->app_pidfd) {
        syscall(SYS_pidfd_send_signal, impl_->app_pidfd.get(), number, nullptr, 0);
    }
}

std::int32_t GuardianClient::guardian_pid() const {
    return impl_->guardian.pid;
}

std::string GuardianClient::describe_tree() const {
    std::vector<std::int32_t> pids;
    if (impl_->guardian.pid != 0) {
        pids = sdk::descendants("/proc", impl_->guardian.pid, kMaxDescribed + 1);
    } else if (impl_->sweeping) {
        const auto orphans = inherited_children();
        if (!orphans) {
            return orphans.error().text;
        }
        pids = *orphans;
    }
    std::string text;
    for (std::size_t i = 0; i < pids.size() && i < kMaxDescribed; ++i) {
        text += (i == 0 ? "" : ", ") + describe_process(pids[i]);
    }
    return pids.size() > kMaxDescribed ? text + " and more" : text;
}

void GuardianClient::close(std::function<void()> gone) {
    Impl& impl = *impl_;
    if (impl.guardian.pid == 0) {
        impl.scheduler.post(std::move(gone));
        return;
    }
    impl.gone = std::move(gone);
    impl.scheduler.disarm(impl.answer_timer);
    impl.answer_timer = 0;
    impl.scheduler.unwatch(impl.socket.get());
    impl.socket.reset();
    impl.close_timer =
        impl.scheduler.arm(impl.scheduler.now() + kCloseTime, [self = impl.weak_from_this()] {
            const auto i = self.lock();
            if (!i || !i->gone) {
                return;
            }
            if (!i->tree) {
                // It has nothing to end and has not seen the socket's end: stopped, it would stay.
                syscall(SYS_pidfd_send_signal, i->guardian.pidfd.get(), SIGKILL, nullptr, 0);
            } else {
                // What is left is its to end; stopped, it could not.
                syscall(SYS_pidfd_send_signal, i->guardian.pidfd.get(), SIGCONT, nullptr, 0);
            }
            std::exchange(i->gone, nullptr)();
        });
}

}  // namespace steward::core
