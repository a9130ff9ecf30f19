/* relay.h - stands between the host and the good plugin's probes.
 *
 * A variant that changes what a probe reports, or when, defines relay_done() and lets relay_start()
 * be its start. Included once by a source file, after wrap.h. */
#ifndef BAD_PLUGINS_RELAY_H
#define BAD_PLUGINS_RELAY_H

#include <stdlib.h>

#include "wrap.h"

struct relay {
    steward_health_request request; /* without its texts */
    steward_instance* instance;
    steward_health_done done;
    void* ud;
};

/* Probes between start and done, of all instances. */
static unsigned in_flight;

/* Passes on, or does not, what the good plugin reports. */
static void relay_done(struct relay* relay, const steward_health_result* result);

static void relay_good_done(void* ud, steward_token probe, const steward_health_result* result) {
    struct relay* const relay = ud;
    (void)probe;
    --in_flight;
    relay_done(relay, result);
    free(relay);
}

/* The host's probe, with the deadline put off by `later`. */
static steward_status relay_start_later(steward_instance* instance,
                                        const steward_health_request* request,
                                        steward_health_done done, void* ud, steward_error* error,
                                        steward_ns later) {
    struct relay* const relay = malloc(sizeof *relay);
    if (relay == NULL) {
        return STEWARD_E_NOMEM;
    }
    relay->request = *request;
    relay->instance = instance;
    relay->done = done;
    relay->ud = ud;
    steward_health_request copy = *request;
    copy.deadline += later;
    ++in_flight;
    const steward_status status =
        parts.good_health->start(instance, &copy, relay_good_done, relay, error);
    if (status != STEWARD_OK) {
        --in_flight;
        free(relay);
    }
    return status;
}

#endif
