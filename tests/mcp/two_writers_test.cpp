// The MCP server and the web app write to the same prompts at the same time: nothing that either has
// acknowledged is lost.
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

#include "scenes.hpp"

using namespace steward::tests;
namespace fs = std::filesystem;

namespace {

// The most old versions of a prompt that are kept.
constexpr std::size_t kHistory = 50;

// A data folder in memory where that is possible: each write is followed by several fsync().
class DataFolder {
  public:
    DataFolder() {
        const std::string memory = "/dev/shm";
        std::string name =
            (access(memory.c_str(), W_OK) == 0 ? fs::path(memory) : fs::temp_directory_path()) /
            "steward-test-XXXXXX";
        REQUIRE(mkdtemp(name.data()) != nullptr);
        path_ = name;
    }
    ~DataFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    DataFolder(const DataFolder&) = delete;
    DataFolder& operator=(const DataFolder&) = delete;
    [[nodiscard]] const fs::path& path() const { return path_; }

  private:
    fs::path path_;
};

StewardStart with_flask(const DataFolder& data) {
    StewardStart start;
    start.defaults = false;
    start.args = {"--data-dir", data.path(), "--port", std::to_string(free_port())};
    return start;
}

std::string id_of(int number) {
    return "shared-" + std::to_string(number);
}

void write_prompts(const DataFolder& data, int count) {
    fs::create_directories(data.path() / "coding");
    for (int i = 0; i < count; ++i) {
        std::ofstream(data.path() / "coding" / (id_of(i) + ".json"))
            << R"({"title":"Shared","content":"nobody's","category":"coding","mine":[1,{"x":null}]})";
    }
}

std::string content_of(const fs::path& file) {
    std::ostringstream text;
    text << std::ifstream(file).rdbuf();
    return text_at(parse_json(text.str()), "content");
}

// What a program has written and been told was stored.
struct Writer {
    std::vector<std::pair<std::string, std::string>> stored;  // id, content
    std::atomic<int> done{0};
    std::string trouble;  // empty: all went well
};

// As a person with a browser does: opens the page to edit, sends the form, and begins again when the
// prompt was changed meanwhile.
bool write_by_web(std::uint16_t port, const std::string& id, const std::string& content) {
    const auto page = http_get(port, "/prompts/" + id + "/edit").body;
    const std::string label = R"(name="updated_at" value=")";
    const auto from = page.find(label) + label.size();
    const auto version = page.substr(from, page.find('"', from) - from);
    const auto answer =
        http_post(port, "/prompts/" + id,
                  "title=Shared&category=coding&description=&tags=&content=" + content +
                      "&updated_at=" + version);
    return answer.status == 303;
}

void write_all_by_web(Writer& writer, std::uint16_t port, int prompts, int writes) {
    for (int i = 0; i < writes; ++i) {
        const auto id = id_of(i % prompts);
        const auto content = "web-" + std::to_string(i);
        bool stored = false;
        for (int again = 0; again < 100 && !stored; ++again) {
            stored = write_by_web(port, id, content);
        }
        if (!stored) {
            writer.trouble = content + " was refused a hundred times";
            writer.done = writes;
            return;
        }
        writer.stored.emplace_back(id, content);
        ++writer.done;
    }
}

void write_all_by_mcp(Writer& writer, const Writer& other, StewardProcess& steward, int prompts,
                      int writes) {
    // Side by side with the other, which is slower: both are at the same prompts all the time.
    constexpr int kAtOnce = 4;
    std::vector<int> calls;
    const auto text = [](int i) { return "mcp-" + std::to_string(i); };
    for (int i = 0; i < writes + kAtOnce; ++i) {
        if (i < writes) {
            if (!wait_until([&] { return i <= other.done + kAtOnce; })) {
                writer.trouble = text(i) + " had to wait for the other writer";
                return;
            }
            calls.push_back(steward.request_tool(
                "update_prompt",
                R"({"prompt_id":")" + id_of(i % prompts) + R"(","content":")" + text(i) + "\"}"));
        }
        if (const int done = i - kAtOnce; done >= 0) {
            const auto answer =
                steward.answer(calls[static_cast<std::size_t>(done)])->getObject("result");
            if (answer.isNull() || answer->has("isError")) {
                writer.trouble = text(done) + ": " + text_at(answer, "content.0.text");
                return;
            }
            writer.stored.emplace_back(id_of(done % prompts), text(done));
        }
    }
}

void write_at_once(const DataFolder& data, Writer& mcp, Writer& web, int prompts, int writes) {
    const Sandbox sandbox;
    write_prompts(data, prompts);
    StewardProcess steward(sandbox, with_flask(data));
    steward.initialize();
    const auto port = static_cast<std::uint16_t>(
        number_at(steward.wait_state("running", Milliseconds(30'000)), "port"));
    std::thread browser([&] { write_all_by_web(web, port, prompts, writes); });
    write_all_by_mcp(mcp, web, steward, prompts, writes);
    browser.join();
    CHECK(mcp.trouble.empty());
    CHECK(web.trouble.empty());
    steward.close_stdin();
    CHECK(steward.wait_exit().code == 0);
}

// Nothing but prompts, their old versions and the lock.
void check_no_rest(const DataFolder& data) {
    for (const auto& entry : fs::recursive_directory_iterator(data.path())) {
        INFO(entry.path());
        CHECK((entry.is_directory() || entry.path().extension() == ".json" ||
               entry.path() == data.path() / ".lock"));
    }
}

std::vector<fs::path> versions_of(const DataFolder& data, const std::string& id) {
    std::vector<fs::path> out;
    for (const auto& entry : fs::directory_iterator(data.path() / ".history" / id)) {
        out.push_back(entry.path());
    }
    return out;
}

}  // namespace

TEST_CASE("of two programs that write at once, each finds all that it has stored",
          "[mcp][prompts][writers]") {
    constexpr int kPrompts = 50;
    constexpr int kWrites = 1000;
    const DataFolder data;
    Writer mcp;
    Writer web;
    write_at_once(data, mcp, web, kPrompts, kWrites);
    std::set<std::pair<std::string, std::string>> found;
    for (int i = 0; i < kPrompts; ++i) {
        const auto id = id_of(i);
        INFO(id);
        const auto current = data.path() / "coding" / (id + ".json");
        REQUIRE(fs::exists(current));
        found.emplace(id, content_of(current));
        const auto versions = versions_of(data, id);
        CHECK(versions.size() == 2 * kWrites / kPrompts);
        for (const auto& version : versions) {
            found.emplace(id, content_of(version));
        }
        std::ostringstream text;
        text << std::ifstream(current).rdbuf();
        CHECK(parse_json(text.str())->has("mine"));
    }
    for (const auto* writer : {&mcp, &web}) {
        CHECK(writer->stored.size() == kWrites);
        for (const auto& one : writer->stored) {
            INFO(one.first << ": " << one.second);
            CHECK(found.count(one) == 1);
        }
    }
    check_no_rest(data);
}

TEST_CASE("the history of a prompt that two programs write stays within its limit",
          "[mcp][prompts][writers]") {
    const DataFolder data;
    Writer mcp;
    Writer web;
    write_at_once(data, mcp, web, 1, 60);
    const auto versions = versions_of(data, id_of(0));
    CHECK(versions.size() == kHistory);
    for (const auto& version : versions) {
        CHECK_FALSE(content_of(version).empty());
    }
    check_no_rest(data);
}
