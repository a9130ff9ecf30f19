#include "elf_file.h"

#include <elf.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { kMaxSegments = 256, kMaxDynamic = 512 };

/* The linker's name for the header of this program: what this machine runs. */
extern const ElfW(Ehdr) __ehdr_start __attribute__((visibility("hidden")));

struct look {
    int fd;
    uint64_t size;
    char* error;
    size_t error_size;
};

__attribute__((format(printf, 2, 3))) static int refuse(const struct look* look, const char* format,
                                                        ...) {
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(look->error, look->error_size, format, arguments);
    va_end(arguments);
    return -1;
}

/* The bytes at `offset`; how many of them there are. */
static size_t read_at(const struct look* look, void* data, size_t length, uint64_t offset) {
    size_t done = 0;
    while (done < length && offset + done <= (uint64_t)INT64_MAX) {
        const ssize_t got =
            pread(look->fd, (char*)data + done, length - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            break;
        }
        done += (size_t)got;
    }
    return done;
}

/* ---- the machine */

static const char* machine_name(unsigned machine, unsigned char class, char* number, size_t size) {
    const int is_wide = class == ELFCLASS64;
    switch (machine) {
        case EM_386:
            return "i386";
        case EM_X86_64:
            return is_wide ? "x86-64" : "x32";
        case EM_ARM:
            return "arm";
        case EM_AARCH64:
            return is_wide ? "aarch64" : "aarch64 (32-bit)";
        case EM_RISCV:
            return is_wide ? "riscv64" : "riscv32";
        case EM_PPC64:
            return "ppc64";
        case EM_S390:
            return is_wide ? "s390x" : "s390";
        case EM_MIPS:
            return is_wide ? "mips64" : "mips";
        default:
            (void)snprintf(number, size, "machine %u (%d-bit)", machine, is_wide ? 64 : 32);
            return number;
    }
}

static int check_machine(const struct look* look, const unsigned char* head) {
    /* Type and machine stand at the same place in the headers of both classes. */
    uint16_t machine = 0;
    memcpy(&machine, head + offsetof(ElfW(Ehdr), e_machine), sizeof machine);
    machine = head[EI_DATA] == ELFDATA2MSB ? be16toh(machine) : le16toh(machine);
    const unsigned char* const own = __ehdr_start.e_ident;
    if (machine == __ehdr_start.e_machine && head[EI_CLASS] == own[EI_CLASS] &&
        head[EI_DATA] == own[EI_DATA]) {
        return 0;
    }
    char built[40];
    char runs[40];
    return refuse(look, "is built for %s, this machine is %s: build it for this one",
                  machine_name(machine, head[EI_CLASS], built, sizeof built),
                  machine_name(__ehdr_start.e_machine, own[EI_CLASS], runs, sizeof runs));
}

/* ---- the kind */

static int refuse_kind(const struct look* look, const char* kind) {
    return refuse(
        look, "is %s, no plugin: link it as a shared library, as steward_add_plugin() does", kind);
}

/* Where in the file is what will lie at this address? */
static uint64_t offset_of(const ElfW(Phdr) * segments, size_t count, uint64_t address) {
    for (size_t i = 0; i < count; ++i) {
        if (segments[i].p_type == PT_LOAD && address >= segments[i].p_vaddr &&
            address - segments[i].p_vaddr < segments[i].p_filesz) {
            return address - segments[i].p_vaddr + segments[i].p_offset;
        }
    }
    return UINT64_MAX;
}

/* The sanitizers' libraries must be there before any other. */
static int is_sanitizer(const char* library) {
#ifdef STEWARD_SANITIZED
    (void)library;
    return 0;
#else
    return strncmp(library, "libasan.so", 10) == 0 || strncmp(library, "libtsan.so", 10) == 0;
#endif
}

/* What only the dynamic section tells: that it is a program which can be loaded anywhere, and the
 * libraries that it needs. */
static int check_dynamic(const struct look* look, const ElfW(Phdr) * segments, size_t count,
                         const ElfW(Phdr) * dynamic) {
    ElfW(Dyn) entries[kMaxDynamic];
    const uint64_t length = dynamic->p_filesz < sizeof entries ? dynamic->p_filesz : sizeof entries;
    const size_t known =
        read_at(look, entries, (size_t)length, dynamic->p_offset) / sizeof *entries;
    uint64_t names = UINT64_MAX;
    for (size_t i = 0; i < known && entries[i].d_tag != DT_NULL; ++i) {
        if (entries[i].d_tag == DT_FLAGS_1 && (entries[i].d_un.d_val & DF_1_PIE) != 0) {
            return refuse_kind(look, "a program");
        }
        if (entries[i].d_tag == DT_STRTAB) {
            names = offset_of(segments, count, entries[i].d_un.d_ptr);
        }
    }
    for (size_t i = 0; i < known && entries[i].d_tag != DT_NULL && names != UINT64_MAX; ++i) {
        char library[32] = "";
        if (entries[i].d_tag == DT_NEEDED) {
            (void)read_at(look, library, sizeof library - 1, names + entries[i].d_un.d_val);
        }
        if (is_sanitizer(library)) {
            return refuse(look,
                          "is built with a sanitizer (it needs %s), this program is not: try it "
                          "with steward-compliance-asan, or build it without",
                          library);
        }
    }
    return 0;
}

static int check_segments(const struct look* look, const ElfW(Ehdr) * head) {
    ElfW(Phdr) segments[kMaxSegments];
    const size_t count = head->e_phnum < kMaxSegments ? head->e_phnum : kMaxSegments;
    const size_t got = read_at(look, segments, count * sizeof *segments, head->e_phoff);
    uint64_t needed = head->e_phoff + count * sizeof *segments;
    for (size_t i = 0; i < got / sizeof *segments; ++i) {
        const uint64_t end = segments[i].p_offset + segments[i].p_filesz;
        needed = segments[i].p_type == PT_LOAD && end > needed ? end : needed;
    }
    if (needed > look->size) {
        return refuse(look, "is cut short: it has %llu of at least %llu bytes: copy it again",
                      (unsigned long long)look->size, (unsigned long long)needed);
    }
    for (size_t i = 0; i < count; ++i) {
        if (segments[i].p_type == PT_DYNAMIC) {
            return check_dynamic(look, segments, count, &segments[i]);
        }
    }
    return 0;
}

static int check_head(const struct look* look) {
    ElfW(Ehdr) head;
    memset(&head, 0, sizeof head);
    const size_t got = read_at(look, &head, sizeof head, 0);
    if (got == 0) {
        return refuse(look, "is empty: build or copy it again");
    }
    if (got < SELFMAG || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0) {
        return refuse(look, "is no ELF file: give the steward_ID.so that the build has made");
    }
    if (got < sizeof(Elf32_Ehdr)) {
        return refuse(look, "is cut short: it has %zu of at least %zu bytes: copy it again", got,
                      sizeof head);
    }
    if (check_machine(look, (const unsigned char*)&head) != 0) {
        return -1;
    }
    switch (head.e_type) {
        case ET_DYN:
            return check_segments(look, &head);
        case ET_EXEC:
            return refuse_kind(look, "a program");
        case ET_REL:
            return refuse_kind(look, "an object file");
        default:
            return refuse_kind(look, "an ELF file of another kind");
    }
}

int check_elf_file(const char* path, char* error, size_t error_size) {
    struct look look = {-1, 0, error, error_size};
    /* Not to wait for the other end of a pipe. */
    look.fd = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (look.fd < 0) {
        return refuse(&look, "cannot be read: %s", strerror(errno));
    }
    struct stat status;
    int answer = -1;
    if (fstat(look.fd, &status) != 0) {
        (void)refuse(&look, "cannot be read: %s", strerror(errno));
    } else if (!S_ISREG(status.st_mode)) {
        (void)refuse(&look, "is no regular file");
    } else {
        look.size = (uint64_t)status.st_size;
        answer = check_head(&look);
    }
    (void)close(look.fd);
    return answer;
}
