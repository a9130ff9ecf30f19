// prompts/list and prompts/get: registered prompts, and those of a source, page by page.
#include "fixture.hpp"

using namespace steward::mcp;
using namespace steward::mcp::test;

namespace {

void add_greeting(Server& server) {
    Prompt prompt;
    prompt.name = "greeting";
    prompt.title = "Greeting";
    prompt.description = "Says hello";
    prompt.arguments = {{"who", "Who", "whom to greet", true}, {"how", "", "", false}};
    prompt.handler = [](const std::shared_ptr<Call>& call) {
        const auto* who = as_string(find_member(call->arguments(), "who"));
        call->reply_prompt(
            PromptResult()
                .set_description("a greeting")
                .add_text(Role::kUser, "Hello \"" + *who + "\"")
                .add_block(Role::kAssistant, *parse_object(R"({"type":"image","data":"AA=="})")));
    };
    server.add_prompt(prompt);
}

// The prompts p0 to p4, two to a page; the page is given after the handler has returned.
struct Pages {
    std::vector<std::shared_ptr<Call>> waiting;

    PromptSource source() {
        return {[this](const std::shared_ptr<Call>& call) { waiting.push_back(call); },
                [](const std::shared_ptr<Call>& call) {
                    if (call->target() != "p0") {
                        call->not_found();
                    } else {
                        call->reply_prompt(PromptResult().add_text(
                            Role::kUser, std::to_string(call->arguments().size())));
                    }
                }};
    }

    void answer() {
        const auto call = waiting.back();
        waiting.pop_back();
        const std::size_t begin = call->position().empty() ? 0 : std::stoul(call->position());
        std::vector<PromptInfo> page;
        for (std::size_t i = begin; i < begin + 2 && i < 5; ++i) {
            page.push_back({"p" + std::to_string(i), "", "", {}});
        }
        call->reply_prompts(
            page, begin + 2 < 5 ? std::optional(std::to_string(begin + 2)) : std::nullopt);
    }
};

std::string names_of_page(const Object::Ptr& result) {
    std::string names;
    for (const auto& prompt : *result->getArray("prompts")) {
        names += prompt.extract<Object::Ptr>()->getValue<std::string>("name") + " ";
    }
    return names;
}

}  // namespace

TEST_CASE("registered prompts are listed as the revision shows them", "[mcp][prompts]") {
    for (const std::string version : {"2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"}) {
        INFO(version);
        Fixture fixture;
        add_greeting(*fixture.server);
        CHECK(fixture.result(initialize(version))->getObject("capabilities")->has("prompts"));
        const auto list = fixture.result(legacy("1", "prompts/list"));
        CHECK_FALSE(list->has("ttlMs"));
        CHECK_FALSE(list->has("nextCursor"));
        const auto prompt = list->getArray("prompts")->getObject(0);
        CHECK(prompt->getValue<std::string>("name") == "greeting");
        CHECK(prompt->getValue<std::string>("description") == "Says hello");
        CHECK(prompt->has("title") == (version >= "2025-06-18"));
        const auto who = prompt->getArray("arguments")->getObject(0);
        CHECK(who->getValue<bool>("required"));
        CHECK(who->has("title") == (version >= "2025-06-18"));
        CHECK_FALSE(prompt->getArray("arguments")->getObject(1)->has("required"));
    }
    Fixture fixture;
    add_greeting(*fixture.server);
    const auto list = fixture.result(modern("1", "prompts/list"));
    CHECK(list->getValue<std::string>("resultType") == "complete");
    CHECK(list->getValue<int>("ttlMs") == 5000);
    CHECK(list->getValue<std::string>("cacheScope") == "private");
}

TEST_CASE("a registered prompt is given its arguments and gives messages", "[mcp][prompts]") {
    Fixture fixture;
    add_greeting(*fixture.server);
    fixture.open("2025-11-25");
    CHECK(fixture.send(legacy("1", "prompts/get",
                              R"({"name":"greeting","arguments":{"who":"Bob","more":"x"}})")) ==
          std::vector<std::string>{
              R"({"jsonrpc":"2.0","id":1,"result":{"description":"a greeting","messages":[)"
              R"({"role":"user","content":{"type":"text","text":"Hello \"Bob\""}},)"
              R"({"role":"assistant","content":{"data":"AA==","type":"image"}}]}})"});
    const auto result = fixture.result(
        modern("2", "prompts/get", R"("name":"greeting","arguments":{"who":"Bob"})"));
    CHECK(result->getValue<std::string>("resultType") == "complete");
    CHECK_FALSE(result->has("ttlMs"));
}

TEST_CASE("prompts/get is checked", "[mcp][prompts][hostile]") {
    Fixture fixture;
    add_greeting(*fixture.server);
    fixture.open("2025-11-25");
    for (const std::string& members :
         {std::string(), std::string(R"("name":7)"), std::string(R"("name":"nope")"),
          R"("name":")" + std::string(100'000, 'n') + "\"", std::string(R"("name":"greeting")"),
          std::string(R"("name":"greeting","arguments":{"how":"x"})"),
          std::string(R"("name":"greeting","arguments":{"who":7})"),
          std::string(R"("name":"greeting","arguments":{"who":null})"),
          std::string(R"("name":"greeting","arguments":["who"])"),
          std::string(R"("name":"greeting","arguments":null)")}) {
        INFO(excerpt(members));
        CHECK(fixture.error_code(legacy("1", "prompts/get", "{" + members + "}")) ==
              kInvalidParams);
        CHECK(fixture.lines.front().size() < 1000);
        CHECK(fixture.error_code(modern("1", "prompts/get", members)) == kInvalidParams);
        fixture.check_alive();
    }
    CHECK(fixture.error_code(legacy("1", "prompts/get")) == kInvalidParams);
    CHECK(fixture.error(legacy("1", "prompts/get", R"({"name":"greeting"})"))
              ->getValue<std::string>("message") ==
          R"(prompt "greeting": the argument "who" is required)");
}

TEST_CASE("the prompts of a source come page by page, after the registered ones",
          "[mcp][prompts]") {
    Fixture fixture;
    Pages pages;
    add_greeting(*fixture.server);
    fixture.server->set_prompt_source(pages.source());
    fixture.open("2025-11-25");
    std::vector<std::string> seen;
    std::string params = "{}";
    for (;;) {
        CHECK(fixture.send(legacy("1", "prompts/list", params)).empty());
        CHECK(fixture.server->pending() == 1);
        pages.answer();
        REQUIRE(fixture.lines.size() == 1);
        const auto result = parse_object(fixture.lines.front())->getObject("result");
        seen.push_back(names_of_page(result));
        if (!result->has("nextCursor")) {
            break;
        }
        const auto cursor = result->getValue<std::string>("nextCursor");
        CHECK(cursor.find("prompts") == std::string::npos);  // opaque
        params = R"({"cursor":")" + cursor + "\"}";
    }
    CHECK(seen == std::vector<std::string>{"greeting p0 p1 ", "p2 p3 ", "p4 "});
}

TEST_CASE("a cursor that is not one of this server is refused", "[mcp][prompts][hostile]") {
    Fixture fixture;
    Pages pages;
    fixture.server->set_prompt_source(pages.source());
    fixture.open("2025-11-25");
    // MTpwcm9tcHRzOjI= is the good one; the last digit before '=' may have no stray bits.
    for (const auto* cursor :
         {"\"\"", "\"x\"", "7", "null", "[]", "\"MTpwcm9tcHRzOjI\"", "\"MTpwcm9tcHRzOjJ=\"",
          "\"Mjpwcm9tcHRzOjI=\"", "\"MTpwcm9tcHRzOg==\"", "\"MTpwcm9tcHRzOv8=\"",
          "\"MTpw=m9tcHRzOjI=\"", "\"====\""}) {
        INFO(cursor);
        CHECK(fixture.error_code(
                  legacy("1", "prompts/list", R"({"cursor":)" + std::string(cursor) + "}")) ==
              kInvalidParams);
        CHECK(fixture.error_code(modern("1", "prompts/list",
                                        R"("cursor":)" + std::string(cursor))) == kInvalidParams);
        fixture.check_alive();
    }
    fixture.send(legacy("1", "prompts/list", R"({"cursor":"MTpwcm9tcHRzOjI="})"));
    pages.answer();
    CHECK(fixture.lines.front().find("p2") != std::string::npos);
}

TEST_CASE("without a source no cursor is good", "[mcp][prompts]") {
    Fixture fixture;
    add_greeting(*fixture.server);
    CHECK(fixture.error_code(modern("1", "prompts/list", R"("cursor":"MTpwcm9tcHRzOjI=")")) ==
          kInvalidParams);
}

TEST_CASE("a name that is not registered is the source's business", "[mcp][prompts]") {
    Fixture fixture;
    Pages pages;
    fixture.server->set_prompt_source(pages.source());
    fixture.open("2025-11-25");
    CHECK(fixture.result(legacy("1", "prompts/get", R"({"name":"p0","arguments":{"a":"b"}})"))
              ->has("messages"));
    for (const auto& line : {legacy("1", "prompts/get", R"({"name":"p9"})"),
                             modern("1", "prompts/get", R"("name":"p9")")}) {
        const auto error = fixture.error(line);
        CHECK(error->getValue<int>("code") == kInvalidParams);
        CHECK(error->getValue<std::string>("message") == R"(unknown prompt "p9")");
    }
    CHECK(fixture.error_code(legacy("1", "prompts/get", R"({"name":"p0","arguments":{"a":1}})")) ==
          kInvalidParams);
}
