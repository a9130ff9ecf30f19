/* respawner COMMAND ARG...: the least that can be called a supervisor. Starts the command, waits
 * until it is gone, starts it again, for ever and at once.
 *
 * It ends with its parent, and so does what it started. */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef P_PIDFD
#define P_PIDFD 3
#endif

static pid_t start(char* argv[]) {
    pid_t child = fork();
    if (child == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        execvp(argv[0], argv);
        _exit(127);
    }
    return child;
}

int main(int argc, char* argv[]) {
    if (argc < 2) {
        fputs("respawner: give a command\n", stderr);
        return 64;
    }
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    for (;;) {
        pid_t child = start(argv + 1);
        int pidfd = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
        if (pidfd < 0) {
            fprintf(stderr, "respawner: %s: %s\n", argv[1], strerror(errno));
            return 1;
        }
        struct pollfd gone = {.fd = pidfd, .events = POLLIN};
        while (poll(&gone, 1, -1) < 0 && errno == EINTR) {
        }
        siginfo_t info;
        if (waitid((idtype_t)P_PIDFD, (id_t)pidfd, &info, WEXITED) != 0) {
            return 1;
        }
        close(pidfd);
        if (info.si_code == CLD_EXITED && info.si_status == 127) {
            fprintf(stderr, "respawner: %s cannot be executed\n", argv[1]);
            return 127;
        }
    }
}
