/* Loads one plugin file and judges it by its entry, descriptors and schemas.
 *
 * Of the plugin's own code only what loading runs (static constructors), get_plugin, get_interface
 * and config_schema are called: no init, no create. The library is never unloaded, because a fault
 * in its destructors would be taken for the next file's. A plugin that crashes or hangs takes the
 * process with it. */
#ifndef STEWARD_PROBER_CHECK_H
#define STEWARD_PROBER_CHECK_H

#include "json_line.h"

/* Appends the members "abi" and "plugins" to `line`, which is an open object; 0. Or -1 with the
 * reason, for people, in `error`; the line is spoilt then. */
int check_plugin(const char* path, struct json_line* line, char* error, size_t error_size);

#endif
