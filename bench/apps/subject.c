/* subject FIFO [WORD...]: the app that all supervisors of peers/ are given. It says when its main()
 * began, as start_reporter.c does, then waits to be killed.
 *
 *   pidfile=PATH   writes its pid there, before it reports
 *   port=N         answers each request on 127.0.0.1:N with a healthy 200; hangs after SIGUSR1
 *   fd=N           the same on a listening socket that it was given
 *   lines=BYTES    at each SIGUSR1 writes so much to stdout, in lines of 100 bytes, and reports the
 *                  beginning and the end
 *   family         has a child, and that a child in a session of its own; each of them reports */
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { kLine = 100, kBlockLines = 640 };

static const char* fifo_path;

static int64_t now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void report(int64_t when) {
    int64_t words[2] = {when, getpid()};
    int fifo = open(fifo_path, O_WRONLY | O_CLOEXEC);
    if (fifo < 0 || write(fifo, words, sizeof words) != (ssize_t)sizeof words) {
        _exit(1);
    }
    close(fifo);
}

/* Complete or not there: whoever polls for the file must not read half a number. */
static void write_pidfile(const char* path) {
    char temporary[4096];
    snprintf(temporary, sizeof temporary, "%s.new", path);
    FILE* file = fopen(temporary, "w");
    if (file == NULL || fprintf(file, "%d\n", (int)getpid()) < 0 || fclose(file) != 0 ||
        rename(temporary, path) != 0) {
        _exit(1);
    }
}

static _Noreturn void wait_for_ever(void) {
    for (;;) {
        pause();
    }
}

static void hang(int number) {
    (void)number;
    wait_for_ever();
}

static int listen_on(uint16_t port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int yes = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, (struct sockaddr*)&address, sizeof address) != 0 || listen(fd, SOMAXCONN) != 0) {
        perror("subject: bind");
        _exit(1);
    }
    return fd;
}

static _Noreturn void serve(int listener) {
    static const char answer[] =
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 20\r\n"
        "Connection: close\r\n\r\n{\"status\":\"healthy\"}";
    signal(SIGUSR1, hang);
    signal(SIGPIPE, SIG_IGN);
    for (;;) {
        int client = accept(listener, NULL, NULL);
        char request[4096];
        if (client >= 0) {
            if (read(client, request, sizeof request) > 0) {
                (void)!write(client, answer, sizeof answer - 1);
            }
            close(client);
        }
    }
}

static _Noreturn void write_lines(int64_t bytes) {
    static char block[kLine * kBlockLines];
    memset(block, 'x', sizeof block);
    for (size_t end = kLine; end <= sizeof block; end += kLine) {
        block[end - 1] = '\n';
    }
    sigset_t wanted;
    sigemptyset(&wanted);
    sigaddset(&wanted, SIGUSR1);
    for (;;) {
        int number = 0;
        sigwait(&wanted, &number);
        report(now_ns());
        for (int64_t left = bytes; left > 0;) {
            size_t count = left < (int64_t)sizeof block ? (size_t)left : sizeof block;
            ssize_t written = write(STDOUT_FILENO, block, count);
            if (written <= 0) {
                _exit(1);
            }
            left -= written;
        }
        report(now_ns());
    }
}

static void beget(void) {
    if (fork() == 0) {
        report(now_ns());
        if (fork() == 0) {
            setsid();
            report(now_ns());
        }
        wait_for_ever();
    }
}

/* The value of KEY=VALUE, or NULL. */
static const char* value_of(const char* word, const char* key) {
    size_t length = strlen(key);
    return strncmp(word, key, length) == 0 && word[length] == '=' ? word + length + 1 : NULL;
}

int main(int argc, char* argv[]) {
    int64_t began = now_ns();
    int listener = -1;
    int64_t lines = 0;
    int family = 0;
    if (argc < 2) {
        return 64;
    }
    fifo_path = argv[1];
    for (int i = 2; i < argc; ++i) {
        const char* value = NULL;
        if ((value = value_of(argv[i], "pidfile")) != NULL) {
            write_pidfile(value);
        } else if ((value = value_of(argv[i], "port")) != NULL) {
            listener = listen_on((uint16_t)atoi(value));
        } else if ((value = value_of(argv[i], "fd")) != NULL) {
            listener = atoi(value);
        } else if ((value = value_of(argv[i], "lines")) != NULL) {
            lines = atoll(value);
        } else if (strcmp(argv[i], "family") == 0) {
            family = 1;
        } else {
            return 64;
        }
    }
    if (lines > 0) {
        /* Before the report, after which the signal may come. */
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGUSR1);
        sigprocmask(SIG_BLOCK, &wanted, NULL);
    }
    if (listener >= 0) {
        signal(SIGUSR1, hang);
    }
    report(began);
    if (family) {
        beget();
    }
    if (lines > 0) {
        write_lines(lines);
    }
    if (listener >= 0) {
        serve(listener);
    }
    wait_for_ever();
}
