/* steward/abi.h - the plugin ABI, version 1.0: entry, descriptors, settings and what the host
 * offers.
 *
 * Who uses it: every plugin, and every host that loads one. Pure C11 (and C++), no dependency but
 * <stddef.h> and <stdint.h>. The strategies have one header each: health.h, restart.h, port.h,
 * metrics.h; the reactor has reactor.h.
 *
 * Frozen rules
 *   1. No C++ type, exception, allocator, FILE*, errno or locale crosses this boundary, and nothing
 *      unwinds over it.
 *   2. Nobody frees what the other side allocated. A result leaves through a caller-owned struct, a
 *      steward_sink or a callback. A steward_str that is an argument is valid until the call
 *      returns, no longer.
 *   3. Every struct begins with `size`, the sender's sizeof. A receiver reads a field only if
 *      STEWARD_HAS says so; within a major version structs only grow at the end. Small values and
 *      elements of arrays (steward_str, steward_event, steward_label) have no size: they never
 *      change.
 *   4. Function pointers of an interface are never null. Descriptors, interfaces and their strings
 *      live until `deinit`.
 *   5. Interfaces are found by a string id with a revision ("steward.restart/1"); a changed
 *      interface gets a new id.
 *   6. No descriptor changes its owner. A plugin opens its descriptors with CLOEXEC and closes them
 *      itself.
 *   7. The process belongs to the host: no signal handlers, no waiting for children, no fork, no
 *      setenv, chdir, umask, setlocale, exit, and nothing written to descriptor 1.
 *
 * Thread classes, named in brackets at each function
 *   [plugin]  the one thread that the host runs for this library; calls on it never overlap, so a
 *             plugin needs no lock
 *   [any]     any thread, at any time, also concurrently
 *
 * Deadlines: the host measures each call on [plugin] from its start. A decision or `start` that
 * takes more than 250 ms is answered by the host's own fallback; a library that has not come back
 * 2 s later is never called again.
 */
#ifndef STEWARD_ABI_H
#define STEWARD_ABI_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define STEWARD_ABI_MAGIC 0x44574453u /* the bytes "SDWD" */
#define STEWARD_ABI_MAJOR 1u          /* must be equal on both sides */
#define STEWARD_ABI_MINOR 0u          /* additive only */
#define STEWARD_ENTRY_SYMBOL "steward_plugin_entry"

/* Is `field` part of the struct that `p` points to, as its sender knew it? */
#define STEWARD_HAS(p, field) ((p)->size >= offsetof(__typeof__(*(p)), field) + sizeof((p)->field))

#if defined(__GNUC__)
#define STEWARD_EXPORT __attribute__((visibility("default")))
#else
#define STEWARD_EXPORT
#endif

/* ---- values */

typedef int32_t steward_status;
enum {
    STEWARD_OK = 0,
    STEWARD_E_INVALID = 1,     /* an argument or a setting is wrong; the error text names it */
    STEWARD_E_UNSUPPORTED = 2, /* the plugin or the host does not do this */
    STEWARD_E_BUSY = 3,
    STEWARD_E_TIMEOUT = 4,   /* the deadline came first; what was delivered until then counts */
    STEWARD_E_CANCELLED = 5, /* the caller cancelled it */
    STEWARD_E_EXHAUSTED = 6, /* nothing is left to offer (no port in the range) */
    STEWARD_E_GONE = 7,      /* the thing asked about does not exist any more */
    STEWARD_E_IO = 8,        /* the operating system said no; steward_error.sys_errno says how */
    STEWARD_E_NOMEM = 9,
    STEWARD_E_INTERNAL = 10 /* a fault of the plugin itself (a caught exception) */
};

/* Monotonic nanoseconds on the host's clock; durations too. */
typedef int64_t steward_ns;

/* Identifies a timer, a probe; 0 is never used. */
typedef uint64_t steward_token;

/* UTF-8, not NUL-terminated; ptr may be null when len is 0. */
typedef struct steward_str {
    const char* ptr;
    size_t len;
} steward_str;

/* Caller-owned. `text` is NUL-terminated UTF-8, lower case, without a final period, and names the
 * setting or thing. */
typedef struct steward_error {
    uint32_t size;
    int32_t sys_errno; /* 0 if none */
    char text[256];
} steward_error;

/* Caller-owned output. `write` may be called any number of times until it returns other than
 * STEWARD_OK; then the callee stops and returns that status. */
typedef struct steward_sink {
    uint32_t size;
    uint32_t reserved;
    void* ctx;
    steward_status (*write)(void* ctx, const void* data, size_t len);
} steward_sink;

/* What `create` made; opaque to the host. */
typedef struct steward_instance steward_instance;

/* ---- what the host offers */

enum {
    STEWARD_LOG_DEBUG = 0,
    STEWARD_LOG_INFO = 1,
    STEWARD_LOG_WARNING = 2,
    STEWARD_LOG_ERROR = 3
};

/* Valid from `init` until `deinit` returns. */
typedef struct steward_host {
    uint32_t size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t reserved;
    void* ctx;           /* the host's own; a plugin does not look inside */
    steward_str name;    /* "steward" */
    steward_str version; /* "0.1.0" */
    /* The host's monotonic clock. The only clock a plugin reads: tests run it by hand. [any] */
    steward_ns (*now)(const struct steward_host* host);
    /* 64 random bits. Strategies that are pure get theirs with the question instead. [any] */
    uint64_t (*entropy)(const struct steward_host* host);
    /* Logs one line of at most 4 KiB; a plugin that floods is cut. [any] */
    void (*log)(const struct steward_host* host, int32_t level, steward_str message);
    /* Runs fn(ud) on [plugin], after what was posted before. STEWARD_E_GONE once `deinit` has
     * begun. [any] */
    steward_status (*post)(const struct steward_host* host, void (*fn)(void* ud), void* ud);
    /* 1 on the [plugin] thread of this library, else 0. [any] */
    int32_t (*on_plugin_thread)(const struct steward_host* host);
    /* An extension by id ("steward.host.reactor/1"), or null. [any] */
    const void* (*get_extension)(const struct steward_host* host, const char* id);
} steward_host;

/* ---- what a plugin is */

enum {
    STEWARD_CAP_UNLOADABLE =
        1u << 0, /* may be unmapped after deinit (checked by the compliance harness) */
    STEWARD_CAP_OWN_THREADS =
        1u << 1, /* starts threads of its own; all are joined when destroy returns */
    /* restart: backs off with its default settings. While the same failure repeats soon after each
     * start, no delay is shorter than the one before, jitter aside, and the last is longer than the
     * first; after the app has been healthy for a long time the delays begin anew. */
    STEWARD_CAP_BACKOFF = 1u << 2
};

typedef struct steward_descriptor {
    uint32_t size;
    uint32_t capabilities; /* STEWARD_CAP_* */
    steward_str id;        /* [a-z][a-z0-9_]{0,63}; the file is called steward_<id>.so */
    steward_str name;      /* for people */
    steward_str vendor;
    steward_str version; /* semantic version */
    steward_str license; /* SPDX expression */
    steward_str url;     /* may be empty */
    steward_str summary; /* one sentence */
    const char* const*
        interfaces; /* null-terminated list of ids; each is answered by get_interface */
} steward_descriptor;

/* One strategy; a library may hold several (then each file name rule applies to the first). */
typedef struct steward_plugin {
    uint32_t size;
    uint32_t reserved;
    const steward_descriptor* desc;
    /* Writes the JSON Schema of the settings: an object of at most 64 KiB with "properties", each
     * with type, default and description; minimum, maximum, enum, examples as needed;
     * additionalProperties false; no $ref, no pattern. [any] */
    steward_status (*config_schema)(const steward_sink* out);
    /* Makes an instance. `config_json` is an object that satisfies the schema, defaults filled in;
     * a plugin refuses what it does not know with STEWARD_E_INVALID and the key's name. *out is
     * untouched on failure. [plugin] */
    steward_status (*create)(const steward_host* host, steward_str config_json,
                             steward_instance** out, steward_error* error);
    /* Ends an instance: what is in flight is completed (with STEWARD_E_CANCELLED) before it
     * returns. [plugin] */
    void (*destroy)(steward_instance* instance);
    /* The interface with this id, or null. [any] */
    const void* (*get_interface)(const char* id);
} steward_plugin;

/* The one exported symbol: plain data, so that a host can judge a library before it calls anything
 * in it. A host loads it iff the magic and abi_major are equal and min_host_minor <= the host's
 * minor. The first six members are frozen. */
typedef struct steward_entry {
    uint32_t magic;
    uint32_t size;
    uint32_t abi_major;
    uint32_t abi_minor;
    uint32_t min_host_minor;
    uint32_t plugin_count;
    /* Called once before anything else but get_plugin and config_schema. [plugin] */
    steward_status (*init)(const steward_host* host, steward_str library_path,
                           steward_error* error);
    /* Called after the last instance is destroyed; init may follow again. [plugin] */
    void (*deinit)(void);
    /* Null when index >= plugin_count. [any] */
    const steward_plugin* (*get_plugin)(uint32_t index);
} steward_entry;

/* Defined by each plugin library. In a static build (STEWARD_STATIC_ENTRY names it) each plugin's
 * symbol is its own. */
#ifdef STEWARD_STATIC_ENTRY
#define STEWARD_ENTRY_NAME STEWARD_STATIC_ENTRY
#else
#define STEWARD_ENTRY_NAME steward_plugin_entry
#endif
STEWARD_EXPORT extern const steward_entry STEWARD_ENTRY_NAME;

#ifdef __cplusplus
}
#endif
#endif
