#include "steward/compliance/plugin_side.h"

/* Read inside malloc(), so it must need no allocation itself. */
static _Thread_local int plugin_side __attribute__((tls_model("initial-exec")));

int steward_on_plugin_side(void) {
    return plugin_side;
}

int steward_set_plugin_side(int side) {
    const int before = plugin_side;
    plugin_side = side;
    return before;
}
