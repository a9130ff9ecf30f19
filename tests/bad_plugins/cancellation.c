/* Bad plugins for the checks of group "Cancellation". */
#include "relay.h"

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    return relay_start_later(instance, request, done, ud, error, 0);
}

#if defined(BAD_CANCEL_ONCE)
/* Forgets a probe only after its done. */
static struct relay* reporting;
static steward_health_result reported;

static void relay_done(struct relay* relay, const steward_health_result* result) {
    struct relay* const before = reporting;
    reporting = relay;
    reported = *result;
    relay->done(relay->ud, relay->request.probe, result);
    reporting = before;
}

static void cancel(steward_instance* instance, steward_token probe) {
    if (reporting != NULL && reporting->request.probe == probe) {
        reporting->done(reporting->ud, probe, &reported);
    }
    parts.good_health->cancel(instance, probe);
}

void spoil(void) {
    parts.health.start = start;
    parts.health.cancel = cancel;
}

#elif defined(BAD_CANCEL_LATENCY)
/* Looks only after 60 ms for what has been cancelled, when there is time enough. */
static const steward_host_reactor* reactor;
static steward_instance* waiting_instance;
static steward_token waiting_probe;
static steward_token timer;
static steward_ns last_deadline;

static void relay_done(struct relay* relay, const steward_health_result* result) {
    relay->done(relay->ud, relay->request.probe, result);
}

static void look(void* ud) {
    (void)ud;
    timer = 0;
    parts.good_health->cancel(waiting_instance, waiting_probe);
}

static void cancel(steward_instance* instance, steward_token probe) {
    reactor = parts.host->get_extension(parts.host, STEWARD_HOST_EXT_REACTOR);
    const steward_ns now = parts.host->now(parts.host);
    if (timer != 0 || in_flight != 1 || last_deadline - now < 20000000000 ||
        reactor->arm(parts.host, now + 60000000, look, NULL, &timer) != STEWARD_OK) {
        parts.good_health->cancel(instance, probe);
        return;
    }
    waiting_instance = instance;
    waiting_probe = probe;
}

static steward_status start_and_note(steward_instance* instance,
                                     const steward_health_request* request,
                                     steward_health_done done, void* ud, steward_error* error) {
    last_deadline = request->deadline;
    return start(instance, request, done, ud, error);
}

static void destroy(steward_instance* instance) {
    if (timer != 0 && instance == waiting_instance) {
        (void)reactor->disarm(parts.host, timer);
        timer = 0;
    }
    parts.good->destroy(instance);
}

void spoil(void) {
    parts.health.start = start_and_note;
    parts.health.cancel = cancel;
    parts.plugin.destroy = destroy;
}

#elif defined(BAD_CANCEL_STORM)
/* A table of 200 places; who does not find one is never told of a cancel. */
static void relay_done(struct relay* relay, const steward_health_result* result) {
    if (in_flight < 200 || result->status != STEWARD_E_CANCELLED) {
        relay->done(relay->ud, relay->request.probe, result);
    }
}

void spoil(void) {
    parts.health.start = start;
}
#endif
