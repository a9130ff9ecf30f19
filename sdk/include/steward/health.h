/* steward/health.h - strategy "steward.health/1": is the service well? Asynchronous, on the
 * plugin's thread.
 *
 * The host decides when to probe and what follows from a verdict (thresholds, restarts); the
 * strategy makes one probe and says what it saw. UNHEALTHY means that the target is bad: it
 * answered wrongly, refused, or did not answer in time. UNKNOWN means that the probe could not be
 * made (no descriptor left, a name that does not resolve): it is never held against the service.
 */
#ifndef STEWARD_HEALTH_H
#define STEWARD_HEALTH_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STEWARD_IFACE_HEALTH "steward.health/1"

enum { STEWARD_HEALTHY = 0, STEWARD_UNHEALTHY = 1, STEWARD_UNKNOWN = 2 };

typedef struct steward_health_request {
    uint32_t size;
    int32_t pid;         /* the app's */
    steward_token probe; /* unique per host */
    steward_ns deadline; /* absolute; done must come by then */
    steward_str address; /* literal IPv4 or IPv6 address */
    uint16_t port;       /* 0: the service has none */
    uint16_t reserved;
    uint32_t attempt;        /* 1, 2, 3 … since the instance started */
    steward_str instance_id; /* what the host gave the app; may be empty */
} steward_health_request;

typedef struct steward_health_result {
    uint32_t size;
    int32_t verdict;       /* STEWARD_HEALTHY, _UNHEALTHY, _UNKNOWN */
    steward_status status; /* OK, or why not: TIMEOUT (no answer in time), IO … */
    int32_t protocol_code; /* HTTP status, or 0 */
    steward_ns latency;    /* from the probe's start */
    steward_str detail; /* one line for people, at most 4 KiB: "GET /health: 500, expected 200" */
    steward_str instance_id; /* the identity that the answer claims, or empty */
} steward_health_result;

/* [plugin] `result` is valid during the call. */
typedef void (*steward_health_done)(void* ud, steward_token probe,
                                    const steward_health_result* result);

typedef struct steward_health {
    uint32_t size;
    uint32_t reserved;
    /* Begins a probe and returns at once. STEWARD_OK: `done` comes exactly once, on [plugin], never
     * from inside start, by the deadline at the latest. Anything else: done never comes, *error
     * says why. Many probes may be in flight. [plugin] */
    steward_status (*start)(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error);
    /* Asks for an early end: done still comes, with UNKNOWN and STEWARD_E_CANCELLED, unless it has
     * come already. An unknown probe is ignored; twice is once. Done may come from inside cancel.
     * [plugin] */
    void (*cancel)(steward_instance* instance, steward_token probe);
} steward_health;

#ifdef __cplusplus
}
#endif
#endif
