/* Bad plugins for the checks of group "Unload and reload".
 *
 * setlogmask() keeps a number for the whole process, whatever is loaded and unloaded. */
#include "wrap.h"

#include <stdlib.h>
#include <syslog.h>

#ifdef BAD_UNLOAD_UNMAPS
/* What is wrong is how it is linked (-z nodelete). */
void spoil(void) {}
#endif

#ifdef BAD_RELOAD_1000
void* volatile leak;

static void deinit(void) {
    static int counted;
    const int loads = setlogmask(0) & 0x7f;
    if (loads == 100) {
        leak = malloc(512); /* from the hundredth time on it is not freed */
    } else if (!counted++) {
        (void)setlogmask(loads == 0x7f ? 1 : loads + 1);
    }
    parts.good_entry->deinit();
}

void spoil(void) {
    parts.deinit = deinit;
}
#endif

#ifdef BAD_TWO_COPIES
#include <sys/syscall.h>
#include <unistd.h>

static int ticket;

static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    ticket = (setlogmask(0) & 0x7f) + 1;
    (void)setlogmask(ticket);
    return parts.good_entry->init(host, path, error);
}

/* Notices that another copy was initialised after this one. (On a thread of its own it does not
 * look: that is another check's.) */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    if (status == STEWARD_OK && syscall(SYS_gettid) == getpid() && setlogmask(0) != ticket) {
        return why->write(why->ctx, "?", 1);
    }
    return status;
}

void spoil(void) {
    parts.init = init;
    parts.restart.decide = decide;
}
#endif
