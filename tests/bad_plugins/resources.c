/* Bad plugins for the checks of group "Resources". */
#include "wrap.h"

#if defined(BAD_RES_FD_CLOEXEC)
#include <fcntl.h>
#include <unistd.h>

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    const int fd = open("/dev/null", O_RDONLY);
    if (fd >= 0) {
        close(fd);
    }
    return parts.good_health->start(instance, request, done, ud, error);
}

void spoil(void) {
    parts.health.start = start;
}

#elif defined(BAD_RES_FD_EXHAUSTION)
#include <errno.h>

/* What cannot be opened does not exist. */
static steward_status sample(steward_instance* instance, const steward_metrics_request* request,
                             void (*emit)(void* ud, const steward_metric* metric), void* ud,
                             steward_error* error) {
    const steward_status status = parts.good_metrics->sample(instance, request, emit, ud, error);
    return status == STEWARD_E_IO && error->sys_errno == EMFILE ? STEWARD_E_GONE : status;
}

void spoil(void) {
    parts.metrics.sample = sample;
}

#elif defined(BAD_RES_OOM)
/* An exception is an exception. */
static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    const steward_status status = parts.good->create(host, config, out, error);
    return status == STEWARD_E_NOMEM ? STEWARD_E_INTERNAL : status;
}

void spoil(void) {
    parts.plugin.create = create;
}

#elif defined(BAD_RES_HEAP_ZERO)
#include <stdlib.h>

static void* volatile lost;

static void deinit(void) {
    lost = malloc(24);
    parts.good_entry->deinit();
}

void spoil(void) {
    parts.deinit = deinit;
}

#elif defined(BAD_RES_STDIO_SILENT)
#include <unistd.h>

static void deinit(void) {
    static const char text[] = "goodbye\n";
    const ssize_t written = write(STDERR_FILENO, text, sizeof text - 1);
    (void)written;
    parts.good_entry->deinit();
}

void spoil(void) {
    parts.deinit = deinit;
}

#elif defined(BAD_RES_PROCESS_STATE)
#include <sys/syscall.h>
#include <unistd.h>

/* Not by umask(), which may not even be imported. */
static void deinit(void) {
    (void)syscall(SYS_umask, 077);
    parts.good_entry->deinit();
}

void spoil(void) {
    parts.deinit = deinit;
}

#elif defined(BAD_RES_NO_REAP)
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void deinit(void) {
    (void)syscall(SYS_wait4, -1, NULL, WNOHANG, NULL);
    parts.good_entry->deinit();
}

void spoil(void) {
    parts.deinit = deinit;
}
#endif
