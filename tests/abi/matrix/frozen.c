/* A restart strategy as it was built against plugin ABI 1.0, whatever the headers say today: all
 * that crosses is written out here, and no header of the SDK is read.
 *
 * With NEWER it comes from a later minor version: its structs are longer, and it knows an interface
 * that this host does not. It needs no more than 1.0 of a host, and says so. */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifdef NEWER
enum { kMinor = 7 };
#define APPENDED void* appended[4];
#define ID "newer"
#else
enum { kMinor = 0 };
#define APPENDED
#define ID "frozen"
#endif

struct text {
    const char* ptr;
    size_t len;
};
struct sink {
    uint32_t size, reserved;
    void* ctx;
    int32_t (*write)(void* ctx, const void* data, size_t len);
};
struct event {
    uint32_t kind;
    int32_t code;
    int64_t at, uptime, healthy_for;
};
struct question {
    uint32_t size, event_count;
    const struct event* events;
    int64_t now;
    uint64_t entropy, total_restarts;
};
struct decision {
    uint32_t size;
    int32_t action;
    int64_t delay;
};
struct restart {
    uint32_t size, reserved;
    int32_t (*decide)(const void* instance, const struct question* input, struct decision* out,
                      const struct sink* why, void* error);
    APPENDED
};
struct descriptor {
    uint32_t size, capabilities;
    struct text id, name, vendor, version, license, url, summary;
    const char* const* interfaces;
    APPENDED
};
struct plugin {
    uint32_t size, reserved;
    const struct descriptor* desc;
    int32_t (*config_schema)(const struct sink* out);
    int32_t (*create)(const void* host, struct text config, void** out, void* error);
    void (*destroy)(void* instance);
    const void* (*get_interface)(const char* id);
    APPENDED
};
struct entry {
    uint32_t magic, size, abi_major, abi_minor, min_host_minor, plugin_count;
    int32_t (*init)(const void* host, struct text path, void* error);
    void (*deinit)(void);
    const struct plugin* (*get_plugin)(uint32_t index);
    APPENDED
};

#define TEXT(literal) \
    { (literal), sizeof(literal) - 1 }

static char only_instance[] = ID;

static int32_t decide(const void* instance, const struct question* input, struct decision* out,
                      const struct sink* why, void* error) {
    (void)error;
    /* What the host sends is at least as long as it was. */
    if (instance != only_instance || input->size < 40 || out->size < 16 || why->size < 24) {
        return 10;
    }
    const uint32_t kind = input->events[input->event_count - 1].kind;
    out->action = kind == 5 || kind == 6;
    out->delay = INT64_C(1234000000);
    return why->write(why->ctx, ID, sizeof ID - 1);
}

static const struct restart restart = {.size = sizeof restart, .decide = decide};

static int32_t config_schema(const struct sink* out) {
    static const char text[] =
        "{\"type\":\"object\",\"properties\":{},\"additionalProperties\":false}";
    return out->write(out->ctx, text, sizeof text - 1);
}

static int32_t create(const void* host, struct text config, void** out, void* error) {
    (void)config;
    (void)error;
    uint32_t size_and_major[2];
    memcpy(size_and_major, host, sizeof size_and_major);
    *out = only_instance;
    return size_and_major[0] >= 104 && size_and_major[1] == 1 ? 0 : 2;
}

static void destroy(void* instance) {
    (void)instance;
}

static const void* get_interface(const char* id) {
#ifdef NEWER
    if (strcmp(id, "steward.later/1") == 0) {
        return &restart;
    }
#endif
    return strcmp(id, "steward.restart/1") == 0 ? &restart : NULL;
}

static const char* const interfaces[] = {"steward.restart/1",
#ifdef NEWER
                                         "steward.later/1",
#endif
                                         NULL};

static const struct descriptor descriptor = {.size = sizeof descriptor,
                                             .id = TEXT(ID),
                                             .name = TEXT("Frozen"),
                                             .vendor = TEXT("Tests"),
                                             .version = TEXT("1.0.0"),
                                             .license = TEXT("MIT"),
                                             .summary = TEXT("Restarts after 1234 ms."),
                                             .interfaces = interfaces};

static const struct plugin plugin = {.size = sizeof plugin,
                                     .desc = &descriptor,
                                     .config_schema = config_schema,
                                     .create = create,
                                     .destroy = destroy,
                                     .get_interface = get_interface};

static int32_t init(const void* host, struct text path, void* error) {
    (void)host;
    (void)path;
    (void)error;
    return 0;
}

static void deinit(void) {}

static const struct plugin* get_plugin(uint32_t index) {
    return index == 0 ? &plugin : NULL;
}

__attribute__((visibility("default"))) extern const struct entry steward_plugin_entry;
const struct entry steward_plugin_entry = {.magic = 0x44574453u,
                                           .size = sizeof steward_plugin_entry,
                                           .abi_major = 1,
                                           .abi_minor = kMinor,
                                           .min_host_minor = 0,
                                           .plugin_count = 1,
                                           .init = init,
                                           .deinit = deinit,
                                           .get_plugin = get_plugin};
