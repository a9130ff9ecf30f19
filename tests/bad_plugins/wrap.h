/* wrap.h - a good plugin of the default set with one thing changed.
 *
 * Each bad plugin is the good one's static library behind an entry of its own: what the harness
 * sees are copies of the good plugin's tables, in which spoil() has changed what the variant is
 * about. So whatever else is tried behaves as the good plugin does.
 *
 * A source file holds the variants of one group of checks; CMake compiles it once for each with
 * BAD_<CHECK_ID> defined. Entry fields are changed by macros that CMake defines (BAD_ENTRY_MAGIC and
 * so on, see the end of wrap.c).
 */
#ifndef BAD_PLUGINS_WRAP_H
#define BAD_PLUGINS_WRAP_H

#include <steward/abi.h>
#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/port.h>
#include <steward/reactor.h>
#include <steward/restart.h>

/* The good plugin, and copies of its tables that the harness is given. An interface that the good
 * one lacks is all null. */
struct parts {
    const steward_entry* good_entry;
    const steward_plugin* good;
    const steward_health* good_health;
    const steward_restart* good_restart;
    const steward_port* good_port;
    const steward_metrics* good_metrics;

    steward_descriptor desc;
    steward_plugin plugin;
    steward_health health;
    steward_restart restart;
    steward_port port;
    steward_metrics metrics;
    /* Called instead of the good ones; null: the good ones are. */
    steward_status (*init)(const steward_host* host, steward_str path, steward_error* error);
    void (*deinit)(void);
    const steward_plugin* (*get_plugin)(uint32_t index);
    /* The host of the last init. */
    const steward_host* host;
};
extern struct parts parts;

/* A function of the C library that does not become an import: for variants that call what
 * elf-no-forbidden-imports would find as well. Needs <dlfcn.h>. */
#define NOT_IMPORTED(function) \
    (__extension__(__typeof__(&(function))) dlsym(RTLD_DEFAULT, #function))

/* Defined by each variant: changes `parts`, once, before the harness sees any of it. */
void spoil(void);

#endif
