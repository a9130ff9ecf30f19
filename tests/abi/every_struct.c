/* Uses every type of the plugin ABI, so that a library made of this file alone describes all of it
 * to abidw (kept_test.py). */
#include <steward/abi.h>
#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/port.h>
#include <steward/reactor.h>
#include <steward/restart.h>

#define USES(type)                    \
    void uses_##type(const type* p);  \
    void uses_##type(const type* p) { \
        (void)p;                      \
    }

USES(steward_str)
USES(steward_error)
USES(steward_sink)
USES(steward_host)
USES(steward_descriptor)
USES(steward_plugin)
USES(steward_entry)
USES(steward_host_reactor)
USES(steward_health_request)
USES(steward_health_result)
USES(steward_health)
USES(steward_event)
USES(steward_restart_input)
USES(steward_restart_decision)
USES(steward_restart)
USES(steward_port_request)
USES(steward_port)
USES(steward_label)
USES(steward_metric)
USES(steward_metrics_request)
USES(steward_metrics)
USES(steward_status)
USES(steward_ns)
USES(steward_token)
