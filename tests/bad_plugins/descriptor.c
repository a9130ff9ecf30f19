/* Bad plugins for the checks of group "Descriptor". */
#include <string.h>

#include "wrap.h"

#ifdef BAD_DESC_IDS
void spoil(void) {
    parts.desc.version = (steward_str){"1.0", 3};
}
#endif

#ifdef BAD_DESC_STABLE
static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    parts.desc.summary = (steward_str){"Is in use.", 10};
    return parts.good->create(host, config, out, error);
}

void spoil(void) {
    parts.plugin.create = create;
}
#endif

#ifdef BAD_DESC_INTERFACES_TRUTHFUL
/* Has an interface that it keeps to itself. */
static const void* get_interface(const char* id) {
    if (strcmp(id, STEWARD_IFACE_RESTART) == 0) {
        return &parts.restart;
    }
    return strcmp(id, STEWARD_IFACE_PORT) == 0 ? &parts.port : NULL;
}

void spoil(void) {
    parts.plugin.get_interface = get_interface;
}
#endif

#ifdef BAD_DESC_UNKNOWN_ID_NULL
static const void* get_interface(const char* id) {
    return strncmp(id, STEWARD_IFACE_PORT, strlen(STEWARD_IFACE_PORT)) == 0 ? &parts.port : NULL;
}

void spoil(void) {
    parts.plugin.get_interface = get_interface;
}
#endif

#ifdef BAD_DESC_INDEX_RANGE
static const steward_plugin* get_plugin(uint32_t index) {
    return index <= 1 ? &parts.plugin : NULL;
}

void spoil(void) {
    parts.get_plugin = get_plugin;
}
#endif
