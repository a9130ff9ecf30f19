// The prompts of the library as MCP prompts, and completion, over the real pipe.
#include <algorithm>
#include <filesystem>

#include "prompt_scenes.hpp"

using namespace steward::tests;

namespace {

namespace fs = std::filesystem;

std::string created(Library& library, const std::string& title, const std::string& content) {
    return text_at(library.done("create_prompt", R"({"title":")" + title + R"(","content":")" +
                                                     content + R"(","category":"coding"})"),
                   "id");
}

std::string get(const std::string& name, const std::string& arguments = "{}") {
    return R"({"name":")" + name + R"(","arguments":)" + arguments + "}";
}

// The names on all pages, each page of which is a good answer.
std::vector<std::string> all_names(Library& library, int& pages) {
    std::vector<std::string> out;
    std::string params = "{}";
    for (pages = 0;;) {
        ++pages;
        const auto result = library->call("prompts/list", params)->getObject("result");
        REQUIRE(result);
        const auto list = result->getArray("prompts");
        for (unsigned i = 0; i < list->size(); ++i) {
            out.push_back(text_at(list->getObject(i), "name"));
        }
        if (!result->has("nextCursor")) {
            return out;
        }
        params = R"({"cursor":")" + text_at(result, "nextCursor") + "\"}";
    }
}

struct Completed {
    std::vector<std::string> values;
    std::int64_t total;
};

Completed completed(Library& library, const std::string& ref, const std::string& argument,
                    const std::string& value) {
    const auto answer =
        library->call("completion/complete", R"({"ref":)" + ref + R"(,"argument":{"name":")" +
                                                 argument + R"(","value":")" + value + "\"}}");
    REQUIRE(answer->has("result"));
    Completed out;
    const auto values = at(answer, "result.completion.values").extract<Poco::JSON::Array::Ptr>();
    for (const auto& each : *values) {
        out.values.push_back(each.toString());
    }
    out.total = number_at(answer, "result.completion.total");
    return out;
}

std::string of_template(const std::string& text) {
    return R"({"type":"ref/resource","uri":"promptbin://)" + text + "\"}";
}

std::string of_prompt(const std::string& name) {
    return R"({"type":"ref/prompt","name":")" + name + "\"}";
}

using Texts = std::vector<std::string>;

}  // namespace

TEST_CASE("every stored prompt is a prompt with its variables as arguments", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    const auto id =
        created(library, "Review a change", "Review {{diff}} for {{ reader }}: {{diff}}");
    const auto list = library->call("prompts/list");
    REQUIRE(at(list, "result.prompts").extract<Poco::JSON::Array::Ptr>()->size() == 1);
    CHECK(text_at(list, "result.prompts.0.name") == "review-a-change");
    CHECK(text_at(list, "result.prompts.0.title") == "Review a change");
    CHECK(text_at(list, "result.prompts.0.arguments.0.name") == "diff");
    CHECK(text_at(list, "result.prompts.0.arguments.0.required") == "true");
    CHECK(text_at(list, "result.prompts.0.arguments.1.name") == "reader");
    const auto* const arguments = R"({"diff":"{{reader}} \u00e9","reader":"me","other":"x"})";
    for (const auto& name : {std::string("review-a-change"), id, std::string("Review a Change")}) {
        const auto filled = library->call("prompts/get", get(name, arguments));
        CHECK(text_at(filled, "result.messages.0.role") == "user");
        CHECK(text_at(filled, "result.messages.0.content.text") ==
              "Review {{reader}} \u00e9 for me: {{reader}} \u00e9");
        CHECK(text_at(filled, "result.description") == "Review a change");
    }
}

TEST_CASE("a prompt that cannot be filled in is refused by name", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    created(library, "Review a change", "Review {{diff}} for {{reader}}");
    const auto error = [&](const std::string& params) {
        const auto answer = library->call("prompts/get", params);
        CHECK(number_at(answer, "error.code") == -32602);
        return text_at(answer, "error.message");
    };
    CHECK(error(get("review-a-change", R"({"diff":"x"})")) ==
          R"(prompt "review-a-change": "reader" is required)");
    CHECK(error(get("review-a-change")) ==
          R"(prompt "review-a-change": "diff", "reader" are required)");
    CHECK(error(get("review-a-chnge")) ==
          R"(no prompt has the id or name "review-a-chnge"; there is review-a-change)");
    CHECK(holds(error(get("../../etc/passwd")), R"("../../etc/passwd")"));
    // Each of the 1000 places is filled with 8000 bytes.
    std::string content;
    for (int i = 0; i < 1000; ++i) {
        content += "{{a}}";
    }
    created(library, "Large", content);
    CHECK(holds(error(get("large", R"({"a":")" + std::string(8000, 'x') + "\"}")), "4 MiB"));
    CHECK(library->call("prompts/get", get("large", R"({"a":"x"})"))->has("result"));
    // As JSON each of these is six times as long, more than a line may be.
    std::string controls;
    for (int i = 0; i < 1500; ++i) {
        controls += R"(\u0001)";
    }
    CHECK(holds(error(get("large", R"({"a":")" + controls + "\"}")), "4 MiB"));
}

TEST_CASE("what another program has made too long is no argument and no completion",
          "[mcp][prompts]") {
    Library library;
    const auto& folder = library.sandbox();
    std::string content = "{{a}}{{" + std::string(129, 'b') + "}}";
    std::string many;
    for (int i = 0; i < 90; ++i) {
        many += "{{v" + std::to_string(i) + std::string(100'000, 'x') + "}}";
    }
    folder.write("data/coding/huge.json", R"({"title":"Huge","content":")" + many + "\"}");
    folder.write("data/coding/long.json", R"({"title":"Long","content":")" + content + "\"}");
    folder.write("data/coding/tagged.json", R"({"title":")" + std::string(2000, 't') +
                                                R"(","content":"c","tags":["code",")" +
                                                std::string(2000, 'g') + "\"]}");
    int pages = 0;
    auto names = all_names(library, pages);
    std::sort(names.begin(), names.end());
    CHECK(names == Texts{"huge", "long", "tagged"});
    CHECK(text_at(library->call("prompts/get", get("long", R"({"a":"1","b":"2"})")),
                  "result.messages.0.content.text") == "1{{" + std::string(129, 'b') + "}}");
    const auto answer =
        library->call("completion/complete",
                      R"({"ref":)" + of_prompt("long") + R"(,"argument":{"name":"b","value":""}})");
    CHECK(text_at(answer, "error.message") ==
          R"(argument.name: long has no argument "b" (it has a))");
    CHECK(completed(library, of_template("list-prompts-by-tag/{tag}"), "tag", "").values ==
          Texts{"code"});
    CHECK(completed(library, of_template("get-prompt-by-name/{name}"), "name", "t").values ==
          Texts{"tagged"});
}

TEST_CASE("prompts of one name are told apart by their ids", "[mcp][prompts]") {
    Library library;
    const auto first = created(library, "Twins", "first");
    const auto second = created(library, "twins!", "second");
    int pages = 0;
    CHECK(all_names(library, pages) == Texts{"twins", first});
    CHECK(text_at(library->call("prompts/get", get("twins")), "result.messages.0.content.text") ==
          "second");
    CHECK(text_at(library->call("prompts/get", get(first)), "result.messages.0.content.text") ==
          "first");
    CHECK(text_at(library->call("prompts/get", get(second)), "result.messages.0.content.text") ==
          "second");
}

TEST_CASE("a long list comes in pages, each prompt once", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    fs::create_directories(library.sandbox().data_dir() + "/coding");
    std::set<std::string> wanted;
    for (int i = 0; i < 1010; ++i) {
        const auto number = std::to_string(i);
        wanted.insert("prompt-" + number);
        library.sandbox().write("data/coding/p" + number + ".json",
                                R"({"title":"Prompt )" + number +
                                    R"(","content":"c","updated_at":"2026-01-01T00:00:)" +
                                    (i % 60 < 10 ? "0" : "") + std::to_string(i % 60) + "\"}");
    }
    int pages = 0;
    const auto all = all_names(library, pages);
    CHECK(pages == 2);
    CHECK(all.size() == wanted.size());
    CHECK(std::set<std::string>(all.begin(), all.end()) == wanted);
}

TEST_CASE("a page goes on where the last one ended, whatever has gone since", "[mcp][prompts]") {
    Library library;
    fs::create_directories(library.sandbox().data_dir() + "/coding");
    for (int i = 0; i < 1010; ++i) {
        const auto number = std::to_string(10'000 + i);
        library.sandbox().write(
            "data/coding/p" + number + ".json",
            R"({"title":")" + number + R"(","content":"c","updated_at":"2026-01-01T00:00:00"})");
    }
    const auto first = library->call("prompts/list");
    CHECK(text_at(first, "result.prompts.999.name") == "10010");
    fs::remove(library.sandbox().data_dir() + "/coding/p10010.json");
    const auto second = library->call(
        "prompts/list", R"({"cursor":")" + text_at(first, "result.nextCursor") + "\"}");
    CHECK(text_at(second, "result.prompts.0.name") == "10009");
    CHECK(text_at(second, "result.prompts.9.name") == "10000");
    CHECK(text_at(second, "result.nextCursor").empty());
}

TEST_CASE("a cursor of nobody is refused", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    created(library, "One", "c");
    // The last three are base64 of 1:prompts:x, 1:prompts:1 and 1:prompts:1: .
    for (const auto* cursor : {R"("")", R"("x")", "7", "null", R"("MTpwcm9tcHRzOng=")",
                               R"("MTpwcm9tcHRzOjE=")", R"("MTpwcm9tcHRzOjE6")"}) {
        const auto answer =
            library->call("prompts/list", std::string(R"({"cursor":)") + cursor + "}");
        CAPTURE(cursor);
        CHECK(number_at(answer, "error.code") == -32602);
    }
}

TEST_CASE("ids, names, categories and tags are completed", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    fs::create_directories(library.sandbox().data_dir() + "/writing");
    const auto id = created(library, "Übung macht den Meister", "About {{category}} and {{it}}");
    const auto other = created(library, "Review a change", "c");
    library.done("update_prompt",
                 R"({"prompt_id":")" + other + R"(","tags":["Review","code","prereview"]})");
    const auto ids = of_template("get-prompt/{prompt_id}");
    CHECK(completed(library, ids, "prompt_id", "").values == Texts{other, id});
    CHECK(completed(library, ids, "prompt_id", id).values == Texts{id});
    CHECK(completed(library, ids, "prompt_id", "zzz").values.empty());
    const auto titles = of_template("get-prompt-by-name/{name}");
    CHECK(completed(library, titles, "name", "re").values == Texts{"review-a-change"});
    CHECK(completed(library, titles, "name", "ÜB").values == Texts{"übung-macht-den-meister"});
    CHECK(completed(library, titles, "name", "Übung macht").values ==
          Texts{"übung-macht-den-meister"});
    const auto categories = of_template("list-prompts-by-category/{category}");
    CHECK(completed(library, categories, "category", "ing").values == Texts{"coding", "writing"});
    const auto tags = of_template("list-prompts-by-tag/{tag}");
    const auto found = completed(library, tags, "tag", "re");
    CHECK(found.values == Texts{"Review", "prereview"});
    CHECK(found.total == 2);
    // An argument of a prompt means what its name says.
    const auto prompt = of_prompt("übung-macht-den-meister");
    CHECK(completed(library, prompt, "category", "c").values == Texts{"coding"});
    CHECK(completed(library, prompt, "it", "c").values.empty());
}

TEST_CASE("nothing is completed for what is not there", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    created(library, "Review a change", "{{diff}}");
    const auto error = [&](const std::string& ref, const std::string& argument) {
        const auto answer =
            library->call("completion/complete", R"({"ref":)" + ref + R"(,"argument":{"name":")" +
                                                     argument + R"(","value":""}})");
        CHECK(number_at(answer, "error.code") == -32602);
        return text_at(answer, "error.message");
    };
    CHECK(holds(error(of_prompt("nothing"), "diff"), R"("nothing")"));
    CHECK(error(of_prompt("review-a-change"), "dif") ==
          R"(argument.name: review-a-change has no argument "dif" (it has diff))");
    CHECK(holds(error(of_template("x/{y}"), "y"), R"("promptbin://x/{y}")"));
    CHECK(
        error(of_template("get-prompt/{prompt_id}"), "id") ==
        R"(argument.name: promptbin://get-prompt/{prompt_id} has no argument "id" (it has prompt_id))");
}

TEST_CASE("prompts of a category or with a tag are a list", "[mcp][prompts]") {
    Library library;
    library->speak_modern(GENERATE(false, true));
    fs::create_directories(library.sandbox().data_dir() + "/writing");
    const auto id = created(library, "Review a change", "c");
    library.done("update_prompt", R"({"prompt_id":")" + id + R"(","tags":["a/b","café"]})");
    const auto listed = [&](const std::string& uri) {
        const auto list = library.read("promptbin://" + uri);
        CHECK(number_at(list, "total") ==
              static_cast<std::int64_t>(list->getArray("prompts")->size()));
        return names(list, "prompts", "id");
    };
    CHECK(listed("list-prompts-by-category/coding") == std::set<std::string>{id});
    CHECK(listed("list-prompts-by-category/writing").empty());
    CHECK(listed("list-prompts-by-tag/a%2Fb") == std::set<std::string>{id});
    CHECK(listed("list-prompts-by-tag/caf%C3%A9") == std::set<std::string>{id});
    const auto missing = GENERATE(false, true) ? -32602 : -32002;
    library->speak_modern(missing == -32602);
    for (const auto* uri : {"list-prompts-by-category/nothing", "list-prompts-by-tag/nothing",
                            "list-prompts-by-category/..", "list-prompts-by-category/.history",
                            "list-prompts-by-category/%2e%2e%2f"}) {
        CAPTURE(uri);
        CHECK(number_at(library->call("resources/read",
                                      std::string(R"({"uri":"promptbin://)") + uri + "\"}"),
                        "error.code") == missing);
    }
}
