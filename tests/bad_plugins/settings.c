/* Bad plugins for the checks of group "Settings". */
#include <stdlib.h>
#include <string.h>

#include "wrap.h"

#if defined(BAD_SCHEMA_VALID) || defined(BAD_SCHEMA_EXAMPLES_CREATE)
struct text {
    size_t length;
    char bytes[65536];
};

static steward_status take(void* ctx, const void* data, size_t length) {
    struct text* const text = ctx;
    if (length > sizeof text->bytes - text->length) {
        return STEWARD_E_NOMEM;
    }
    memcpy(text->bytes + text->length, data, length);
    text->length += length;
    return STEWARD_OK;
}

/* The good plugin's schema with the first `from` replaced. */
static steward_status edit_schema(const steward_sink* out, const char* from, const char* to) {
    static _Thread_local struct text text;
    text.length = 0;
    const steward_sink sink = {sizeof sink, 0, &text, take};
    const steward_status status = parts.good->config_schema(&sink);
    const char* const end = text.bytes + text.length;
    const char* const found = memmem(text.bytes, text.length, from, strlen(from));
    if (status != STEWARD_OK || found == NULL) {
        return STEWARD_E_INTERNAL;
    }
    const char* const rest = found + strlen(from);
    steward_status written = out->write(out->ctx, text.bytes, (size_t)(found - text.bytes));
    if (written == STEWARD_OK) {
        written = out->write(out->ctx, to, strlen(to));
    }
    return written == STEWARD_OK ? out->write(out->ctx, rest, (size_t)(end - rest)) : written;
}
#endif

#ifdef BAD_SCHEMA_VALID
/* Its first setting has no description. */
static steward_status config_schema(const steward_sink* out) {
    return edit_schema(out, "\"description\"", "\"title\"");
}

void spoil(void) {
    parts.plugin.config_schema = config_schema;
}
#endif

#ifdef BAD_SCHEMA_DEFAULTS_CREATE
/* Reads one line. */
static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    if (memchr(config.ptr, '\n', config.len) != NULL) {
        strcpy(error->text, "settings: must be in one line");
        return STEWARD_E_INVALID;
    }
    return parts.good->create(host, config, out, error);
}

void spoil(void) {
    parts.plugin.create = create;
}
#endif

#ifdef BAD_SCHEMA_EXAMPLES_CREATE
static steward_status config_schema(const steward_sink* out) {
    return edit_schema(out, "\"type\":\"integer\",",
                       "\"type\":\"integer\",\"examples\":[1234567],");
}

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    if (memmem(config.ptr, config.len, "1234567", 7) != NULL) {
        strcpy(error->text, "base_ms: must be another number");
        return STEWARD_E_INVALID;
    }
    return parts.good->create(host, config, out, error);
}

void spoil(void) {
    parts.plugin.config_schema = config_schema;
    parts.plugin.create = create;
}
#endif

#if defined(BAD_CONFIG_REJECTS_UNKNOWN) || defined(BAD_CONFIG_BOUNDS)
#ifdef BAD_CONFIG_BOUNDS
/* Its parser puts too large an integer back in range. */
#define IGNORED ":9007199254740993"
#else
/* To its parser null is as good as nothing. */
#define IGNORED ":null"
#endif

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    if (memmem(config.ptr, config.len, IGNORED, strlen(IGNORED)) != NULL) {
        config = (steward_str){"{}", 2};
    }
    return parts.good->create(host, config, out, error);
}

void spoil(void) {
    parts.plugin.create = create;
}
#endif

#ifdef BAD_CONFIG_FUZZ
/* Its parser recurses, and the stack ends. */
static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    size_t depth = 0;
    for (size_t i = 0; i < config.len; ++i) {
        depth += config.ptr[i] == '[';
        if (depth > 5000) {
            __builtin_trap();
        }
    }
    return parts.good->create(host, config, out, error);
}

void spoil(void) {
    parts.plugin.create = create;
}
#endif

#ifdef BAD_CONFIG_NO_SIDE_EFFECT
/* Forgets a copy of what it refuses. */
static void* volatile forgotten;

static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    const steward_status status = parts.good->create(host, config, out, error);
    if (status == STEWARD_E_INVALID) {
        forgotten = malloc(config.len + 1);
    }
    return status;
}

void spoil(void) {
    parts.plugin.create = create;
}
#endif
