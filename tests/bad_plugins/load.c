/* Bad plugins for the checks of group "Load and ABI". */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "wrap.h"

#ifdef BAD_LOAD_NOW
/* Defined nowhere. */
extern int missing_function(void);

static void deinit(void) {
    if (missing_function() != 0) {
        parts.good_entry->deinit();
    }
}

void spoil(void) {
    parts.deinit = deinit;
}
#endif

#ifdef BAD_LOAD_SCAN_TIME
/* By a system call of its own, so that nothing else is seen of it. */
__attribute__((constructor)) static void begin(void) {
    const struct timespec time = {0, 60 * 1000 * 1000};
    (void)syscall(SYS_nanosleep, &time, NULL);
}

void spoil(void) {}
#endif

#ifdef BAD_LOAD_NO_STATIC_CTOR_EFFECTS
static int descriptor;

__attribute__((constructor)) static void begin(void) {
    descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

__attribute__((destructor)) static void end(void) {
    (void)close(descriptor);
}

void spoil(void) {}
#endif

#ifdef BAD_LOAD_FROM_OTHER_CWD
static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    for (size_t i = 0; i < path.len; ++i) {
        if (path.ptr[i] == ' ') {
            strcpy(error->text, "library_path: there must be no space in it");
            return STEWARD_E_INVALID;
        }
    }
    return parts.good_entry->init(host, path, error);
}

void spoil(void) {
    parts.init = init;
}
#endif

#ifdef BAD_ELF_EXPORTS_ENTRY_ONLY
/* Named in exports.map. */
STEWARD_EXPORT int helper_of_every_plugin(void);
int helper_of_every_plugin(void) {
    return 0;
}

void spoil(void) {}
#endif

#ifdef BAD_ELF_NO_UNIQUE
/* Named in exports.map. Nothing refers to it, so the library can be unmapped all the same. */
__asm__(
    ".pushsection .bss\n"
    ".globl helper_of_every_plugin\n"
    ".type helper_of_every_plugin, %gnu_unique_object\n"
    ".size helper_of_every_plugin, 4\n"
    "helper_of_every_plugin: .zero 4\n"
    ".popsection\n");

void spoil(void) {}
#endif

#ifdef BAD_ELF_NEEDED_ALLOWED
/* Linked with a library that it does not use. */
void spoil(void) {}
#endif

#ifdef BAD_ELF_NO_FORBIDDEN_IMPORTS
void spoil(void) {
    if (parts.good_entry == NULL) {
        exit(1); /* never */
    }
}
#endif

#ifdef BAD_ELF_NO_RUNPATH_RELATIVE
/* Linked with a run path. */
void spoil(void) {}
#endif

#ifdef BAD_ABI_MAGIC_VERSION
/* Its entry asks for a later host. */
void spoil(void) {}
#endif

#ifdef BAD_ABI_NEWER_HOST
static steward_status init(const steward_host* host, steward_str path, steward_error* error) {
    if (host->abi_minor != STEWARD_ABI_MINOR) {
        strcpy(error->text, "the host is of another version");
        return STEWARD_E_UNSUPPORTED;
    }
    return parts.good_entry->init(host, path, error);
}

void spoil(void) {
    parts.init = init;
}
#endif

#ifdef BAD_ABI_OLDER_HOST
static steward_status create(const steward_host* host, steward_str config, steward_instance** out,
                             steward_error* error) {
    if (host->get_extension(host, STEWARD_HOST_EXT_REACTOR) == NULL) {
        strcpy(error->text, "reactor: must not be null");
        return STEWARD_E_INTERNAL;
    }
    return parts.good->create(host, config, out, error);
}

void spoil(void) {
    parts.plugin.create = create;
}
#endif

#ifdef BAD_ABI_NULL_FREE
/* Its entry has no deinit. */
void spoil(void) {}
#endif
