/* A tree of processes for tests of the metrics: metrics_proc_load MODE, told what to do on its
 * standard input.
 *
 *   hold CHILDREN MIB  starts CHILDREN processes, which each touch MIB of memory; says "ready"; ends
 *                      at end of input
 *   burn MS            a child uses MS of CPU time and is waited for; says "burnt" and the
 *                      microseconds that both used
 *   churn              starts and ends short-lived processes until end of input; says "ready" first
 *
 * Every process ends when the standard input does, also after the death of its parent.
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static void wait_for_end_of_input(void) {
    char buffer[64];
    while (read(0, buffer, sizeof buffer) > 0) {
    }
}

static int input_has_ended(void) {
    struct pollfd input = {.fd = 0, .events = POLLIN};
    return poll(&input, 1, 0) > 0;
}

static long long micros(int who) {
    struct rusage usage;
    getrusage(who, &usage);
    return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1000000LL + usage.ru_utime.tv_usec +
           usage.ru_stime.tv_usec;
}

/* A write that fails leaves the test waiting in vain, which it reports. */
static void say(const char* text) {
    if (write(1, text, strlen(text)) < 0) {
        _exit(1);
    }
}

static int hold(int children, size_t mib) {
    int ready[2];
    if (pipe(ready) != 0) {
        return 1;
    }
    for (int i = 0; i < children; ++i) {
        pid_t pid = fork();
        if (pid < 0) {
            return 1;
        }
        if (pid == 0) {
            char* memory =
                mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (memory == MAP_FAILED) {
                _exit(1);
            }
            memset(memory, 1, mib << 20);
            if (write(ready[1], "x", 1) != 1) {
                _exit(1);
            }
            wait_for_end_of_input();
            _exit(0);
        }
    }
    for (int i = 0; i < children; ++i) {
        char byte;
        if (read(ready[0], &byte, 1) != 1) {
            return 1;
        }
    }
    say("ready\n");
    wait_for_end_of_input();
    return 0;
}

static int burn(long long ms) {
    pid_t pid = fork();
    if (pid < 0) {
        return 1;
    }
    if (pid == 0) {
        while (micros(RUSAGE_SELF) < ms * 1000) {
            for (volatile int i = 0; i < 10000; ++i) {
            }
        }
        _exit(0);
    }
    if (waitpid(pid, NULL, 0) != pid) {
        return 1;
    }
    char line[64];
    snprintf(line, sizeof line, "burnt %lld\n", micros(RUSAGE_SELF) + micros(RUSAGE_CHILDREN));
    say(line);
    wait_for_end_of_input();
    return 0;
}

static int churn(void) {
    say("ready\n");
    while (!input_has_ended()) {
        pid_t pid = fork();
        if (pid < 0) {
            continue;
        }
        if (pid == 0) {
            pid_t grandchild = fork();
            if (grandchild > 0) {
                waitpid(grandchild, NULL, 0);
            }
            _exit(0);
        }
        waitpid(pid, NULL, 0);
    }
    return 0;
}

int main(int argc, char** argv) {
    if (argc == 4 && strcmp(argv[1], "hold") == 0) {
        return hold(atoi(argv[2]), (size_t)atoi(argv[3]));
    }
    if (argc == 3 && strcmp(argv[1], "burn") == 0) {
        return burn(atoi(argv[2]));
    }
    if (argc == 2 && strcmp(argv[1], "churn") == 0) {
        return churn();
    }
    fputs("usage: metrics_proc_load hold CHILDREN MIB | burn MS | churn\n", stderr);
    return 2;
}
