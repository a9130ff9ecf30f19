/* Bad plugins for the checks of group "Lifecycle". */
#include "wrap.h"

#include <fcntl.h>
#include <stdlib.h>

#ifdef BAD_LIFE_CREATE_DESTROY
void* volatile leak;

static void destroy(steward_instance* instance) {
    /* A small leak that only many rounds show. */
    static int destroyed;
    if (++destroyed > 200) {
        leak = malloc(64);
    }
    parts.good->destroy(instance);
}

void spoil(void) {
    parts.plugin.destroy = destroy;
}
#endif

#ifdef BAD_LIFE_MANY
#define MOST 32

static steward_instance* latest;
static int alive;

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    const steward_status status = parts.good->create(host, config, out, error);
    if (status == STEWARD_OK) {
        latest = *out;
        ++alive;
    }
    return status;
}

static void destroy(steward_instance* instance) {
    --alive;
    if (instance == latest) {
        latest = NULL;
    }
    parts.good->destroy(instance);
}

/* The settings of the latest instance hold for all, once there are many. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    return parts.good_restart->decide(alive > MOST && latest != NULL ? latest : instance, input,
                                      out, why, error);
}

void spoil(void) {
    parts.plugin.create = create;
    parts.plugin.destroy = destroy;
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_LIFE_REINIT
static int lives;
static int created;

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    const steward_status status = parts.good->create(host, config, out, error);
    created = created || status == STEWARD_OK;
    return status;
}

/* From the second full life on a descriptor stays open. */
static void deinit(void) {
    if (created && ++lives == 2) {
        (void)open("/dev/null", O_RDONLY | O_CLOEXEC);
    }
    parts.good_entry->deinit();
}

void spoil(void) {
    parts.plugin.create = create;
    parts.deinit = deinit;
}
#endif

#ifdef BAD_LIFE_DESTROY_BUSY
#define MOST 64

struct probe {
    steward_health_done done;
    void* ud;
    int open;
};
static struct probe probes[MOST];
static int destroying;

static void done_once(void* ud, steward_token token, const steward_health_result* result) {
    struct probe* const probe = ud;
    probe->open = 0;
    /* The last of them is forgotten. */
    int others = 0;
    for (int i = 0; i < MOST; ++i) {
        others += probes[i].open;
    }
    if (!destroying || others != 0) {
        probe->done(probe->ud, token, result);
    }
}

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    for (int i = 0; i < MOST; ++i) {
        if (!probes[i].open) {
            probes[i] = (struct probe){done, ud, 1};
            const steward_status status =
                parts.good_health->start(instance, request, done_once, &probes[i], error);
            probes[i].open = status == STEWARD_OK;
            return status;
        }
    }
    return parts.good_health->start(instance, request, done, ud, error);
}

static void destroy(steward_instance* instance) {
    destroying = 1;
    parts.good->destroy(instance);
    destroying = 0;
}

void spoil(void) {
    parts.health.start = start;
    parts.plugin.destroy = destroy;
}
#endif

#ifdef BAD_LIFE_INIT_FAILURE
/* When the host has nothing left for a probe, it is accepted all the same, and never done. */
static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    const steward_status status = parts.good_health->start(instance, request, done, ud, error);
    return status == STEWARD_E_BUSY ? STEWARD_OK : status;
}

void spoil(void) {
    parts.health.start = start;
}
#endif
