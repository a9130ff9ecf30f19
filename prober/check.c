#include "check.h"

#include <dlfcn.h>
#include <elf.h>
#include <link.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "elf_file.h"

#include <steward/health.h>
#include <steward/metrics.h>
#include <steward/port.h>
#include <steward/restart.h>

enum {
    kMaxId = 64,
    kMaxText = 4096,
    kMaxPlugins = 64,
    kMaxInterfaces = 64,
    kMaxSchema = 64 * 1024
};

/* The six members of the entry that no major version changes. */
static const size_t kFrozenEntry = 6 * sizeof(uint32_t);

struct reason {
    char* text;
    size_t size;
};

__attribute__((format(printf, 2, 3))) static int refuse(struct reason reason, const char* format,
                                                        ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(reason.text, reason.size, format, arguments);
    va_end(arguments);
    return -1;
}

static int valid_id(steward_str id) {
    if (id.ptr == NULL || id.len == 0 || id.len > kMaxId || id.ptr[0] < 'a' || id.ptr[0] > 'z') {
        return 0;
    }
    for (size_t i = 0; i < id.len; ++i) {
        const char c = id.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_')) {
            return 0;
        }
    }
    return 1;
}

/* How much of an id that is none can be shown. */
static int printable_length(steward_str id) {
    int length = 0;
    while (id.ptr != NULL && (size_t)length < id.len && length < kMaxId && id.ptr[length] > ' ' &&
           id.ptr[length] < 0x7f) {
        ++length;
    }
    return length;
}

static int valid_utf8(const char* data, size_t length) {
    for (size_t at = 0; at < length;) {
        const size_t sequence = utf8_sequence((const unsigned char*)data + at, length - at);
        if (sequence == 0) {
            return 0;
        }
        at += sequence;
    }
    return 1;
}

/* ---- the entry */

/* What to do about what the loader says. */
static const char* loader_advice(const char* text) {
    if (strstr(text, "undefined symbol: __asan_") != NULL) {
        return ": it is built with AddressSanitizer, this program is not, or by another compiler";
    }
    if (strstr(text, "undefined symbol") != NULL) {
        return ": link what defines it into the plugin";
    }
    return strstr(text, "cannot open shared object file") != NULL
               ? ": install that library, or link it statically"
               : "";
}

static const steward_entry* find_entry(const char* path, struct reason reason) {
    char absolute[4096];
    /* Without a slash dlopen would look in the system's folders. */
    const int length =
        snprintf(absolute, sizeof absolute, "%s%s", strchr(path, '/') ? "" : "./", path);
    if (length < 0 || (size_t)length >= sizeof absolute) {
        (void)refuse(reason, "the path is too long");
        return NULL;
    }
    if (check_elf_file(absolute, reason.text, reason.size) != 0) {
        return NULL;
    }
    void* const library = dlopen(absolute, RTLD_NOW | RTLD_LOCAL);
    if (library == NULL) {
        /* The loader begins with the path, which the host has said already. */
        const char* text = dlerror();
        const size_t named = strlen(absolute);
        if (strncmp(text, absolute, named) == 0 && strncmp(text + named, ": ", 2) == 0) {
            text += named + 2;
        }
        (void)refuse(reason, "cannot be loaded: %s%s", text, loader_advice(text));
        return NULL;
    }
    const steward_entry* const entry = dlsym(library, STEWARD_ENTRY_SYMBOL);
    if (entry == NULL) {
        (void)refuse(reason, "not a Steward plugin: it exports no " STEWARD_ENTRY_SYMBOL
                             ": define it as steward/abi.h says, and link as steward_add_plugin() "
                             "does");
        return NULL;
    }
    Dl_info where;
    void* symbol = NULL;
    if (dladdr1(entry, &where, &symbol, RTLD_DL_SYMENT) != 0 && symbol != NULL) {
        const ElfW(Sym)* const elf = symbol;
        const int is_function = ELF64_ST_TYPE(elf->st_info) == STT_FUNC;
        if (is_function || elf->st_size < kFrozenEntry) {
            (void)refuse(reason,
                         "not a Steward plugin: " STEWARD_ENTRY_SYMBOL
                         " is %s: it must be a const steward_entry",
                         is_function ? "a function" : "too small");
            return NULL;
        }
    }
    return entry;
}

static int check_entry(const steward_entry* entry, struct reason reason) {
    if (entry->magic != STEWARD_ABI_MAGIC) {
        return refuse(
            reason,
            "not a Steward plugin: the entry begins with 0x%08x, not 0x%08x: begin it with "
            "STEWARD_ABI_MAGIC",
            entry->magic, STEWARD_ABI_MAGIC);
    }
    if (entry->abi_major != STEWARD_ABI_MAJOR) {
        return refuse(
            reason,
            "built for plugin ABI %u, this steward has %u: rebuild it against this version's SDK",
            entry->abi_major, STEWARD_ABI_MAJOR);
    }
    if (entry->min_host_minor > STEWARD_ABI_MINOR) {
        return refuse(reason, "needs plugin ABI %u.%u, this steward has %u.%u: use a newer steward",
                      entry->abi_major, entry->min_host_minor, STEWARD_ABI_MAJOR,
                      STEWARD_ABI_MINOR);
    }
    /* What 1.0 had: sizeof is this version's. */
    if (!STEWARD_HAS(entry, get_plugin)) {
        return refuse(
            reason, "the entry has %u bytes, plugin ABI %u has at least %zu: set its size",
            entry->size, STEWARD_ABI_MAJOR, offsetof(steward_entry, get_plugin) + sizeof(void*));
    }
    if (entry->plugin_count < 1 || entry->plugin_count > kMaxPlugins) {
        return refuse(reason, "the entry says %u plugins: plugin_count must be 1 to %d",
                      entry->plugin_count, kMaxPlugins);
    }
    if (entry->init == NULL || entry->deinit == NULL || entry->get_plugin == NULL) {
        return refuse(reason, "a function of the entry is null: set init, deinit and get_plugin");
    }
    return 0;
}

/* ---- the schema */

struct schema {
    size_t length;
    int overflow;
    char text[kMaxSchema];
};

static steward_status take_schema(void* ctx, const void* data, size_t length) {
    struct schema* const schema = ctx;
    if (schema->overflow || (data == NULL && length != 0) || length > kMaxSchema - schema->length) {
        schema->overflow = 1;
        return STEWARD_E_INVALID;
    }
    if (length != 0) {
        memcpy(schema->text + schema->length, data, length);
    }
    schema->length += length;
    return STEWARD_OK;
}

/* Is the text one object whose braces, brackets and quotes match, so that it can stand in a line of
 * JSON? White space between tokens becomes a plain space, which keeps it in one line. What the
 * object says is the host's to judge. */
static int tidy_schema(struct schema* schema) {
    char open[256] = {0};
    size_t depth = 0;
    int in_string = 0;
    for (size_t i = 0; i < schema->length; ++i) {
        char* const c = &schema->text[i];
        if (in_string) {
            /* An escaped character is skipped, but may not break the line either. */
            const size_t skipped = *c == '\\' && i + 1 < schema->length ? 1 : 0;
            if ((unsigned char)*c < 0x20 || (unsigned char)c[skipped] < 0x20) {
                return -1;
            }
            i += skipped;
            in_string = *c != '"';
            continue;
        }
        if (*c == '\n' || *c == '\r' || *c == '\t') {
            *c = ' ';
        }
        if ((unsigned char)*c < 0x20 ||
            (depth == 0 && *c != ' ' && (*c != '{' || open[0] == '}'))) {
            return -1;
        }
        in_string = *c == '"';
        if (*c == '{' || *c == '[') {
            if (depth == sizeof open) {
                return -1;
            }
            open[depth++] = *c == '{' ? '}' : ']';
        } else if (*c == '}' || *c == ']') {
            if (depth == 0 || open[--depth] != *c) {
                return -1;
            }
        }
    }
    return depth == 0 && !in_string ? 0 : -1;
}

static int add_schema(const steward_plugin* plugin, struct json_line* line, struct reason reason) {
    static struct schema schema;
    schema.length = 0;
    schema.overflow = 0;
    const steward_sink sink = {sizeof sink, 0, &schema, take_schema};
    const steward_status status = plugin->config_schema(&sink);
    if (schema.overflow) {
        return refuse(reason, "the settings' schema is longer than %d KiB: make it shorter",
                      kMaxSchema / 1024);
    }
    if (status != STEWARD_OK) {
        return refuse(reason,
                      "config_schema failed with status %d: it must write the settings' schema",
                      status);
    }
    if (schema.length == 0 || !valid_utf8(schema.text, schema.length) ||
        tidy_schema(&schema) != 0) {
        return refuse(reason,
                      "the settings' schema is no JSON object: config_schema must write one");
    }
    line_raw(line, ",\"schema\":");
    line_raw_bytes(line, schema.text, schema.length);
    return 0;
}

/* ---- one plugin */

static int add_text(struct json_line* line, const char* name, steward_str value,
                    struct reason reason) {
    if ((value.ptr == NULL && value.len != 0) || value.len > kMaxText ||
        !valid_utf8(value.ptr, value.len)) {
        return refuse(reason, "the descriptor's %s must be UTF-8 of at most %d bytes", name,
                      kMaxText);
    }
    line_member(line, name, value);
    return 0;
}

/* ---- the interfaces that this version knows */

#define FUNCTION(type, member) \
    { #member, offsetof(struct type, member) }

static const struct known_interface {
    const char* id;
    struct {
        const char* name; /* null: there is none */
        size_t offset;
    } functions[2];
} kKnown[] = {
    {STEWARD_IFACE_HEALTH, {FUNCTION(steward_health, start), FUNCTION(steward_health, cancel)}},
    {STEWARD_IFACE_RESTART, {FUNCTION(steward_restart, decide)}},
    {STEWARD_IFACE_PORT, {FUNCTION(steward_port, propose)}},
    {STEWARD_IFACE_METRICS, {FUNCTION(steward_metrics, sample)}},
};

/* Has an interface all that its id promises? The host calls its functions without another look. */
static int check_functions(const char* id, const void* interface, struct reason reason) {
    const struct known_interface* known = NULL;
    for (size_t i = 0; i < sizeof kKnown / sizeof *kKnown; ++i) {
        if (strcmp(id, kKnown[i].id) == 0) {
            known = &kKnown[i];
        }
    }
    for (size_t i = 0; known != NULL && i < 2 && known->functions[i].name != NULL; ++i) {
        const char* const name = known->functions[i].name;
        const size_t offset = known->functions[i].offset;
        uint32_t size = 0;
        memcpy(&size, interface, sizeof size);
        void (*function)(void) = NULL;
        if (size < offset + sizeof function) {
            return refuse(reason,
                          "the interface %s has %u bytes, which end before %s: set its size", id,
                          size, name);
        }
        memcpy(&function, (const char*)interface + offset, sizeof function);
        if (function == NULL) {
            return refuse(reason, "the function %s of the interface %s is null: set it", name, id);
        }
    }
    return 0;
}

static int add_interfaces(const steward_plugin* plugin, struct json_line* line,
                          struct reason reason) {
    const char* const* ids = plugin->desc->interfaces;
    if (ids == NULL || ids[0] == NULL) {
        return refuse(reason,
                      "the descriptor lists no interface: name one, e.g. " STEWARD_IFACE_RESTART);
    }
    line_raw(line, ",\"interfaces\":[");
    for (size_t i = 0; ids[i] != NULL; ++i) {
        const size_t length = strnlen(ids[i], kMaxText + 1);
        if (i == kMaxInterfaces || length > kMaxText || !valid_utf8(ids[i], length)) {
            return refuse(
                reason,
                "the descriptor's list of interfaces does not end: end it with a null pointer");
        }
        const void* const interface = plugin->get_interface(ids[i]);
        if (interface == NULL) {
            return refuse(reason,
                          "the interface %.100s is listed but get_interface does not know it: "
                          "answer it, or take it off the list",
                          ids[i]);
        }
        if (check_functions(ids[i], interface, reason) != 0) {
            return -1;
        }
        line_raw(line, i == 0 ? "" : ",");
        line_string(line, ids[i], length);
    }
    line_raw(line, "]");
    return 0;
}

static int check_file_name(const char* path, steward_str id, struct reason reason) {
    const char* const slash = strrchr(path, '/');
    const char* const name = slash != NULL ? slash + 1 : path;
    char wanted[kMaxId + 16];
    (void)snprintf(wanted, sizeof wanted, "steward_%.*s.so", (int)id.len, id.ptr);
    if (strcmp(name, wanted) != 0) {
        return refuse(reason, "the plugin's id is %.*s, so the file must be called %s", (int)id.len,
                      id.ptr, wanted);
    }
    return 0;
}

/* Which plugin of the library before this one has the same id? This one's index: none. */
static unsigned same_id_before(const steward_entry* entry, unsigned index, steward_str id) {
    for (unsigned i = 0; i < index; ++i) {
        const steward_str other = entry->get_plugin(i)->desc->id;
        if (other.len == id.len && memcmp(other.ptr, id.ptr, id.len) == 0) {
            return i;
        }
    }
    return index;
}

static int add_plugin(const char* path, const steward_entry* entry, unsigned index,
                      struct json_line* line, struct reason reason) {
    const steward_plugin* const plugin = entry->get_plugin(index);
    if (plugin == NULL || !STEWARD_HAS(plugin, get_interface) || plugin->desc == NULL ||
        !STEWARD_HAS(plugin->desc, interfaces)) {
        return refuse(
            reason,
            "plugin %u is missing or shorter than plugin ABI %u wants: see get_plugin and "
            "the sizes",
            index, STEWARD_ABI_MAJOR);
    }
    if (plugin->config_schema == NULL || plugin->create == NULL || plugin->destroy == NULL ||
        plugin->get_interface == NULL) {
        return refuse(reason, "a function of plugin %u is null: set all four", index);
    }
    const steward_descriptor* const desc = plugin->desc;
    if (!valid_id(desc->id)) {
        return refuse(reason, "the id of plugin %u must be [a-z][a-z0-9_]{0,63} (got %.*s)", index,
                      printable_length(desc->id), printable_length(desc->id) ? desc->id.ptr : "");
    }
    if (index == 0 && check_file_name(path, desc->id, reason) != 0) {
        return -1;
    }
    if (same_id_before(entry, index, desc->id) != index) {
        return refuse(reason, "its plugins %u and %u have the same id %.*s: give each its own",
                      same_id_before(entry, index, desc->id), index, (int)desc->id.len,
                      desc->id.ptr);
    }
    line_raw(line, index == 0 ? "{" : ",{");
    if (add_text(line, "id", desc->id, reason) != 0 ||
        add_text(line, "name", desc->name, reason) != 0 ||
        add_text(line, "vendor", desc->vendor, reason) != 0 ||
        add_text(line, "version", desc->version, reason) != 0 ||
        add_text(line, "license", desc->license, reason) != 0 ||
        add_text(line, "url", desc->url, reason) != 0 ||
        add_text(line, "summary", desc->summary, reason) != 0) {
        return -1;
    }
    line_raw(line, ",\"capabilities\":");
    line_number(line, desc->capabilities);
    if (add_interfaces(plugin, line, reason) != 0 || add_schema(plugin, line, reason) != 0) {
        return -1;
    }
    line_raw(line, "}");
    return 0;
}

int check_plugin(const char* path, struct json_line* line, char* error, size_t error_size) {
    const struct reason reason = {error, error_size};
    const steward_entry* const entry = find_entry(path, reason);
    if (entry == NULL || check_entry(entry, reason) != 0) {
        return -1;
    }
    line_raw(line, ",\"abi\":{\"major\":");
    line_number(line, entry->abi_major);
    line_raw(line, ",\"minor\":");
    line_number(line, entry->abi_minor);
    line_raw(line, ",\"min_host_minor\":");
    line_number(line, entry->min_host_minor);
    line_raw(line, "},\"plugins\":[");
    for (unsigned i = 0; i < entry->plugin_count; ++i) {
        if (add_plugin(path, entry, i, line, reason) != 0) {
            return -1;
        }
    }
    line_raw(line, "]");
    if (line->overflow) {
        return refuse(reason, "what the plugin says of itself is longer than %d KiB",
                      kLineCapacity / 1024);
    }
    return 0;
}
