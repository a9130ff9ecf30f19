// Each way of giving a wrong plugin has words of its own that say what to do, and they are the same
// in all places that take one: the list, a start by path, a start by id, and the harness.
#include <elf.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "bed.hpp"
#include "catch.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;

const std::string kGood = STEWARD_BUILD_DIR "/bin/plugins/steward_restart_backoff.so";

std::string bad_file(const std::string& name) {
    return STEWARD_BUILD_DIR "/tests/bad_plugins/steward_bad_" + name + ".so";
}

void copy(const std::string& from, const std::string& to, unsigned mode = 0755) {
    fs::copy_file(from, to);
    fs::permissions(to, fs::perms(mode));
}

// The file's first bytes are these, the rest stays.
void overwrite(const std::string& file, std::streamoff at, const std::string& bytes) {
    std::fstream out(file, std::ios::in | std::ios::out | std::ios::binary);
    out.seekp(at);
    out << bytes;
}

std::string machine(Elf64_Half number) {
    return {reinterpret_cast<const char*>(&number), sizeof number};
}

// A header of 64 bytes of a shared library for this machine.
std::string elf_head(Elf64_Half type) {
    Elf64_Ehdr head{};
    head.e_ident[EI_MAG0] = ELFMAG0;
    head.e_ident[EI_MAG1] = 'E';
    head.e_ident[EI_MAG2] = 'L';
    head.e_ident[EI_MAG3] = 'F';
    head.e_ident[EI_CLASS] = ELFCLASS64;
    head.e_ident[EI_DATA] = ELFDATA2LSB;
    head.e_ident[EI_VERSION] = EV_CURRENT;
    head.e_type = type;
    head.e_machine = EM_X86_64;
    head.e_version = EV_CURRENT;
    head.e_ehsize = sizeof head;
    return {reinterpret_cast<const char*>(&head), sizeof head};
}

enum class Seen { kEverywhere, kNotInList };

struct Case {
    std::string name;
    // Puts steward_ID.so into the folder.
    std::function<void(const std::string& folder, const std::string& file)> make;
    // What is said after the file's path; FILE and DIR stand for the paths of both.
    std::string says;
    std::string id = "x";
    Seen seen = Seen::kEverywhere;
};

// One of the files with a fault, under its own name.
Case built(const std::string& name, const std::string& says) {
    return {name,
            [name](const std::string&, const std::string& file) { copy(bad_file(name), file); },
            says, "bad_" + name};
}

Case changed(const std::string& name, std::streamoff at, const std::string& bytes,
             const std::string& says) {
    return {name,
            [at, bytes](const std::string&, const std::string& file) {
                copy(kGood, file);
                overwrite(file, at, bytes);
            },
            says, "restart_backoff"};
}

Case text(const std::string& name, const std::string& content, const std::string& says) {
    return {name,
            [content](const std::string&, const std::string& file) {
                std::ofstream(file) << content;
                fs::permissions(file, fs::perms(0755));
            },
            says};
}

const std::string kMustReturn =
    ": its static constructors, get_plugin, get_interface and config_schema must return";
const std::string kLink = ": link it as a shared library, as steward_add_plugin() does";

std::vector<Case> no_plugin_files() {
    return {
        {"no such file", [](const std::string&, const std::string&) {},
         "does not exist: give the path of a steward_ID.so, or an id that `steward plugins` lists",
         "x", Seen::kNotInList},
        {"a folder",
         [](const std::string&, const std::string& file) { fs::create_directory(file); },
         "is a folder: give the steward_ID.so in it"},
        {"a pipe",
         [](const std::string&, const std::string& file) {
             REQUIRE(mkfifo(file.c_str(), 0600) == 0);
         },
         "is no regular file, but a device, pipe or socket: give a steward_ID.so"},
        {"a dangling link",
         [](const std::string& folder, const std::string& file) {
             fs::create_symlink(folder + "/gone.so", file);
         },
         "is a link to DIR/gone.so, which does not exist: mend the link, or give the file itself"},
        {"a loop of links",
         [](const std::string& folder, const std::string& file) {
             fs::create_symlink(file, folder + "/other");
             fs::create_symlink(folder + "/other", file);
         },
         "its links lead in a circle: mend them, or give the file itself"},
        text("empty", "", "is empty: build or copy it again"),
        text("a script", "#!/bin/sh\n",
             "is no ELF file: give the steward_ID.so that the build has made"),
        text("cut in its header", elf_head(ET_DYN).substr(0, 20),
             "is cut short: it has 20 of at least 64 bytes: copy it again"),
        {"cut in its code",
         [](const std::string&, const std::string& file) {
             copy(kGood, file);
             fs::resize_file(file, 4096);
         },
         "is cut short: it has 4096 of at least NEEDED bytes: copy it again", "restart_backoff"},
        text("an object file", elf_head(ET_REL), "is an object file, no plugin" + kLink),
        text("an old program", elf_head(ET_EXEC), "is a program, no plugin" + kLink),
        {"a program",
         [](const std::string&, const std::string& file) { copy(STEWARD_PROBER, file); },
         "is a program, no plugin" + kLink},
    };
}

std::vector<Case> other_machines() {
    const std::string advice = ", this machine is x86-64: build it for this one";
    const auto at = static_cast<std::streamoff>(offsetof(Elf64_Ehdr, e_machine));
    return {
        changed("aarch64", at, machine(EM_AARCH64), "is built for aarch64" + advice),
        changed("32-bit", EI_CLASS, std::string(1, ELFCLASS32), "is built for x32" + advice),
        changed("unknown machine", at, machine(4711),
                "is built for machine 4711 (64-bit)" + advice),
        {"i386",
         [at](const std::string&, const std::string& file) {
             copy(kGood, file);
             overwrite(file, at, machine(EM_386));
             overwrite(file, EI_CLASS, std::string(1, ELFCLASS32));
         },
         "is built for i386" + advice, "restart_backoff"},
        {"other byte order",
         [at](const std::string&, const std::string& file) {
             copy(kGood, file);
             overwrite(file, at, std::string("\0\x16", 2));
             overwrite(file, EI_DATA, std::string(1, ELFDATA2MSB));
         },
         "is built for s390x" + advice, "restart_backoff"},
    };
}

std::vector<Case> wrong_plugins() {
    return {
        built("no_entry",
              "not a Steward plugin: it exports no steward_plugin_entry: define it as "
              "steward/abi.h says, and link as steward_add_plugin() does"),
        built("function_entry",
              "not a Steward plugin: steward_plugin_entry is a function: it must be a const "
              "steward_entry"),
        built("wrong_magic",
              "not a Steward plugin: the entry begins with 0x46464646, not 0x44574453: begin it "
              "with STEWARD_ABI_MAGIC"),
        built("newer_major",
              "built for plugin ABI 2, this steward has 1: rebuild it against this version's SDK"),
        built("newer_minor", "needs plugin ABI 1.3, this steward has 1.0: use a newer steward"),
        built("same_id_twice",
              "its plugins 0 and 1 have the same id bad_same_id_twice: give each its own"),
        built("other_id",
              "the plugin's id is something_else, so the file must be called "
              "steward_something_else.so"),
        built("undefined_symbol",
              "cannot be loaded: undefined symbol: steward_test_this_exists_nowhere: link what "
              "defines it into the plugin"),
        built("schema_text",
              "the settings' schema is no JSON object: config_schema must write one"),
        built("schema_words",
              "the settings' schema is no JSON: config_schema must write an object"),
        built("schema_list",
              "the settings' schema has properties that are no objects: describe each setting by "
              "one"),
        built("schema_long", "the settings' schema is longer than 64 KiB: make it shorter"),
        built("schema_reference",
              "the schema uses $ref or pattern, or is nested too deeply: see config_schema in "
              "steward/abi.h"),
        built("throws",
              "ended the process that loaded it (killed by signal 6 (SIGABRT))" + kMustReturn),
        built("crashes_at_load",
              "ended the process that loaded it (killed by signal 11 (SIGSEGV))" + kMustReturn),
        built("exits", "ended the process that loaded it (exit code 3)" + kMustReturn),
        built("sleeps", "did not come back within 2 s from being loaded" + kMustReturn),
    };
}

Case by_rights(const std::string& name,
               std::function<void(const std::string& folder, const std::string& file)> change,
               const std::string& says) {
    return {name,
            [change = std::move(change)](const std::string& folder, const std::string& file) {
                copy(kGood, file);
                change(folder, file);
            },
            says, "restart_backoff"};
}

// DIR/way is a folder in which `file` is; DIR/steward_restart_backoff.so leads there.
void put_behind_link(const std::string& folder, const std::string& file, unsigned mode) {
    fs::create_directory(folder + "/way");
    fs::rename(file, folder + "/way/target.so");
    fs::permissions(folder + "/way", fs::perms(mode));
    fs::create_symlink("way/../way/target.so", file);
}

std::vector<Case> untrusted_files() {
    std::vector<Case> cases{
        by_rights(
            "everybody writes",
            [](const std::string&, const std::string& file) {
                fs::permissions(file, fs::perms(0757));
            },
            "can be written by everybody: chmod o-w FILE"),
        by_rights(
            "everybody writes what the link leads to",
            [](const std::string& folder, const std::string& file) {
                put_behind_link(folder, file, 0755);
                fs::permissions(folder + "/way/target.so", fs::perms(0757));
            },
            "can be written by everybody: chmod o-w FILE"),
        by_rights(
            "everybody writes the folder",
            [](const std::string& folder, const std::string&) {
                fs::permissions(folder, fs::perms(0777));
            },
            "the folder DIR can be written by everybody, who could put another file in its "
            "place: chmod o-w DIR"),
        by_rights(
            "everybody writes the folder that the link leads to",
            [](const std::string& folder, const std::string& file) {
                put_behind_link(folder, file, 0777);
            },
            "the folder DIR/way can be written by everybody, who could put another file in "
            "its place: chmod o-w DIR/way"),
    };
    if (geteuid() != 0) {
        WARN("needs root to give files away");
        return cases;
    }
    cases.push_back(by_rights(
        "another user's",
        [](const std::string&, const std::string& file) {
            REQUIRE(chown(file.c_str(), 54321, 0) == 0);
        },
        "belongs to another user (uid 54321): chown it to yourself or root"));
    cases.push_back(by_rights(
        "a group writes",
        [](const std::string&, const std::string& file) {
            REQUIRE(chown(file.c_str(), 0, 54321) == 0);
            fs::permissions(file, fs::perms(0775));
        },
        "can be written by its group: chmod g-w FILE"));
    cases.push_back(by_rights(
        "another user's link",
        [](const std::string& folder, const std::string& file) {
            put_behind_link(folder, file, 0755);
            REQUIRE(lchown(file.c_str(), 54321, 0) == 0);
        },
        "FILE, which leads to it, belongs to another user (uid 54321): copy the file to a folder "
        "of your own"));
    cases.push_back(by_rights(
        "another user's folder where everybody may make one",
        [](const std::string& folder, const std::string& file) {
            put_behind_link(folder, file, 0755);
            fs::permissions(folder, fs::perms(01777));
            REQUIRE(chown((folder + "/way").c_str(), 54321, 0) == 0);
        },
        "DIR/way, which leads to it, belongs to another user (uid 54321): copy the file to a "
        "folder of your own"));
    return cases;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
    for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
        text.replace(at, what.size(), by);
    }
    return text;
}

// A folder for plugins, removed with the sandbox.
struct Place {
    explicit Place(const Case& wrong) : folder(sandbox.file("p")) {
        fs::create_directory(folder);
        fs::permissions(folder, fs::perms(0755));
        file = folder + "/steward_" + wrong.id + ".so";
        wrong.make(folder, file);
        says = replaced(replaced(wrong.says, "FILE", file), "DIR", folder);
    }
    Sandbox sandbox;
    std::string folder;
    std::string file;
    std::string says;
};

// `steward run` with these arguments says this, and has not started the app.
void check_start(const Sandbox& sandbox, const Arguments& args, const std::string& error) {
    const std::string marker = sandbox.file("started");
    const auto output = run_steward(sandbox, Arguments{"run"} + args +
                                                 Arguments{"--health", "none", "--", "/bin/sh",
                                                           "-c", "touch '" + marker + "'"});
    CAPTURE(args);
    CHECK(output.code == 2);
    CHECK(output.out.empty());
    CHECK(output.err == "steward: " + error + "\n");
    CHECK_FALSE(fs::exists(marker));
}

Output run_harness(const Sandbox& sandbox, const std::string& file) {
    return run_program(sandbox, {STEWARD_HARNESS, "run", file, "--only", "load-now"});
}

void check_everywhere(const Case& wrong) {
    const Place place(wrong);
    INFO(wrong.name);
    const auto& [sandbox, folder, file, all] = place;
    // How long the whole is, is the linker's.
    const std::string says = all.substr(0, all.find("NEEDED"));

    const auto list = run_steward(sandbox, {"plugins", "--plugin-dir", folder});
    CHECK(list.code == 0);
    if (wrong.seen == Seen::kEverywhere) {
        CHECK_THAT(list.out, Catch::StartsWith(file + "\n  cannot be used: " + says));
    } else {
        CHECK_THAT(list.out, Catch::Contains("no plugins in " + folder +
                                             ": their files are called steward_ID.so\n"));
    }
    if (says == all) {
        check_start(sandbox, {"--restart", file}, file + ": " + says);
        if (wrong.seen == Seen::kEverywhere) {
            check_start(sandbox, {"--plugin-dir", folder, "--restart", wrong.id},
                        file + ": " + says);
        }
    }
    const auto harness = run_harness(sandbox, file);
    CAPTURE(harness.out, harness.err);
    if (harness.code == 2) {
        CHECK(harness.err.substr(0, harness.err.size() - 1)
                  .starts_with("steward-compliance: " + file + ": " + says));
    } else {
        CHECK((harness.code == 1 || harness.code == 3));
        CHECK_THAT(harness.out, Catch::StartsWith("steward refuses it: " + file + ": " + says));
    }
    CHECK(sandbox.processes().empty());
}

void check_all(const std::vector<Case>& cases) {
    for (const auto& wrong : cases) {
        check_everywhere(wrong);
    }
}

}  // namespace

TEST_CASE("what is no plugin file is told with what to do instead", "[bad-plugin]") {
    check_all(no_plugin_files());
}

TEST_CASE("a plugin for another machine is told with the names of both", "[bad-plugin]") {
    check_all(other_machines());
}

TEST_CASE("a plugin that is made wrong is told with its fault", "[bad-plugin]") {
    check_all(wrong_plugins());
}

TEST_CASE("a plugin that a stranger could have put there is told with whose it is",
          "[bad-plugin]") {
    check_all(untrusted_files());
}

TEST_CASE("a folder that everybody can write is no harm when only the owner can take files away",
          "[bad-plugin]") {
    const Place place(by_rights(
        "sticky",
        [](const std::string& folder, const std::string&) {
            fs::permissions(folder, fs::perms(01777));
        },
        ""));
    const auto list = run_steward(place.sandbox, {"plugins", "--plugin-dir", place.folder});
    CHECK_THAT(list.out, Catch::Contains(place.file + " (--plugin-dir " + place.folder + ")"));
    const auto harness = run_harness(place.sandbox, place.file);
    CAPTURE(harness.out);
    CHECK(harness.code == 0);
}

TEST_CASE("of two plugins with one id the list says which comes first", "[bad-plugin]") {
    const Sandbox sandbox;
    Arguments args{"plugins"};
    std::vector<std::string> files;
    for (const std::string name : {"first", "second"}) {
        fs::create_directory(sandbox.file(name));
        fs::permissions(sandbox.file(name), fs::perms(0755));
        files.push_back(sandbox.file(name) + "/steward_restart_backoff.so");
        copy(kGood, files.back());
        args.insert(args.end(), {"--plugin-dir", sandbox.file(name)});
    }
    const auto list = run_steward(sandbox, args);
    for (const auto& hidden : {files[1], kGood}) {
        CAPTURE(hidden);
        const auto at = list.out.find("  " + hidden + " (");
        REQUIRE(at != std::string::npos);
        CHECK(list.out.substr(list.out.find('\n', at) + 1)
                  .starts_with("  not used: " + files[0] + " comes first\n"));
    }
}

TEST_CASE("a --plugin-dir that is none is wrong input", "[bad-plugin]") {
    const Sandbox sandbox;
    sandbox.write("file", "");
    const std::string advice = "; give a folder that holds steward_ID.so files";
    for (const auto& [dir, fault] : std::map<std::string, std::string>{
             {sandbox.file("file"), " is no folder"}, {sandbox.file("none"), " does not exist"}}) {
        const std::string error = "--plugin-dir: " + dir + fault + advice;
        check_start(sandbox, {"--plugin-dir", dir}, error);
        const auto list = run_steward(sandbox, {"plugins", "--plugin-dir", dir});
        CHECK(list.code == 2);
        CHECK(list.err == "steward: " + error + "\n");
    }
}

TEST_CASE("what a plugin starts while it is loaded ends with the process that loaded it",
          "[bad-plugin]") {
    const Place place(
        built("forks", "ended the process that loaded it (exit code 4)" + kMustReturn));
    const auto begin = Clock::now();
    check_start(place.sandbox, {"--restart", place.file}, place.file + ": " + place.says);
    CHECK(Clock::now() - begin < std::chrono::seconds(3));
    CHECK(wait_until([&] { return place.sandbox.processes().empty(); }, Milliseconds(500)));
}

}  // namespace steward::tests
