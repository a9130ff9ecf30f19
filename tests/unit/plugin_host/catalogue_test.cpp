// PluginCatalogue: which files it finds, in which order, which it refuses and what it says then.
#include "catch.hpp"

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "files.hpp"
#include "steward/core/spawn.hpp"

using namespace steward::test;
using namespace std::chrono_literals;
using steward::core::PluginCatalogue;
using steward::core::PluginInfo;

namespace {

std::string bad(const std::string& name) {
    return file_of(kBadFolder, "bad_" + name);
}

// What is said after the path of the file.
std::string fault(const std::string& file) {
    PluginCatalogue catalogue(places());
    const std::string text = refusal(catalogue, file);
    REQUIRE(text.substr(0, file.size() + 2) == file + ": ");
    return text.substr(file.size() + 2);
}

const PluginInfo* entry_of(const std::vector<PluginInfo>& list, const std::string& file) {
    for (const auto& info : list) {
        if (info.file == file) {
            return &info;
        }
    }
    return nullptr;
}

}  // namespace

TEST_CASE("the plugins next to the program are found by their ids", "[catalogue]") {
    PluginCatalogue catalogue(places());
    for (const std::string id :
         {"health_http", "restart_backoff", "port_sequential", "metrics_proc"}) {
        const auto found = catalogue.find(id);
        CAPTURE(id);
        REQUIRE(found);
        CHECK(found->id == id);
        CHECK(found->file == file_of(kOwnFolder, id));
        CHECK(found->origin == "next to the program");
        CHECK(found->error.empty());
        CHECK_FALSE(found->version.empty());
        CHECK_FALSE(found->summary.empty());
        CHECK(found->schema.find("\"properties\"") != std::string::npos);
    }
    const auto restart = catalogue.find("restart_backoff");
    REQUIRE(restart);
    CHECK(restart->has("steward.restart/1"));
    CHECK_FALSE(restart->has("steward.health/1"));
}

TEST_CASE("a path comes before --plugin-dir, and that before the program's own folder",
          "[catalogue]") {
    const Folder first;
    const Folder second;
    const std::string in_first = first.add(kOwnFolder, "port_sequential");
    const std::string in_second = second.add(kOwnFolder, "port_sequential");
    PluginCatalogue catalogue(places({first.path(), second.path()}));

    const auto by_id = catalogue.find("port_sequential");
    REQUIRE(by_id);
    CHECK(by_id->file == in_first);
    CHECK(by_id->origin == "--plugin-dir " + first.path());

    const auto by_path = catalogue.find(in_second);
    REQUIRE(by_path);
    CHECK(by_path->file == in_second);
    CHECK(by_path->origin == "given by path");

    const auto only_own = catalogue.find("restart_backoff");
    REQUIRE(only_own);
    CHECK(only_own->file == file_of(kOwnFolder, "restart_backoff"));
}

TEST_CASE("the list has every file in the order of the search and says what is shadowed",
          "[catalogue]") {
    const Folder extra;
    const std::string shadowing = extra.add(kOwnFolder, "port_sequential");
    const std::string broken = extra.add(kBadFolder, "bad_no_entry");
    std::ofstream(extra.file("notes.txt")) << "no plugin by its name";
    std::ofstream(extra.file("steward_.so")) << "no id";
    PluginCatalogue catalogue(places({extra.path()}));
    const auto list = catalogue.list();
    REQUIRE(list.size() == 6);
    CHECK(list[0].file == broken);
    CHECK_FALSE(list[0].error.empty());
    CHECK(list[1].file == shadowing);
    CHECK(list[1].shadowed_by.empty());
    const auto* const own = entry_of(list, file_of(kOwnFolder, "port_sequential"));
    REQUIRE(own != nullptr);
    CHECK(own->shadowed_by == shadowing);
    CHECK(own->error.empty());
}

TEST_CASE("a broken file shadows nothing in the list", "[catalogue]") {
    const Folder extra;
    std::ofstream(file_of(extra.path(), "port_sequential")) << "broken";
    PluginCatalogue catalogue(places({extra.path()}));
    const auto list = catalogue.list();
    const auto* const own = entry_of(list, file_of(kOwnFolder, "port_sequential"));
    REQUIRE(own != nullptr);
    CHECK(own->shadowed_by.empty());
    // But whoever asks for the id hears of it: the folder that was given comes first.
    CHECK_THAT(refusal(catalogue, "port_sequential"),
               Catch::StartsWith(file_of(extra.path(), "port_sequential") + ": is no ELF file"));
}

TEST_CASE("a file whose answer is no JSON does not shift what is said of its neighbours",
          "[catalogue]") {
    const Folder extra;
    // Examined in this order, by one prober.
    const std::string before = extra.add(kBadFolder, "bad_none");
    const std::string broken = extra.add(kBadFolder, "bad_schema_words");
    const std::string after = extra.add(kOwnFolder, "port_sequential");
    const std::string last = extra.add(kOwnFolder, "restart_backoff");
    PluginCatalogue catalogue(places({extra.path()}));
    const auto list = catalogue.list();
    for (const auto& [file, id] : std::map<std::string, std::string>{
             {before, "bad_none"}, {after, "port_sequential"}, {last, "restart_backoff"}}) {
        CAPTURE(file);
        const auto* const info = entry_of(list, file);
        REQUIRE(info != nullptr);
        CHECK(info->error.empty());
        CHECK(info->id == id);
    }
    const auto* const info = entry_of(list, broken);
    REQUIRE(info != nullptr);
    CHECK(info->error == "the settings' schema is no JSON: config_schema must write an object");
}

TEST_CASE("a folder that cannot be searched is told, and hides what comes behind it",
          "[catalogue]") {
    PluginCatalogue catalogue(places({"/nowhere/at/all"}));
    const auto list = catalogue.list();
    REQUIRE(list.size() == 5);
    CHECK(list[0].file == "/nowhere/at/all");
    const std::string fault =
        "cannot be searched: No such file or directory: give a folder with steward_ID.so files";
    CHECK(list[0].error == fault);
    CHECK(refusal(catalogue, "health_http") == "--plugin-dir /nowhere/at/all: " + fault);
    // A path needs no search.
    CHECK(catalogue.find(file_of(kOwnFolder, "health_http")));
}

TEST_CASE("an id that nobody has says where to look", "[catalogue]") {
    PluginCatalogue catalogue(places());
    CHECK(refusal(catalogue, "restart_never") ==
          "restart_never: no such plugin; see `steward plugins`, or give the folder of "
          "steward_restart_never.so with --plugin-dir");
    CHECK_THAT(refusal(catalogue, ""), Catch::Contains("no such plugin"));
}

TEST_CASE("each fault of a file has words of its own that say what to do", "[catalogue]") {
    using Row = std::pair<std::string, std::string>;
    const auto [name, text] = GENERATE(values<Row>({
        {"newer_major",
         "built for plugin ABI 2, this steward has 1: rebuild it against this version's SDK"},
        {"newer_minor", "needs plugin ABI 1.3, this steward has 1.0: use a newer steward"},
        {"wrong_magic",
         "not a Steward plugin: the entry begins with 0x46464646, not 0x44574453: begin it with "
         "STEWARD_ABI_MAGIC"},
        {"no_entry",
         "not a Steward plugin: it exports no steward_plugin_entry: define it as steward/abi.h "
         "says, and link as steward_add_plugin() does"},
        {"other_id",
         "the plugin's id is something_else, so the file must be called steward_something_else.so"},
        {"schema_text", "the settings' schema is no JSON object: config_schema must write one"},
        {"throws",
         "ended the process that loaded it (killed by signal 6 (SIGABRT)): its static "
         "constructors, get_plugin, get_interface and config_schema must return"},
        {"crash",
         "ended the process that loaded it (killed by signal 6 (SIGABRT)): its static "
         "constructors, get_plugin, get_interface and config_schema must return"},
    }));
    CHECK(fault(bad(name)) == text);
}

TEST_CASE("a file that is no plugin is told as such, or with the loader's reason", "[catalogue]") {
    CHECK_THAT(fault(bad("undefined_symbol")), Catch::Contains("steward_test_this_exists_nowhere"));
    const Folder folder;
    const std::string text = folder.file("steward_text.so");
    std::ofstream(text) << "#!/bin/sh\n";
    CHECK_THAT(fault(text), Catch::StartsWith("is no ELF file: "));
    std::ofstream(folder.file("steward_empty.so")).flush();
    CHECK_THAT(fault(folder.file("steward_empty.so")), Catch::StartsWith("is empty: "));
}

TEST_CASE("a file that is missing, a folder or a device is told as such", "[catalogue]") {
    const Folder folder;
    CHECK(
        fault(folder.file("steward_x.so")) ==
        "does not exist: give the path of a steward_ID.so, or an id that `steward plugins` lists");
    fs::create_directory(folder.file("steward_d.so"));
    CHECK(fault(folder.file("steward_d.so")) == "is a folder: give the steward_ID.so in it");
    CHECK(fault("/dev/null") ==
          "is no regular file, but a device, pipe or socket: give a steward_ID.so");
    // A pipe would hold whoever opens it.
    REQUIRE(mkfifo(folder.file("steward_f.so").c_str(), 0600) == 0);
    CHECK(fault(folder.file("steward_f.so")) ==
          "is no regular file, but a device, pipe or socket: give a steward_ID.so");
    fs::create_symlink(folder.file("gone"), folder.file("steward_l.so"));
    CHECK(fault(folder.file("steward_l.so")) ==
          "is a link to " + folder.file("gone") +
              ", which does not exist: mend the link, or give the file itself");
}

TEST_CASE("a plugin that hangs when it is loaded costs two seconds and hides no other",
          "[catalogue]") {
    const Folder extra;
    const std::string sleeps = extra.add(kBadFolder, "bad_sleeps");
    const std::string throws = extra.add(kBadFolder, "bad_throws");
    PluginCatalogue catalogue(places({extra.path()}));
    const auto begin = std::chrono::steady_clock::now();
    const auto list = catalogue.list();
    const auto took = since(begin);
    CHECK(took >= 2000ms);
    CHECK(took < 3000ms);
    REQUIRE(list.size() == 6);
    CHECK(list[0].file == sleeps);
    CHECK(list[0].error ==
          "did not come back within 2 s from being loaded: its static constructors, get_plugin, "
          "get_interface and config_schema must return");
    CHECK(list[1].file == throws);
    CHECK_THAT(list[1].error, Catch::StartsWith("ended the process that loaded it"));
    for (std::size_t i = 2; i < list.size(); ++i) {
        CHECK(list[i].error == "");
    }
    // The prober that hung is gone, zombie included, and nobody else was started.
    const auto orphans = steward::core::inherited_children();
    REQUIRE(orphans);
    CHECK(orphans->empty());
    // Within one process it is not tried again.
    const auto again = std::chrono::steady_clock::now();
    CHECK_FALSE(catalogue.find("bad_sleeps"));
    CHECK(since(again) < 1000ms);
}

TEST_CASE("a path that is no UTF-8 is no trouble", "[catalogue]") {
    const Folder folder;
    const std::string strange = folder.file("\xff\xfe \"quoted\"\n");
    fs::create_directory(strange);
    for (const std::string id : {"bad_throws", "bad_none"}) {
        fs::copy_file(file_of(kBadFolder, id), file_of(strange, id));
        fs::permissions(file_of(strange, id), fs::perms(0755));
    }
    PluginCatalogue catalogue(places({strange}));
    const auto list = catalogue.list();
    REQUIRE(list.size() == 6);
    CHECK(list[0].file == file_of(strange, "bad_none"));
    CHECK(list[0].error == "");
    CHECK(list[0].id == "bad_none");
    CHECK_THAT(list[1].error, Catch::StartsWith("ended the process that loaded it"));
    CHECK(list[2].error == "");
}

TEST_CASE("the same folder given twice is no trouble", "[catalogue]") {
    PluginCatalogue catalogue(places({kTestFolder, kTestFolder}));
    for (const auto& info : catalogue.list()) {
        CAPTURE(info.file);
        CHECK(info.error == "");
    }
}

TEST_CASE("a file that others can write is refused outside the program's own folder",
          "[catalogue]") {
    const Folder folder;
    const std::string file = folder.add(kOwnFolder, "port_sequential");

    fs::permissions(file, fs::perms(0757));
    CHECK(fault(file) == "can be written by everybody: chmod o-w " + file);
    {
        PluginCatalogue trusted(places({}, folder.path()));
        CHECK(trusted.find("port_sequential"));
        PluginCatalogue slash(places({}, folder.path() + "/./"));
        CHECK(slash.find("port_sequential"));
    }
    fs::permissions(file, fs::perms(0755));
    PluginCatalogue catalogue(places());
    CHECK(catalogue.find(file));
}

TEST_CASE("a file that a foreign group can write, or a foreign user owns, is refused",
          "[catalogue]") {
    if (geteuid() != 0) {
        WARN("needs root to give files away");
        return;
    }
    const Folder folder;
    const std::string file = folder.add(kOwnFolder, "port_sequential");
    fs::permissions(file, fs::perms(0775));
    {
        // Root's own group is root's primary group.
        PluginCatalogue catalogue(places());
        CHECK(catalogue.find(file));
    }
    REQUIRE(chown(file.c_str(), 0, 54321) == 0);
    CHECK(fault(file) == "can be written by its group: chmod g-w " + file);
    fs::permissions(file, fs::perms(0755));
    REQUIRE(chown(file.c_str(), 54321, 0) == 0);
    CHECK(fault(file) == "belongs to another user (uid 54321): chown it to yourself or root");
    PluginCatalogue trusted(places({}, folder.path()));
    CHECK(trusted.find("port_sequential"));
}

TEST_CASE("a prober that is missing or broken is no fault of the plugins", "[catalogue]") {
    auto where = places();
    where.prober = "/nowhere/steward-plugin-probe";
    {
        PluginCatalogue catalogue(where);
        CHECK(
            refusal(catalogue, "port_sequential") ==
            file_of(kOwnFolder, "port_sequential") +
                ": cannot be examined: cannot start /nowhere/steward-plugin-probe: No such file or "
                "directory");
    }
    where.prober = "/bin/false";
    PluginCatalogue catalogue(where);
    CHECK(refusal(catalogue, "port_sequential") ==
          file_of(kOwnFolder, "port_sequential") +
              ": cannot be examined: steward-plugin-probe ended (exit code 1)");
}
