// Load and ABI: what the file of a plugin says to the loader.
#include <algorithm>
#include <array>
#include <string_view>

#include "check.hpp"
#include "elf_file.hpp"
#include "load_rules.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

// A sanitizer brings symbols and a library of its own into each plugin.
ElfFile elf_of(const Trial& trial) {
    if (kSanitized) {
        skip("a plugin built with a sanitizer has its symbols and libraries too");
    }
    return ElfFile(trial.file());
}

void add(std::string& list, const std::string& name) {
    list += (list.empty() ? "" : ", ") + name;
}

// "libc.so.6" -> "libc"
std::string_view stem(std::string_view library) {
    return library.substr(0, library.find(".so"));
}

}  // namespace

void elf_exports_entry_only(Trial& trial) {
    constexpr int kShown = 5;
    std::string others;
    int count = 0;
    bool has_entry = false;
    const auto elf = elf_of(trial);
    for (const auto& symbol : elf.symbols()) {
        if (!symbol.is_exported()) {
            continue;
        }
        if (symbol.name == STEWARD_ENTRY_SYMBOL) {
            has_entry = true;
        } else if (++count <= kShown) {
            add(others, symbol.name);
        }
    }
    require(has_entry, "the dynamic symbol table does not define " STEWARD_ENTRY_SYMBOL);
    require(count == 0, "exports " + std::to_string(count) + " symbols beside " +
                            STEWARD_ENTRY_SYMBOL + ": " + others + (count > kShown ? ", …" : ""));
}

void elf_no_unique(Trial& trial) {
    const auto elf = elf_of(trial);
    if (!trial.library().unloadable()) {
        skip("it does not claim STEWARD_CAP_UNLOADABLE");
    }
    for (const auto& symbol : elf.symbols()) {
        require(symbol.binding != STB_GNU_UNIQUE,
                symbol.name +
                    " is a unique symbol (STB_GNU_UNIQUE): the loader never unmaps a library "
                    "whose unique symbol is in use, but STEWARD_CAP_UNLOADABLE is claimed");
    }
}

void elf_needed_allowed(Trial& trial) {
    constexpr std::array<std::string_view, 7> kAllowed{
        "libc", "libm", "libstdc++", "libgcc_s", "libdl", "libpthread", "librt"};
    std::string others;
    const auto elf = elf_of(trial);
    for (const auto& library : elf.needed()) {
        const auto name = stem(library);
        // The loader itself: ld-linux-x86-64.so.2.
        if (name.rfind("ld-linux", 0) != 0 &&
            std::find(kAllowed.begin(), kAllowed.end(), name) == kAllowed.end()) {
            add(others, library);
        }
    }
    require(others.empty(),
            "needs " + others + "; expected the C, C++ and compiler libraries alone");
}

void elf_no_forbidden_imports(Trial& trial) {
    constexpr std::array<std::string_view, 36> kForbidden{
        "fork",      "vfork",      "posix_spawn", "posix_spawnp", "system",     "popen",
        "execv",     "execve",     "execvp",      "execl",        "execlp",     "execle",
        "wait",      "wait3",      "wait4",       "waitid",       "waitpid",    "signal",
        "sigaction", "setenv",     "unsetenv",    "putenv",       "clearenv",   "chdir",
        "fchdir",    "umask",      "setlocale",   "dup2",         "dup3",       "exit",
        "_exit",     "quick_exit", "abort",       "_Exit",        "bsd_signal", "sigset"};
    std::string found;
    const auto elf = elf_of(trial);
    for (const auto& symbol : elf.symbols()) {
        if (symbol.is_imported() &&
            std::find(kForbidden.begin(), kForbidden.end(), symbol.name) != kForbidden.end()) {
            add(found, symbol.name);
        }
    }
    require(found.empty(), "imports " + found + ", which change or end the host's process");
}

void elf_no_runpath_relative(Trial& trial) {
    const auto elf = elf_of(trial);
    for (const auto& folder : elf.run_path()) {
        const bool fixed = folder.rfind('/', 0) == 0 || folder.rfind("$ORIGIN", 0) == 0 ||
                           folder.rfind("${ORIGIN}", 0) == 0;
        require(fixed, "the run path has the folder \"" + folder +
                           "\", which is looked for in the host's working directory");
    }
    require(!elf.has_text_relocations(),
            "it has text relocations: its code is made writable when it is loaded");
    require(elf.has_relro() && elf.binds_now(),
            std::string("it is linked without ") +
                (elf.has_relro() ? "-Wl,-z,now" : "-Wl,-z,relro") +
                ": its table of function addresses stays writable");
}

}  // namespace steward::compliance
