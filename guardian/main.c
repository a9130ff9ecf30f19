/* app-guardian: the process between the supervisor and one app. See README.md for the rules it
 * keeps and protocol.h for the orders and reports.
 *
 * One thread, one poll() over three descriptors, no heap, no library but libc. Everything it knows
 * about processes it asks the kernel for each time.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "channel.h"
#include "tree.h"

/* Orders obeyed in one go, so that many of them do not keep the dead waiting. */
enum { kOrderBatch = 16 };

static int supervisor_pidfd = -1;
static int signal_fd = -1;
static bool ending; /* a signal or the supervisor's end has told the guardian to end */
static bool gone;   /* the supervisor is gone: no reports, no orders */

static _Noreturn void give_up(const char* what, int error) {
    dprintf(STDERR_FILENO, "app-guardian: %s: %s\n", what, strerror(error));
    _exit(kStewardGuardianExitSystemError);
}

/* --- start --- */

/* Every signal that can be blocked is, except those that a fault of this program raises: nothing
 * but SIGKILL ends the guardian before its tree. Dispositions inherited from the supervisor are put
 * back, above all an ignored SIGCHLD, which would reap children unseen; and since ignored signals
 * stay ignored across exec, for the app too, which inherits them from here. The raw call, because
 * the C library refuses the two real-time signals that it keeps for itself. */
static void take_over_signals(void) {
    static const int faults[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGTRAP, SIGSYS};
    static const int wanted[] = {SIGCHLD, SIGTERM, SIGINT, SIGHUP, SIGQUIT};
    /* Larger than the kernel's struct sigaction anywhere; all zero is SIG_DFL without flags. */
    static const unsigned char zero[64];
    for (int number = 1; number <= 64; ++number) {
        (void)syscall(SYS_rt_sigaction, number, zero, NULL,
                      (size_t)8); /* SIGKILL and SIGSTOP refuse */
    }
    struct sigaction action;
    memset(&action, 0, sizeof action);
    action.sa_handler = SIG_DFL;
    action.sa_flags = SA_NOCLDSTOP;
    sigaction(SIGCHLD, &action, NULL);
    sigset_t blocked;
    sigset_t watched;
    sigfillset(&blocked);
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; ++i) {
        sigdelset(&blocked, faults[i]);
    }
    sigemptyset(&watched);
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; ++i) {
        sigaddset(&watched, wanted[i]);
    }
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal_fd = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signal_fd < 0) {
        give_up("signalfd", errno);
    }
}

/* Puts /dev/null on 0 and 1, whatever they are, and on 2 if that is closed. */
static void take_over_descriptors(void) {
    (void)close_range(STEWARD_GUARDIAN_SOCKET + 1, ~0U, 0);
    int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null < 0) {
        give_up("/dev/null", errno);
    }
    int last = fcntl(STDERR_FILENO, F_GETFD) < 0 ? STDERR_FILENO : STDOUT_FILENO;
    for (int fd = STDIN_FILENO; fd <= last; ++fd) {
        if (fd == null) {
            (void)fcntl(fd, F_SETFD, 0);
        } else if (dup2(null, fd) < 0) {
            give_up("/dev/null", errno);
        }
    }
    if (null > STDERR_FILENO) {
        close(null);
    }
}

static pid_t parse_pid(const char* text) {
    char* end = NULL;
    errno = 0;
    long value = strtol(text, &end, 10);
    bool valid = errno == 0 && end != text && *end == '\0' && value > 0 && value <= INT32_MAX;
    return valid ? (pid_t)value : 0;
}

/* Opens the pidfd first and compares afterwards: if the parent is still the one that was meant, the
 * pidfd is that one's too, since its number cannot have been given away in between. */
static void find_supervisor(pid_t expected) {
    int fd = (int)syscall(SYS_pidfd_open, getppid(), 0U);
    int error = errno;
    if (getppid() != expected) {
        _exit(kStewardGuardianExitOrphaned);
    }
    if (fd < 0) {
        give_up("pidfd_open", error);
    }
    supervisor_pidfd = fd;
}

static void start(int argc, char** argv) {
    pid_t expected = argc == 2 ? parse_pid(argv[1]) : 0;
    if (expected == 0 || !channel_open()) {
        dprintf(STDERR_FILENO,
                "app-guardian: is started by steward, with its pid as the argument and a socket as "
                "descriptor %d; not by hand\n",
                STEWARD_GUARDIAN_SOCKET);
        _exit(kStewardGuardianExitUsage);
    }
    take_over_descriptors();
    find_supervisor(expected);
    take_over_signals();
    if (prctl(PR_SET_CHILD_SUBREAPER, 1) != 0) {
        give_up("PR_SET_CHILD_SUBREAPER", errno);
    }
    if (!tree_open()) {
        give_up("/proc/thread-self/children", errno);
    }
}

/* --- orders --- */

/* Asked before each order: what a dead supervisor has sent is still readable. */
static bool supervisor_is_gone(void) {
    if (!gone) {
        struct pollfd fds[2] = {{.fd = channel_fd(), .events = POLLRDHUP},
                                {.fd = supervisor_pidfd, .events = POLLIN}};
        if (poll(fds, 2, 0) > 0) {
            gone = true;
            ending = true;
            tree_abandon();
        }
    }
    return gone;
}

static void answer(const struct message* message, uint16_t type, uint32_t detail) {
    channel_answer(&message->order, type, detail, tree_generation());
}

static void reject(const struct message* message, uint32_t reason) {
    answer(message, kStewardGuardianRejected, reason);
}

static void obey_spawn(struct message* message) {
    const struct steward_guardian_order* order = &message->order;
    uint32_t reason = 0;
    if (ending) {
        reason = kStewardGuardianReasonEnding;
    } else if (tree_is_live()) {
        reason = kStewardGuardianReasonNotEmpty;
    } else if (order->generation <= tree_generation()) {
        reason = kStewardGuardianReasonGeneration;
    } else {
        reason = spawn_prepare(message);
    }
    if (reason != 0) {
        reject(message, reason);
        return;
    }
    tree_begin(order->generation, order->seq);
    answer(message, kStewardGuardianAck, 0);
    struct spawn_result result = spawn_start();
    tree_started(&result);
}

static void obey_signal(struct message* message, void (*act)(void)) {
    uint64_t generation = message->order.generation;
    if (message->fd_count != 0) {
        reject(message, kStewardGuardianReasonDescriptors);
    } else if (generation != 0 && generation != tree_generation()) {
        reject(message, kStewardGuardianReasonGeneration);
    } else {
        answer(message, kStewardGuardianAck, 0);
        if (tree_is_live()) {
            act();
        }
    }
}

static void obey(struct message* message) {
    if (message->reject != 0) {
        reject(message, message->reject);
        return;
    }
    switch (message->order.type) {
        case kStewardGuardianSpawn:
            obey_spawn(message);
            break;
        case kStewardGuardianTerm:
            obey_signal(message, tree_terminate);
            break;
        case kStewardGuardianKill:
            obey_signal(message, tree_kill);
            break;
        case kStewardGuardianPing:
            answer(message, kStewardGuardianPong, 0);
            break;
        default:
            reject(message, kStewardGuardianReasonMalformed);
            break;
    }
}

/* True if there may be more. */
static bool obey_orders(void) {
    for (int i = 0; i < kOrderBatch; ++i) {
        struct message message;
        if (supervisor_is_gone() || !channel_receive(&message)) {
            return false;
        }
        /* Once more, because the sender may have died between the two. */
        if (!supervisor_is_gone()) {
            obey(&message);
        }
        channel_discard_fds(&message);
    }
    return true;
}

/* --- loop --- */

static void read_signals(void) {
    struct signalfd_siginfo info;
    while (read(signal_fd, &info, sizeof info) == (ssize_t)sizeof info) {
        if (info.ssi_signo != SIGCHLD && !ending) {
            ending = true;
            tree_kill();
        }
    }
}

static int sooner(int a, int b) {
    if (a < 0 || b < 0) {
        return a < 0 ? b : a;
    }
    return a < b ? a : b;
}

static void wait_for_events(int timeout_ms) {
    /* Both descriptors of the supervisor stay readable for ever once it is gone. */
    struct pollfd fds[3] = {{.fd = signal_fd, .events = POLLIN},
                            {.fd = gone ? -1 : channel_fd(), .events = channel_poll_events()},
                            {.fd = gone ? -1 : supervisor_pidfd, .events = POLLIN}};
    if (poll(fds, 3, timeout_ms) > 0 && (fds[0].revents & POLLIN) != 0) {
        read_signals();
    }
}

int main(int argc, char** argv) {
    start(argc, argv);
    for (int timeout_ms = 0;;) {
        wait_for_events(timeout_ms);
        bool more = obey_orders();
        if (!gone) {
            (void)channel_flush();
        }
        timeout_ms = tree_work();
        /* Not with orders unread: the kernel would tell the supervisor ECONNRESET before it lets it
         * read the last reports. */
        if (ending && tree_is_done() && (gone || channel_is_idle())) {
            _exit(kStewardGuardianExitDone);
        }
        if (!gone) {
            timeout_ms = more ? 0 : sooner(timeout_ms, channel_retry_ms());
        }
    }
}
