#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include "test_app.h"

enum { kMaxConnections = 128, kMaxRequest = 4096, kNever = -1 };

struct connection {
    int fd; /* -1 = free */
    size_t length;
    char request[kMaxRequest];
    int64_t answer_at; /* kNever = the request is not complete, or is never answered */
};

static struct {
    const struct options* options;
    bool print_ready;
    int64_t started;
    int listener; /* -1 = none yet, or no more */
    int signals;  /* -1 = SIGTERM is not handled here */
    int64_t exit_at;
    bool listening_done;
    bool unhealthy;
    bool hanging;
    struct connection connections[kMaxConnections];
} app = {.listener = -1, .signals = -1, .exit_at = kNever};

static bool is_past(int delay_ms, int64_t now) {
    return delay_ms >= 0 && now >= app.started + delay_ms;
}

static void set_blocking(int fd, bool blocking) {
    int flags = fcntl(fd, F_GETFL);
    fcntl(fd, F_SETFL, blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK);
}

/* Binds and listens as a plain web server does. */
static int listen_on(const char* host, int port) {
    struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    bool is_v4 = inet_pton(AF_INET, host, &v4.sin_addr) == 1;
    if (!is_v4 && inet_pton(AF_INET6, host, &v6.sin6_addr) != 1) {
        usage_error("--host", host);
    }
    struct sockaddr* address = is_v4 ? (struct sockaddr*)&v4 : (struct sockaddr*)&v6;
    socklen_t length = is_v4 ? sizeof v4 : sizeof v6;
    int one = 1;
    int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(fd, address, length) != 0 || listen(fd, 128) != 0) {
        fprintf(stderr, "%s\n", errno == EADDRINUSE ? "Address already in use" : strerror(errno));
        exit(98);
    }
    if (port == 0) {
        getsockname(fd, address, &length);
        dprintf(STDOUT_FILENO, "port %d\n", ntohs(is_v4 ? v4.sin_port : v6.sin6_port));
    }
    return fd;
}

static void start_listening(void) {
    app.listening_done = true;
    if (app.options->listen_fd >= 0) {
        app.listener = app.options->listen_fd;
    } else if (app.options->port >= 0) {
        app.listener = listen_on(app.options->host, app.options->port);
    }
    if (app.listener >= 0) {
        set_blocking(app.listener, /*blocking=*/false);
    }
    if (app.print_ready) {
        dprintf(STDOUT_FILENO, "ready\n");
    }
}

static void accept_connections(void) {
    for (size_t i = 0; i < kMaxConnections; ++i) {
        struct connection* c = &app.connections[i];
        if (c->fd >= 0) {
            continue;
        }
        int fd = accept4(app.listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd < 0) {
            return;
        }
        c->fd = fd;
        c->length = 0;
        c->answer_at = kNever;
    }
}

static void close_connection(struct connection* c) {
    close(c->fd);
    c->fd = -1;
}

static void request_path(const struct connection* c, char* path, size_t size) {
    const char* from = memchr(c->request, ' ', c->length);
    size_t count = 0;
    for (from = from != NULL ? from + 1 : ""; from[count] > ' ' && count + 1 < size; ++count) {
        path[count] = from[count];
    }
    path[count] = '\0';
}

static void answer(struct connection* c) {
    char path[256];
    char body[1024];
    char head[256];
    const char* id = app.options->instance_id;
    int code = 200;
    request_path(c, path, sizeof path);
    if (strcmp(path, "/health") == 0) {
        code = app.unhealthy || is_past(app.options->unhealthy_after_ms, now_ms()) ? 503 : 200;
        snprintf(body, sizeof body,
                 "{\"status\":\"%s\",\"instance\":\"%s\",\"instance_id\":\"%s\",\"pid\":%d}\n",
                 code == 200 ? "healthy" : "unhealthy", id, id, getpid());
    } else if (strcmp(path, "/pid") == 0) {
        snprintf(body, sizeof body, "%d\n", getpid());
    } else {
        snprintf(body, sizeof body, "{\"path\":\"%s\"}\n", path);
    }
    snprintf(
        head, sizeof head,
        "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n",
        code, code == 200 ? "OK" : "Service Unavailable",
        strcmp(path, "/pid") == 0 ? "text/plain" : "application/json", strlen(body));
    set_blocking(c->fd, /*blocking=*/true);
    send(c->fd, head, strlen(head), MSG_NOSIGNAL | MSG_MORE);
    send(c->fd, body, strlen(body), MSG_NOSIGNAL);
    shutdown(c->fd, SHUT_WR);
    close_connection(c);
}

/* What a path does as soon as it is read, and when it is answered. */
static void act(struct connection* c) {
    char path[256];
    request_path(c, path, sizeof path);
    int64_t now = now_ms();
    if (strcmp(path, "/crash") == 0) {
        crash(app.options->crash_code);
    }
    if (strncmp(path, "/exit/", 6) == 0) {
        _exit(atoi(path + 6));
    }
    if (strncmp(path, "/busy/", 6) == 0) {
        while (now_ms() < now + atoi(path + 6)) {
        }
    }
    while (strcmp(path, "/stuck") == 0) {
        pause();
    }
    if (strcmp(path, "/hang") == 0) {
        app.hanging = true;
    } else if (strcmp(path, "/unhealthy") == 0 || strcmp(path, "/healthy") == 0) {
        app.unhealthy = path[1] == 'u';
    }
    c->answer_at = now;
    if (strcmp(path, "/health") == 0) {
        c->answer_at = now + app.options->health_delay_ms;
    } else if (strncmp(path, "/slow/", 6) == 0) {
        c->answer_at = now + atoi(path + 6);
    }
}

static void read_request(struct connection* c) {
    ssize_t length = recv(c->fd, c->request + c->length, kMaxRequest - 1 - c->length, 0);
    if (length <= 0) {
        if (length == 0 || (errno != EAGAIN && errno != EINTR)) {
            close_connection(c);
        }
        return;
    }
    c->length += (size_t)length;
    c->request[c->length] = '\0';
    if (c->answer_at == kNever && strstr(c->request, "\r\n\r\n") != NULL) {
        act(c);
    } else if (c->length == kMaxRequest - 1) {
        close_connection(c);
    }
}

/* The time until `at` if that is sooner than `timeout`; both -1 = for ever. */
static int sooner(int timeout, int64_t at, int64_t now) {
    int64_t left = at < now ? 0 : at - now;
    return timeout < 0 || left < timeout ? (int)left : timeout;
}

/* Does what is due and returns the time until the next such thing, -1 = none. */
static int do_what_is_due(void) {
    const struct options* options = app.options;
    int64_t now = now_ms();
    int timeout = -1;
    if (is_past(options->crash_after_ms, now)) {
        crash(options->crash_code);
    }
    if (app.exit_at != kNever && now >= app.exit_at) {
        _exit(0);
    }
    if (!app.listening_done && is_past(options->start_delay_ms, now)) {
        start_listening();
    }
    bool hanging = app.hanging || is_past(options->hang_after_ms, now);
    for (size_t i = 0; i < kMaxConnections; ++i) {
        struct connection* c = &app.connections[i];
        if (c->fd < 0 || c->answer_at == kNever || hanging) {
            continue;
        }
        if (now >= c->answer_at) {
            answer(c);
        } else {
            timeout = sooner(timeout, c->answer_at, now);
        }
    }
    if (options->crash_after_ms >= 0) {
        timeout = sooner(timeout, app.started + options->crash_after_ms, now);
    }
    if (app.exit_at != kNever) {
        timeout = sooner(timeout, app.exit_at, now);
    }
    if (!app.listening_done) {
        timeout = sooner(timeout, app.started + options->start_delay_ms, now);
    }
    return timeout;
}

static void on_term(void) {
    struct signalfd_siginfo info;
    if (read(app.signals, &info, sizeof info) == (ssize_t)sizeof info && app.exit_at == kNever) {
        app.exit_at = now_ms() + app.options->drain_ms;
        app.listening_done = true;
        if (app.listener >= 0) {
            close(app.listener);
            app.listener = -1;
        }
    }
}

static void wait_for_events(int timeout) {
    struct pollfd fds[kMaxConnections + 2];
    struct connection* owner[kMaxConnections + 2];
    nfds_t count = 2;
    fds[0] = (struct pollfd){.fd = app.signals, .events = POLLIN};
    fds[1] = (struct pollfd){.fd = app.listener, .events = POLLIN};
    for (size_t i = 0; i < kMaxConnections; ++i) {
        if (app.connections[i].fd >= 0) {
            owner[count] = &app.connections[i];
            fds[count++] = (struct pollfd){.fd = app.connections[i].fd, .events = POLLIN};
        }
    }
    if (poll(fds, count, timeout) <= 0) {
        return;
    }
    for (nfds_t i = 2; i < count; ++i) {
        if (fds[i].revents != 0) {
            read_request(owner[i]);
        }
    }
    if (fds[1].revents != 0) {
        accept_connections();
    }
    if (fds[0].revents != 0) {
        on_term();
    }
}

void serve(const struct options* options, bool print_ready) {
    app.options = options;
    app.print_ready = print_ready;
    app.started = now_ms();
    for (size_t i = 0; i < kMaxConnections; ++i) {
        app.connections[i].fd = -1;
    }
    if (options->drain_ms >= 0) {
        sigset_t term;
        sigemptyset(&term);
        sigaddset(&term, SIGTERM);
        sigprocmask(SIG_BLOCK, &term, NULL);
        app.signals = signalfd(-1, &term, SFD_CLOEXEC | SFD_NONBLOCK);
    }
    for (;;) {
        wait_for_events(do_what_is_due());
    }
}
