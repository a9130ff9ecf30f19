/* The orders and reports that the supervisor and its app-guardian exchange.
 *
 * Who uses it: app-guardian (C) and the supervisor's guardian client (C++). Nobody else, and it is
 * no public interface: both sides come from one build, and a version that differs is refused.
 *
 * The channel
 *   One SOCK_SEQPACKET socketpair (AF_UNIX) per guardian. One packet is one message: an order
 * (supervisor to guardian) is exactly one struct steward_guardian_order, a report (guardian to
 * supervisor) exactly one struct steward_guardian_report. Both begin with their size and the
 * version. Fields that a message does not use are 0. Descriptors travel in one SCM_RIGHTS control
 * message of the packet they belong to. Integers are in the byte order of the machine: the two ends
 * never live on different ones.
 *
 * How the guardian is started
 *   argv = { "app-guardian", "<pid of the supervisor in decimal>" }; no environment variable is
 * read. Descriptor 3 is its end of the socketpair; 0 and 1 are /dev/null (it opens them again
 * itself), 2 is the supervisor's stderr; everything else is closed or close-on-exec. It is started
 * with posix_spawn and POSIX_SPAWN_SETSID, without PDEATHSIG. The supervisor need not wait for
 * anything: orders sent before the guardian is up wait in the socket. When it refuses to start it
 * exits with a code below.
 *
 * Answers
 *   Every order is answered at once, by exactly one report that carries its seq: ACK (accepted),
 * PONG (the answer to PING) or REJECTED (nothing has been done). "At once" means before the order
 * is carried out, so an order without an answer for 200 ms means a guardian that no longer works.
 * An order whose header cannot be read is answered with REJECTED and seq 0.
 *
 * One generation, in the order of the reports
 *   SPAWN accepted     ACK
 *   exec succeeded     STARTED, later EXITED, later EMPTY      each exactly once
 *   start failed       EXEC_FAILED, then EMPTY                 each exactly once, no EXITED
 *   EMPTY says that waitid() answered ECHILD: no descendant of this generation is left, not even a
 * zombie. It alone ends a generation; until it has been sent another SPAWN is refused. Answers to
 * other orders may lie between these reports. A report that does not fit into the socket is kept
 * and sent later, in the same order; meanwhile the leader stays an unreaped zombie and, when too
 * many answers wait, no further order is read.
 *
 * The end
 *   When the supervisor's end of the socket is closed, or the process that started the guardian is
 * gone, the guardian obeys no order any more, not even one sent before, sends SIGKILL to everything
 * it has until nothing is left, and exits with kStewardGuardianExitDone. SIGTERM, SIGINT, SIGHUP
 * and SIGQUIT to the guardian do the same, except that the reports are still sent and orders still
 * answered (SPAWN with REJECTED).
 *   When the guardian ends, the supervisor may get ECONNRESET once from its socket (an order was
 * left unread) although reports are still there: it reads on until recvmsg() returns 0.
 */
#ifndef STEWARD_GUARDIAN_PROTOCOL_H
#define STEWARD_GUARDIAN_PROTOCOL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Changes with every change to this file. */
#ifndef STEWARD_GUARDIAN_VERSION /* a test builds a guardian of another version */
#define STEWARD_GUARDIAN_VERSION 1u
#endif

/* The number of the guardian's end of the socketpair in the guardian. */
#define STEWARD_GUARDIAN_SOCKET 3

/* Limits of a SPAWN order. What execve() itself cannot take (E2BIG) is EXEC_FAILED. */
#define STEWARD_GUARDIAN_MAX_DOCUMENT (4u * 1024u * 1024u)
#define STEWARD_GUARDIAN_MAX_ARGS 4096u
#define STEWARD_GUARDIAN_MAX_ENV 4096u

/* The environment entry that becomes LISTEN_PID=<pid of the app>. The supervisor puts exactly this
 * string into the environment and its index into listen_pid_index; the child overwrites the digits
 * with its own pid and ends the string after the last one, so the app sees no padding. */
#define STEWARD_GUARDIAN_LISTEN_PID_SLOT "LISTEN_PID=0000000000"

/* Exit codes of app-guardian. */
enum {
    /* The tree has been ended and is empty. */
    kStewardGuardianExitDone = 0,
    /* argv[1] is no pid, or descriptor 3 is no SOCK_SEQPACKET socket. */
    kStewardGuardianExitUsage = 64,
    /* Its parent is not argv[1]: the supervisor died before the guardian was up. */
    kStewardGuardianExitOrphaned = 65,
    /* The kernel refused what the guardian cannot work without; stderr says what. */
    kStewardGuardianExitSystemError = 71
};

/* Orders: values of steward_guardian_order.type. */
enum {
    /* Start the app. Uses generation, flags, argc, envc, listen_pid_index, document_size,
     * descriptors. REJECTED unless the tree is empty and EMPTY of the generation before has been
     * sent. */
    kStewardGuardianSpawn = 1,
    /* Ask the app to end. Uses generation. SIGTERM, then SIGCONT (a stopped process cannot act on
     * SIGTERM), to the app's process group while the app's first process has not been reaped,
     * afterwards to each process that has become a child of the guardian. ACK and no effect when
     * the tree is empty. */
    kStewardGuardianTerm = 2,
    /* End the tree. Uses generation. SIGKILL to everything, again and again, until EMPTY. ACK and
     * no effect when the tree is empty. The guardian goes on answering while it does this. */
    kStewardGuardianKill = 3,
    /* Answered with PONG and the same token. */
    kStewardGuardianPing = 4
};

/* Flags of a SPAWN order. Other bits must be 0. */
enum {
    /* A fourth descriptor is there: a listening socket, placed at descriptor 3 of the app. */
    kStewardGuardianHasListener = 1u << 0
};

/* The descriptors of a SPAWN order, in this order, and no others. The guardian closes its copies as
 * soon as the app runs or has failed to. */
enum {
    kStewardGuardianFdDocument = 0, /* a sealed memfd, see below */
    kStewardGuardianFdStdout = 1,   /* becomes descriptor 1 of the app */
    kStewardGuardianFdStderr = 2,   /* becomes descriptor 2 of the app */
    kStewardGuardianFdListener = 3, /* only with the flag; becomes descriptor 3 of the app */
    kStewardGuardianMaxFds = 4
};

/* The document of a SPAWN order: strings, each ended by a NUL, nothing before, between or after
 * them:
 *   - one:  the working directory; empty = the guardian's own, which is the one the supervisor had
 *   - argc: the command line, at least one string
 *   - envc: the environment, NAME=VALUE each; the app gets exactly these
 * It lies in a memfd of document_size bytes with all of STEWARD_GUARDIAN_SEALS, so that it cannot
 * change while the guardian reads it.
 *
 * argv[0] with a slash is executed as it is, after the change of directory. Without one it is
 * looked for as execvp() does, in the PATH of the app's own environment (without PATH:
 * /bin:/usr/bin), except that a file which is neither a program nor a script with "#!" stays an
 * error (ENOEXEC) and is never given to a shell.
 *
 * The seals are F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE; as a number, because
 * their names need _GNU_SOURCE. */
#define STEWARD_GUARDIAN_SEALS 0x000f

/* An order: supervisor to guardian. The fields after token belong to SPAWN alone. */
struct steward_guardian_order {
    uint32_t size;            /* sizeof(struct steward_guardian_order) */
    uint16_t version;         /* STEWARD_GUARDIAN_VERSION */
    uint16_t type;            /* kStewardGuardianSpawn ... */
    uint64_t seq;             /* chosen by the supervisor, not 0; comes back in the answer */
    uint64_t generation;      /* SPAWN: its number, not 0. TERM, KILL: whose tree, or 0 = any */
    uint64_t token;           /* PING: comes back in PONG */
    uint32_t flags;           /* kStewardGuardianHasListener */
    uint32_t argc;            /* 1 ... STEWARD_GUARDIAN_MAX_ARGS */
    uint32_t envc;            /* 0 ... STEWARD_GUARDIAN_MAX_ENV */
    int32_t listen_pid_index; /* index of the LISTEN_PID slot in the environment, or -1 */
    uint64_t document_size;   /* 1 ... STEWARD_GUARDIAN_MAX_DOCUMENT */
};

/* Reports: values of steward_guardian_report.type. Every report carries the generation of the last
 * accepted SPAWN (0 before the first), also the answers. */
enum {
    /* The order seq is accepted. */
    kStewardGuardianAck = 1,
    /* The answer to PING seq; token. */
    kStewardGuardianPong = 2,
    /* The order seq is refused and has had no effect; its descriptors are closed. detail: the
       reason. */
    kStewardGuardianRejected = 3,
    /* execve() has got past the point after which it cannot return. pid, and a pidfd of the app as
     * the only descriptor of the packet. seq: that of the SPAWN. For some microseconds more
     * /proc/<pid>/environ and cmdline can be empty; a program that the kernel cannot load from
     * there on ends by a signal. */
    kStewardGuardianStarted = 4,
    /* The app could not be started. error: the errno; detail: the stage. seq: that of the SPAWN. */
    kStewardGuardianExecFailed = 5,
    /* The app's first process has ended: pid, status, utime_us, stime_us, maxrss_kib. The status is
     * the true one: nobody else can reap it. Its descendants may still run. */
    kStewardGuardianExited = 6,
    /* Nothing of this generation is left. */
    kStewardGuardianEmpty = 7
};

/* Reasons in detail of REJECTED. */
enum {
    /* Wrong size, unknown type, seq 0, or a field out of its range. */
    kStewardGuardianReasonMalformed = 1,
    /* version is another one. */
    kStewardGuardianReasonVersion = 2,
    /* Too many, too few or truncated descriptors. */
    kStewardGuardianReasonDescriptors = 3,
    /* No memfd, not sealed, another size, another number of strings, or no LISTEN_PID slot where
     * one was announced. */
    kStewardGuardianReasonDocument = 4,
    /* SPAWN while something of a generation is left, or its EMPTY not yet sent. */
    kStewardGuardianReasonNotEmpty = 5,
    /* SPAWN: not larger than every generation before. TERM, KILL: not that of the tree. */
    kStewardGuardianReasonGeneration = 6,
    /* SPAWN after a signal told the guardian to end. */
    kStewardGuardianReasonEnding = 7
};

/* Stages in detail of EXEC_FAILED. */
enum {
    kStewardGuardianStageSetup = 1, /* clone, session, death signal, descriptors */
    kStewardGuardianStageChdir = 2, /* the working directory */
    kStewardGuardianStageExec = 3   /* the search in PATH, or execve() */
};

/* A report: guardian to supervisor. */
struct steward_guardian_report {
    uint32_t size;       /* sizeof(struct steward_guardian_report) */
    uint16_t version;    /* STEWARD_GUARDIAN_VERSION */
    uint16_t type;       /* kStewardGuardianAck ... */
    uint64_t seq;        /* of the order: ACK, PONG, REJECTED, STARTED, EXEC_FAILED; else 0 */
    uint64_t generation; /* see above */
    uint64_t token;      /* PONG */
    int32_t pid;         /* STARTED, EXITED */
    int32_t status;      /* EXITED: a wait status, for WIFEXITED() and the like */
    int32_t error;       /* EXEC_FAILED: errno */
    uint32_t detail;     /* REJECTED: reason. EXEC_FAILED: stage */
    uint64_t utime_us;   /* EXITED: user CPU time of the process and the children it reaped */
    uint64_t stime_us;   /* EXITED: system CPU time of the same */
    uint64_t maxrss_kib; /* EXITED: largest resident set of any of them */
};

static_assert(sizeof(struct steward_guardian_order) == 56, "the order's layout is fixed");
static_assert(offsetof(struct steward_guardian_order, seq) == 8, "the order's layout is fixed");
static_assert(offsetof(struct steward_guardian_order, flags) == 32, "the order's layout is fixed");
static_assert(offsetof(struct steward_guardian_order, document_size) == 48,
              "the order's layout is fixed");
static_assert(sizeof(struct steward_guardian_report) == 72, "the report's layout is fixed");
static_assert(offsetof(struct steward_guardian_report, seq) == 8, "the report's layout is fixed");
static_assert(offsetof(struct steward_guardian_report, pid) == 32, "the report's layout is fixed");
static_assert(offsetof(struct steward_guardian_report, utime_us) == 48,
              "the report's layout is fixed");

/* Clears *order and fills in size, version, type and seq; listen_pid_index becomes -1. */
static inline void steward_guardian_order_init(struct steward_guardian_order* order, uint16_t type,
                                               uint64_t seq) {
    memset(order, 0, sizeof *order);
    order->size = sizeof *order;
    order->version = STEWARD_GUARDIAN_VERSION;
    order->type = type;
    order->seq = seq;
    order->listen_pid_index = -1;
}

/* Returns 1 if `length` bytes at `report` are a report of this version and a known type, else 0. */
static inline int steward_guardian_report_valid(const struct steward_guardian_report* report,
                                                size_t length) {
    return length == sizeof *report && report->size == sizeof *report &&
           report->version == STEWARD_GUARDIAN_VERSION && report->type >= kStewardGuardianAck &&
           report->type <= kStewardGuardianEmpty;
}

#ifdef __cplusplus
}
#endif

#endif
