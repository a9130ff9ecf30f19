/* awkward: a plugin with all four strategies that misbehaves as its setting `mode` says; with the
 * default, `good`, it answers at once. For the tests of the plugin host.
 *
 *   create_slow       create sleeps `ms`
 *   create_refuse     create fails and says why
 *   deinit_post       deinit posts to the host
 *   decide_hang       decide never returns
 *   decide_slow_once  the first decide of the instance sleeps `ms` and then answers
 *   decide_slow       every decide sleeps `ms`
 *   decide_action     the decision has the action `ms`
 *   decide_delay      the decision has the delay -`ms` ns
 *   decide_fail       decide fails and says why
 *   decide_crash      decide ends by SIGSEGV
 *   decide_print      decide prints to stdout first
 *   decide_log        decide logs `ms` lines first
 *   decide_wall       the reason is the wall clock of the question
 *   decide_text       the reason is 1 MiB long; the plugin takes the refusal as a failure
 *   propose_wild      proposes ports that it must not: 0, excluded ones, twice the same, far away
 *   propose_count     says that it has written a million ports
 *   start_hang        start never returns
 *   start_slow        start sleeps `ms` and calls done before it returns
 *   start_fail        start fails and says why
 *   done_never        done is never called
 *   done_twice        done is called twice, the second time with another verdict
 *   done_inside       done is called from inside start
 *   done_null         done is called without a result
 *   sample_hang       sample never returns
 *   sample_slow       sample sleeps `ms` and then answers
 *   sample_wild       sample emits what is no number, has no name or is too much
 *
 * The reason of a decision, and the detail of a probe, is "call N overlaps M create C destroy D
 * config TEXT": N calls so far in this process, M of which began while another one ran. */
#define _GNU_SOURCE
#include <math.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/port.h>
#include <steward/restart.h>

enum { kConfig = 512 };

struct steward_instance {
    const steward_host* host;
    char config[kConfig];
    char mode[64];
    long ms;
    atomic_int decisions;
    int users; /* who has created it, and each probe in flight; the plugin's thread alone */
};

static void release(steward_instance* instance) {
    if (--instance->users == 0) {
        free(instance);
    }
}

static atomic_int calls;
static atomic_int inside;
static atomic_int overlaps;
static atomic_int created;
static atomic_int destroyed;
static const steward_host* deinit_host; /* of the last instance with the mode deinit_post */
static int posted_by_deinit = -1;
static atomic_int run_after_deinit;

static void sleep_ms(long ms) {
    struct timespec left = {ms / 1000, ms % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0) {
    }
}

static _Noreturn void hang(void) {
    for (;;) {
        sleep_ms(60000);
    }
}

static int is(const steward_instance* instance, const char* mode) {
    return strcmp(instance->mode, mode) == 0;
}

static void enter(void) {
    atomic_fetch_add(&calls, 1);
    if (atomic_fetch_add(&inside, 1) != 0) {
        atomic_fetch_add(&overlaps, 1);
    }
    sleep_ms(1);
}

static void leave(void) {
    atomic_fetch_sub(&inside, 1);
}

static int describe(const steward_instance* instance, char* text, size_t size) {
    return snprintf(text, size, "call %d overlaps %d create %d destroy %d config %s",
                    atomic_load(&calls), atomic_load(&overlaps), atomic_load(&created),
                    atomic_load(&destroyed), instance->config);
}

static void say(steward_error* error, const char* text) {
    (void)snprintf(error->text, sizeof error->text, "%s", text);
}

/* --- restart --- */

static void before_decision(steward_instance* self) {
    const int number = atomic_fetch_add(&self->decisions, 1);
    if (is(self, "decide_hang")) {
        hang();
    }
    if (is(self, "decide_slow") || (is(self, "decide_slow_once") && number == 0)) {
        sleep_ms(self->ms);
    }
    if (is(self, "decide_crash")) {
        (void)raise(SIGSEGV);
    }
    if (is(self, "decide_print")) {
        (void)puts("printed by decide");
        (void)fflush(stdout);
    }
    for (long i = 0; is(self, "decide_log") && i < self->ms; ++i) {
        self->host->log(self->host, STEWARD_LOG_INFO, (steward_str){"flood", 5});
    }
}

static steward_status decide(const steward_instance* instance, const steward_restart_input* input,
                             steward_restart_decision* out, const steward_sink* why,
                             steward_error* error) {
    steward_instance* const self = (steward_instance*)(uintptr_t)instance;
    before_decision(self);
    enter();
    char text[kConfig + 128];
    const int length = describe(instance, text, sizeof text);
    steward_status status = STEWARD_OK;
    out->action = is(self, "decide_action") ? (int32_t)self->ms : STEWARD_RESTART;
    out->delay = is(self, "decide_delay") ? -self->ms : 123000000;
    if (is(self, "decide_wall")) {
        (void)snprintf(text, sizeof text, "%lld s, %d s east",
                       (long long)(input->wall / 1000000000), input->utc_offset);
        status = why->write(why->ctx, text, strlen(text));
    } else if (is(self, "decide_fail")) {
        say(error, "the oracle is closed");
        status = STEWARD_E_IO;
    } else if (is(self, "decide_text")) {
        char* const much = calloc(1, 1 << 20);
        memset(much, 'x', 1 << 20);
        status = why->write(why->ctx, much, 1 << 20);
        free(much);
    } else {
        status = why->write(why->ctx, text, (size_t)length);
    }
    leave();
    return status;
}

static const steward_restart restart = {sizeof restart, 0, decide};

/* --- port --- */

static steward_status propose(const steward_instance* instance, const steward_port_request* request,
                              uint16_t* out, size_t capacity, size_t* count, steward_error* error) {
    (void)error;
    enter();
    *count = 1;
    out[0] = request->last;
    if (is(instance, "propose_wild")) {
        const uint16_t wild[] = {0,
                                 (uint16_t)(request->first - 1),
                                 request->excluded_count > 0 ? request->excluded[0] : (uint16_t)0,
                                 (uint16_t)(request->last + 1),
                                 request->last,
                                 request->last};
        memcpy(out, wild, sizeof wild);
        *count = sizeof wild / sizeof *wild;
    } else if (is(instance, "propose_count")) {
        for (size_t i = 0; i < capacity; ++i) {
            out[i] = (uint16_t)(request->first + i);
        }
        *count = 1000000;
    }
    leave();
    return STEWARD_OK;
}

static const steward_port port = {sizeof port, 0, propose};

/* --- health --- */

struct probe {
    steward_instance* instance;
    steward_token token;
    steward_health_done done;
    void* ud;
};

static void answer(struct probe* probe, int32_t verdict) {
    char text[kConfig + 128];
    const int length = describe(probe->instance, text, sizeof text);
    const steward_health_result result = {
        sizeof result, verdict, STEWARD_OK, 200, 1000000, {text, (size_t)length}, {"me", 2}};
    probe->done(probe->ud, probe->token, is(probe->instance, "done_null") ? NULL : &result);
}

static void finish(void* ud) {
    struct probe* const probe = ud;
    enter();
    answer(probe, STEWARD_HEALTHY);
    if (is(probe->instance, "done_twice")) {
        answer(probe, STEWARD_UNHEALTHY);
    }
    leave();
    release(probe->instance);
    free(probe);
}

static steward_status start(steward_instance* instance, const steward_health_request* request,
                            steward_health_done done, void* ud, steward_error* error) {
    if (is(instance, "start_hang")) {
        hang();
    }
    if (is(instance, "start_slow")) {
        sleep_ms(instance->ms);
    }
    if (is(instance, "start_fail")) {
        say(error, "no stethoscope");
        return STEWARD_E_IO;
    }
    if (is(instance, "done_never")) {
        return STEWARD_OK;
    }
    enter();
    struct probe* const probe = malloc(sizeof *probe);
    *probe = (struct probe){instance, request->probe, done, ud};
    ++instance->users;
    leave();
    if (is(instance, "done_inside") || is(instance, "start_slow")) {
        finish(probe);
        return STEWARD_OK;
    }
    return instance->host->post(instance->host, finish, probe);
}

static void cancel(steward_instance* instance, steward_token probe) {
    (void)instance;
    (void)probe;
}

static const steward_health health = {sizeof health, 0, start, cancel};

/* --- metrics --- */

static void emit_one(void (*emit)(void*, const steward_metric*), void* ud, const char* name,
                     double value) {
    const steward_metric metric = {
        sizeof metric, STEWARD_GAUGE, {name, strlen(name)}, {NULL, 0}, {NULL, 0}, value, NULL, 0};
    emit(ud, &metric);
}

static steward_status sample(steward_instance* instance, const steward_metrics_request* request,
                             void (*emit)(void*, const steward_metric*), void* ud,
                             steward_error* error) {
    (void)request;
    (void)error;
    if (is(instance, "sample_hang")) {
        hang();
    }
    if (is(instance, "sample_slow")) {
        sleep_ms(instance->ms);
    }
    enter();
    emit_one(emit, ud, "answer", 42);
    if (is(instance, "sample_wild")) {
        emit(ud, NULL);
        emit_one(emit, ud, "not_a_number", NAN);
        emit_one(emit, ud, "endless", INFINITY);
        emit_one(emit, ud, "", 1);
        emit_one(emit, ud, "No Name", 1);
        for (int i = 0; i < 100000; ++i) {
            emit_one(emit, ud, "more", i);
        }
    }
    leave();
    return STEWARD_OK;
}

static const steward_metrics metrics = {sizeof metrics, 0, sample};

/* --- the plugin --- */

static steward_status config_schema(const steward_sink* out) {
    static const char schema[] =
        "{\"type\":\"object\",\"additionalProperties\":false,\"properties\":{"
        "\"mode\":{\"type\":\"string\",\"default\":\"good\",\"description\":\"What it does "
        "wrong.\"},"
        "\"ms\":{\"type\":\"integer\",\"default\":0,\"description\":\"How much of it.\"}}}";
    return out->write(out->ctx, schema, sizeof schema - 1);
}

/* The settings are complete and written by the host: no parser is needed. */
static void read_config(steward_instance* self, steward_str config) {
    const size_t length = config.len < kConfig - 1 ? config.len : kConfig - 1;
    memcpy(self->config, config.ptr, length);
    const char* const mode = strstr(self->config, "\"mode\":\"");
    const char* const ms = strstr(self->config, "\"ms\":");
    if (mode != NULL) {
        (void)sscanf(mode + 8, "%63[a-z_]", self->mode);
    }
    if (ms != NULL) {
        self->ms = strtol(ms + 5, NULL, 10);
    }
}

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    steward_instance* const self = calloc(1, sizeof *self);
    self->users = 1;
    self->host = host;
    read_config(self, config);
    if (is(self, "deinit_post")) {
        deinit_host = host;
    }
    if (is(self, "create_slow")) {
        sleep_ms(self->ms);
    }
    if (is(self, "create_refuse")) {
        say(error, "mode: will not be refused");
        free(self);
        return STEWARD_E_INVALID;
    }
    atomic_fetch_add(&created, 1);
    *out = self;
    return STEWARD_OK;
}

static void destroy(steward_instance* instance) {
    atomic_fetch_add(&destroyed, 1);
    release(instance);
}

static const void* get_interface(const char* id) {
    return strcmp(id, STEWARD_IFACE_RESTART) == 0   ? (const void*)&restart
           : strcmp(id, STEWARD_IFACE_PORT) == 0    ? (const void*)&port
           : strcmp(id, STEWARD_IFACE_HEALTH) == 0  ? (const void*)&health
           : strcmp(id, STEWARD_IFACE_METRICS) == 0 ? (const void*)&metrics
                                                    : NULL;
}

static const char* const interfaces[] = {STEWARD_IFACE_RESTART, STEWARD_IFACE_PORT,
                                         STEWARD_IFACE_HEALTH, STEWARD_IFACE_METRICS, NULL};

#define TEXT(literal) \
    { (literal), sizeof(literal) - 1 }

static const steward_descriptor descriptor = {
    sizeof descriptor, 0,           TEXT("awkward"), TEXT("Awkward"),     TEXT("Tests"),
    TEXT("2.1.0"),     TEXT("MIT"), {NULL, 0},       TEXT("Misbehaves."), interfaces};

static const steward_plugin plugin = {sizeof plugin, 0,       &descriptor,  config_schema,
                                      create,        destroy, get_interface};

static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    (void)host;
    (void)path;
    (void)error;
    return STEWARD_OK;
}

static void too_late(void* ud) {
    (void)ud;
    atomic_fetch_add(&run_after_deinit, 1);
}

static void deinit(void) {
    if (deinit_host != NULL) {
        posted_by_deinit = deinit_host->post(deinit_host, too_late, NULL);
    }
}

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

/* For the tests: they find it by its name. */
STEWARD_EXPORT void awkward_counts(int* calls_out, int* created_out, int* destroyed_out);
void awkward_counts(int* calls_out, int* created_out, int* destroyed_out) {
    *calls_out = atomic_load(&calls);
    *created_out = atomic_load(&created);
    *destroyed_out = atomic_load(&destroyed);
}

/* What post() said to deinit (-1: deinit has not been called), and whether it ran all the same. */
STEWARD_EXPORT void awkward_ending(int* posted, int* ran);
void awkward_ending(int* posted, int* ran) {
    *posted = posted_by_deinit;
    *ran = atomic_load(&run_after_deinit);
}
