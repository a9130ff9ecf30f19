#include "spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static_assert(STEWARD_GUARDIAN_SEALS == (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE),
              "the seals of the protocol are those of the kernel");

/* What is searched when the app's environment has no PATH. */
static const char kDefaultPath[] = "/bin:/usr/bin";

/* The child runs on a stack of its own: it shares the guardian's memory, and on the guardian's
 * stack it would overwrite the frame that clone() returns to. */
static _Alignas(64) unsigned char child_stack[64 * 1024];

static struct {
    char* document;
    size_t size;
    const char* directory;
    char* argv[STEWARD_GUARDIAN_MAX_ARGS + 1];
    char* envp[STEWARD_GUARDIAN_MAX_ENV + 1];
    char* listen_pid; /* the slot in the environment, or NULL */
    int out;
    int err;
    int listener; /* or -1 */
    pid_t guardian;
    /* Written by the child, read by the guardian after the child has exec'ed or ended. */
    volatile int error;
    volatile uint32_t stage;
} plan;

/* Room for one candidate of the PATH search. */
static char candidate[4096 + 256];

/* --- the child, from here to run_child(): system calls only, no return --- */

static _Noreturn void fail(uint32_t stage, int error) {
    plan.error = error;
    plan.stage = stage;
    _exit(127);
}

static void write_listen_pid(void) {
    char digits[16];
    size_t count = 0;
    for (unsigned rest = (unsigned)getpid(); rest > 0; rest /= 10) {
        digits[count++] = (char)('0' + rest % 10);
    }
    char* to = strchr(plan.listen_pid, '=') + 1;
    while (count > 0) {
        *to++ = digits[--count];
    }
    *to = '\0';
}

static void place_descriptors(void) {
    /* The sources are all above 3, the guardian's own descriptors, so none is overwritten before it
     * is used; and dup2() takes close-on-exec away. 0 is /dev/null already and not close-on-exec.
     */
    if (dup2(plan.out, STDOUT_FILENO) < 0 || dup2(plan.err, STDERR_FILENO) < 0 ||
        (plan.listener >= 0 && dup2(plan.listener, 3) < 0)) {
        fail(kStewardGuardianStageSetup, errno);
    }
    /* Where the call is missing or forbidden, close-on-exec does the same a moment later. */
    (void)close_range(plan.listener >= 0 ? 4U : 3U, ~0U, 0);
}

static const char* search_path(void) {
    for (char** entry = plan.envp; *entry != NULL; ++entry) {
        if (strncmp(*entry, "PATH=", 5) == 0) {
            return *entry + 5;
        }
    }
    return kDefaultPath;
}

/* Returns true if the search goes on after this errno, as execvp() does it. */
static bool try_next(int error) {
    return error == ENOENT || error == ENOTDIR || error == ESTALE || error == ENODEV ||
           error == ETIMEDOUT || error == EACCES || error == ENAMETOOLONG;
}

/* Tries every folder of PATH. Returns the errno: EACCES if any candidate gave that, else the last.
 */
static int exec_by_path(const char* name) {
    size_t name_length = strlen(name);
    bool denied = false;
    int error = ENOENT;
    for (const char* at = search_path();;) {
        size_t length = strcspn(at, ":");
        if (length + 1 + name_length + 1 > sizeof candidate) {
            error = ENAMETOOLONG;
        } else {
            char* to = candidate;
            memcpy(to, at, length);
            to += length;
            if (length > 0) {
                *to++ = '/'; /* an empty element is the working directory */
            }
            memcpy(to, name, name_length + 1);
            execve(candidate, plan.argv, plan.envp);
            error = errno;
            if (!try_next(error)) {
                return error;
            }
            denied = denied || error == EACCES;
        }
        if (at[length] == '\0') {
            return denied ? EACCES : error;
        }
        at += length + 1;
    }
}

static int run_child(void* unused) {
    (void)unused;
    if (setsid() < 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0) {
        fail(kStewardGuardianStageSetup, errno);
    }
    /* The guardian may have died before the death signal was set. */
    if (getppid() != plan.guardian) {
        _exit(127);
    }
    place_descriptors();
    if (plan.listen_pid != NULL) {
        write_listen_pid();
    }
    if (plan.directory[0] != '\0' && chdir(plan.directory) != 0) {
        fail(kStewardGuardianStageChdir, errno);
    }
    /* The dispositions are the guardian's own: main.c has put every one back to its default. */
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    const char* name = plan.argv[0];
    if (name[0] == '\0') {
        fail(kStewardGuardianStageExec, ENOENT);
    }
    if (strchr(name, '/') == NULL) {
        fail(kStewardGuardianStageExec, exec_by_path(name));
    }
    execve(name, plan.argv, plan.envp);
    fail(kStewardGuardianStageExec, errno);
}

/* --- the guardian --- */

static void forget_document(void) {
    if (plan.document != NULL) {
        munmap(plan.document, plan.size);
        plan.document = NULL;
    }
}

/* Maps a private copy, which the child may change (LISTEN_PID), of a memfd that nobody else can. */
static bool map_document(int fd, uint64_t size) {
    struct stat status;
    int seals = fcntl(fd, F_GET_SEALS);
    if (seals < 0 || (seals & STEWARD_GUARDIAN_SEALS) != STEWARD_GUARDIAN_SEALS ||
        fstat(fd, &status) != 0 || status.st_size < 0 || (uint64_t)status.st_size != size) {
        return false;
    }
    void* at = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
    if (at == MAP_FAILED) {
        return false;
    }
    plan.document = at;
    plan.size = (size_t)size;
    return true;
}

/* Sets `count` pointers to the strings from *at on, and a null pointer after them; moves *at behind
 * them. The document is known to end with a NUL. False if it ends too early. */
static bool take_strings(char** at, uint32_t count, char** strings) {
    char* end = plan.document + plan.size;
    for (uint32_t i = 0; i < count; ++i) {
        if (*at == end) {
            return false;
        }
        strings[i] = *at;
        *at += strlen(*at) + 1;
    }
    strings[count] = NULL;
    return true;
}

static bool parse_document(const struct steward_guardian_order* order) {
    if (plan.document[plan.size - 1] != '\0') {
        return false;
    }
    char* at = plan.document;
    char* directory[2];
    if (!take_strings(&at, 1, directory) || !take_strings(&at, order->argc, plan.argv) ||
        !take_strings(&at, order->envc, plan.envp) || at != plan.document + plan.size) {
        return false;
    }
    plan.directory = directory[0];
    plan.listen_pid = NULL;
    if (order->listen_pid_index >= 0) {
        plan.listen_pid = plan.envp[order->listen_pid_index];
        return strcmp(plan.listen_pid, STEWARD_GUARDIAN_LISTEN_PID_SLOT) == 0;
    }
    return true;
}

uint32_t spawn_prepare(const struct message* message) {
    const struct steward_guardian_order* order = &message->order;
    bool has_listener = (order->flags & kStewardGuardianHasListener) != 0;
    if ((order->flags & ~(uint32_t)kStewardGuardianHasListener) != 0 || order->argc == 0 ||
        order->argc > STEWARD_GUARDIAN_MAX_ARGS || order->envc > STEWARD_GUARDIAN_MAX_ENV ||
        order->document_size == 0 || order->document_size > STEWARD_GUARDIAN_MAX_DOCUMENT ||
        order->listen_pid_index < -1 ||
        (order->listen_pid_index >= 0 && (uint32_t)order->listen_pid_index >= order->envc)) {
        return kStewardGuardianReasonMalformed;
    }
    if (message->fd_count != (has_listener ? 4U : 3U)) {
        return kStewardGuardianReasonDescriptors;
    }
    if (!map_document(message->fds[kStewardGuardianFdDocument], order->document_size) ||
        !parse_document(order)) {
        forget_document();
        return kStewardGuardianReasonDocument;
    }
    plan.out = message->fds[kStewardGuardianFdStdout];
    plan.err = message->fds[kStewardGuardianFdStderr];
    plan.listener = has_listener ? message->fds[kStewardGuardianFdListener] : -1;
    return 0;
}

struct spawn_result spawn_start(void) {
    struct spawn_result result = {.pid = -1, .pidfd = -1};
    plan.guardian = getpid();
    plan.error = 0;
    plan.stage = 0;
    result.pid = clone(run_child, child_stack + sizeof child_stack,
                       CLONE_VM | CLONE_VFORK | CLONE_PIDFD | SIGCHLD, NULL, &result.pidfd);
    if (result.pid < 0) {
        result.error = errno;
        result.stage = kStewardGuardianStageSetup;
    } else {
        result.error = plan.error;
        result.stage = plan.stage;
    }
    forget_document();
    return result;
}
