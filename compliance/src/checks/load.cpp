// Load and ABI: what happens when a library is loaded; and the list of the group.
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <stdexcept>
#include <system_error>

#include "captured_output.hpp"
#include "check.hpp"
#include "load_rules.hpp"
#include "process_look.hpp"
#include "program_names.hpp"
#include "scratch.hpp"
#include "steward/core/spawn.hpp"
#include "trial.hpp"

extern char** environ;  // NOLINT: POSIX declares it nowhere

namespace steward::compliance {
namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;

void load_now(Trial& trial) {
    try {
        (void)trial.library();
    } catch (const Unusable& e) {
        // What its entry says is for abi-magic-version and abi-null-free.
        if (e.reason.find("its entry") == std::string::npos) {
            broken(e.reason);
        }
    }
}

// How long a process of one thread has been ready to run while others had the processors; 0 where
// the kernel does not say. /proc/PID/schedstat: the second number.
std::chrono::nanoseconds waited_for_processor(const std::string& process) {
    std::ifstream file("/proc/" + process + "/schedstat");
    std::int64_t computed = 0;
    std::int64_t waited = 0;
    return file >> computed >> waited ? std::chrono::nanoseconds(waited)
                                      : std::chrono::nanoseconds(0);
}

// From the start of the prober to its end, without the time in which other processes had the
// processors.
std::chrono::nanoseconds probe_time(const std::string& file) {
    core::ProcessSpec spec;
    spec.file = next_to_program(kProber);
    spec.argv = {kProber, file};
    for (char** variable = environ; *variable != nullptr; ++variable) {
        spec.environment.emplace_back(*variable);
    }
    spec.descriptors = {{-1, 0}, {-1, 1}, {-1, 2}};
    const auto begun = std::chrono::steady_clock::now();
    const auto child = core::spawn(spec);
    if (!child) {
        throw std::runtime_error(child.error().text);
    }
    pollfd end{child->pidfd.get(), POLLIN, 0};
    while (::poll(&end, 1, -1) < 0 && errno == EINTR) {
    }
    const auto took = std::chrono::steady_clock::now() - begun;
    // Of a zombie it can still be read.
    const auto waited = waited_for_processor(std::to_string(child->pid));
    (void)core::reap(*child);
    return took - waited;
}

void load_scan_time(Trial& trial) {
    constexpr int kAttempts = 5;
    constexpr auto kLimit = 50ms;
    if (kSanitized) {
        skip("a sanitizer slows down loading");
    }
    // The best one counts: that the machine was slow for a moment is not the plugin's fault.
    auto best = std::chrono::nanoseconds::max();
    for (int i = 0; i < kAttempts && best >= kLimit; ++i) {
        best = std::min(best, probe_time(trial.file()));
    }
    require(
        best < kLimit,
        "steward-plugin-probe took " +
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(best).count()) +
            " ms to load the file and read its descriptors, in the best of " +
            std::to_string(kAttempts) + " attempts; expected less than 50 ms");
}

void load_no_static_ctor_effects(Trial& trial) {
    const CapturedOutput output;
    const auto state = process_state();
    const auto running = threads();
    const auto open = open_descriptors();
    (void)load_file(trial.file());
    const std::string written = output.text(STDOUT_FILENO) + output.text(STDERR_FILENO);
    require(written.empty(), "loading it wrote to standard output or error: " + written);
    const std::string opened = opened_since(open);
    require(opened.empty(), "loading it opened the descriptor " + opened);
    const auto now_running = threads();
    require(now_running == running,
            "loading it started a thread: " + std::to_string(running.size()) + " before, " +
                std::to_string(now_running.size()) + " after");
    const std::string changed = difference(state, process_state());
    require(changed.empty(), "loading it changed the process: " + changed);
}

// A folder of its own that is a link to another one, at a path that nobody expects.
class OddFolder {
  public:
    explicit OddFolder(const fs::path& target) {
        std::string base = temporary_folder() + "/steward-compliance-XXXXXX";
        if (mkdtemp(base.data()) == nullptr) {
            throw std::system_error(errno, std::generic_category(), base + " cannot be made");
        }
        base_ = base;
        fs::create_directory_symlink(target, path());
    }
    ~OddFolder() {
        std::error_code ignored;
        fs::remove(path(), ignored);
        fs::remove(base_, ignored);
    }
    OddFolder(const OddFolder&) = delete;
    OddFolder& operator=(const OddFolder&) = delete;

    [[nodiscard]] fs::path path() const { return base_ / "plug-ins, günstig 日本"; }

  private:
    fs::path base_;
};

void load_from_other_cwd(Trial& trial) {
    // The folder, not the file: what lies beside the file is part of the plugin.
    const fs::path file(trial.file());
    const OddFolder folder(file.parent_path());
    if (chdir("/") != 0) {
        throw std::system_error(errno, std::generic_category(), "cannot change to /");
    }
    const std::string path = (folder.path() / file.filename()).string();
    const Library library = [&] {
        try {
            return Library(path);
        } catch (const Unusable& e) {
            if (e.reason.find("its entry") != std::string::npos) {
                throw;
            }
            broken("does not load from a folder with another name, in the working directory /: " +
                   e.reason);
        }
    }();
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    try {
        Session session(library, host);
        for (const auto* plugin : library.plugins()) {
            (void)session.create(*plugin);
        }
    } catch (const Broken& e) {
        broken("loaded from a folder with another name, in the working directory /: " + e.text);
    }
}

constexpr std::array kChecks{
    Check{1, "load-now", Level::kMust, "",
          "the file loads with RTLD_NOW and RTLD_LOCAL, every symbol resolved, and exports "
          "steward_plugin_entry",
          "a library with an undefined symbol loads lazily and ends the whole supervisor at its "
          "first call",
          "link with -Wl,-z,defs as steward_add_plugin() does, and link the library that is "
          "missing",
          5s, &load_now},
    Check{2, "load-scan-time", Level::kShould, "",
          "steward-plugin-probe loads the file and reads its descriptors in less than 50 ms, in "
          "the best of five attempts",
          "a host looks at every plugin of a folder before it is ready, and each slow one delays "
          "the start of the service",
          "move work from static constructors to create(), and link fewer libraries", 15s,
          &load_scan_time},
    Check{3, "load-no-static-ctor-effects", Level::kMust, "",
          "loading the file writes nothing, opens no descriptor, starts no thread and changes "
          "nothing of the process",
          "a host loads files only to see what they are; what happens then cannot be refused, and "
          "a line on standard output breaks the MCP stream",
          "have no objects with constructors at namespace scope, nor linked libraries that do; "
          "begin in init() or create()",
          5s, &load_no_static_ctor_effects},
    Check{4, "load-from-other-cwd", Level::kMust, "",
          "the file loads and works by its absolute path, which may have spaces and letters "
          "beyond ASCII, in any working directory",
          "steward runs wherever the user started it, and plugins lie where the user wants them",
          "find files of your own beside the library_path that init() is given, and take that as "
          "bytes",
          5s, &load_from_other_cwd},
    Check{5, "elf-exports-entry-only", Level::kMust, "",
          "the dynamic symbol table defines steward_plugin_entry and nothing else",
          "symbols of the same name in two plugins, or in a plugin and the host, become one: the "
          "wrong function runs",
          "link with a version script as steward_add_plugin() does; hidden visibility alone still "
          "exports the C++ library's templates",
          5s, &elf_exports_entry_only},
    Check{6, "elf-no-unique", Level::kMust, "",
          "a plugin that claims STEWARD_CAP_UNLOADABLE defines no unique symbol (STB_GNU_UNIQUE)",
          "the loader never unmaps such a library, so a replaced plugin stays in memory",
          "link with a version script, or do not claim STEWARD_CAP_UNLOADABLE", 5s, &elf_no_unique},
    Check{7, "elf-needed-allowed", Level::kShould, "",
          "the file needs no shared library but the C, C++ and compiler ones",
          "another library may be missing or of another version on the user's machine, and brings "
          "global state into the supervisor",
          "link the library statically, or list the need in a waiver", 5s, &elf_needed_allowed},
    Check{8, "elf-no-forbidden-imports", Level::kShould, "",
          "the file imports no function that starts, reaps or ends processes, or changes signals, "
          "environment, working directory, umask, locale or standard descriptors",
          "the process belongs to the host: a wait() in a plugin steals the exit status of the "
          "service, an exit() ends the supervisor",
          "ask the host, or leave it; if a linked library has the call and you never reach it, "
          "list it in a waiver",
          5s, &elf_no_forbidden_imports},
    Check{9, "elf-no-runpath-relative", Level::kShould, "",
          "run path folders are absolute or begin with $ORIGIN, there are no text relocations, "
          "and it is linked with RELRO and NOW",
          "a relative run path loads whatever lies in the folder that the user is in; writable "
          "code and tables are what exploits are made of",
          "link with -Wl,-z,relro,-z,now as steward_add_plugin() does, compile with -fPIC, and "
          "set $ORIGIN or no run path",
          5s, &elf_no_runpath_relative},
    Check{10, "abi-magic-version", Level::kMust, "",
          "the entry has the magic, this major version, true sizes, 1 to 64 plugins, and asks for "
          "no newer host than it was built for or than this one",
          "the host judges a library by these numbers before it calls anything; wrong ones make "
          "it refuse the plugin or read beyond its tables",
          "fill the entry with the constants of abi.h and sizeof, as STEWARD_PLUGIN does", 5s,
          &abi_magic_version},
    Check{11, "abi-newer-host", Level::kMust, "",
          "a host of the next minor version, whose structs are larger, is as good as this one",
          "a plugin that compares versions or sizes for equality stops working with the next "
          "release of steward",
          "compare abi_major alone, and ask STEWARD_HAS for members", 10s, &abi_newer_host},
    Check{12, "abi-older-host", Level::kMust, "",
          "with a host of the oldest minor version that it takes, no extension, and questions as "
          "short as such a host asks them, it works or says STEWARD_E_UNSUPPORTED",
          "extensions and later members are optional: a host may have none, and a plugin that "
          "relies on one blindly ends the supervisor",
          "look at what get_extension() returns and at STEWARD_HAS(), and answer "
          "STEWARD_E_UNSUPPORTED if you cannot do without",
          10s, &abi_older_host},
    Check{13, "abi-null-free", Level::kMust, "",
          "no function pointer of the entry, a plugin or a listed interface is null",
          "the host calls them without another look",
          "define every function; one that has nothing to do returns STEWARD_E_UNSUPPORTED", 5s,
          &abi_null_free},
};

}  // namespace

const std::span<const Check> kLoadChecks{kChecks};

}  // namespace steward::compliance
