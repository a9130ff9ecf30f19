/* No bad plugin: the good restart policy with a thread for each instance, which it declares and
 * joins. It must be gold like the other. */
#include <pthread.h>
#include <stdlib.h>

#include "wrap.h"

struct threaded {
    steward_instance* good;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    int over;
    void* given; /* made by create, freed by the thread, as std::thread does with what it runs */
};

/* Takes what it was given, and waits, as such a thread does. */
static void* wait_for_end(void* argument) {
    struct threaded* const self = argument;
    free(self->given);
    pthread_mutex_lock(&self->mutex);
    while (!self->over) {
        pthread_cond_wait(&self->changed, &self->mutex);
    }
    pthread_mutex_unlock(&self->mutex);
    return NULL;
}

static void destroy(steward_instance* instance) {
    struct threaded* const self = (struct threaded*)instance;
    pthread_mutex_lock(&self->mutex);
    self->over = 1;
    pthread_cond_signal(&self->changed);
    pthread_mutex_unlock(&self->mutex);
    pthread_join(self->thread, NULL);
    pthread_cond_destroy(&self->changed);
    pthread_mutex_destroy(&self->mutex);
    parts.good->destroy(self->good);
    free(self);
}

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    struct threaded* const self = calloc(1, sizeof *self);
    if (self == NULL) {
        return STEWARD_E_NOMEM;
    }
    const steward_status status = parts.good->create(host, config, &self->good, error);
    if (status != STEWARD_OK) {
        free(self);
        return status;
    }
    pthread_mutex_init(&self->mutex, NULL);
    pthread_cond_init(&self->changed, NULL);
    self->given = malloc(100);
    if (pthread_create(&self->thread, NULL, wait_for_end, self) != 0) {
        parts.good->destroy(self->good);
        free(self->given);
        free(self);
        return STEWARD_E_NOMEM;
    }
    *out = (steward_instance*)self;
    return STEWARD_OK;
}

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    return parts.good_restart->decide(((const struct threaded*)instance)->good, input, out, why,
                                      error);
}

void spoil(void) {
    parts.desc.capabilities |= STEWARD_CAP_OWN_THREADS;
    parts.plugin.create = create;
    parts.plugin.destroy = destroy;
    parts.restart.decide = decide;
}
