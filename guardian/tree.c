#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Dead children reaped in one go, and blocks of the list of children read in one go (a block of 4
 * KiB names several hundred): between two goes the socket is looked at, so that an order is
 * answered in time even while a fork bomb is being ended. */
enum { kReapBatch = 256, kListBlocks = 8, kListBlock = 4096 };

/* A killed process wakes the guardian by SIGCHLD. The timed rounds are for processes that appear
 * without one; they get rarer as long as nothing dies (a process in state D may stay for ever). */
enum { kFirstRoundMs = 2, kLastRoundMs = 100 };

static struct {
    int list; /* /proc/thread-self/children */
    uint64_t generation;
    uint64_t seq; /* of its SPAWN */
    bool live;
    pid_t leader; /* unreaped and to be reported; 0 = none */
    int pidfd;    /* of the leader, until STARTED has been sent */
    int32_t pid;  /* of the leader, for the reports */
    bool report_started;
    bool report_failed;
    int error;
    uint32_t stage;
    bool killing;
    bool abandoned;
    int round_ms;
    bool no_child; /* waitid() said ECHILD last */
} tree = {.list = -1, .pidfd = -1, .no_child = true};

bool tree_open(void) {
    tree.list = open("/proc/thread-self/children", O_RDONLY | O_CLOEXEC);
    return tree.list >= 0;
}

bool tree_is_live(void) {
    return tree.live;
}

uint64_t tree_generation(void) {
    return tree.generation;
}

void tree_begin(uint64_t generation, uint64_t seq) {
    tree.generation = generation;
    tree.seq = seq;
    tree.live = true;
    tree.no_child = false;
}

void tree_started(const struct spawn_result* result) {
    if (result->error != 0) {
        /* The child, if there was one, is reaped like any other: it never was the app. */
        tree.report_failed = true;
        tree.error = result->error;
        tree.stage = result->stage;
        if (result->pidfd >= 0) {
            close(result->pidfd);
        }
        return;
    }
    tree.leader = result->pid;
    tree.pid = result->pid;
    tree.pidfd = result->pidfd;
    tree.report_started = true;
}

/* Calls `visit` for each child that the kernel lists, up to a limit. Every number is that of an
 * unreaped child of ours, so it cannot belong to a stranger. */
static void for_each_child(void (*visit)(pid_t)) {
    char block[kListBlock];
    off_t offset = 0;
    pid_t pid = 0;
    for (int blocks = 0; blocks < kListBlocks; ++blocks) {
        ssize_t length = pread(tree.list, block, sizeof block, offset);
        if (length <= 0) {
            return;
        }
        offset += length;
        for (ssize_t i = 0; i < length; ++i) {
            if (block[i] >= '0' && block[i] <= '9') {
                pid = pid * 10 + (block[i] - '0');
            } else if (pid > 1) {
                visit(pid);
                pid = 0;
            }
        }
    }
}

static void terminate_child(pid_t pid) {
    kill(pid, SIGTERM);
    kill(pid, SIGCONT);
}

static void kill_child(pid_t pid) {
    kill(pid, SIGKILL);
}

/* Kills the process group of a dead child that has not been reaped: its membership pins the number.
 * One call gets every member at once, also one that is forking, which going from child to child
 * does not. */
static void kill_group_of(pid_t dead) {
    pid_t group = getpgid(dead);
    if (group > 1 && group != getpgrp()) {
        kill(-group, SIGKILL);
    }
}

void tree_terminate(void) {
    if (tree.leader > 0) {
        kill(-tree.leader, SIGTERM);
        kill(-tree.leader, SIGCONT);
    } else {
        for_each_child(terminate_child);
    }
}

void tree_kill(void) {
    tree.killing = true;
    tree.round_ms = kFirstRoundMs;
}

void tree_abandon(void) {
    tree.abandoned = true;
    tree_kill();
}

static uint64_t microseconds(const struct timeval* time) {
    return (uint64_t)time->tv_sec * 1000000U + (uint64_t)time->tv_usec;
}

static int wait_status(const siginfo_t* info) {
    if (info->si_code == CLD_EXITED) {
        return (info->si_status & 0xff) << 8;
    }
    return (info->si_status & 0x7f) | (info->si_code == CLD_DUMPED ? 0x80 : 0);
}

static bool send_exited(const siginfo_t* info, const struct rusage* usage) {
    struct steward_guardian_report report;
    channel_report_init(&report, kStewardGuardianExited, tree.generation);
    report.pid = info->si_pid;
    report.status = wait_status(info);
    report.utime_us = microseconds(&usage->ru_utime);
    report.stime_us = microseconds(&usage->ru_stime);
    report.maxrss_kib = (uint64_t)usage->ru_maxrss;
    return channel_send(&report, -1) == kSendDone;
}

/* Sends what comes before EXITED. False if something is left. */
static bool send_start_reports(void) {
    struct steward_guardian_report report;
    if (tree.abandoned) {
        return true;
    }
    if (tree.report_started) {
        channel_report_init(&report, kStewardGuardianStarted, tree.generation);
        report.seq = tree.seq;
        report.pid = tree.pid;
        if (channel_send(&report, tree.pidfd) != kSendDone) {
            return false;
        }
        close(tree.pidfd);
        tree.pidfd = -1;
        tree.report_started = false;
    }
    if (tree.report_failed) {
        channel_report_init(&report, kStewardGuardianExecFailed, tree.generation);
        report.seq = tree.seq;
        report.error = tree.error;
        report.detail = tree.stage;
        if (channel_send(&report, -1) != kSendDone) {
            return false;
        }
        tree.report_failed = false;
    }
    return true;
}

static void reap_child(pid_t pid) {
    if (pid != tree.leader) {
        siginfo_t info;
        waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | __WALL);
    }
}

/* Reports the dead leader and makes it reapable. False: not now. It is reported before it is
 * reaped, so that a supervisor that kills a guardian which does not get through can still reap the
 * true status. */
static bool release_leader(const siginfo_t* info, const struct rusage* usage) {
    if (!tree.abandoned && (!send_start_reports() || !send_exited(info, usage))) {
        return false;
    }
    tree.leader = 0;
    return true;
}

/* Looks at up to kReapBatch dead children. Returns how many it reaped. */
static int reap(void) {
    for (int reaped = 0; reaped < kReapBatch; ++reaped) {
        siginfo_t info;
        struct rusage usage;
        info.si_pid = 0;
        /* The raw call, because the library's has no rusage. WNOWAIT leaves the child a zombie. */
        long result =
            syscall(SYS_waitid, P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT | __WALL, &usage);
        if (result != 0) {
            tree.no_child = errno == ECHILD;
            return reaped;
        }
        if (info.si_pid == 0) {
            return reaped;
        }
        if (tree.killing) {
            kill_group_of(info.si_pid);
        }
        if (info.si_pid == tree.leader && !release_leader(&info, &usage)) {
            /* It hides the dead behind it from P_ALL. */
            for_each_child(reap_child);
            return reaped;
        }
        reap_child(info.si_pid);
    }
    return kReapBatch;
}

static void send_empty(void) {
    if (!tree.abandoned) {
        struct steward_guardian_report report;
        channel_report_init(&report, kStewardGuardianEmpty, tree.generation);
        if (!send_start_reports() || channel_send(&report, -1) != kSendDone) {
            return;
        }
    }
    tree.live = false;
    tree.killing = false;
}

int tree_work(void) {
    if (!tree.live) {
        return -1;
    }
    (void)send_start_reports();
    if (tree.killing) {
        if (tree.leader > 0) {
            kill(-tree.leader, SIGKILL);
        }
        for_each_child(kill_child);
    }
    int reaped = reap();
    if (tree.no_child) {
        send_empty();
        return -1;
    }
    if (reaped == kReapBatch) {
        return 0;
    }
    if (!tree.killing) {
        return -1;
    }
    tree.round_ms = reaped > 0 ? kFirstRoundMs : tree.round_ms * 2;
    if (tree.round_ms > kLastRoundMs) {
        tree.round_ms = kLastRoundMs;
    }
    return tree.round_ms;
}

bool tree_is_done(void) {
    return !tree.live;
}
