/* Bad plugins for the checks of group "Restart". */
#include "wrap.h"

#ifdef BAD_RESTART_TOTAL
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    /* A kind of exit that nobody thought of. */
    if (status == STEWARD_OK && out->action == STEWARD_RESTART &&
        input->events[input->event_count - 1].code == 113) {
        out->delay = -1;
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif
