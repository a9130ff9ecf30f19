/* steward/restart.h - strategy "steward.restart/1": what follows a failure? A pure function.
 *
 * decide() reads no clock, no random source and no state: the same input gives the same answer, in
 * any instance, process and build. That is what makes replay, dry runs and swapping a policy under
 * a running service possible. Jitter comes from `entropy`.
 */
#ifndef STEWARD_RESTART_H
#define STEWARD_RESTART_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STEWARD_IFACE_RESTART "steward.restart/1"

enum {
    STEWARD_EV_EXIT = 0,   /* the app ended by itself; code = exit code */
    STEWARD_EV_SIGNAL = 1, /* the app was killed; code = signal number */
    STEWARD_EV_HEALTH =
        2, /* it failed its health checks and was taken down; code = failures in a row */
    STEWARD_EV_START_TIMEOUT = 3, /* it was not healthy in time and was taken down */
    STEWARD_EV_SPAWN_FAILED = 4,  /* it could not be started for want of a resource; code = errno */
    STEWARD_EV_MANUAL_STOP =
        5, /* a person or a client stopped it: must not be answered by RESTART */
    STEWARD_EV_MANUAL_START =
        6 /* a person or a client started it: failures before this one are forgiven */
};

/* One thing that happened to the service. */
typedef struct steward_event {
    uint32_t kind; /* STEWARD_EV_* */
    int32_t code;
    steward_ns at;     /* when, on the host's monotonic clock */
    steward_ns uptime; /* how long the instance had run; 0 if none */
    steward_ns
        healthy_for; /* the longest time without a break that it had been healthy; 0 if never */
} steward_event;

typedef struct steward_restart_input {
    uint32_t size;
    uint32_t event_count;        /* 1 to 256 */
    const steward_event* events; /* oldest first; the last one asks the question */
    steward_ns now;
    uint64_t entropy;
    uint64_t total_restarts; /* automatic starts after a failure, in this session */
    /* The time of day, for policies that mind it: data like the rest, so that a replay gives the
     * same answer. Both or neither: a host that does not tell it gives a smaller size, so ask
     * STEWARD_HAS(input, utc_offset). */
    steward_ns wall;    /* at `now`, since 1970-01-01T00:00:00Z; jumps when the clock is set */
    int32_t utc_offset; /* of the host's time zone at that moment, seconds east of UTC */
    int32_t reserved;
} steward_restart_input;

enum {
    STEWARD_RESTART = 0,   /* start again after `delay` */
    STEWARD_STAY_DOWN = 1, /* it is right that it ended: leave it stopped */
    STEWARD_GIVE_UP = 2    /* too many failures: degraded (the host tries once in a while) */
};

typedef struct steward_restart_decision {
    uint32_t size;
    int32_t action;   /* STEWARD_RESTART, _STAY_DOWN, _GIVE_UP */
    steward_ns delay; /* >= 0, at most one day; from input->now */
} steward_restart_decision;

typedef struct steward_restart {
    uint32_t size;
    uint32_t reserved;
    /* Writes one sentence of at most 4 KiB that gives the reason with its numbers to `why`, which
     * people and clients are shown. *out is untouched on failure. [plugin] */
    steward_status (*decide)(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error);
} steward_restart;

#ifdef __cplusplus
}
#endif
#endif
