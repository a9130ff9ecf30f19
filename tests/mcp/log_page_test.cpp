// flask_logs page by page, and the log as a resource.
#include "scenes.hpp"

using namespace steward::tests;

namespace {

// The texts of the lines, joined.
std::string texts(const Json& page) {
    std::string out;
    for (unsigned i = 0; i < page->getArray("lines")->size(); ++i) {
        out += (i == 0 ? "" : ",") + text_at(page->getArray("lines")->getObject(i), "text");
    }
    return out;
}

}  // namespace

TEST_CASE("flask_logs filters and pages, and the resource shows the same lines", "[mcp][logs]") {
    Running server(with_app({"--stdout-line", "one", "--stdout-line", "two Apples", "--stdout-line",
                             "three", "--stdout-line", "four apples"}));
    const auto logs = [&](const std::string& arguments) {
        return server->tool("flask_logs", arguments)->getObject("structuredContent");
    };
    REQUIRE(wait_until([&] { return logs("{}")->getArray("lines")->size() == 4; }));
    CHECK(texts(logs("{}")) == "one,two Apples,three,four apples");
    CHECK(texts(logs(R"({"contains":"APPLES"})")) == "two Apples,four apples");
    CHECK(texts(logs(R"({"level":"warning"})")).empty());
    CHECK(texts(logs(R"({"since":"2020-01-01T00:00:00Z"})")) == texts(logs("{}")));
    CHECK(texts(logs(R"({"since":"2999-01-01T00:00:00Z"})")).empty());

    const auto last = logs(R"({"lines":2})");
    CHECK(texts(last) == "three,four apples");
    const auto before = text_at(last, "next_before");
    CHECK(before == text_at(last, "lines.0.seq"));
    const auto first = logs(R"({"lines":2,"before":)" + before + "}");
    CHECK(texts(first) == "one,two Apples");
    CHECK(at(first, "next_before").isEmpty());
    CHECK(texts(logs(R"({"since":)" + text_at(first, "lines.1.seq") + "}")) == "three,four apples");

    server->speak_modern(GENERATE(false, true));
    const auto read = server->call("resources/read", R"({"uri":"promptbin://flask-log"})");
    CHECK(text_at(read, "result.contents.0.mimeType") == "application/json");
    CHECK(texts(parse_json(text_at(read, "result.contents.0.text"))) == texts(logs("{}")));
}

TEST_CASE("flask_logs refuses what is no filter", "[mcp][logs]") {
    Running server;
    for (const std::string arguments :
         {R"({"since":"yesterday"})", R"({"since":-1})", R"({"since":true})", R"({"before":0})",
          R"({"level":"loud"})", R"({"contains":7})"}) {
        const auto result = server->tool("flask_logs", arguments);
        INFO(arguments << ": " << text_at(result, "content.0.text"));
        CHECK(result->has("isError"));
        CHECK(
            holds(text_at(result, "content.0.text"), arguments.substr(2, arguments.find(':') - 3)));
    }
}
