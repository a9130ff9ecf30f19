/* The layout of plugin ABI 1.0 on LP64, pinned: a plugin built against 1.0 relies on these numbers.
 *
 * A later minor version appends lines (and raises the sizes); it changes no offset. Compiled as C11
 * and as C++20 by both compilers (headers_test.sh). */
#include <assert.h>
#include <steward/abi.h>
#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/port.h>
#include <steward/reactor.h>
#include <steward/restart.h>

#define SIZE(type, bytes) static_assert(sizeof(type) == (bytes), #type " has another size")
#define FIELD(type, field, offset) \
    static_assert(offsetof(type, field) == (offset), #type "." #field " is elsewhere")

SIZE(void*, 8);
SIZE(size_t, 8);

SIZE(steward_str, 16);
FIELD(steward_str, ptr, 0);
FIELD(steward_str, len, 8);

SIZE(steward_error, 264);
FIELD(steward_error, size, 0);
FIELD(steward_error, sys_errno, 4);
FIELD(steward_error, text, 8);

SIZE(steward_sink, 24);
FIELD(steward_sink, size, 0);
FIELD(steward_sink, reserved, 4);
FIELD(steward_sink, ctx, 8);
FIELD(steward_sink, write, 16);

SIZE(steward_host, 104);
FIELD(steward_host, size, 0);
FIELD(steward_host, abi_major, 4);
FIELD(steward_host, abi_minor, 8);
FIELD(steward_host, reserved, 12);
FIELD(steward_host, ctx, 16);
FIELD(steward_host, name, 24);
FIELD(steward_host, version, 40);
FIELD(steward_host, now, 56);
FIELD(steward_host, entropy, 64);
FIELD(steward_host, log, 72);
FIELD(steward_host, post, 80);
FIELD(steward_host, on_plugin_thread, 88);
FIELD(steward_host, get_extension, 96);

SIZE(steward_descriptor, 128);
FIELD(steward_descriptor, size, 0);
FIELD(steward_descriptor, capabilities, 4);
FIELD(steward_descriptor, id, 8);
FIELD(steward_descriptor, name, 24);
FIELD(steward_descriptor, vendor, 40);
FIELD(steward_descriptor, version, 56);
FIELD(steward_descriptor, license, 72);
FIELD(steward_descriptor, url, 88);
FIELD(steward_descriptor, summary, 104);
FIELD(steward_descriptor, interfaces, 120);

SIZE(steward_plugin, 48);
FIELD(steward_plugin, size, 0);
FIELD(steward_plugin, reserved, 4);
FIELD(steward_plugin, desc, 8);
FIELD(steward_plugin, config_schema, 16);
FIELD(steward_plugin, create, 24);
FIELD(steward_plugin, destroy, 32);
FIELD(steward_plugin, get_interface, 40);

SIZE(steward_entry, 48);
FIELD(steward_entry, magic, 0);
FIELD(steward_entry, size, 4);
FIELD(steward_entry, abi_major, 8);
FIELD(steward_entry, abi_minor, 12);
FIELD(steward_entry, min_host_minor, 16);
FIELD(steward_entry, plugin_count, 20);
FIELD(steward_entry, init, 24);
FIELD(steward_entry, deinit, 32);
FIELD(steward_entry, get_plugin, 40);

SIZE(steward_host_reactor, 40);
FIELD(steward_host_reactor, size, 0);
FIELD(steward_host_reactor, reserved, 4);
FIELD(steward_host_reactor, watch_fd, 8);
FIELD(steward_host_reactor, unwatch_fd, 16);
FIELD(steward_host_reactor, arm, 24);
FIELD(steward_host_reactor, disarm, 32);

SIZE(steward_health_request, 64);
FIELD(steward_health_request, size, 0);
FIELD(steward_health_request, pid, 4);
FIELD(steward_health_request, probe, 8);
FIELD(steward_health_request, deadline, 16);
FIELD(steward_health_request, address, 24);
FIELD(steward_health_request, port, 40);
FIELD(steward_health_request, reserved, 42);
FIELD(steward_health_request, attempt, 44);
FIELD(steward_health_request, instance_id, 48);

SIZE(steward_health_result, 56);
FIELD(steward_health_result, size, 0);
FIELD(steward_health_result, verdict, 4);
FIELD(steward_health_result, status, 8);
FIELD(steward_health_result, protocol_code, 12);
FIELD(steward_health_result, latency, 16);
FIELD(steward_health_result, detail, 24);
FIELD(steward_health_result, instance_id, 40);

SIZE(steward_health, 24);
FIELD(steward_health, size, 0);
FIELD(steward_health, reserved, 4);
FIELD(steward_health, start, 8);
FIELD(steward_health, cancel, 16);

SIZE(steward_event, 32);
FIELD(steward_event, kind, 0);
FIELD(steward_event, code, 4);
FIELD(steward_event, at, 8);
FIELD(steward_event, uptime, 16);
FIELD(steward_event, healthy_for, 24);

SIZE(steward_restart_input, 56);
FIELD(steward_restart_input, size, 0);
FIELD(steward_restart_input, event_count, 4);
FIELD(steward_restart_input, events, 8);
FIELD(steward_restart_input, now, 16);
FIELD(steward_restart_input, entropy, 24);
FIELD(steward_restart_input, total_restarts, 32);
FIELD(steward_restart_input, wall, 40);
FIELD(steward_restart_input, utc_offset, 48);
FIELD(steward_restart_input, reserved, 52);

SIZE(steward_restart_decision, 16);
FIELD(steward_restart_decision, size, 0);
FIELD(steward_restart_decision, action, 4);
FIELD(steward_restart_decision, delay, 8);

SIZE(steward_restart, 16);
FIELD(steward_restart, size, 0);
FIELD(steward_restart, reserved, 4);
FIELD(steward_restart, decide, 8);

SIZE(steward_port_request, 56);
FIELD(steward_port_request, size, 0);
FIELD(steward_port_request, attempt, 4);
FIELD(steward_port_request, address, 8);
FIELD(steward_port_request, base, 24);
FIELD(steward_port_request, first, 26);
FIELD(steward_port_request, last, 28);
FIELD(steward_port_request, reserved, 30);
FIELD(steward_port_request, excluded, 32);
FIELD(steward_port_request, excluded_count, 40);
FIELD(steward_port_request, entropy, 48);

SIZE(steward_port, 16);
FIELD(steward_port, size, 0);
FIELD(steward_port, reserved, 4);
FIELD(steward_port, propose, 8);

SIZE(steward_label, 32);
FIELD(steward_label, name, 0);
FIELD(steward_label, value, 16);

SIZE(steward_metric, 80);
FIELD(steward_metric, size, 0);
FIELD(steward_metric, kind, 4);
FIELD(steward_metric, name, 8);
FIELD(steward_metric, help, 24);
FIELD(steward_metric, unit, 40);
FIELD(steward_metric, value, 56);
FIELD(steward_metric, labels, 64);
FIELD(steward_metric, label_count, 72);

SIZE(steward_metrics_request, 72);
FIELD(steward_metrics_request, size, 0);
FIELD(steward_metrics_request, app_pid, 4);
FIELD(steward_metrics_request, tree_pid, 8);
FIELD(steward_metrics_request, reserved, 12);
FIELD(steward_metrics_request, proc_root, 16);
FIELD(steward_metrics_request, now, 32);
FIELD(steward_metrics_request, deadline, 40);
FIELD(steward_metrics_request, address, 48);
FIELD(steward_metrics_request, port, 64);
FIELD(steward_metrics_request, reserved16, 66);

SIZE(steward_metrics, 16);
FIELD(steward_metrics, size, 0);
FIELD(steward_metrics, reserved, 4);
FIELD(steward_metrics, sample, 8);

/* What numbers mean, and the names of the interfaces (by their lengths). */
#define VALUE(name, number) static_assert((name) == (number), #name " has another value")

VALUE(STEWARD_OK, 0);
VALUE(STEWARD_E_INVALID, 1);
VALUE(STEWARD_E_UNSUPPORTED, 2);
VALUE(STEWARD_E_BUSY, 3);
VALUE(STEWARD_E_TIMEOUT, 4);
VALUE(STEWARD_E_CANCELLED, 5);
VALUE(STEWARD_E_EXHAUSTED, 6);
VALUE(STEWARD_E_GONE, 7);
VALUE(STEWARD_E_IO, 8);
VALUE(STEWARD_E_NOMEM, 9);
VALUE(STEWARD_E_INTERNAL, 10);

VALUE(STEWARD_LOG_DEBUG, 0);
VALUE(STEWARD_LOG_INFO, 1);
VALUE(STEWARD_LOG_WARNING, 2);
VALUE(STEWARD_LOG_ERROR, 3);

VALUE(STEWARD_CAP_UNLOADABLE, 1);
VALUE(STEWARD_CAP_OWN_THREADS, 2);
VALUE(STEWARD_CAP_BACKOFF, 4);

VALUE(STEWARD_HEALTHY, 0);
VALUE(STEWARD_UNHEALTHY, 1);
VALUE(STEWARD_UNKNOWN, 2);
VALUE(sizeof(STEWARD_IFACE_HEALTH), 17);

VALUE(STEWARD_GAUGE, 0);
VALUE(STEWARD_COUNTER, 1);
VALUE(sizeof(STEWARD_IFACE_METRICS), 18);
VALUE(sizeof(STEWARD_IFACE_PORT), 15);

VALUE(STEWARD_READABLE, 1);
VALUE(STEWARD_WRITABLE, 2);
VALUE(sizeof(STEWARD_HOST_EXT_REACTOR), 23);

VALUE(STEWARD_EV_EXIT, 0);
VALUE(STEWARD_EV_SIGNAL, 1);
VALUE(STEWARD_EV_HEALTH, 2);
VALUE(STEWARD_EV_START_TIMEOUT, 3);
VALUE(STEWARD_EV_SPAWN_FAILED, 4);
VALUE(STEWARD_EV_MANUAL_STOP, 5);
VALUE(STEWARD_EV_MANUAL_START, 6);

VALUE(STEWARD_RESTART, 0);
VALUE(STEWARD_STAY_DOWN, 1);
VALUE(STEWARD_GIVE_UP, 2);
VALUE(sizeof(STEWARD_IFACE_RESTART), 18);

/* The frozen head of the entry: the same in every major version. */
static_assert(offsetof(steward_entry, init) == 6 * sizeof(uint32_t),
              "the entry's head has changed");
static_assert(STEWARD_ABI_MAGIC == 0x44574453u, "the magic number has changed");
