/* Bad for the harness's process, not for a rule: for tests of what is left when it is killed.
 *
 * At the first decision it writes the numbers of its processes, a line each, into the file (a FIFO)
 * that STEWARD_TEST_PIDS names, and stays. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "wrap.h"

static void tell_and_stay(void) {
    char line[32];
    const char* const path = getenv("STEWARD_TEST_PIDS");
    const int file = path == NULL ? -1 : open(path, O_WRONLY | O_CLOEXEC);
    if (file >= 0) {
        (void)snprintf(line, sizeof line, "%d\n", (int)getpid());
        (void)!write(file, line, strlen(line));
        (void)close(file);
    }
    for (;;) {
        (void)pause();
    }
}

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    (void)instance;
    (void)input;
    (void)out;
    (void)why;
    (void)error;
#ifdef BAD_STEALS_AWAY
    /* Not even through a function that the harness could see: nothing ties it to its parent. */
    if (syscall(SYS_fork) == 0) {
        (void)setsid();
        tell_and_stay();
    }
#endif
#ifdef BAD_FORKS
    if (fork() == 0) {
        (void)setsid();
        if (fork() == 0) {
            tell_and_stay();
        }
        tell_and_stay();
    }
#endif
    tell_and_stay();
    return STEWARD_E_INTERNAL;
}

void spoil(void) {
    parts.restart.decide = decide;
}
