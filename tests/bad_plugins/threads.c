/* Bad plugins for the checks of group "Threads and calls". */
#include "wrap.h"

#include <locale.h>
#include <poll.h>
#include <pthread.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifdef BAD_THR_RIGHT_THREAD
/* Declares that it has threads, as it may, and calls the reactor from one of them. */
static void* disarm_nothing(void* unused) {
    (void)unused;
    const steward_host_reactor* const reactor =
        parts.host->get_extension(parts.host, STEWARD_HOST_EXT_REACTOR);
    if (reactor != NULL) {
        (void)reactor->disarm(parts.host, UINT64_MAX);
    }
    return NULL;
}

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    static int started;
    pthread_t thread;
    if (!started++ && pthread_create(&thread, NULL, disarm_nothing, NULL) == 0) {
        (void)pthread_join(thread, NULL);
    }
    return parts.good_health->start(instance, request, done, ud, error);
}

void spoil(void) {
    parts.desc.capabilities |= STEWARD_CAP_OWN_THREADS;
    parts.health.start = start;
}
#endif

#ifdef BAD_THR_NO_OWN
static void* do_nothing(void* unused) {
    return unused;
}

static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    pthread_t thread;
    if (pthread_create(&thread, NULL, do_nothing, NULL) == 0) {
        (void)pthread_join(thread, NULL);
    }
    return parts.good_entry->init(host, path, error);
}

void spoil(void) {
    parts.init = init;
}
#endif

#ifdef BAD_THR_PARALLEL_INSTANCES
/* Works with a static buffer of the C library's, which all copies of this one share. Slowly, on
 * another thread than the process's first one, so that two of them are sure to meet. */
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    const time_t mine = (time_t)((uintptr_t)&parts >> 4);
    const struct tm* const shared = gmtime(&mine);
    const struct tm wanted = *shared;
    int disturbed = 0;
    const int turns = syscall(SYS_gettid) == getpid() ? 0 : 20000;
    for (int i = 0; i < turns && !disturbed; ++i) {
        disturbed = memcmp(shared, &wanted, sizeof wanted) != 0;
    }
    const steward_status status = parts.good_restart->decide(instance, input, out, why, error);
    if (status == STEWARD_OK && disturbed) {
        return why->write(why->ctx, "?", 1);
    }
    return status;
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_CALL_BUDGET
static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    static int decided;
    if (++decided % 64 == 0) {
        (void)poll(NULL, 0, 1);
    }
    return parts.good_restart->decide(instance, input, out, why, error);
}

void spoil(void) {
    parts.restart.decide = decide;
}
#endif

#ifdef BAD_CALL_REENTRANT_HOST
/* As with a lock that is held over the sink, but that it does not stop for ever. */
static steward_status config_schema(const steward_sink* out) {
    static int locked;
    if (locked) {
        return STEWARD_E_BUSY;
    }
    locked = 1;
    const steward_status status = parts.good->config_schema(out);
    locked = 0;
    return status;
}

void spoil(void) {
    parts.plugin.config_schema = config_schema;
}
#endif

#ifdef BAD_CALL_ERRNO_LOCALE
static steward_status propose(const steward_instance* instance, const steward_port_request* request,
                              uint16_t* out, size_t capacity, size_t* count, steward_error* error) {
    static locale_t plain;
    if (plain == NULL) {
        plain = newlocale(LC_ALL_MASK, "C", NULL);
    }
    (void)uselocale(plain);
    return parts.good_port->propose(instance, request, out, capacity, count, error);
}

void spoil(void) {
    parts.port.propose = propose;
}
#endif
