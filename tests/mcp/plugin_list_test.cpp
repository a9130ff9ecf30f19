// The plugins as clients see them.
#include "scenes.hpp"

using namespace steward::tests;

TEST_CASE("plugin_list and its resource show what is found and what is in use", "[mcp][plugins]") {
    const Sandbox sandbox;
    sandbox.write("plugins/steward_garbage.so", "This is no library.\n");
    auto start = with_app();
    start.args = {"--plugin-dir", sandbox.file("plugins"), "--port-strategy", "none"};
    StewardProcess server(sandbox, start);
    server.initialize();
    server.wait_state("running");
    server.speak_modern(GENERATE(false, true));
    const auto result = server.tool("plugin_list");
    CHECK_FALSE(result->has("isError"));
    const auto all = result->getObject("structuredContent")->getArray("plugins");
    std::map<std::string, std::string> in_use;
    std::size_t bad = 0;
    for (unsigned i = 0; i < all->size(); ++i) {
        const auto plugin = all->getObject(i);
        CHECK_FALSE(text_at(plugin, "file").empty());
        CHECK_FALSE(text_at(plugin, "origin").empty());
        if (!at(plugin, "usable").convert<bool>()) {
            ++bad;
            CHECK_FALSE(text_at(plugin, "error").empty());
            continue;
        }
        CHECK(plugin->has("schema"));
        for (unsigned k = 0; k < plugin->getArray("in_use")->size(); ++k) {
            in_use[plugin->getArray("in_use")->getElement<std::string>(k)] = text_at(plugin, "id");
        }
    }
    CHECK(bad == 1);
    CHECK(in_use == std::map<std::string, std::string>{{"health", "health_http"},
                                                       {"restart", "restart_backoff"},
                                                       {"metrics", "metrics_proc"}});
    const auto read = server.call("resources/read", R"({"uri":"promptbin://plugins"})");
    CHECK(text_at(read, "result.contents.0.mimeType") == "application/json");
    CHECK(text_at(read, "result.contents.0.text") == text_at(result, "content.0.text"));
    CHECK(text_at(server.status(), "state") == "running");
}
