/* Bad plugins for the checks of group "Metrics". */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "wrap.h"

/* What the good one emits goes through here. */
struct through {
    void (*emit)(void* ud, const steward_metric* metric);
    void* ud;
    int on_proc; /* the processes of this machine, no fixture */
    int saw_fds;
    double processes;
};

static int is_named(const steward_metric* metric, const char* name) {
    return metric->name.len == strlen(name) && memcmp(metric->name.ptr, name, strlen(name)) == 0;
}

static void pass_on(void* ud, const steward_metric* metric) {
    struct through* const through = ud;
    steward_metric copy = *metric;
    if (is_named(metric, "fds")) {
        through->saw_fds = 1;
    } else if (is_named(metric, "processes")) {
        through->processes = metric->value;
    }
#ifdef BAD_METRICS_LIVE
    /* A share of all processors, not of one. */
    if (is_named(metric, "cpu_percent") && through->on_proc) {
        copy.value /= 4;
    }
#endif
    through->emit(through->ud, &copy);
}

#ifdef BAD_METRICS_FIXTURE
/* Descriptors that it may not count are none. */
static steward_status finish(const steward_metrics_request* request, struct through* through,
                             steward_status status) {
    (void)request;
    if (status == STEWARD_OK && !through->saw_fds) {
        const steward_metric none = {.size = sizeof none, .name = {"fds", 3}};
        through->emit(through->ud, &none);
    }
    return status;
}
#endif

#ifdef BAD_METRICS_RACE
/* Loses patience with a service that does not have the processes of the sample before. */
static steward_status finish(const steward_metrics_request* request, struct through* through,
                             steward_status status) {
    static double before;
    static int before_pid;
    static int changes;
    if (status != STEWARD_OK || !through->on_proc) {
        return status;
    }
    if (before_pid != request->app_pid) {
        changes = 0;
    } else if (before != through->processes) {
        ++changes;
    }
    before = through->processes;
    before_pid = request->app_pid;
    return changes >= 6 ? STEWARD_E_IO : status;
}
#endif

#ifdef BAD_METRICS_FUZZ
/* Looks at the app's own line once more, and trusts it to have a name in parentheses. */
static steward_status finish(const steward_metrics_request* request, struct through* through,
                             steward_status status) {
    (void)through;
    char path[256];
    (void)snprintf(path, sizeof path, "%.*s/%d/stat", (int)request->proc_root.len,
                   request->proc_root.ptr, request->app_pid);
    const int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return status;
    }
    char text[4096];
    const ssize_t length = read(file, text, sizeof text - 1);
    (void)close(file);
    if (length > 0) {
        text[length] = '\0';
        return strrchr(text, ')')[1] == ' ' ? status : STEWARD_E_IO;
    }
    return status;
}
#endif

#if defined(BAD_METRICS_LIVE) || defined(BAD_METRICS_DEADLINE)
static steward_status finish(const steward_metrics_request* request, struct through* through,
                             steward_status status) {
    (void)request;
    (void)through;
    return status;
}
#endif

static steward_status sample(steward_instance* instance, const steward_metrics_request* request,
                             void (*emit)(void* ud, const steward_metric* metric), void* ud,
                             steward_error* error) {
    steward_metrics_request asked = *request;
#ifdef BAD_METRICS_DEADLINE
    /* Thorough. */
    asked.deadline = INT64_MAX;
#endif
    struct through through = {.emit = emit, .ud = ud};
    through.on_proc =
        request->proc_root.len == 5 && memcmp(request->proc_root.ptr, "/proc", 5) == 0;
    const steward_status status =
        parts.good_metrics->sample(instance, &asked, pass_on, &through, error);
    return finish(request, &through, status);
}

void spoil(void) {
    parts.metrics.sample = sample;
}
