/* watch.h - what does a plugin ask of the C library?
 *
 * The program defines the functions below itself and exports them (watch.list), so that a plugin's
 * calls, and those that the C++ library makes for it, come here first. Calls from the plugin's side
 * of the boundary (plugin_side.h) are counted, some can be made to fail; all of them then go on to
 * the C library. A system call that is made without the C library is not seen.
 *
 * Thread: any.
 */
#ifndef STEWARD_COMPLIANCE_WATCH_H
#define STEWARD_COMPLIANCE_WATCH_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum watched_call {
    WATCHED_FORK,        /* fork, vfork, posix_spawn, system, popen */
    WATCHED_EXEC,        /* execve and its like */
    WATCHED_WAIT,        /* wait, waitpid, waitid, wait3, wait4 */
    WATCHED_SIGNAL,      /* signal, sigaction */
    WATCHED_MASK,        /* sigprocmask, pthread_sigmask */
    WATCHED_ENV,         /* setenv, unsetenv, putenv, clearenv */
    WATCHED_CHDIR,       /* chdir, fchdir */
    WATCHED_UMASK,       /* umask */
    WATCHED_LOCALE,      /* setlocale with a value */
    WATCHED_DUP2,        /* dup2, dup3 onto 0 to 2 */
    WATCHED_EXIT,        /* exit, _exit, quick_exit, abort */
    WATCHED_MONOTONIC,   /* clock_gettime of a clock that is not the wall clock */
    WATCHED_WALL,        /* clock_gettime of the wall clock, gettimeofday, time */
    WATCHED_RANDOM,      /* getrandom, getentropy, rand, random, an open of /dev/(u)random */
    WATCHED_SOCKET,      /* socket, bind, connect, listen, accept */
    WATCHED_BLOCK,       /* sleeps, and poll, select, epoll_wait with a time-out that is not 0 */
    WATCHED_THREAD,      /* pthread_create */
    WATCHED_OPEN,        /* open, openat, fopen */
    WATCHED_INHERITABLE, /* a descriptor opened without CLOEXEC, by any of the usual calls */
    WATCHED_LOOKUP,      /* getaddrinfo of what may be a name, gethostbyname and its like */
    WATCHED_ALLOC,       /* malloc, calloc, realloc and the aligned ones */
    WATCHED_CALLS
};

/* "fork", "setenv" …: the last function of this kind that was called; "" if none was. */
const char* watch_name(enum watched_call call);
/* Calls from the plugin's side since watch_reset(), by all threads, those that the plugin has started
 * included (but for what blocks: these may wait). */
uint64_t watch_count(enum watched_call call);
void watch_reset(void);

/* The wall clock that a plugin sees runs off by this many nanoseconds from now on. */
void watch_shift_wall_clock(int64_t ns);

/* The n-th allocation from the plugin's side from now on, and `count` - 1 after it, fail; 0: none.
 * Returns whether this program watches the allocator: with sanitizers it does not. */
int watch_fail_allocation(uint64_t nth, uint64_t count);
/* Allocations from the plugin's side that were not freed, as blocks; what it frees for others
 * counts against it. 0 without a watch on the allocator. */
int64_t watch_live_blocks(void);

#ifdef __cplusplus
}
#endif
#endif
