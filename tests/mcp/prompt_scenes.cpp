#include "prompt_scenes.hpp"

#include <filesystem>

namespace steward::tests {

Library::Data::Data(const Sandbox& sandbox, bool real) {
    if (real) {
        std::filesystem::copy(STEWARD_SOURCE_DIR "/tests/data/promptbin-data", sandbox.data_dir(),
                              std::filesystem::copy_options::recursive);
    }
}

Library::Library(bool real)
    : data_(sandbox_, real), steward_(sandbox_, with_app({"--data-dir", "{data_dir}"})) {
    info_ = steward_.initialize();
}

Json Library::done(const std::string& tool, const std::string& arguments) {
    const auto result = steward_.tool(tool, arguments);
    INFO(tool << " " << arguments << ": " << text_at(result, "content.0.text").substr(0, 500));
    REQUIRE_FALSE(result->has("isError"));
    const auto shown = result->getObject("structuredContent");
    REQUIRE_FALSE(shown.isNull());
    return shown;
}

std::string Library::refused(const std::string& tool, const std::string& arguments) {
    const auto result = steward_.tool(tool, arguments);
    INFO(tool << " " << arguments);
    REQUIRE(result->has("isError"));
    return text_at(result, "content.0.text");
}

Json Library::read(const std::string& uri) {
    const auto message = steward_.call("resources/read", R"({"uri":")" + uri + "\"}");
    INFO(uri << ": " << text_at(message, "error.message"));
    REQUIRE(message->has("result"));
    CHECK(text_at(message, "result.contents.0.mimeType") == "application/json");
    return parse_json(text_at(message, "result.contents.0.text"));
}

std::int64_t Library::read_error(const std::string& uri) {
    return number_at(steward_.call("resources/read", R"({"uri":")" + uri + "\"}"), "error.code");
}

}  // namespace steward::tests
