#include "wrap.h"

#include <stddef.h>
#include <string.h>

/* CMake names the good plugin's entry. */
extern const steward_entry GOOD_ENTRY;

struct parts parts;

static void set_up(void) {
    if (parts.good != NULL) {
        return;
    }
    parts.good_entry = &GOOD_ENTRY;
    const steward_plugin* const good = GOOD_ENTRY.get_plugin(0);
    parts.desc = *good->desc;
    parts.plugin = *good;
    parts.plugin.desc = &parts.desc;
    parts.good_health = good->get_interface(STEWARD_IFACE_HEALTH);
    parts.good_restart = good->get_interface(STEWARD_IFACE_RESTART);
    parts.good_port = good->get_interface(STEWARD_IFACE_PORT);
    parts.good_metrics = good->get_interface(STEWARD_IFACE_METRICS);
    if (parts.good_health != NULL) {
        parts.health = *parts.good_health;
    }
    if (parts.good_restart != NULL) {
        parts.restart = *parts.good_restart;
    }
    if (parts.good_port != NULL) {
        parts.port = *parts.good_port;
    }
    if (parts.good_metrics != NULL) {
        parts.metrics = *parts.good_metrics;
    }
    parts.good = good;
    spoil();
}

static const void* get_interface(const char* id) {
    if (id == NULL) {
        return NULL;
    }
    if (parts.good_health != NULL && strcmp(id, STEWARD_IFACE_HEALTH) == 0) {
        return &parts.health;
    }
    if (parts.good_restart != NULL && strcmp(id, STEWARD_IFACE_RESTART) == 0) {
        return &parts.restart;
    }
    if (parts.good_port != NULL && strcmp(id, STEWARD_IFACE_PORT) == 0) {
        return &parts.port;
    }
    if (parts.good_metrics != NULL && strcmp(id, STEWARD_IFACE_METRICS) == 0) {
        return &parts.metrics;
    }
    return NULL;
}

static const steward_plugin* get_plugin(uint32_t index) {
    set_up();
    if (parts.plugin.get_interface == parts.good->get_interface) {
        parts.plugin.get_interface = get_interface;
    }
    if (parts.get_plugin != NULL) {
        return parts.get_plugin(index);
    }
    return index == 0 ? &parts.plugin : NULL;
}

static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    set_up();
    parts.host = host;
    return parts.init != NULL ? parts.init(host, path, error)
                              : parts.good_entry->init(host, path, error);
}

__attribute__((unused)) static void deinit(void) {
    if (parts.deinit != NULL) {
        parts.deinit();
    } else {
        parts.good_entry->deinit();
    }
}

#ifndef BAD_ENTRY_MAGIC
#define BAD_ENTRY_MAGIC STEWARD_ABI_MAGIC
#endif
#ifndef BAD_ENTRY_MIN_HOST_MINOR
#define BAD_ENTRY_MIN_HOST_MINOR 0
#endif
#ifndef BAD_ENTRY_DEINIT
#define BAD_ENTRY_DEINIT deinit
#endif

const steward_entry steward_plugin_entry = {.magic = BAD_ENTRY_MAGIC,
                                            .size = sizeof(steward_entry),
                                            .abi_major = STEWARD_ABI_MAJOR,
                                            .abi_minor = STEWARD_ABI_MINOR,
                                            .min_host_minor = BAD_ENTRY_MIN_HOST_MINOR,
                                            .plugin_count = 1,
                                            .init = init,
                                            .deinit = BAD_ENTRY_DEINIT,
                                            .get_plugin = get_plugin};
