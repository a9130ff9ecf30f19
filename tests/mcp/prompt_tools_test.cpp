// The tools of the prompt library, over the real pipe.
#include <filesystem>
#include <fstream>
#include <iterator>

#include "prompt_scenes.hpp"

using namespace steward::tests;

namespace {

namespace fs = std::filesystem;

const std::set<std::string> kPromptTools{"search_prompts", "get_prompt", "create_prompt",
                                         "update_prompt", "delete_prompt"};

std::set<std::string> threads_of(pid_t pid) {
    std::set<std::string> out;
    for (const auto& task : fs::directory_iterator("/proc/" + std::to_string(pid) + "/task")) {
        std::ifstream file(task.path() / "comm");
        std::string name;
        std::getline(file, name);
        out.insert(name);
    }
    return out;
}

std::string created(Library& library, const std::string& title,
                    const std::string& content = "Text") {
    return text_at(library.done("create_prompt", R"({"title":")" + title + R"(","content":")" +
                                                     content + R"(","category":"coding"})"),
                   "id");
}

}  // namespace

TEST_CASE("a service without a data folder has no prompt library", "[mcp][prompts]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    const auto info = steward.initialize();
    CHECK_FALSE(holds(text_at(info, "instructions"), "search_prompts"));
    const auto tools = names(steward.call("tools/list")->getObject("result"), "tools", "name");
    for (const auto& name : kPromptTools) {
        CHECK(tools.count(name) == 0);
    }
    CHECK(names(steward.call("resources/list")->getObject("result"), "resources", "uri")
              .count("promptbin://list-prompts") == 0);
    CHECK(number_at(steward.call("tools/call", R"({"name":"get_prompt"})"), "error.code") ==
          -32602);
}

TEST_CASE("the lists show the prompt library in both eras", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    const auto result = library->call("tools/list")->getObject("result");
    const auto tools = names(result, "tools", "name");
    for (const auto& name : kPromptTools) {
        CHECK(tools.count(name) == 1);
    }
    for (unsigned i = 0; i < result->getArray("tools")->size(); ++i) {
        const auto tool = result->getArray("tools")->getObject(i);
        INFO(text_at(tool, "name"));
        CHECK_FALSE(text_at(tool, "title").empty());
        CHECK(text_at(tool, "inputSchema.type") == "object");
        CHECK(text_at(tool, "outputSchema.type") == "object");
        CHECK(tool->getObject("annotations")->has("readOnlyHint"));
    }
    CHECK(names(library->call("resources/list")->getObject("result"), "resources", "uri") ==
          std::set<std::string>{"promptbin://list-prompts", "promptbin://flask-status",
                                "promptbin://flask-log", "promptbin://flask-events",
                                "promptbin://plugins"});
    CHECK(names(library->call("resources/templates/list")->getObject("result"), "resourceTemplates",
                "uriTemplate") ==
          std::set<std::string>{"promptbin://get-prompt/{prompt_id}",
                                "promptbin://get-prompt-by-name/{name}",
                                "promptbin://list-prompts-by-category/{category}",
                                "promptbin://list-prompts-by-tag/{tag}"});
}

TEST_CASE("the store is opened by the first request for prompts, and by no other",
          "[mcp][prompts]") {
    Library library;
    CHECK(holds(text_at(library.info(), "instructions"), "search_prompts"));
    library->call("tools/list");
    library->status();
    CHECK(threads_of(library->pid()).count("prompts") == 0);
    CHECK(number_at(library.done("search_prompts", R"({"query":"*"})"), "total") == 0);
    CHECK(threads_of(library->pid()).count("prompts") == 1);
    CHECK_FALSE(fs::exists(library.sandbox().data_dir()));
}

TEST_CASE("search_prompts finds the real prompts", "[mcp][prompts]") {
    Library library(/*real=*/true);
    auto found = library.done("search_prompts", R"({"query":"*"})");
    CHECK(number_at(found, "total") == 533);
    CHECK(found->getArray("results")->size() == 20);
    CHECK_FALSE(at(found, "truncated").convert<bool>());
    std::string newer;
    for (unsigned i = 0; i < 20; ++i) {
        const auto result = found->getArray("results")->getObject(i);
        for (const char* member :
             {"id", "title", "description", "category", "tags", "created_at", "updated_at", "slug",
              "words", "tokens", "variables", "excerpt"}) {
            INFO(member);
            CHECK(result->has(member));
        }
        CHECK_FALSE(result->has("content"));
        CHECK(text_at(result, "excerpt").size() <= 203);
        CHECK((newer.empty() || newer >= text_at(result, "updated_at")));
        newer = text_at(result, "updated_at");
    }
    found = library.done("search_prompts", R"({"query":"  ","limit":100,"category":"writing"})");
    CHECK(found->getArray("results")->size() == 100);
    CHECK(number_at(found, "total") < 533);
    CHECK(names(found, "results", "category") == std::set<std::string>{"writing"});
    CHECK(number_at(library.done("search_prompts", R"({"query":"no such text anywhere"})"),
                    "total") == 0);

    const auto first = library.done("search_prompts", R"({"query":"ARCHITECTURAL STUDY SHEET"})");
    REQUIRE(number_at(first, "total") >= 1);
    const auto id = text_at(first, "results.0.id");
    const auto by_id = library.done("get_prompt", R"({"prompt_id":")" + id + "\"}");
    CHECK(number_at(by_id, "words") == number_at(first, "results.0.words"));
    CHECK(number_at(by_id, "tokens") == number_at(by_id, "words") * 13 / 10);
    CHECK(text_at(by_id, "content").size() > 200);
    const auto by_name =
        library.done("get_prompt", R"({"prompt_id":")" + text_at(first, "results.0.slug") + "\"}");
    CHECK(text_at(by_name, "id") == id);
    const auto wrong = text_at(first, "results.0.slug").substr(1);
    const auto alike = library.refused("get_prompt", R"({"prompt_id":")" + wrong + "\"}");
    CHECK(holds(alike, '"' + wrong + '"'));
    CHECK(holds(alike, "; there is "));
    CHECK(holds(alike, text_at(first, "results.0.slug")));
}

TEST_CASE("a prompt is created, read, changed and deleted", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    const auto made = library.done(
        "create_prompt",
        R"({"title":"Review a change","content":"Review {{diff}} for {{ reader }}.","category":"coding","description":"For patches","tags":["review"," git "]})");
    const auto id = text_at(made, "id");
    CHECK(fs::exists(library.sandbox().data_dir() + "/coding/" + id + ".json"));
    CHECK(text_at(made, "tags.1") == "git");
    CHECK(text_at(made, "variables.0") == "diff");
    CHECK(text_at(made, "variables.1") == "reader");
    CHECK(text_at(made, "slug") == "review-a-change");
    CHECK(number_at(made, "words") > 0);

    const auto name = R"({"prompt_id":"Review a change")";
    CHECK(text_at(library.done("get_prompt", name + std::string("}")), "id") == id);
    const auto changed = library.done(
        "update_prompt", name + std::string(R"(,"content":"New","category":"writing"})"));
    CHECK(text_at(changed, "id") == id);
    CHECK(text_at(changed, "content") == "New");
    CHECK(text_at(changed, "description") == "For patches");
    CHECK(fs::exists(library.sandbox().data_dir() + "/writing/" + id + ".json"));
    CHECK_FALSE(fs::exists(library.sandbox().data_dir() + "/coding/" + id + ".json"));

    const auto old = text_at(made, "updated_at");
    const auto conflict =
        library->tool("update_prompt",
                      R"({"prompt_id":")" + id + R"(","title":"Mine","expected":")" + old + "\"}");
    CHECK(conflict->has("isError"));
    CHECK(holds(text_at(conflict, "content.0.text"), old));
    CHECK(holds(text_at(conflict, "content.0.text"), text_at(changed, "updated_at")));
    const auto both = parse_json(text_at(conflict, "content.1.text"));
    CHECK(text_at(both, "current.content") == "New");
    CHECK(text_at(both, "yours.title") == "Mine");
    CHECK(holds(library.refused("delete_prompt",
                                R"({"prompt_id":")" + id + R"(","expected":")" + old + "\"}"),
                old));

    const auto gone = library.done("delete_prompt", R"({"prompt_id":")" + id + R"(","expected":")" +
                                                        text_at(changed, "updated_at") + "\"}");
    CHECK(at(gone, "deleted").convert<bool>());
    CHECK(text_at(gone, "prompt.content") == "New");
    CHECK(holds(library.refused("get_prompt", R"({"prompt_id":")" + id + "\"}"), id));
    CHECK(holds(library.refused("delete_prompt", R"({"prompt_id":")" + id + "\"}"), id));
    const fs::directory_iterator history(library.sandbox().data_dir() + "/.history/" + id);
    CHECK(std::distance(history, fs::directory_iterator()) == 2);
}

TEST_CASE("a name that several prompts have does not say which one to change", "[mcp][prompts]") {
    Library library;
    const auto first = created(library, "Same");
    const auto second = created(library, "same");
    CHECK(text_at(library.done("get_prompt", R"({"prompt_id":"same"})"), "id") == second);
    for (const char* tool : {"update_prompt", "delete_prompt"}) {
        const auto text = library.refused(tool, tool == std::string("delete_prompt")
                                                    ? R"({"prompt_id":"same"})"
                                                    : R"({"prompt_id":"same","title":"T"})");
        CHECK(holds(text, first));
        CHECK(holds(text, second));
    }
    library.done("delete_prompt", R"({"prompt_id":")" + second + "\"}");
    CHECK(text_at(library.done("delete_prompt", R"({"prompt_id":"same"})"), "prompt.id") == first);
}

TEST_CASE("wrong arguments for prompts are refused with their name and value", "[mcp][prompts]") {
    Library library(/*real=*/true);
    const std::string big(1'048'577, 'x');
    struct Row {
        std::string tool;
        std::string arguments;
        std::string part;
    };
    const std::vector<Row> rows{
        {"search_prompts", "{}", "query"},
        {"search_prompts", R"({"query":7})", "query"},
        {"search_prompts", R"({"query":"x","limit":0})", "limit"},
        {"search_prompts", R"({"query":"x","limit":101})", "limit"},
        {"search_prompts", R"({"query":"x","category":"no-such"})", "\"no-such\""},
        {"search_prompts", R"({"query":"x","category":"../coding"})", "\"../coding\""},
        {"get_prompt", "{}", "prompt_id"},
        {"get_prompt", R"({"prompt_id":null})", "prompt_id"},
        {"get_prompt", R"({"prompt_id":""})", "must not be empty"},
        {"get_prompt", R"({"prompt_id":"../../etc/passwd"})", "../../etc/passwd"},
        {"create_prompt", R"({"title":"T","content":"C"})", "category"},
        {"create_prompt", R"({"title":"T","content":"C","category":"../up"})", "../up"},
        {"create_prompt", R"({"title":"T","content":"C","category":".hidden"})", ".hidden"},
        {"create_prompt", R"({"title":" ","content":"C","category":"coding"})", "title"},
        {"create_prompt", R"({"title":"T","content":"","category":"coding"})", "content"},
        {"create_prompt", R"({"title":"T","content":"C","category":"coding","tags":"x"})", "tags"},
        {"create_prompt", R"({"title":"T","content":"C","category":"coding","tags":[1]})",
         "tags[0]: must be a string (got 1)"},
        {"create_prompt", R"({"title":"T","content":"C","category":"coding","id":"x"})", "id"},
        {"create_prompt", R"({"title":"T","content":")" + big + R"(","category":"coding"})",
         "content"},
        {"update_prompt", R"({"prompt_id":"no-such-prompt","title":"T"})", "\"no-such-prompt\""},
        {"update_prompt", R"({"prompt_id":"20261122_083438_b1a837a8"})", "nothing to change"},
        {"update_prompt", R"({"prompt_id":"20261122_083438_b1a837a8","title":"a\nb"})", "title"},
        {"delete_prompt", R"({"prompt_id":"no-such-prompt"})", "\"no-such-prompt\""},
        {"delete_prompt", R"({"prompt_id":["x"]})", "prompt_id"},
    };
    const auto before = library.sandbox().snapshot();
    for (const auto& row : rows) {
        const auto text = library.refused(row.tool, row.arguments);
        INFO(row.tool << " " << row.arguments.substr(0, 100) << ": " << text.substr(0, 300));
        CHECK(holds(text, row.part));
        CHECK(text.size() < 1000);
    }
    CHECK(number_at(library.done("search_prompts", R"({"query":"*"})"), "total") == 533);
    for (const auto& file : library.sandbox().snapshot()) {
        const bool fine = before.count(file) == 1 || !holds(file, "/data/");
        INFO(file);
        CHECK(fine);
    }
    CHECK(library->impure_lines().empty());
}

TEST_CASE("a large prompt goes in and out whole", "[mcp][prompts]") {
    Library library;
    std::string content;
    while (content.size() + 16 < 1'048'576) {
        content += "word \\\"q\\\" {{v}}";
    }
    const auto id = created(library, "Large", content);
    std::string plain = content;
    for (auto i = plain.find('\\'); i != std::string::npos; i = plain.find('\\', i)) {
        plain.erase(i, 1);
    }
    const auto whole = library.done("get_prompt", R"({"prompt_id":")" + id + "\"}");
    CHECK(text_at(whole, "content") == plain);
    CHECK(text_at(library.done("search_prompts", R"({"query":"word"})"), "results.0.id") == id);
}

TEST_CASE("a broken prompt is skipped, and named in the log", "[mcp][prompts]") {
    Library library(/*real=*/true);
    library.sandbox().write("data/coding/20260101_000000_00000000.json", "{\"title\":");
    CHECK(number_at(library.done("search_prompts", R"({"query":"*"})"), "total") == 533);
    library.sandbox().wait_event("log", kPatience, 0, [](const Json& line) {
        return text_at(line, "source") == "prompts" && text_at(line, "level") == "warning" &&
               holds(text_at(line, "text"), "coding/20260101_000000_00000000.json");
    });
    CHECK(holds(library.refused("get_prompt", R"({"prompt_id":"20260101_000000_00000000"})"),
                "coding/20260101_000000_00000000.json"));
}

TEST_CASE("what another program writes is there at once", "[mcp][prompts]") {
    Library library(/*real=*/true);
    CHECK(number_at(library.done("search_prompts", R"({"query":"*"})"), "total") == 533);
    library.sandbox().write("data/coding/from_elsewhere.json",
                            R"({"title":"From elsewhere","content":"Hello"})");
    CHECK(text_at(library.done("get_prompt", R"({"prompt_id":"from-elsewhere"})"), "id") ==
          "from_elsewhere");
    fs::remove(library.sandbox().data_dir() + "/coding/from_elsewhere.json");
    library.refused("get_prompt", R"({"prompt_id":"from_elsewhere"})");
}

TEST_CASE("who hangs up behind a request for prompts is answered", "[mcp][prompts]") {
    Library library(/*real=*/true);
    const int id = library->request_tool("search_prompts", R"({"query":"*","limit":1})");
    const auto asked = Clock::now();
    library->close_stdin();
    const auto answer = library->answer(id);
    CHECK(text_at(answer, "result.structuredContent.total") == "533");
    const auto end = library->wait_exit();
    CHECK(end.code == 0);
    CHECK(ms_since(asked, end.at) < 1000);
}
