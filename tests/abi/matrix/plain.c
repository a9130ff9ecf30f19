/* A restart strategy over the C headers alone, in what C11 and C++17 have in common: a decision is
 * "1234 ms, plain". */
#include <string.h>

#include <steward/restart.h>

#define TEXT(literal) \
    { (literal), sizeof(literal) - 1 }

static int only_instance;

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    (void)error;
    if ((const void*)instance != (const void*)&only_instance || input->event_count == 0) {
        return STEWARD_E_INTERNAL;
    }
    const uint32_t kind = input->events[input->event_count - 1].kind;
    const int failed = kind != STEWARD_EV_MANUAL_STOP && kind != STEWARD_EV_MANUAL_START;
    out->action = failed ? STEWARD_RESTART : STEWARD_STAY_DOWN;
    out->delay = 1234 * INT64_C(1000000);
    return why->write(why->ctx, "plain", 5);
}

static const steward_restart restart = {sizeof(steward_restart), 0, decide};

static steward_status config_schema(const steward_sink* out) {
    static const char text[] =
        "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}";
    return out->write(out->ctx, text, sizeof text - 1);
}

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    (void)config;
    (void)error;
    if (!STEWARD_HAS(host, get_extension) || host->abi_major != STEWARD_ABI_MAJOR) {
        return STEWARD_E_UNSUPPORTED;
    }
    *out = (steward_instance*)(void*)&only_instance;
    return STEWARD_OK;
}

static void destroy(steward_instance* instance) {
    (void)instance;
}

static const void* get_interface(const char* id) {
    return strcmp(id, STEWARD_IFACE_RESTART) == 0 ? &restart : NULL;
}

static const char* const interfaces[] = {STEWARD_IFACE_RESTART, NULL};

static const steward_descriptor descriptor = {sizeof(steward_descriptor),
                                              0,
                                              TEXT("plain"),
                                              TEXT("Plain"),
                                              TEXT("Tests"),
                                              TEXT("1.0.0"),
                                              TEXT("MIT"),
                                              {NULL, 0},
                                              TEXT("Restarts after 1234 ms."),
                                              interfaces};

static const steward_plugin plugin = {
    sizeof(steward_plugin), 0, &descriptor, config_schema, create, destroy, get_interface};

static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    (void)host;
    (void)path;
    (void)error;
    return STEWARD_OK;
}

static void deinit(void) {}

static const steward_plugin* get_plugin(uint32_t index) {
    return index == 0 ? &plugin : NULL;
}

const steward_entry steward_plugin_entry = {STEWARD_ABI_MAGIC,
                                            sizeof(steward_entry),
                                            STEWARD_ABI_MAJOR,
                                            STEWARD_ABI_MINOR,
                                            0,
                                            1,
                                            init,
                                            deinit,
                                            get_plugin};
