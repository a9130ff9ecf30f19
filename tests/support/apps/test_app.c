/* test_app: the app that process tests supervise. It starts in about a millisecond and does as told.
 *
 *   Options of the supervised app (same meaning as for app.py; --mode, --log-level and --data-dir
 *   are accepted with their value and ignored)
 *     --listen-fd N          serve HTTP on this listening socket
 *     --host H --port P      else listen on H (127.0.0.1) and P; P = 0: "port N" is printed on stdout
 *     --instance-id ID       goes into the answers of /health
 *   Output, done in this order before anything else
 *     --stderr-line TEXT     writes the line to stderr; may be given several times, as may
 *     --stdout-line TEXT
 *     --stdout-bytes N       writes N bytes to stdout, in lines of 64
 *     --report FILE          writes a JSON object to FILE (by rename): pid, ppid, sid, pgid, cwd,
 *                            argv, env (in order), fds (number: link), sig_blocked, sig_ignored
 *                            (masks as in /proc/self/status), pdeathsig, nofile (soft limit)
 *     --ready                prints "ready" on stdout when everything below is set up
 *   End
 *     --exit-code N          exits at once
 *     --signal N             raises signal N at once
 *     --crash-after-ms MS    abort()s MS after the start, or exits with the code of
 *     --crash-code N
 *     --ignore-term          ignores SIGTERM
 *     --drain-ms MS          after SIGTERM accepts no more, goes on with what it has, exits 0 MS
 *                            later
 *     Without both SIGTERM kills it, as it does any program.
 *   Health
 *     --start-delay-ms MS    listens (--port), accepts (--listen-fd) and gets ready MS after the
 *                            start
 *     --health-delay-ms MS   answers each /health after MS
 *     --unhealthy-after-ms MS   from then on /health is answered 503 {"status":"unhealthy"}
 *     --hang-after-ms MS     from then on it accepts and reads but answers nothing
 *   Processes, all of which inherit everything and live until they are killed
 *     --children N           N children in the app's own process group
 *     --grandchild           a double-forked descendant in a session of its own that ignores SIGTERM
 *     --fork-bomb N          the app and all its descendants fork as fast as they can, every fourth
 *                            in a new session, until N processes have been made
 *     --comet N              a process that forks, changes session and exits every 100 microseconds,
 *                            N times
 *     --daemons-per-second R a daemon that starts R more a second, for ever, each double-forked, in
 *                            a session of its own, and deaf to SIGTERM
 *
 *   HTTP/1.1, one request per connection (Connection: close). Any method.
 *     /health      200 {"status":"healthy","instance":ID,"instance_id":ID,"pid":PID}
 *     /pid         200, its pid as text
 *     /crash       as --crash-after-ms 0; no answer
 *     /exit/N      exits with N; no answer
 *     /slow/MS     200 after MS
 *     /hang        as --hang-after-ms 0; no answer
 *     /busy/MS     computes for MS and does nothing else meanwhile, then 200
 *     /stuck       waits for ever and does nothing else, not even accept
 *     /unhealthy /healthy    switches what /health says
 *     else         200 {"path":PATH}
 *
 * With none of --listen-fd and --port it just waits. Errors of use: exit code 64.
 */
#include "test_app.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

int64_t now_ms(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

void crash(int code) {
    if (code < 0) {
        abort();
    }
    _exit(code);
}

void usage_error(const char* what, const char* value) {
    fprintf(stderr, "test_app: %s: %s\n", what, value);
    exit(64);
}

static void write_all(int fd, const char* data, size_t length) {
    while (length > 0) {
        ssize_t written = write(fd, data, length);
        if (written < 0) {
            if (errno == EINTR) {
                continue;
            }
            return;
        }
        data += written;
        length -= (size_t)written;
    }
}

static void write_line(int fd, const char* text) {
    char line[4096];
    int length = snprintf(line, sizeof line, "%s\n", text);
    write_all(fd, line, length < (int)sizeof line ? (size_t)length : sizeof line - 1);
}

static void write_bytes(long count) {
    static const char line[] = "0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopq\n";
    for (; count > 0; count -= 64) {
        write_all(STDOUT_FILENO, line, count < 64 ? (size_t)count : 64);
    }
}

static _Noreturn void sleep_for_ever(void) {
    for (;;) {
        pause();
    }
}

static void make_children(long count) {
    for (long i = 0; i < count; ++i) {
        if (fork() == 0) {
            sleep_for_ever();
        }
    }
}

/* Returns when the descendant is there: the process in between has made everything ready before it
 * forks, and is waited for. */
static void make_grandchild(void) {
    pid_t middle = fork();
    if (middle == 0) {
        setsid();
        signal(SIGTERM, SIG_IGN);
        if (fork() == 0) {
            sleep_for_ever();
        }
        _exit(0);
    }
    waitpid(middle, NULL, 0);
}

static void fork_bomb(long count) {
    atomic_long* made =
        mmap(NULL, sizeof *made, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) {
        exit(71);
    }
    write_line(STDOUT_FILENO, "ready");
    for (;;) {
        long number = atomic_fetch_add(made, 1);
        if (number >= count) {
            sleep_for_ever();
        }
        if (fork() == 0 && number % 4 == 0) {
            setsid();
        }
    }
}

static void comet(long count) {
    if (fork() != 0) {
        return;
    }
    for (long i = 0; i < count; ++i) {
        usleep(100);
        if (fork() != 0) {
            _exit(0);
        }
        setsid();
    }
    _exit(0);
}

static void make_daemons(long per_second) {
    if (fork() != 0) {
        return;
    }
    setsid();
    signal(SIGTERM, SIG_IGN);
    signal(SIGCHLD, SIG_IGN); /* nobody waits for those in between */
    for (;;) {
        if (fork() == 0) {
            setsid();
            if (fork() == 0) {
                sleep_for_ever();
            }
            _exit(0);
        }
        usleep((useconds_t)(1000000 / per_second));
    }
}

static long number(const char* option, const char* value) {
    char* end = NULL;
    long result = strtol(value, &end, 10);
    if (end == value || *end != '\0' || result < 0 || result > 1000000000) {
        usage_error(option, value);
    }
    return result;
}

/* What to do once, apart from serving. */
struct start {
    bool ready;
    bool ignore_term;
    bool grandchild;
    long children;
    long fork_bomb;
    long comet;
    long daemons_per_second;
    int exit_code; /* -1 = do not */
    int signal;    /* 0 = do not */
};

/* Options that take a number into an int. Returns false if `option` is none of them. */
static bool set_number(struct options* options, struct start* start, const char* option,
                       const char* value) {
    struct {
        const char* name;
        int* to;
    } table[] = {
        {"--listen-fd", &options->listen_fd},
        {"--port", &options->port},
        {"--start-delay-ms", &options->start_delay_ms},
        {"--health-delay-ms", &options->health_delay_ms},
        {"--unhealthy-after-ms", &options->unhealthy_after_ms},
        {"--hang-after-ms", &options->hang_after_ms},
        {"--crash-after-ms", &options->crash_after_ms},
        {"--crash-code", &options->crash_code},
        {"--drain-ms", &options->drain_ms},
        {"--exit-code", &start->exit_code},
        {"--signal", &start->signal},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; ++i) {
        if (strcmp(option, table[i].name) == 0) {
            *table[i].to = (int)number(option, value);
            return true;
        }
    }
    return false;
}

static bool set_flag(struct start* start, const char* option) {
    if (strcmp(option, "--ready") == 0) {
        start->ready = true;
    } else if (strcmp(option, "--ignore-term") == 0) {
        start->ignore_term = true;
    } else if (strcmp(option, "--grandchild") == 0) {
        start->grandchild = true;
    } else {
        return false;
    }
    return true;
}

static void set_value(struct options* options, struct start* start, const char* option,
                      const char* value) {
    if (set_number(options, start, option, value)) {
        return;
    }
    if (strcmp(option, "--host") == 0) {
        options->host = value;
    } else if (strcmp(option, "--instance-id") == 0) {
        options->instance_id = value;
    } else if (strcmp(option, "--report") == 0) {
        options->report = value;
    } else if (strcmp(option, "--stderr-line") == 0) {
        write_line(STDERR_FILENO, value);
    } else if (strcmp(option, "--stdout-line") == 0) {
        write_line(STDOUT_FILENO, value);
    } else if (strcmp(option, "--stdout-bytes") == 0) {
        write_bytes(number(option, value));
    } else if (strcmp(option, "--children") == 0) {
        start->children = number(option, value);
    } else if (strcmp(option, "--fork-bomb") == 0) {
        start->fork_bomb = number(option, value);
    } else if (strcmp(option, "--comet") == 0) {
        start->comet = number(option, value);
    } else if (strcmp(option, "--daemons-per-second") == 0) {
        start->daemons_per_second = number(option, value);
    } else if (strcmp(option, "--mode") != 0 && strcmp(option, "--log-level") != 0 &&
               strcmp(option, "--data-dir") != 0) {
        usage_error("unknown option", option);
    }
}

static void parse(int argc, char** argv, struct options* options, struct start* start) {
    for (int i = 1; i < argc; ++i) {
        if (set_flag(start, argv[i])) {
            continue;
        }
        if (i + 1 == argc) {
            usage_error("unknown option or missing value", argv[i]);
        }
        set_value(options, start, argv[i], argv[i + 1]);
        ++i;
    }
}

int main(int argc, char** argv) {
    struct options options = {.listen_fd = -1,
                              .port = -1,
                              .host = "127.0.0.1",
                              .instance_id = "",
                              .start_delay_ms = 0,
                              .health_delay_ms = 0,
                              .unhealthy_after_ms = -1,
                              .hang_after_ms = -1,
                              .crash_after_ms = -1,
                              .crash_code = -1,
                              .drain_ms = -1};
    struct start start = {.exit_code = -1};
    parse(argc, argv, &options, &start);
    if (options.report != NULL) {
        write_report(options.report, argc, argv);
    }
    if (start.signal != 0) {
        raise(start.signal);
    }
    if (start.exit_code >= 0) {
        _exit(start.exit_code);
    }
    if (start.ignore_term) {
        signal(SIGTERM, SIG_IGN);
    }
    signal(SIGPIPE, SIG_IGN);
    make_children(start.children);
    if (start.grandchild) {
        make_grandchild();
    }
    if (start.comet > 0) {
        comet(start.comet);
    }
    if (start.daemons_per_second > 0) {
        make_daemons(start.daemons_per_second);
    }
    if (start.fork_bomb > 0) {
        fork_bomb(start.fork_bomb);
    }
    serve(&options, start.ready);
}
