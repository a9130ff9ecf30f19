/* plugin_side.h - which side of the plugin boundary does this thread stand on?
 *
 * The harness marks the way into a plugin and back (plugin_side.hpp), so that its watch on libc
 * (src/watch.h) can tell what a plugin does from what the harness does. */
#ifndef STEWARD_COMPLIANCE_PLUGIN_SIDE_H
#define STEWARD_COMPLIANCE_PLUGIN_SIDE_H

#ifdef __cplusplus
extern "C" {
#endif

/* 1: in a call into the plugin, and not in a call back from it. [any] */
int steward_on_plugin_side(void);
/* Sets it for this thread; returns what it was. [any] */
int steward_set_plugin_side(int side);

#ifdef __cplusplus
}
#endif
#endif
