/* Compiled as its own file in C: definitions of the C library's functions, whose exact declarations
 * (noexcept, attributes) differ between libraries in C++. */
#include "watch.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/prctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "steward/compliance/plugin_side.h"
#include "watch_note.h"

static atomic_uint_fast64_t counts[WATCHED_CALLS];
static const char* _Atomic names[WATCHED_CALLS];
static atomic_int_fast64_t wall_shift;

/* A thread that the plugin has started may wait as it likes. */
static _Thread_local int own_thread;

void watch_note(enum watched_call call, const char* name) {
    if (steward_on_plugin_side() && !(own_thread && call == WATCHED_BLOCK)) {
        atomic_fetch_add_explicit(&counts[call], 1, memory_order_relaxed);
        atomic_store_explicit(&names[call], name, memory_order_relaxed);
    }
}

/* The function behind ours. The pointer has the type of `name` itself. */
#define NEXT(name)                                  \
    static __typeof__(&name) _Atomic next_##name;   \
    __typeof__(&name) next = next_##name;           \
    if (next == NULL) {                             \
        *(void**)(&next) = dlsym(RTLD_NEXT, #name); \
        next_##name = next;                         \
    }

const char* watch_name(enum watched_call call) {
    const char* const name = atomic_load(&names[call]);
    return name == NULL ? "" : name;
}

uint64_t watch_count(enum watched_call call) {
    return atomic_load(&counts[call]);
}

void watch_reset(void) {
    for (int i = 0; i < WATCHED_CALLS; ++i) {
        atomic_store(&counts[i], 0);
        atomic_store(&names[i], NULL);
    }
}

void watch_shift_wall_clock(int64_t ns) {
    atomic_store(&wall_shift, ns);
}

/* ---- processes */

/* What a plugin starts goes with the harness, even by SIGKILL. */
pid_t fork(void) {
    NEXT(fork)
    watch_note(WATCHED_FORK, "fork");
    const int plugin = steward_on_plugin_side();
    const pid_t pid = next();
    if (pid == 0 && plugin) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    }
    return pid;
}

/* A wrapper cannot return twice out of a shared stack, so it is a fork. */
pid_t vfork(void) {
    watch_note(WATCHED_FORK, "vfork");
    return fork();
}

int posix_spawn(pid_t* pid, const char* path, const posix_spawn_file_actions_t* actions,
                const posix_spawnattr_t* attributes, char* const argv[], char* const envp[]) {
    NEXT(posix_spawn)
    watch_note(WATCHED_FORK, "posix_spawn");
    return next(pid, path, actions, attributes, argv, envp);
}

int posix_spawnp(pid_t* pid, const char* file, const posix_spawn_file_actions_t* actions,
                 const posix_spawnattr_t* attributes, char* const argv[], char* const envp[]) {
    NEXT(posix_spawnp)
    watch_note(WATCHED_FORK, "posix_spawnp");
    return next(pid, file, actions, attributes, argv, envp);
}

int system(const char* command) {
    NEXT(system)
    watch_note(WATCHED_FORK, "system");
    return next(command);
}

FILE* popen(const char* command, const char* mode) {
    NEXT(popen)
    watch_note(WATCHED_FORK, "popen");
    return next(command, mode);
}

int execve(const char* path, char* const argv[], char* const envp[]) {
    NEXT(execve)
    watch_note(WATCHED_EXEC, "execve");
    return next(path, argv, envp);
}

int execv(const char* path, char* const argv[]) {
    NEXT(execv)
    watch_note(WATCHED_EXEC, "execv");
    return next(path, argv);
}

int execvp(const char* file, char* const argv[]) {
    NEXT(execvp)
    watch_note(WATCHED_EXEC, "execvp");
    return next(file, argv);
}

pid_t wait(int* status) {
    NEXT(wait)
    watch_note(WATCHED_WAIT, "wait");
    return next(status);
}

pid_t waitpid(pid_t pid, int* status, int options) {
    NEXT(waitpid)
    watch_note(WATCHED_WAIT, "waitpid");
    return next(pid, status, options);
}

int waitid(idtype_t type, id_t id, siginfo_t* info, int options) {
    NEXT(waitid)
    watch_note(WATCHED_WAIT, "waitid");
    return next(type, id, info, options);
}

pid_t wait3(int* status, int options, struct rusage* usage) {
    NEXT(wait3)
    watch_note(WATCHED_WAIT, "wait3");
    return next(status, options, usage);
}

pid_t wait4(pid_t pid, int* status, int options, struct rusage* usage) {
    NEXT(wait4)
    watch_note(WATCHED_WAIT, "wait4");
    return next(pid, status, options, usage);
}

/* ---- what belongs to the whole process */

__sighandler_t signal(int number, __sighandler_t handler) {
    NEXT(signal)
    watch_note(WATCHED_SIGNAL, "signal");
    return next(number, handler);
}

int sigaction(int number, const struct sigaction* action, struct sigaction* old) {
    NEXT(sigaction)
    if (action != NULL) {
        watch_note(WATCHED_SIGNAL, "sigaction");
    }
    return next(number, action, old);
}

int sigprocmask(int how, const sigset_t* set, sigset_t* old) {
    NEXT(sigprocmask)
    if (set != NULL) {
        watch_note(WATCHED_MASK, "sigprocmask");
    }
    return next(how, set, old);
}

int pthread_sigmask(int how, const sigset_t* set, sigset_t* old) {
    NEXT(pthread_sigmask)
    if (set != NULL) {
        watch_note(WATCHED_MASK, "pthread_sigmask");
    }
    return next(how, set, old);
}

int setenv(const char* name, const char* value, int overwrite) {
    NEXT(setenv)
    watch_note(WATCHED_ENV, "setenv");
    return next(name, value, overwrite);
}

int unsetenv(const char* name) {
    NEXT(unsetenv)
    watch_note(WATCHED_ENV, "unsetenv");
    return next(name);
}

int putenv(char* text) {
    NEXT(putenv)
    watch_note(WATCHED_ENV, "putenv");
    return next(text);
}

int clearenv(void) {
    NEXT(clearenv)
    watch_note(WATCHED_ENV, "clearenv");
    return next();
}

int chdir(const char* path) {
    NEXT(chdir)
    watch_note(WATCHED_CHDIR, "chdir");
    return next(path);
}

int fchdir(int fd) {
    NEXT(fchdir)
    watch_note(WATCHED_CHDIR, "fchdir");
    return next(fd);
}

mode_t umask(mode_t mask) {
    NEXT(umask)
    watch_note(WATCHED_UMASK, "umask");
    return next(mask);
}

char* setlocale(int category, const char* locale) {
    NEXT(setlocale)
    if (locale != NULL) {
        watch_note(WATCHED_LOCALE, "setlocale");
    }
    return next(category, locale);
}

int dup2(int from, int to) {
    NEXT(dup2)
    if (to <= STDERR_FILENO) {
        watch_note(WATCHED_DUP2, "dup2");
    }
    return next(from, to);
}

int dup3(int from, int to, int flags) {
    NEXT(dup3)
    if (to <= STDERR_FILENO) {
        watch_note(WATCHED_DUP2, "dup3");
    }
    return next(from, to, flags);
}

void exit(int status) {
    NEXT(exit)
    watch_note(WATCHED_EXIT, "exit");
    next(status);
    __builtin_unreachable();
}

void _exit(int status) {
    NEXT(_exit)
    watch_note(WATCHED_EXIT, "_exit");
    next(status);
    __builtin_unreachable();
}

void quick_exit(int status) {
    NEXT(quick_exit)
    watch_note(WATCHED_EXIT, "quick_exit");
    next(status);
    __builtin_unreachable();
}

void abort(void) {
    NEXT(abort)
    watch_note(WATCHED_EXIT, "abort");
    next();
    __builtin_unreachable();
}

/* ---- clocks and randomness */

static void shift(time_t* seconds, long* fraction, long per_second) {
    const int64_t ns = atomic_load(&wall_shift);
    const long unit = 1000000000L / per_second;
    *seconds += (time_t)(ns / 1000000000);
    *fraction += (long)(ns % 1000000000) / unit;
    if (*fraction >= per_second) {
        *fraction -= per_second;
        ++*seconds;
    } else if (*fraction < 0) {
        *fraction += per_second;
        --*seconds;
    }
}

static int is_wall(clockid_t clock) {
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE || clock == CLOCK_TAI;
}

int clock_gettime(clockid_t clock, struct timespec* out) {
    NEXT(clock_gettime)
    watch_note(is_wall(clock) ? WATCHED_WALL : WATCHED_MONOTONIC, "clock_gettime");
    const int result = next(clock, out);
    if (result == 0 && is_wall(clock) && steward_on_plugin_side()) {
        shift(&out->tv_sec, &out->tv_nsec, 1000000000L);
    }
    return result;
}

int gettimeofday(struct timeval* restrict out, void* restrict zone) {
    NEXT(gettimeofday)
    watch_note(WATCHED_WALL, "gettimeofday");
    const int result = next(out, zone);
    if (result == 0 && steward_on_plugin_side()) {
        long fraction = (long)out->tv_usec;
        shift(&out->tv_sec, &fraction, 1000000L);
        out->tv_usec = (suseconds_t)fraction;
    }
    return result;
}

time_t time(time_t* out) {
    NEXT(time)
    watch_note(WATCHED_WALL, "time");
    time_t now = next(NULL);
    if (steward_on_plugin_side()) {
        long fraction = 0;
        shift(&now, &fraction, 1000000000L);
    }
    if (out != NULL) {
        *out = now;
    }
    return now;
}

ssize_t getrandom(void* data, size_t size, unsigned flags);
ssize_t getrandom(void* data, size_t size, unsigned flags) {
    NEXT(getrandom)
    watch_note(WATCHED_RANDOM, "getrandom");
    return next(data, size, flags);
}

int getentropy(void* data, size_t size) {
    NEXT(getentropy)
    watch_note(WATCHED_RANDOM, "getentropy");
    return next(data, size);
}

int rand(void) {
    NEXT(rand)
    watch_note(WATCHED_RANDOM, "rand");
    return next();
}

long random(void) {
    NEXT(random)
    watch_note(WATCHED_RANDOM, "random");
    return next();
}

/* ---- files */

#ifdef STEWARD_SANITIZED
static int is_runtime(const char* path) {
    static const char* const runtimes[] = {"libasan.so", "libubsan.so", "libtsan.so", "liblsan.so"};
    const char* const slash = strrchr(path, '/');
    const char* const file = slash == NULL ? path : slash + 1;
    for (size_t i = 0; i < sizeof runtimes / sizeof *runtimes; ++i) {
        if (strncmp(file, runtimes[i], strlen(runtimes[i])) == 0) {
            return 1;
        }
    }
    return 0;
}
#endif

/* The plugin, and not a sanitizer's runtime, which asks the C library for itself in the middle of
 * the plugin's code: by a pipe, whether memory can be read. A runtime that is linked into the
 * program instead of a library of its own is not told from the plugin. */
static int is_plugin(const void* caller) {
#ifdef STEWARD_SANITIZED
    Dl_info from;
    return dladdr(caller, &from) == 0 || from.dli_fname == NULL || !is_runtime(from.dli_fname);
#else
    (void)caller;
    return 1;
#endif
}

static void note_inheritable(int has_cloexec, const char* name) {
    if (!has_cloexec) {
        watch_note(WATCHED_INHERITABLE, name);
    }
}

static void note_open(const char* path, int has_cloexec, const char* name) {
    watch_note(WATCHED_OPEN, name);
    note_inheritable(has_cloexec, name);
    if (path != NULL && (strcmp(path, "/dev/urandom") == 0 || strcmp(path, "/dev/random") == 0)) {
        watch_note(WATCHED_RANDOM, "open of /dev/urandom");
    }
}

static mode_t mode_of(int flags, va_list arguments) {
    return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(arguments, mode_t) : 0;
}

#define OPEN(name)                                        \
    int name(const char* path, int flags, ...) {          \
        NEXT(name)                                        \
        note_open(path, (flags & O_CLOEXEC) != 0, #name); \
        va_list arguments;                                \
        va_start(arguments, flags);                       \
        const mode_t mode = mode_of(flags, arguments);    \
        va_end(arguments);                                \
        return next(path, flags, mode);                   \
    }
OPEN(open)
int open64(const char* path, int flags, ...);
OPEN(open64)

#define OPENAT(name)                                         \
    int name(int folder, const char* path, int flags, ...) { \
        NEXT(name)                                           \
        note_open(path, (flags & O_CLOEXEC) != 0, #name);    \
        va_list arguments;                                   \
        va_start(arguments, flags);                          \
        const mode_t mode = mode_of(flags, arguments);       \
        va_end(arguments);                                   \
        return next(folder, path, flags, mode);              \
    }
OPENAT(openat)
int openat64(int folder, const char* path, int flags, ...);
OPENAT(openat64)

FILE* fopen(const char* restrict path, const char* restrict mode) {
    NEXT(fopen)
    note_open(path, strchr(mode, 'e') != NULL, "fopen");
    return next(path, mode);
}

FILE* fopen64(const char* restrict path, const char* restrict mode);
FILE* fopen64(const char* restrict path, const char* restrict mode) {
    NEXT(fopen64)
    note_open(path, strchr(mode, 'e') != NULL, "fopen64");
    return next(path, mode);
}

/* ---- sockets and other descriptors */

int socket(int domain, int type, int protocol) {
    NEXT(socket)
    watch_note(WATCHED_SOCKET, "socket");
    note_inheritable((type & SOCK_CLOEXEC) != 0, "socket");
    return next(domain, type, protocol);
}

int bind(int fd, __CONST_SOCKADDR_ARG address, socklen_t length) {
    NEXT(bind)
    watch_note(WATCHED_SOCKET, "bind");
    return next(fd, address, length);
}

int connect(int fd, __CONST_SOCKADDR_ARG address, socklen_t length) {
    NEXT(connect)
    watch_note(WATCHED_SOCKET, "connect");
    return next(fd, address, length);
}

int listen(int fd, int backlog) {
    NEXT(listen)
    watch_note(WATCHED_SOCKET, "listen");
    return next(fd, backlog);
}

int accept(int fd, __SOCKADDR_ARG address, socklen_t* restrict length) {
    NEXT(accept)
    watch_note(WATCHED_SOCKET, "accept");
    note_inheritable(0, "accept");
    return next(fd, address, length);
}

int accept4(int fd, __SOCKADDR_ARG address, socklen_t* restrict length, int flags) {
    NEXT(accept4)
    watch_note(WATCHED_SOCKET, "accept4");
    note_inheritable((flags & SOCK_CLOEXEC) != 0, "accept4");
    return next(fd, address, length, flags);
}

int socketpair(int domain, int type, int protocol, int fds[2]) {
    NEXT(socketpair)
    note_inheritable((type & SOCK_CLOEXEC) != 0, "socketpair");
    return next(domain, type, protocol, fds);
}

int pipe(int fds[2]) {
    NEXT(pipe)
    if (is_plugin(__builtin_return_address(0))) {
        note_inheritable(0, "pipe");
    }
    return next(fds);
}

int pipe2(int fds[2], int flags) {
    NEXT(pipe2)
    note_inheritable((flags & O_CLOEXEC) != 0, "pipe2");
    return next(fds, flags);
}

int dup(int fd) {
    NEXT(dup)
    note_inheritable(0, "dup");
    return next(fd);
}

int eventfd(unsigned value, int flags) {
    NEXT(eventfd)
    note_inheritable((flags & EFD_CLOEXEC) != 0, "eventfd");
    return next(value, flags);
}

int timerfd_create(clockid_t clock, int flags) {
    NEXT(timerfd_create)
    note_inheritable((flags & TFD_CLOEXEC) != 0, "timerfd_create");
    return next(clock, flags);
}

int epoll_create(int size) {
    NEXT(epoll_create)
    note_inheritable(0, "epoll_create");
    return next(size);
}

int epoll_create1(int flags) {
    NEXT(epoll_create1)
    note_inheritable((flags & EPOLL_CLOEXEC) != 0, "epoll_create1");
    return next(flags);
}

/* ---- names */

int getaddrinfo(const char* restrict node, const char* restrict service,
                const struct addrinfo* restrict hints, struct addrinfo** restrict out) {
    NEXT(getaddrinfo)
    if (node != NULL && (hints == NULL || (hints->ai_flags & AI_NUMERICHOST) == 0)) {
        watch_note(WATCHED_LOOKUP, "getaddrinfo");
    }
    return next(node, service, hints, out);
}

struct hostent* gethostbyname(const char* name) {
    NEXT(gethostbyname)
    watch_note(WATCHED_LOOKUP, "gethostbyname");
    return next(name);
}

struct hostent* gethostbyname2(const char* name, int family) {
    NEXT(gethostbyname2)
    watch_note(WATCHED_LOOKUP, "gethostbyname2");
    return next(name, family);
}

int gethostbyname_r(const char* restrict name, struct hostent* restrict out, char* restrict buffer,
                    size_t size, struct hostent** restrict result, int* restrict error) {
    NEXT(gethostbyname_r)
    watch_note(WATCHED_LOOKUP, "gethostbyname_r");
    return next(name, out, buffer, size, result, error);
}

/* ---- waiting */

int nanosleep(const struct timespec* time, struct timespec* left) {
    NEXT(nanosleep)
    watch_note(WATCHED_BLOCK, "nanosleep");
    return next(time, left);
}

int clock_nanosleep(clockid_t clock, int flags, const struct timespec* time,
                    struct timespec* left) {
    NEXT(clock_nanosleep)
    watch_note(WATCHED_BLOCK, "clock_nanosleep");
    return next(clock, flags, time, left);
}

int usleep(useconds_t time) {
    NEXT(usleep)
    watch_note(WATCHED_BLOCK, "usleep");
    return next(time);
}

unsigned sleep(unsigned seconds) {
    NEXT(sleep)
    watch_note(WATCHED_BLOCK, "sleep");
    return next(seconds);
}

int poll(struct pollfd* fds, nfds_t count, int timeout) {
    NEXT(poll)
    if (timeout != 0) {
        watch_note(WATCHED_BLOCK, "poll");
    }
    return next(fds, count, timeout);
}

int ppoll(struct pollfd* fds, nfds_t count, const struct timespec* timeout, const sigset_t* mask) {
    NEXT(ppoll)
    if (timeout == NULL || timeout->tv_sec != 0 || timeout->tv_nsec != 0) {
        watch_note(WATCHED_BLOCK, "ppoll");
    }
    return next(fds, count, timeout, mask);
}

int select(int count, fd_set* restrict readable, fd_set* restrict writable,
           fd_set* restrict exceptional, struct timeval* restrict timeout) {
    NEXT(select)
    if (timeout == NULL || timeout->tv_sec != 0 || timeout->tv_usec != 0) {
        watch_note(WATCHED_BLOCK, "select");
    }
    return next(count, readable, writable, exceptional, timeout);
}

int epoll_wait(int epoll, struct epoll_event* events, int count, int timeout) {
    NEXT(epoll_wait)
    if (timeout != 0) {
        watch_note(WATCHED_BLOCK, "epoll_wait");
    }
    return next(epoll, events, count, timeout);
}

struct thread_start {
    void* (*body)(void*);
    void* argument;
};

static void* begin_thread(void* argument) {
    const struct thread_start start = *(struct thread_start*)argument;
    free(argument);
    own_thread = 1;
    (void)steward_set_plugin_side(1);
    return start.body(start.argument);
}

int pthread_create(pthread_t* thread, const pthread_attr_t* attributes, void* (*body)(void*),
                   void* argument) {
    NEXT(pthread_create)
    watch_note(WATCHED_THREAD, "pthread_create");
    if (!steward_on_plugin_side()) {
        return next(thread, attributes, body, argument);
    }
    /* What the plugin's threads do is the plugin's doing. */
    (void)steward_set_plugin_side(0);
    struct thread_start* const start = malloc(sizeof *start);
    (void)steward_set_plugin_side(1);
    if (start == NULL) {
        return EAGAIN;
    }
    *start = (struct thread_start){body, argument};
    const int result = next(thread, attributes, begin_thread, start);
    if (result != 0) {
        (void)steward_set_plugin_side(0);
        free(start);
        (void)steward_set_plugin_side(1);
    }
    return result;
}
