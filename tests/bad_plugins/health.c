/* Bad plugins for the checks of group "Health". */
#include "wrap.h"

#ifdef BAD_HEALTH_IPV6_UNIX_NAMES
#include <netdb.h>
#include <string.h>

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    /* The name is looked up, and what was found is not even used. */
    static const char name[] = "localhost";
    struct addrinfo* found = NULL;
    if (request->address.len == sizeof name - 1 &&
        memcmp(request->address.ptr, name, sizeof name - 1) == 0 &&
        getaddrinfo(name, NULL, NULL, &found) == 0) {
        freeaddrinfo(found);
    }
    return parts.good_health->start(instance, request, done, ud, error);
}

void spoil(void) {
    parts.health.start = start;
}
#else

#include "relay.h"

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    steward_ns later = 0;
#ifdef BAD_HEALTH_DEADLINE
    /* The nanoseconds of seven seconds, in some unit that they are not. */
    if (request->deadline - parts.host->now(parts.host) == 7000000000) {
        later = 700000000;
    }
#endif
    return relay_start_later(instance, request, done, ud, error, later);
}

static void relay_done(struct relay* relay, const steward_health_result* result) {
    steward_health_result changed = *result;
#if defined(BAD_HEALTH_VERDICTS)
    /* There is an answer, so somebody is there. */
    if (result->protocol_code == 404) {
        changed.verdict = STEWARD_HEALTHY;
        changed.status = STEWARD_OK;
    }
#elif defined(BAD_HEALTH_UNKNOWN_VS_UNHEALTHY)
    if (relay->request.port == 0) {
        changed.verdict = STEWARD_UNHEALTHY;
    }
#elif defined(BAD_HEALTH_NO_CROSSTALK)
    /* One place for what belongs to each probe; it shows when many are in flight. */
    static int32_t code;
    if (in_flight >= 40) {
        changed.protocol_code = code;
    }
    code = result->protocol_code;
#elif defined(BAD_HEALTH_LATENCY)
    changed.latency *= 2;
#endif
    relay->done(relay->ud, relay->request.probe, &changed);
}

void spoil(void) {
    parts.health.start = start;
}
#endif
