// steward-plugin-probe over the plugins of the default set and over files with one fault each.
#include <signal.h>
#include <stdlib.h>

#include <filesystem>
#include <fstream>

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include "catch.hpp"
#include "probe_run.hpp"

namespace {

namespace fs = std::filesystem;
using namespace std::chrono_literals;
using Poco::JSON::Object;
using steward::test::ProbeRun;

// Long enough for a loaded machine: no test waits for it but the one about hanging.
constexpr auto kPatience = 20s;
const char* const kProbe = STEWARD_BUILD_DIR "/bin/steward-plugin-probe";

std::string good(const std::string& id) {
    return STEWARD_BUILD_DIR "/bin/plugins/steward_" + id + ".so";
}
std::string bad(const std::string& name) {
    return STEWARD_BUILD_DIR "/tests/bad_plugins/steward_bad_" + name + ".so";
}

ProbeRun probe(const std::vector<std::string>& files) {
    return steward::test::run_probe(kProbe, files, kPatience);
}

Object::Ptr parse(const std::string& line) {
    CAPTURE(line);
    return Poco::JSON::Parser().parse(line).extract<Object::Ptr>();
}

// What the probe says about one file, after the "loading" line.
Object::Ptr verdict(const std::string& file) {
    const ProbeRun run = probe({file});
    CAPTURE(file, run.errors);
    REQUIRE(run.exit_code == 0);
    REQUIRE(run.lines.size() == 2);
    CHECK(parse(run.lines[0])->getValue<bool>("loading"));
    CHECK(parse(run.lines[0])->getValue<std::string>("file") == file);
    const Object::Ptr answer = parse(run.lines[1]);
    CHECK(answer->getValue<std::string>("file") == file);
    return answer;
}

std::string refusal(const std::string& file) {
    const Object::Ptr answer = verdict(file);
    CHECK_FALSE(answer->getValue<bool>("ok"));
    CHECK_FALSE(answer->has("plugins"));
    return answer->optValue<std::string>("error", "");
}

// A folder of a test's own, removed at its end.
class Folder {
  public:
    explicit Folder(const std::string& name) {
        std::string root = (fs::temp_directory_path() / "steward-probe-XXXXXX").string();
        REQUIRE(::mkdtemp(root.data()) != nullptr);
        root_ = root;
        path_ = root_ / name;
        fs::create_directories(path_);
    }
    ~Folder() { fs::remove_all(root_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    Folder(Folder&&) = delete;
    Folder& operator=(Folder&&) = delete;

    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path root_;
    fs::path path_;
};

}  // namespace

TEST_CASE("a good plugin is described", "[probe]") {
    const Object::Ptr answer = verdict(good("restart_backoff"));
    REQUIRE(answer->getValue<bool>("ok"));
    CHECK(answer->getObject("abi")->getValue<int>("major") == 1);
    CHECK(answer->getObject("abi")->getValue<int>("minor") == 0);
    CHECK(answer->getObject("abi")->getValue<int>("min_host_minor") == 0);
    REQUIRE(answer->getArray("plugins")->size() == 1);
    const Object::Ptr plugin = answer->getArray("plugins")->getObject(0);
    for (const char* text : {"id", "name", "vendor", "version", "license", "url", "summary"}) {
        CAPTURE(text);
        CHECK(plugin->get(text).isString());
    }
    CHECK(plugin->getValue<std::string>("id") == "restart_backoff");
    CHECK(plugin->getValue<int>("capabilities") == 5);  // unloadable, and it backs off
    CHECK(plugin->getArray("interfaces")->getElement<std::string>(0) == "steward.restart/1");
    const Object::Ptr base =
        plugin->getObject("schema")->getObject("properties")->getObject("base_ms");
    CHECK(base->getValue<int>("default") == 250);
}

TEST_CASE("a plugin in plain C whose schema has several lines is described in one", "[probe]") {
    const Object::Ptr answer = verdict(bad("none"));
    REQUIRE(answer->getValue<bool>("ok"));
    const Object::Ptr plugin = answer->getArray("plugins")->getObject(0);
    CHECK(plugin->getValue<std::string>("summary") == "Says \"nothing\".");
    CHECK(plugin->getValue<std::string>("url").empty());
    CHECK(plugin->getObject("schema")->getValue<std::string>("type") == "object");
}

TEST_CASE("each fault has its own words", "[probe]") {
    using Row = std::pair<std::string, std::string>;
    const auto [name, text] = GENERATE(values<Row>({
        {"newer_major",
         "built for plugin ABI 2, this steward has 1: rebuild it against this version's SDK"},
        {"newer_minor", "needs plugin ABI 1.3, this steward has 1.0: use a newer steward"},
        {"wrong_magic",
         "not a Steward plugin: the entry begins with 0x46464646, not 0x44574453: begin it with "
         "STEWARD_ABI_MAGIC"},
        {"short_entry", "the entry has 24 bytes, plugin ABI 1 has at least 48: set its size"},
        {"no_plugins", "the entry says 0 plugins: plugin_count must be 1 to 64"},
        {"two_claimed",
         "plugin 1 is missing or shorter than plugin ABI 1 wants: see get_plugin and the sizes"},
        {"other_id",
         "the plugin's id is something_else, so the file must be called steward_something_else.so"},
        {"ugly_id", "the id of plugin 0 must be [a-z][a-z0-9_]{0,63} (got Bad-Id)"},
        {"false_interface",
         "the interface steward.restart/1 is listed but get_interface does not know it: answer it, "
         "or take it off the list"},
        {"null_function", "the function decide of the interface steward.restart/1 is null: set it"},
        {"short_interface",
         "the interface steward.restart/1 has 8 bytes, which end before decide: set its size"},
        {"schema_text", "the settings' schema is no JSON object: config_schema must write one"},
        {"schema_escape", "the settings' schema is no JSON object: config_schema must write one"},
        {"schema_long", "the settings' schema is longer than 64 KiB: make it shorter"},
        {"summary_bytes", "the descriptor's summary must be UTF-8 of at most 4096 bytes"},
        {"no_entry",
         "not a Steward plugin: it exports no steward_plugin_entry: define it as steward/abi.h "
         "says, and link as steward_add_plugin() does"},
        {"function_entry",
         "not a Steward plugin: steward_plugin_entry is a function: it must be a const "
         "steward_entry"},
        {"tiny_entry",
         "not a Steward plugin: steward_plugin_entry is too small: it must be a const "
         "steward_entry"},
    }));
    CHECK(refusal(bad(name)) == text);
}

TEST_CASE("what cannot be loaded is told with the loader's reason", "[probe]") {
    const std::string undefined = refusal(bad("undefined_symbol"));
    CHECK_THAT(undefined, Catch::StartsWith("cannot be loaded: "));
    CHECK_THAT(undefined, Catch::Contains("steward_test_this_exists_nowhere"));
    CHECK_THAT(refusal("/nowhere/steward_x.so"), Catch::Contains("No such file"));
    // Not looked for in the system's folders; the path is said by whoever asked.
    CHECK(refusal("libc.so.6") == "cannot be read: No such file or directory");
    CHECK(refusal("/tmp") == "is no regular file");

    const Folder folder("text");
    const std::string text = folder.path() / "steward_text.so";
    std::ofstream(text) << "#!/bin/sh\n";
    CHECK_THAT(refusal(text), Catch::StartsWith("is no ELF file: "));
}

TEST_CASE("the order of the files is kept and one bad file hides no other", "[probe]") {
    const ProbeRun run = probe({bad("no_entry"), good("port_sequential"), "/nowhere.so",
                                good("restart_backoff"), good("restart_backoff")});
    REQUIRE(run.exit_code == 0);
    REQUIRE(run.lines.size() == 10);
    std::string answers;
    for (std::size_t i = 1; i < run.lines.size(); i += 2) {
        answers += parse(run.lines[i])->getValue<bool>("ok") ? '+' : '-';
    }
    CHECK(answers == "-+-++");
}

TEST_CASE("what a plugin prints goes to standard error", "[probe]") {
    const ProbeRun run = probe({bad("prints")});
    REQUIRE(run.exit_code == 0);
    REQUIRE(run.lines.size() == 2);
    CHECK(parse(run.lines[1])->getValue<bool>("ok"));
    CHECK(run.errors == "{\"file\":\"forged\",\"ok\":true}\n");
}

TEST_CASE("a crash comes after the line that names the file", "[probe]") {
    const std::string file = bad(GENERATE(as<std::string>{}, "throws", "crash"));
    const ProbeRun run = probe({good("restart_backoff"), file, good("port_sequential")});
    CHECK(run.signal == SIGABRT);
    REQUIRE(run.lines.size() == 3);
    CHECK(parse(run.lines[1])->getValue<bool>("ok"));
    CHECK(parse(run.lines[2])->getValue<std::string>("file") == file);
    CHECK(parse(run.lines[2])->getValue<bool>("loading"));
}

TEST_CASE("a hang comes after the line that names the file", "[probe]") {
    const ProbeRun run = steward::test::run_probe(kProbe, {bad("sleeps")}, 1s);
    CHECK(run.silent);
    CHECK(run.signal == SIGKILL);
    REQUIRE(run.lines.size() == 1);
    CHECK(parse(run.lines[0])->getValue<std::string>("file") == bad("sleeps"));
}

TEST_CASE("a path may hold anything and the answer is still one line of JSON", "[probe]") {
    const Folder folder("with space, \"quotes\" \\ and\nline \xC3\xA9");
    const fs::path copy = folder.path() / "steward_port_sequential.so";
    fs::copy_file(good("port_sequential"), copy);
    CHECK(verdict(copy)->getValue<bool>("ok"));

    const Folder bytes("\xFF\xFE");
    fs::copy_file(good("port_sequential"), bytes.path() / "steward_port_sequential.so");
    const ProbeRun run = probe({bytes.path() / "steward_port_sequential.so"});
    REQUIRE(run.lines.size() == 2);
    CHECK_THAT(parse(run.lines[1])->getValue<std::string>("file"),
               Catch::Contains("/\xEF\xBF\xBD\xEF\xBF\xBD/"));
}

TEST_CASE("wrong use is told apart from a bad file", "[probe]") {
    const ProbeRun run = probe({});
    CHECK(run.exit_code == 2);
    CHECK(run.lines.empty());
    CHECK(run.errors == "usage: steward-plugin-probe FILE...\n");
}

TEST_CASE("closed standard descriptors do no harm and a refused answer is told", "[probe]") {
    const std::string file = good("port_sequential");
    const std::string command = std::string(kProbe) + " " + file;
    const auto shell = [](const std::string& script) {
        return steward::test::run_probe("/bin/sh", {"-c", script}, kPatience);
    };
    CHECK(shell(command + " 0<&- 1>&- 2>&-").exit_code == 0);
    CHECK(shell(command + " 0<&- 2>&-").lines.size() == 2);
    CHECK(shell(command + " >/dev/full; echo $?").lines == std::vector<std::string>{"3"});
}
