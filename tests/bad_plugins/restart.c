/* Bad plugins for the checks of group "Restart". */
#include <string.h>

#include "wrap.h"

static inline const steward_event* last_of(const steward_restart_input* input) {
    return &input->events[input->event_count - 1];
}

#ifdef BAD_RESTART_TOTAL
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    /* A kind of exit that nobody thought of. */
    if (status == STEWARD_OK && out->action == STEWARD_RESTART && last_of(input)->code == 113) {
        out->delay = -1;
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_NEEDS_TIME_OF_DAY
/* As if every host told it. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    if (!STEWARD_HAS(input, utc_offset)) {
        return STEWARD_E_INTERNAL;
    }
    return parts.good_restart->decide(instance, input, out, why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_RESTART_BACKOFF_MONOTONE
/* The fourth restart is sooner than the third. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    if (status == STEWARD_OK && out->action == STEWARD_RESTART && input->event_count == 4 &&
        last_of(input)->kind == STEWARD_EV_SIGNAL) {
        out->delay /= 4;
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#if defined(BAD_RESTART_RESPECTS_MANUAL) || defined(BAD_RESTART_GIVES_UP_STABLE) || \
    defined(BAD_RESTART_STORM)
static steward_status restart(steward_restart_decision* out, steward_ns delay,
                              const steward_sink* why, const char* text) {
    const steward_status status = why->write(why->ctx, text, strlen(text));
    if (status == STEWARD_OK) {
        out->action = STEWARD_RESTART;
        out->delay = delay;
    }
    return status;
}
#endif

#ifdef BAD_RESTART_RESPECTS_MANUAL
/* Stopped between two failures: it takes that for one more of them. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const uint32_t count = input->event_count;
    if (count >= 2 && last_of(input)->kind == STEWARD_EV_MANUAL_STOP &&
        input->events[count - 2].kind == STEWARD_EV_HEALTH) {
        return restart(out, 1000000000, why, "it was ill: restart in 1 s");
    }
    return parts.good_restart->decide(instance, input, out, why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_RESTART_GIVES_UP_STABLE
/* Of the events it counts the last twenty. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const uint32_t count = input->event_count;
    if (count % 20 == 0 && last_of(input)->kind == STEWARD_EV_EXIT) {
        return restart(out, 1000000000, why, "exit: restart 1 of 5 in 1 s");
    }
    return parts.good_restart->decide(instance, input, out, why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_RESTART_STORM
/* What could not be started is tried again at once, for ever. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    if (last_of(input)->kind == STEWARD_EV_SPAWN_FAILED) {
        return restart(out, 0, why, "could not be started: again in 0 ms");
    }
    return parts.good_restart->decide(instance, input, out, why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_RESTART_WHY
/* Says nothing about a start that took too long. */
static steward_status swallow(void* ctx, const void* data, size_t len) {
    (void)ctx;
    (void)data;
    (void)len;
    return STEWARD_OK;
}

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_sink nowhere = {sizeof nowhere, 0, NULL, swallow};
    const int silent = last_of(input)->kind == STEWARD_EV_START_TIMEOUT;
    return parts.good_restart->decide(instance, input, out, silent ? &nowhere : why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif
