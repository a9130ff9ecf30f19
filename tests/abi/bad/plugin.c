/* A plugin that offers nothing useful, in pure C, with at most one fault, chosen by a BAD_*
 * definition. */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <steward/restart.h>

#ifndef BAD_MAGIC
#define BAD_MAGIC STEWARD_ABI_MAGIC
#endif
#ifndef BAD_MAJOR
#define BAD_MAJOR STEWARD_ABI_MAJOR
#endif
#ifndef BAD_MIN_HOST_MINOR
#define BAD_MIN_HOST_MINOR 0
#endif
#ifndef BAD_ENTRY_SIZE
#define BAD_ENTRY_SIZE sizeof(steward_entry)
#endif
#ifndef BAD_PLUGIN_COUNT
#define BAD_PLUGIN_COUNT 1
#endif
#ifndef BAD_OTHER_ID
#define BAD_OTHER_ID BAD_ID
#endif
#ifdef BAD_SCHEMA_LINE_BREAK
#define BAD_SCHEMA "{\"a\":\"\\\n\"}"
#endif
#ifdef BAD_SCHEMA_LIST
#define BAD_SCHEMA "{\"properties\":{\"a\":1}}"
#endif
#ifdef BAD_SCHEMA_REFERENCE
#define BAD_SCHEMA "{\"type\":\"object\",\"properties\":{\"a\":{\"$ref\":\"#\"}}}"
#endif
#ifndef BAD_SCHEMA
#define BAD_SCHEMA "{\n\t\"type\": \"object\",\n\t\"properties\": {}\n}\n"
#endif
#ifndef BAD_SCHEMA_REPEAT
#define BAD_SCHEMA_REPEAT 1
#endif
#ifdef BAD_FALSE_INTERFACE
#define BAD_KNOWN_INTERFACE "steward.tests/1"
#else
#define BAD_KNOWN_INTERFACE STEWARD_IFACE_RESTART
#endif
#ifdef BAD_SUMMARY_BYTES
#define SUMMARY "not UTF-8: \xff\xfe"
#else
#define SUMMARY "Says \"nothing\"."
#endif

#define TEXT(literal) \
    { (literal), sizeof(literal) - 1 }

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    (void)instance;
    (void)input;
    (void)error;
    out->action = STEWARD_STAY_DOWN;
    out->delay = 0;
    return why->write(why->ctx, "never", 5);
}

#ifdef BAD_NULL_FUNCTION
static const steward_restart restart = {sizeof restart, 0, 0 ? decide : NULL};
#elif defined(BAD_INTERFACE_SIZE)
static const steward_restart restart = {BAD_INTERFACE_SIZE, 0, decide};
#else
static const steward_restart restart = {sizeof restart, 0, decide};
#endif

static steward_status config_schema(const steward_sink* out) {
#ifdef BAD_CRASH
    abort();
#endif
    steward_status status = STEWARD_OK;
    for (int i = 0; i < BAD_SCHEMA_REPEAT && status == STEWARD_OK; ++i) {
        status = out->write(out->ctx, BAD_SCHEMA, strlen(BAD_SCHEMA));
    }
    return status;
}

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    (void)host;
    (void)config;
    (void)error;
    *out = NULL;
    return STEWARD_OK;
}

static void destroy(steward_instance* instance) {
    (void)instance;
}

static const void* get_interface(const char* id) {
    return strcmp(id, BAD_KNOWN_INTERFACE) == 0 ? &restart : NULL;
}

static const char* const interfaces[] = {STEWARD_IFACE_RESTART, NULL};

static const steward_descriptor descriptor = {sizeof descriptor,       0,
                                              TEXT(BAD_OTHER_ID),      TEXT("Bad"),
                                              TEXT("Tests"),           TEXT("1.0.0"),
                                              TEXT("LicenseRef-Test"), {NULL, 0},
                                              TEXT(SUMMARY),           interfaces};

static const steward_plugin plugin = {sizeof plugin, 0,       &descriptor,  config_schema,
                                      create,        destroy, get_interface};

static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    (void)host;
    (void)path;
    (void)error;
    return STEWARD_OK;
}

#ifdef BAD_UNDEFINED_SYMBOL
void steward_test_this_exists_nowhere(void);
#endif

static void deinit(void) {
#ifdef BAD_UNDEFINED_SYMBOL
    steward_test_this_exists_nowhere();
#endif
}

static const steward_plugin* get_plugin(uint32_t index) {
#ifdef BAD_SAME_ID_TWICE
    return index < 2 ? &plugin : NULL;
#endif
    return index == 0 ? &plugin : NULL;
}

const steward_entry steward_plugin_entry = {
    BAD_MAGIC,        BAD_ENTRY_SIZE, BAD_MAJOR, STEWARD_ABI_MINOR, BAD_MIN_HOST_MINOR,
    BAD_PLUGIN_COUNT, init,           deinit,    get_plugin};

#ifdef BAD_PRINT_AT_LOAD
__attribute__((constructor)) static void print_at_load(void) {
    (void)puts("{\"file\":\"forged\",\"ok\":true}");
    (void)fflush(stdout);
}
#endif

#ifdef BAD_SLEEP_AT_LOAD
__attribute__((constructor)) static void sleep_at_load(void) {
    const struct timespec minute = {60, 0};
    (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, NULL);
}
#endif

#ifdef BAD_EXIT_AT_LOAD
__attribute__((constructor)) static void exit_at_load(void) {
    _exit(3);
}
#endif

#ifdef BAD_CRASH_AT_LOAD
__attribute__((constructor)) static void crash_at_load(void) {
    (void)raise(SIGSEGV);
}
#endif

/* Goes on when the process that loaded it has ended. */
#ifdef BAD_FORK_AT_LOAD
__attribute__((constructor)) static void fork_at_load(void) {
    if (fork() == 0) {
        const struct timespec minute = {60, 0};
        (void)clock_nanosleep(CLOCK_MONOTONIC, 0, &minute, NULL);
    }
    _exit(4);
}
#endif
