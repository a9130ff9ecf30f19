/* steward/reactor.h - host extension "steward.host.reactor/1": descriptors and timers on the
 * plugin's own thread.
 *
 * With it a strategy does network work without a thread: it watches its non-blocking descriptors
 * and arms timers, and the host calls back on [plugin], never while another call into the library
 * runs. Timers of a second and more may fire up to 50 ms late, so that many of them share a
 * wake-up.
 */
#ifndef STEWARD_REACTOR_H
#define STEWARD_REACTOR_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STEWARD_HOST_EXT_REACTOR "steward.host.reactor/1"

enum {
    STEWARD_READABLE = 1u << 0, /* also at end of file and on an error */
    STEWARD_WRITABLE = 1u << 1  /* also when a connect has ended, either way */
};

typedef struct steward_host_reactor {
    uint32_t size;
    uint32_t reserved;
    /* Calls `ready` each time the descriptor is ready for one of `events`, until unwatch_fd.
     * Watching a descriptor again replaces its events and callback. INVALID: not open, or of a kind
     * that cannot be watched (a file). [plugin] */
    steward_status (*watch_fd)(const steward_host* host, int fd, uint32_t events,
                               void (*ready)(void* ud, int fd, uint32_t events), void* ud);
    /* Ends it; `ready` is not called any more. Must come before close(fd). INVALID: was not
     * watched. [plugin] */
    steward_status (*unwatch_fd)(const steward_host* host, int fd);
    /* Calls fire(ud) once at `at` or soon after; *out (never 0) identifies the timer. [plugin] */
    steward_status (*arm)(const steward_host* host, steward_ns at, void (*fire)(void* ud), void* ud,
                          steward_token* out);
    /* Ends it; `fire` is not called any more. INVALID: has fired or never was. [plugin] */
    steward_status (*disarm)(const steward_host* host, steward_token timer);
} steward_host_reactor;

#ifdef __cplusplus
}
#endif
#endif
