// The prompt library as resources, over the real pipe.
#include <cstdint>

#include "prompt_scenes.hpp"

using namespace steward::tests;

TEST_CASE("list-prompts shows all prompts without content, the newest first", "[mcp][prompts]") {
    Library library(/*real=*/true);
    const auto all = library.read("promptbin://list-prompts");
    CHECK(number_at(all, "total") == 533);
    CHECK_FALSE(at(all, "truncated").convert<bool>());
    const auto prompts = all->getArray("prompts");
    REQUIRE(prompts->size() == 533);
    std::string newer;
    for (unsigned i = 0; i < prompts->size(); ++i) {
        const auto prompt = prompts->getObject(i);
        CHECK_FALSE(prompt->has("content"));
        CHECK_FALSE(prompt->has("excerpt"));
        CHECK((newer.empty() || newer >= text_at(prompt, "updated_at")));
        newer = text_at(prompt, "updated_at");
    }

    const auto id = text_at(all, "prompts.0.id");
    CHECK(text_at(library.read("promptbin://get-prompt/" + id), "title") ==
          text_at(all, "prompts.0.title"));
    CHECK(text_at(library.read("promptbin://get-prompt-by-name/" + text_at(all, "prompts.7.slug")),
                  "slug") == text_at(all, "prompts.7.slug"));
    CHECK(library.read("promptbin://get-prompt/" + id)->has("content"));
}

TEST_CASE("list-prompts is cut at a mebibyte, and says so", "[mcp][prompts]") {
    Library library;
    const std::string description(9000, 'd');
    for (int i = 0; i < 130; ++i) {
        library.sandbox().write(
            "data/coding/p" + std::to_string(i) + ".json",
            R"({"title":"P","content":"C","description":")" + description + "\"}");
    }
    const auto message = library->call("resources/read", R"({"uri":"promptbin://list-prompts"})");
    const auto text = text_at(message, "result.contents.0.text");
    CHECK(text.size() > 900'000);
    CHECK(text.size() < 1'100'000);
    const auto all = parse_json(text);
    CHECK(at(all, "truncated").convert<bool>());
    CHECK(number_at(all, "total") == 130);
    CHECK(all->getArray("prompts")->size() < 130);
}

TEST_CASE("a prompt is found by its title in an address", "[mcp][prompts]") {
    Library library;
    const auto made = library.done(
        "create_prompt",
        R"({"title":"\u00c4rger & Gl\u00fcck","content":"C","category":"writing","tags":["x"]})");
    CHECK(text_at(library.read("promptbin://get-prompt-by-name/%C3%84rger%20%26%20Gl%C3%BCck"),
                  "id") == text_at(made, "id"));
    CHECK(text_at(library.read("promptbin://get-prompt-by-name/%C3%A4rger-gl%C3%BCck"), "id") ==
          text_at(made, "id"));
}

TEST_CASE("a broken prompt that is asked for is an error that names its file", "[mcp][prompts]") {
    Library library;
    library.sandbox().write("data/coding/broken.json", "no JSON");
    const auto message =
        library->call("resources/read", R"({"uri":"promptbin://get-prompt/broken"})");
    CHECK(number_at(message, "error.code") == -32603);
    CHECK(holds(text_at(message, "error.message"), "coding/broken.json"));
}
