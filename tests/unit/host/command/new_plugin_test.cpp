// What `steward new-plugin` writes, and what it refuses. That the projects build and pass their
// tests is the package test's.
#include "new_plugin.hpp"

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "catch.hpp"

namespace fs = std::filesystem;
using steward::host::NewPlugin;
using steward::host::strategy_flag;
using steward::host::write_new_plugin;

namespace {

const std::string kTemplates = std::string(STEWARD_SOURCE_DIR) + "/plugins/template";

class Folder {
  public:
    Folder() {
        std::string name = fs::temp_directory_path() / "new-plugin-XXXXXX";
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    fs::path operator/(const std::string& name) const { return path_ / name; }

  private:
    fs::path path_;
};

std::string text_of(const fs::path& file) {
    std::ifstream in(file);
    return {std::istreambuf_iterator<char>(in), {}};
}

std::string refusal(const NewPlugin& wanted) {
    const auto files = write_new_plugin(wanted);
    return files ? "" : files.error().text;
}

std::ptrdiff_t entries(const fs::path& folder) {
    return std::distance(fs::directory_iterator(folder), fs::directory_iterator());
}

}  // namespace

TEST_CASE("a project has the plugin's name in its files and their names", "[new-plugin]") {
    const Folder folder;
    for (const char* kind : {"health", "restart", "port", "metrics"}) {
        const fs::path project = folder / kind;
        const auto files = write_new_plugin({"my_policy", kind, project.string(), kTemplates});
        REQUIRE(files);
        CHECK(*files == std::vector<std::string>{".gitignore", "CMakeLists.txt",
                                                 "CMakePresets.json", "README.md", "my_policy.cpp",
                                                 "policy.hpp", "policy_test.cpp"});
        CHECK(text_of(project / "my_policy.cpp").find("STEWARD_PLUGIN(my_policy, Plugin)") !=
              std::string::npos);
        CHECK(text_of(project / "README.md")
                  .find("--plugin-dir build " + strategy_flag(kind) + " my_policy") !=
              std::string::npos);
        for (const auto& file : *files) {
            CHECK(text_of(project / file).find("plugin_name") == std::string::npos);
        }
    }
}

TEST_CASE("a name that is no id, or means something else, is refused", "[new-plugin]") {
    const Folder folder;
    for (const std::string& name : {std::string("My"), std::string("1st"), std::string("a-b"),
                                    std::string("../up"), std::string(65, 'a')}) {
        CHECK(refusal({name, "port", (folder / "x").string(), kTemplates}) ==
              "new-plugin: the name must be 1 to 64 of a-z, 0-9 and _, beginning with a letter, "
              "such as my_policy (got " +
                  name + ")");
    }
    CHECK(refusal({"", "port", (folder / "x").string(), kTemplates}).find("(got nothing)") !=
          std::string::npos);
    CHECK(refusal({"none", "port", (folder / "x").string(), kTemplates})
              .find("choose another name") != std::string::npos);
    CHECK_FALSE(fs::exists(folder / "x"));
}

TEST_CASE("a name that is another file's of the project is refused", "[new-plugin]") {
    const Folder folder;
    CHECK(refusal({"policy_test", "port", (folder / "x").string(), kTemplates}) ==
          "new-plugin: policy_test.cpp is another file of the project, so the plugin cannot be "
          "called policy_test; choose another name");
    CHECK_FALSE(fs::exists(folder / "x"));
}

TEST_CASE("the longest name is one", "[new-plugin]") {
    const Folder folder;
    CHECK(write_new_plugin({std::string(64, 'a'), "port", (folder / "x").string(), kTemplates}));
}

TEST_CASE("an unknown kind is refused", "[new-plugin]") {
    const Folder folder;
    for (const char* kind : {"common", "", "../port", "Health"}) {
        CHECK(refusal({"x", kind, (folder / "x").string(), kTemplates}) ==
              std::string("--kind: must be health, restart, port or metrics (got ") + kind + ")");
    }
    CHECK_FALSE(fs::exists(folder / "x"));
}

TEST_CASE("nothing is overwritten", "[new-plugin]") {
    const Folder folder;
    const fs::path project = folder / "x";
    fs::create_directory(project);
    std::ofstream(project / "README.md") << "mine";
    const auto text = refusal({"x", "port", project.string(), kTemplates});
    CHECK(text == "new-plugin: " + project.string() +
                      " is there already and is not empty; nothing is overwritten: give a new or "
                      "empty folder with --into FOLDER");
    CHECK(entries(project) == 1);
    CHECK(text_of(project / "README.md") == "mine");
    std::ofstream(folder / "file") << "mine";
    CHECK(refusal({"x", "port", (folder / "file").string(), kTemplates}).find("is no folder") !=
          std::string::npos);
    CHECK(text_of(folder / "file") == "mine");
    fs::create_symlink("nowhere", folder / "link");
    CHECK_FALSE(refusal({"x", "port", (folder / "link").string(), kTemplates}).empty());
}

TEST_CASE("an empty folder is filled, and missing ones above it are made", "[new-plugin]") {
    const Folder folder;
    fs::create_directory(folder / "x");
    CHECK(write_new_plugin({"x", "port", (folder / "x").string() + "/", kTemplates}));
    CHECK(fs::exists(folder / "x/x.cpp"));
    CHECK(write_new_plugin({"x", "port", (folder / "a/b/../c/").string(), kTemplates}));
    CHECK(fs::exists(folder / "a/c/x.cpp"));
}

TEST_CASE("a place that cannot be written is named, and nothing stays", "[new-plugin]") {
    CHECK(refusal({"x", "port", "/proc/x", kTemplates}).find("/proc/x cannot be made: ") !=
          std::string::npos);
    const Folder folder;
    std::ofstream(folder / "file") << "mine";
    CHECK(refusal({"x", "port", (folder / "file/x").string(), kTemplates})
              .find("give a folder that can be, with --into FOLDER") != std::string::npos);
}

TEST_CASE("what was written before a failure is removed again", "[new-plugin]") {
    const Folder folder;
    // A template whose last file cannot be made: its name has become too long.
    fs::create_directories(folder / "template/common");
    fs::create_directories(folder / "template/port");
    std::ofstream(folder / "template/common/first") << "plugin_name";
    std::ofstream(folder / "template/port/plugin_name-plugin_name-plugin_name-plugin_name") << "x";
    const auto text = refusal({std::string(64, 'z'), "port", (folder / "new/x").string(),
                               (folder / "template").string()});
    CHECK(text.find("cannot be made: ") != std::string::npos);
    CHECK_FALSE(fs::exists(folder / "new"));
}

TEST_CASE("templates that are missing are named", "[new-plugin]") {
    const Folder folder;
    CHECK(refusal({"x", "port", (folder / "x").string(), (folder / "t").string()}) ==
          "new-plugin: the template " + (folder / "t/common").string() +
              " cannot be read: No such file or directory; install Steward's component sdk beside "
              "the program");
    CHECK_FALSE(fs::exists(folder / "x"));
}
