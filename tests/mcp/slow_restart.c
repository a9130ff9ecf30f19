/* A restart strategy that prints to stdout, in both ways, and does not come back for a minute. */
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <steward/restart.h>

#define TEXT(literal) \
    { (literal), sizeof(literal) - 1 }

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    (void)instance;
    (void)input;
    (void)error;
    (void)puts("printed by a plugin");
    (void)fflush(stdout);
    if (write(STDOUT_FILENO, "written by a plugin\n", 20) < 0) {
        return STEWARD_E_IO;
    }
    const struct timespec minute = {60, 0};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, NULL);
    out->action = STEWARD_STAY_DOWN;
    out->delay = 0;
    return why->write(why->ctx, "late", 4);
}

static const steward_restart restart = {sizeof restart, 0, decide};

static steward_status config_schema(const steward_sink* out) {
    static const char schema[] =
        "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}";
    return out->write(out->ctx, schema, sizeof schema - 1);
}

static int the_only_instance;

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    (void)host;
    (void)config;
    (void)error;
    *out = (steward_instance*)(void*)&the_only_instance;
    return STEWARD_OK;
}

static void destroy(steward_instance* instance) {
    (void)instance;
}

static const void* get_interface(const char* id) {
    return strcmp(id, STEWARD_IFACE_RESTART) == 0 ? &restart : NULL;
}

static const char* const interfaces[] = {STEWARD_IFACE_RESTART, NULL};

static const steward_descriptor descriptor = {sizeof descriptor,
                                              0,
                                              TEXT("slow_restart"),
                                              TEXT("Slow"),
                                              TEXT("Tests"),
                                              TEXT("1.0.0"),
                                              TEXT("LicenseRef-Test"),
                                              {NULL, 0},
                                              TEXT("Prints and does not come back."),
                                              interfaces};

static const steward_plugin plugin = {sizeof plugin, 0,       &descriptor,  config_schema,
                                      create,        destroy, get_interface};

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
