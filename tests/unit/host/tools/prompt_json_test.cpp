// Prompts as clients see them, and lists that stop in time.
#include "prompt_json.hpp"

#include <Poco/JSON/Array.h>

#include "capped_list.hpp"
#include "catch.hpp"
#include "steward/mcp/json.hpp"

using namespace steward;
using namespace steward::host;
using Poco::JSON::Object;
using prompts::Prompt;

namespace {

Object::Ptr parse(const std::string& json) {
    mcp::JsonReader reader;
    Poco::Dynamic::Var value;
    INFO(json.substr(0, 1000));
    REQUIRE(reader.parse(json, value) == mcp::JsonStatus::kOk);
    return value.extract<Object::Ptr>();
}

Prompt example() {
    Prompt prompt;
    prompt.id = "an_id";
    prompt.title = "A \"title\"";
    prompt.content = "Words of {{content}}";
    prompt.category = "coding";
    prompt.slug = "a-title";
    prompt.words = 3;
    prompt.variables = {"content"};
    prompt.members = {{"title", ""}, {"content", ""}, {"mine", "[1,2.50]"}};
    return prompt;
}

}  // namespace

TEST_CASE("a whole prompt has the members of its file and what is derived", "[prompt_json]") {
    const auto json = prompt_json(example());
    CHECK_THAT(json, Catch::Contains(R"("mine":[1,2.50])"));
    const auto out = parse(json);
    CHECK(out->getValue<std::string>("title") == "A \"title\"");
    CHECK(out->getValue<std::string>("slug") == "a-title");
    CHECK(out->getValue<int>("words") == 3);
    CHECK(out->getValue<int>("tokens") == 3);
    CHECK(out->getArray("variables")->getElement<std::string>(0) == "content");
    CHECK(out->getArray("tags")->size() == 0);
}

TEST_CASE("a member of the file that has the name of a derived one gives way", "[prompt_json]") {
    auto prompt = example();
    prompt.members.push_back({"words", "\"many\""});
    prompt.members.push_back({"slug", "null"});
    const auto json = prompt_json(prompt);
    CHECK(json.find("\"words\"") == json.rfind("\"words\""));
    CHECK(json.find("\"slug\"") == json.rfind("\"slug\""));
    CHECK(parse(json)->getValue<int>("words") == 3);
}

TEST_CASE("a summary is bounded whatever the file holds", "[prompt_json]") {
    auto prompt = example();
    prompt.title = std::string(1'000'000, 't');
    prompt.slug = prompt.title;
    prompt.description = std::string(1'000'000, 'd');
    prompt.content = std::string(1'000'000, 'c');
    prompt.tags = std::vector<std::string>(10'000, std::string(1000, 'g'));
    prompt.variables = std::vector<std::string>(10'000, "v");
    const auto json = prompt_summary(prompt, /*excerpt=*/true);
    CHECK(json.size() < 100'000);
    CHECK(parse(json)->getArray("tags")->size() == 100);
    CHECK_FALSE(parse(prompt_summary(prompt, /*excerpt=*/false))->has("excerpt"));
}

TEST_CASE("a conflict shows both versions", "[prompt_json]") {
    prompts::StoreError error;
    error.code = prompts::ErrorCode::kConflict;
    error.current = std::make_shared<const Prompt>(example());
    error.yours = new Object;
    error.yours->set("title", std::string("Mine"));
    const auto out = parse(conflict_json(error));
    CHECK(out->getValue<std::string>("error") == "conflict");
    CHECK(out->getObject("current")->getValue<std::string>("id") == "an_id");
    CHECK(out->getObject("yours")->getValue<std::string>("title") == "Mine");
}

TEST_CASE("a capped list ends where the next value does not fit", "[capped_list]") {
    CappedList resource(Carrier::kResource, 20);
    CHECK(resource.add("12345678"));
    CHECK(resource.add("12345678"));
    CHECK_FALSE(resource.is_cut());
    CHECK_FALSE(resource.add("1234"));
    CHECK_FALSE(resource.add("1"));  // would fit, but the list has ended
    CHECK(resource.is_cut());
    CHECK(resource.json() == "[12345678,12345678]");

    CappedList tool(Carrier::kTool, 20);
    CHECK(tool.add("12345678"));
    CHECK_FALSE(tool.add("12345678"));

    CappedList quotes(Carrier::kResource, 18);
    CHECK(quotes.add(R"("\\\\\\")"));
    CHECK(quotes.size() == 1);
    CHECK_FALSE(quotes.add("1"));

    CappedList empty(Carrier::kTool, 0);
    CHECK(empty.json() == "[]");
    CHECK(empty.json_reversed() == "[]");
}
