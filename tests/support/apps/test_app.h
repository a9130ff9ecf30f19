/* What the files of test_app share. */
#ifndef STEWARD_TEST_APP_H
#define STEWARD_TEST_APP_H

#include <stdbool.h>
#include <stdint.h>

/* The command line; -1 in a number of milliseconds = never. */
struct options {
    int listen_fd; /* -1 = none */
    int port;      /* -1 = none, 0 = chosen by the kernel */
    const char* host;
    const char* instance_id;
    const char* report;
    int start_delay_ms;
    int health_delay_ms;
    int unhealthy_after_ms;
    int hang_after_ms;
    int crash_after_ms;
    int crash_code; /* -1 = SIGABRT */
    int drain_ms;
};

/* Milliseconds on the monotonic clock. */
int64_t now_ms(void);

/* abort(), or exit with the given code if it is not -1. */
_Noreturn void crash(int code);

/* Ends the program with code 64 and one line on stderr. */
_Noreturn void usage_error(const char* what, const char* value);

/* Writes the file of --report: complete or not there at all. */
void write_report(const char* path, int argc, char** argv);

/* Listens if asked to, prints "ready" if asked to, and serves until the program ends. */
_Noreturn void serve(const struct options* options, bool print_ready);

#endif
