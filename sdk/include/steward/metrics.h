/* steward/metrics.h - strategy "steward.metrics/1": what does the service use? Named series in the
 * terms of OpenMetrics.
 *
 * One call takes one sample. The names that the status shows have a fixed meaning:
 *   processes    those of the service that live; one that has ended and waits for its parent is none
 *   threads      theirs
 *   fds          their open descriptors; left out when those of one may not be counted
 *   rss_bytes    their resident memory; pages that processes share count in each of them
 *   cpu_percent  the CPU time that they used since the sample before, in percent of one core; may be
 *                left out of the first sample
 * A strategy may emit any others beside or instead of them.
 */
#ifndef STEWARD_METRICS_H
#define STEWARD_METRICS_H

#include "abi.h"

#ifdef __cplusplus
extern "C" {
#endif

#define STEWARD_IFACE_METRICS "steward.metrics/1"

enum { STEWARD_GAUGE = 0, STEWARD_COUNTER = 1 };

typedef struct steward_label {
    steward_str name;
    steward_str value;
} steward_label;

typedef struct steward_metric {
    uint32_t size;
    int32_t kind;     /* STEWARD_GAUGE, STEWARD_COUNTER */
    steward_str name; /* [a-z_][a-z0-9_]*, at most 128 bytes */
    steward_str help;
    steward_str unit; /* "bytes", "seconds", "percent" or empty */
    double value;     /* finite */
    const steward_label* labels;
    size_t label_count;
} steward_metric;

typedef struct steward_metrics_request {
    uint32_t size;
    int32_t app_pid;  /* the app's own process */
    int32_t tree_pid; /* every descendant of this process, but not itself, belongs to the service */
    int32_t reserved;
    steward_str proc_root; /* "/proc"; a fixture in tests */
    steward_ns now;
    steward_ns deadline; /* absolute */
    steward_str address; /* where the app listens: a literal address, for series that the app itself
                            offers */
    uint16_t port;       /* 0: none */
    uint16_t reserved16[3];
} steward_metrics_request;

typedef struct steward_metrics {
    uint32_t size;
    uint32_t reserved;
    /* Calls emit for each series before it returns. A process that vanishes meanwhile is left out.
     * GONE: nothing of the tree exists. TIMEOUT: the deadline came first; what was emitted is part
     * of the truth. [plugin] */
    steward_status (*sample)(steward_instance* instance, const steward_metrics_request* request,
                             void (*emit)(void* ud, const steward_metric* metric), void* ud,
                             steward_error* error);
} steward_metrics;

#ifdef __cplusplus
}
#endif
#endif
