// Row 30: addresses of resources that are not there, and of files that are none of theirs.
#include <sys/inotify.h>
#include <unistd.h>

#include "peer.hpp"

using namespace steward::tests;

namespace {

// Sees every file that is opened in some folders, by whatever program.
class OpenWatch {
  public:
    explicit OpenWatch(const std::vector<std::string>& folders)
        : fd_(inotify_init1(IN_NONBLOCK | IN_CLOEXEC)) {
        for (const auto& folder : folders) {
            REQUIRE(inotify_add_watch(fd_, folder.c_str(), IN_OPEN | IN_ACCESS) >= 0);
        }
    }
    ~OpenWatch() { close(fd_); }
    OpenWatch(const OpenWatch&) = delete;
    OpenWatch& operator=(const OpenWatch&) = delete;

    // The names of the files that were opened since the last call.
    [[nodiscard]] std::set<std::string> opened() const {
        std::set<std::string> out;
        alignas(inotify_event) char buffer[16384];
        for (;;) {
            const auto got = read(fd_, buffer, sizeof buffer);
            if (got <= 0) {
                return out;
            }
            for (const char* at = buffer; at < buffer + got;) {
                const auto* event = reinterpret_cast<const inotify_event*>(at);
                out.insert(event->len > 0 ? event->name : "the folder itself");
                at += sizeof(inotify_event) + event->len;
            }
        }
    }

  private:
    int fd_;
};

const std::string kCanary = R"({"title":"Canary","content":"the canary sings"})";

// The ways to write "../" (`up`), "/" (`slash`) in an address.
struct Spelling {
    const char* up;
    const char* slash;
};
constexpr Spelling kSpellings[] = {{"../", "/"},
                                   {"..%2F", "%2F"},
                                   {"..%2f", "%2f"},
                                   {"%2e%2e%2f", "%2f"},
                                   {"%2E%2E/", "/"},
                                   {".%2e%2F", "%2F"},
                                   {"..%5C", "%5C"},
                                   {"..\\\\", "\\\\"},
                                   {"%252e%252e%252f", "%252f"},
                                   {"%c0%ae%c0%ae%2f", "%c0%af"},
                                   {"%ef%bc%8e%ef%bc%8e%2f", "%2f"},
                                   {"....%2F%2F", "%2F%2F"}};

std::vector<std::string> hostile_names(const Sandbox& sandbox) {
    std::vector<std::string> names;
    for (const auto& [up, slash] : kSpellings) {
        std::string root;
        for (const char c : sandbox.path()) {
            root += c == '/' ? slash : std::string(1, c);
        }
        for (const std::string ending : {"", ".json", "%00.json", "%00"}) {
            // From the data folder and from a category of it; and from the root of the disk.
            names.push_back(std::string(up) + "outside" + slash + "canary" + ending);
            names.push_back(std::string(up) + up + "outside" + slash + "canary" + ending);
            names.push_back(std::string("coding") + slash + up + up + "outside" + slash + "canary" +
                            ending);
            names.push_back(root + slash + "outside" + slash + "canary" + ending);
            names.push_back(std::string(up) + "canary" + ending);
        }
        names.push_back(std::string(slash) + "etc" + slash + "passwd");
        names.push_back(std::string("coding") + slash + "inside");
    }
    for (const std::string name : {"no-such-prompt",
                                   "canary",
                                   "canary.json",
                                   "inside.json",
                                   "",
                                   ".",
                                   "..",
                                   "a/b",
                                   "%00",
                                   "inside%00",
                                   "%zz",
                                   "%",
                                   "%2",
                                   "%2e%2e",
                                   ".history",
                                   ".lock",
                                   "\\u0000",
                                   "no\\u0000such",
                                   "%00%00%00",
                                   "?x=inside",
                                   "#",
                                   "*",
                                   "~",
                                   "~root",
                                   "con",
                                   "a:b"}) {
        names.push_back(name);
    }
    names.push_back(std::string(100'000, 'u'));
    names.push_back(repeated("..%2f", 20'000));
    return names;
}

}  // namespace

TEST_CASE("row 30: resources/read of what is not there, and of what is elsewhere",
          "[mcp][hostile]") {
    Peer peer;
    const auto& sandbox = peer.sandbox();
    sandbox.write("outside/canary.json", kCanary);
    sandbox.write("outside/canary", kCanary);
    sandbox.write("canary.json", kCanary);
    sandbox.write("data/canary.json", kCanary);  // in no category
    sandbox.write("data/coding/inside.json", R"({"title":"Inside","content":"as it should be"})");
    peer.open();
    peer.wait_app();  // and what steward opens at its start is over
    const auto uri = [](const std::string& text) { return R"("uri":")" + text + "\""; };
    CHECK(text_at(peer.served(modern("1", "resources/read", uri("promptbin://get-prompt/inside"))),
                  "contents.0.text")
              .find("as it should be") != std::string::npos);

    const OpenWatch watch({sandbox.file("outside"), sandbox.path()});
    std::vector<std::string> uris;
    for (const auto& name : hostile_names(sandbox)) {
        uris.push_back("promptbin://get-prompt/" + name);
        uris.push_back("promptbin://get-prompt-by-name/" + name);
        uris.push_back("promptbin://list-prompts-by-category/" + name);
        uris.push_back("promptbin://list-prompts-by-tag/" + name);
    }
    for (const std::string& text :
         {std::string(), std::string("promptbin://"), std::string("promptbin://nope"),
          std::string("promptbin:///flask-status"), std::string("promptbin://flask-status/../x"),
          std::string("PROMPTBIN://flask-status"), std::string("promptbin://flask-status\\u0000"),
          "file://" + sandbox.file("outside/canary.json"), sandbox.file("outside/canary.json"),
          std::string("outside/canary.json"), std::string("http://127.0.0.1/"),
          std::string("promptbin://get-prompt/{prompt_id}/x"), std::string("\\u202egnp.exe"),
          "promptbin://" + std::string(100'000, 'u')}) {
        uris.push_back(text);
    }
    for (const auto& text : uris) {
        peer.refused(legacy("1", "resources/read", "{" + uri(text) + "}"), "1", kResourceNotFound);
        peer.refused(modern("1", "resources/read", uri(text)), "1", kInvalidParams);
    }
    for (const std::string params : {"{}", R"({"uri":7})", R"({"uri":null})", R"({"uri":[]})"}) {
        peer.refused(legacy("1", "resources/read", params), "1", kInvalidParams);
    }
    // Nor through the tools, which take a name as well.
    for (const auto& name : hostile_names(sandbox)) {
        INFO(name.substr(0, 200));
        const auto result = peer.served(modern(
            "1", "tools/call", R"("name":"get_prompt","arguments":{"prompt_id":")" + name + "\"}"));
        CHECK(result->has("isError"));
        CHECK(text_at(result, "content.0.text").size() < 1000);
    }
    CHECK(watch.opened().empty());
    for (const auto& line : peer->lines()) {
        CHECK(line.find("the canary sings") == std::string::npos);
        CHECK(line.find("root:x:") == std::string::npos);
    }
}
