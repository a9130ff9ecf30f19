/* Bad plugins for the checks of group "Determinism and time". */
#include "wrap.h"

#include <stdlib.h>
#include <sys/random.h>
#include <time.h>

#define SECOND 1000000000
#define DAY (24 * 3600 * (steward_ns)SECOND)

#ifdef BAD_DET_SAME_INPUT
/* Answers grow a tail when there were many. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    static int decided;
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    if (status == STEWARD_OK && ++decided > 1000) {
        return why->write(why->ctx, " (again)", 8);
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_DET_NO_CLOCK
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return parts.good_restart->decide(instance, input, out, why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_DET_NO_RANDOM
static steward_status propose(const steward_instance* instance, const steward_port_request* request,
                              uint16_t* out, size_t capacity, size_t* count, steward_error* error) {
    unsigned char byte = 0;
    (void)!getrandom(&byte, 1, 0);
    return parts.good_port->propose(instance, request, out, capacity, count, error);
}

void spoil(void) {
    parts.port.propose = propose;
}
#endif

#ifdef BAD_DET_ENTROPY_MATTERS_ONLY_IF_DECLARED
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    if (status == STEWARD_OK && out->action == STEWARD_RESTART && input->entropy == UINT64_MAX) {
        out->delay *= 3;
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_TIME_MONOTONIC_ONLY
struct probe {
    steward_health_done done;
    void* ud;
    time_t begun;
};

/* An answer that took an hour by the wall clock is late. */
static void done_late(void* ud, steward_token token, const steward_health_result* result) {
    struct probe* const probe = ud;
    steward_health_result late = *result;
    if (labs((long)(time(NULL) - probe->begun)) > 3600) {
        late.verdict = STEWARD_UNHEALTHY;
        late.status = STEWARD_E_TIMEOUT;
    }
    probe->done(probe->ud, token, &late);
    free(probe);
}

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    struct probe* const probe = malloc(sizeof *probe);
    if (probe == NULL) {
        return STEWARD_E_NOMEM;
    }
    *probe = (struct probe){done, ud, time(NULL)};
    const steward_status status =
        parts.good_health->start(instance, request, done_late, probe, error);
    if (status != STEWARD_OK) {
        free(probe);
    }
    return status;
}

void spoil(void) {
    parts.health.start = start;
}
#endif

#ifdef BAD_TIME_USES_HOST_TIMERS
/* A long time-out is none of the host's timers (and here none at all). */
static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    steward_health_request changed = *request;
    const steward_ns now = parts.host->now(parts.host);
    const steward_ns limit = request->deadline - now;
    if (limit >= 25 * (steward_ns)SECOND && limit <= 35 * (steward_ns)SECOND) {
        changed.deadline = now + 365 * DAY;
    }
    return parts.good_health->start(instance, &changed, done, ud, error);
}

void spoil(void) {
    parts.health.start = start;
}
#endif

#ifdef BAD_TIME_LARGE_VALUES
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    if (status == STEWARD_OK && out->action == STEWARD_RESTART && input->now > INT64_MAX - DAY) {
        out->delay = -2; /* as if now + a day had overflowed */
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif
