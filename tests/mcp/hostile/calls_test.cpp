// Rows 24 to 29, 31 and 32: calls that are cancelled, repeated, too early or wrong.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "peer.hpp"

using namespace steward::tests;

namespace {

// Another program that writes to the prompts: until release() each change waits.
class HeldLock {
  public:
    explicit HeldLock(const Sandbox& sandbox)
        : fd_(::open((sandbox.data_dir() + "/.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600)) {
        REQUIRE(fd_ >= 0);
        REQUIRE(flock(fd_, LOCK_EX) == 0);
    }
    ~HeldLock() { release(); }
    HeldLock(const HeldLock&) = delete;
    HeldLock& operator=(const HeldLock&) = delete;
    void release() {
        if (fd_ >= 0) {
            close(std::exchange(fd_, -1));
        }
    }

  private:
    int fd_;
};

std::string create(const std::string& id, const std::string& title) {
    return modern(id, "tools/call",
                  R"("name":"create_prompt","arguments":{"title":")" + title +
                      R"(","content":"C","category":"coding"})");
}

// Behind all changes, which are made one after the other.
std::string search(const std::string& id) {
    return modern(id, "tools/call", R"("name":"search_prompts","arguments":{"query":"*"})");
}

}  // namespace

TEST_CASE("row 24: cancel of a running call", "[mcp][hostile]") {
    Peer peer;
    peer.served(create("1", "Zeroth"));  // makes the data folder
    HeldLock lock(peer.sandbox());
    peer.ignored(create("2", "First"));
    peer.ignored(create("\"3\"", "Second"));
    peer.ignored(create("4", "Third"));
    peer.ignored(cancelled("\"3\""));
    peer.ignored(cancelled("2"));
    lock.release();
    // The third is the only answer, and what had not begun never was.
    const auto answers = peer.say("", 1);
    REQUIRE(answers.size() == 1);
    CHECK(number_at(parse_json(answers.front()), "id") == 4);
    const auto all = text_at(peer.served(search("5")), "content.0.text");
    CHECK(all.find("Third") != std::string::npos);
    CHECK(all.find("Second") == std::string::npos);
}

TEST_CASE("row 24: cancel of a stop that takes its time", "[mcp][hostile]") {
    auto start = light_app({"--ignore-term"});
    start.args = {"--shutdown-timeout", "300ms"};
    Peer peer(start);
    peer.open();
    peer.served(legacy("6", "logging/setLevel", R"({"level":"emergency"})"));
    peer.wait_app();
    peer.ignored(legacy("7", "tools/call", R"({"name":"flask_stop"})"));
    peer.ignored(cancelled("7"));
    peer.sandbox().wait_event("service.stopped");
    CHECK(text_at(peer.served(legacy("8", "tools/call", R"({"name":"flask_status"})")),
                  "structuredContent.state") == "stopped");
}

TEST_CASE("row 25: id of a call in flight", "[mcp][hostile]") {
    Peer peer;
    peer.served(create("1", "Zeroth"));
    HeldLock lock(peer.sandbox());
    peer.ignored(create("2", "First"));
    peer.refused(create("2", "Second"), "2", kInvalidRequest);
    peer.refused(legacy("2", "ping"), "2", kInvalidRequest);
    peer.refused(modern("2", "tools/list"), "2", kInvalidRequest);
    peer.served(legacy("\"2\"", "ping"));  // another id
    lock.release();
    const auto answers = peer.say("", 1);
    REQUIRE(answers.size() == 1);
    CHECK(text_at(parse_json(answers.front()), "result.structuredContent.title") == "First");
    peer.served(legacy("2", "ping"));
}

TEST_CASE("row 26: initialize twice", "[mcp][hostile]") {
    Peer peer;
    peer.open("2025-06-18");
    peer.refused(initialize("2025-06-18", "1"), "1", kInvalidRequest);
    peer.refused(initialize("2024-11-05", "1"), "1", kInvalidRequest);
    peer.refused(legacy("1", "initialize"), "1", kInvalidRequest);
    peer.served(legacy("2", "tools/list"));
}

TEST_CASE("row 27: legacy request before initialize", "[mcp][hostile]") {
    Peer peer;
    for (const char* method : {"tools/list", "tools/call", "resources/list", "resources/read",
                               "resources/subscribe", "resources/templates/list", "prompts/list",
                               "prompts/get", "completion/complete", "logging/setLevel"}) {
        const auto answers = peer.say(legacy("1", method, R"({"name":"flask_status"})"), 1);
        REQUIRE(answers.size() == 1);
        const auto answer = parse_json(answers.front());
        CHECK(number_at(answer, "error.code") == kInvalidRequest);
        CHECK(text_at(answer, "error.message").find("not initialized") != std::string::npos);
    }
    peer.ignored(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    peer.refused(legacy("1", "tools/list"), "1", kInvalidRequest);
    peer.served(legacy("2", "ping"));
    peer.open();
    peer.served(legacy("1", "tools/list"));
}

TEST_CASE("row 28: initialize without what it needs", "[mcp][hostile]") {
    Peer peer;
    for (const char* params :
         {"", "{}", R"({"protocolVersion":20251125})", R"({"protocolVersion":null})",
          R"({"protocolVersion":["2025-11-25"]})",
          R"({"protocolVersion":"2025-11-25","capabilities":[]})",
          R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":"x"})"}) {
        peer.refused(legacy("1", "initialize", params), "1", kInvalidParams);
    }
    peer.refused(legacy("1", "tools/list"), "1", kInvalidRequest);
    const std::string unknown = GENERATE("2026-07-28", "1999-01-01", "", "x", "2025-11-25 ");
    CHECK(text_at(peer.served(initialize(unknown)), "protocolVersion") == "2025-11-25");
}

TEST_CASE("row 29: tools/call", "[mcp][hostile]") {
    Peer peer;
    const bool is_modern = GENERATE(false, true);
    const auto call = [is_modern](const std::string& members) {
        return is_modern ? modern("1", "tools/call", members)
                         : legacy("1", "tools/call", "{" + members + "}");
    };
    if (!is_modern) {
        peer.open();
        peer.refused(legacy("1", "tools/call"), "1", kInvalidParams);
    }
    for (const std::string& members :
         {std::string(), std::string(R"("name":7)"), std::string(R"("name":null)"),
          std::string(R"("name":{})"), std::string(R"("name":"")"), std::string(R"("name":"nope")"),
          std::string(R"("name":"flask_status\u0000")"),
          R"("name":")" + std::string(100'000, 'n') + "\"",
          std::string(R"("name":"flask_logs","arguments":[])"),
          std::string(R"("name":"flask_logs","arguments":null)"),
          std::string(R"("name":"flask_logs","arguments":"{}")")}) {
        peer.refused(call(members), "1", kInvalidParams);
    }
    CHECK_FALSE(peer.served(call(R"("name":"flask_status")"))->has("isError"));
    for (const std::string& members :
         {std::string(R"("name":"flask_status","arguments":{"x":1})"),
          std::string(R"("name":"flask_stop","arguments":{"force":true})"),
          std::string(R"("name":"flask_logs","arguments":{"lines":0})"),
          std::string(R"("name":"flask_logs","arguments":{"lines":2001})"),
          std::string(R"("name":"flask_logs","arguments":{"lines":"many"})"),
          std::string(R"("name":"flask_logs","arguments":{"lines":1.5})"),
          std::string(
              R"("name":"flask_logs","arguments":{"lines":123456789012345678901234567890})"),
          std::string(R"("name":"flask_logs","arguments":{"since":"yesterday"})"),
          std::string(R"("name":"search_prompts")"),
          std::string(R"("name":"search_prompts","arguments":{"query":{}})"),
          std::string(R"("name":"get_prompt","arguments":{"prompt_id":null})"),
          R"("name":"get_prompt","arguments":{"prompt_id":")" + std::string(100'000, 'p') + "\"}",
          R"("name":"flask_logs","arguments":{")" + std::string(100'000, 'k') + R"(":1})"}) {
        INFO(members.substr(0, 200));
        const auto result = peer.served(call(members));
        CHECK(at(result, "isError").convert<bool>());
        CHECK_FALSE(text_at(result, "content.0.text").empty());
        CHECK(text_at(result, "content.0.text").size() < 1000);
    }
    CHECK(text_at(peer.served(call(R"("name":"flask_status")")), "structuredContent.state") !=
          "stopped");
}

TEST_CASE("row 31: bad cursor", "[mcp][hostile]") {
    Peer peer;
    peer.open();
    for (const std::string& cursor :
         {std::string("\"x\""), std::string("\"\""), std::string("7"), std::string("null"),
          std::string("{}"), std::string("\"AAAA\""), "\"" + std::string(100'000, 'c') + "\""}) {
        for (const char* method :
             {"tools/list", "resources/list", "resources/templates/list", "prompts/list"}) {
            peer.refused(legacy("1", method, R"({"cursor":)" + cursor + "}"), "1", kInvalidParams);
            peer.refused(modern("1", method, R"("cursor":)" + cursor), "1", kInvalidParams);
        }
    }
}

TEST_CASE("row 32: unknown log level", "[mcp][hostile]") {
    Peer peer;
    peer.open();
    for (const char* level : {"\"loud\"", "\"\"", "7", "null", "\"INFO\""}) {
        peer.refused(legacy("1", "logging/setLevel", std::string(R"({"level":)") + level + "}"),
                     "1", kInvalidParams);
    }
    peer.refused(legacy("1", "logging/setLevel"), "1", kInvalidParams);
}
