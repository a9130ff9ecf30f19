// What subscribers are told, in both eras, over the real pipe.
#include <algorithm>
#include <filesystem>
#include <fstream>

#include "prompt_scenes.hpp"

using namespace steward::tests;

namespace {

namespace fs = std::filesystem;

constexpr const char* kStatus = "promptbin://flask-status";
constexpr const char* kUpdated = "notifications/resources/updated";

// The notifications in the order in which they came: "<method> <subscription id> <uri>", where the
// last two are there if they were sent.
std::vector<std::string> told(StewardProcess& steward) {
    steward.pump();
    std::vector<std::string> out;
    for (const auto& line : steward.lines()) {
        if (line.find(R"("method":"notifications/)") == std::string::npos) {
            continue;
        }
        const auto message = parse_json(line);
        std::string text = text_at(message, "method");
        const auto id = text_at(message, "params._meta.io~modelcontextprotocol/subscriptionId");
        text += id.empty() ? "" : " " + id;
        const auto uri = text_at(message, "params.uri");
        out.push_back(uri.empty() ? text : text.append(" ").append(uri));
    }
    return out;
}

std::ptrdiff_t count(StewardProcess& steward, const std::string& what) {
    const auto all = told(steward);
    return std::count(all.begin(), all.end(), what);
}

// Waits until it was told so often.
bool heard(StewardProcess& steward, const std::string& what, std::ptrdiff_t times = 1) {
    return wait_until([&] { return count(steward, what) >= times; });
}

void subscribe(StewardProcess& steward, const std::string& uri) {
    REQUIRE(steward.call("resources/subscribe", R"({"uri":")" + uri + "\"}")->has("result"));
}

// Opens a subscription and waits until it is acknowledged; its id.
std::string listen(StewardProcess& steward, const std::string& filter) {
    const auto id = std::to_string(
        steward.request("subscriptions/listen", R"({"notifications":)" + filter + "}"));
    REQUIRE(heard(steward, "notifications/subscriptions/acknowledged " + id));
    return id;
}

// Of its own, in KiB; what it shares with other processes depends on how many of them there are.
std::size_t memory_of(pid_t pid) {
    std::ifstream file("/proc/" + std::to_string(pid) + "/smaps_rollup");
    for (std::string line; std::getline(file, line);) {
        if (line.rfind("Pss_Anon:", 0) == 0) {
            return static_cast<std::size_t>(std::stoul(line.substr(9)));
        }
    }
    return 0;
}

std::string text_of(const std::string& title, const std::string& content) {
    return R"({"title":")" + title + R"(","content":")" + content + "\"}";
}

}  // namespace

TEST_CASE("a change of the status is told to a legacy subscriber", "[mcp][updates]") {
    Running steward;
    subscribe(*steward, kStatus);
    const auto what = std::string(kUpdated) + " " + kStatus;
    CHECK(count(*steward, what) == 0);
    REQUIRE(::kill(static_cast<pid_t>(number_at(steward.first(), "pid")), SIGKILL) == 0);
    REQUIRE(heard(*steward, what));
    // Whatever was told before, the last state is told after it was reached.
    steward->wait_status([](const Json& status) {
        return number_at(status, "generation") == 2 && text_at(status, "state") == "running";
    });
    CHECK(wait_until([&] {
        const auto before = count(*steward, what);
        const auto now = text_at(steward->status(), "state");
        return before >= 2 && now == "running";
    }));
    REQUIRE(steward->call("resources/unsubscribe", std::string(R"({"uri":")") + kStatus + "\"}")
                ->has("result"));
    const auto until_now = count(*steward, what);
    CHECK_FALSE(steward->tool("flask_restart")->has("isError"));
    steward->call("ping");
    CHECK(count(*steward, what) == until_now);
}

TEST_CASE("each of several modern subscriptions is told once", "[mcp][updates]") {
    Running steward;
    steward->speak_modern(true);
    const auto filter = std::string(R"({"resourceSubscriptions":[")") + kStatus + "\"]}";
    const auto first = listen(*steward, filter);
    const auto second = listen(*steward, filter);
    const auto other = listen(*steward, R"({"resourceSubscriptions":["promptbin://plugins"]})");
    const auto what = [](const std::string& id) {
        return std::string(kUpdated) + " " + id + " " + kStatus;
    };
    // Each line for the one has its twin for the other.
    const auto in_order = [&](const std::string& id) {
        const auto all = told(*steward);
        std::vector<std::size_t> places;
        for (std::size_t i = 0; i < all.size(); ++i) {
            if (all[i] == what(id)) {
                places.push_back(i);
            }
        }
        return places;
    };
    CHECK_FALSE(steward->tool("flask_stop")->has("isError"));
    REQUIRE(heard(*steward, what(first)));
    steward->call("ping");
    const auto firsts = in_order(first);
    const auto twins = in_order(second);
    // It stops, its process ends, it has stopped; what comes at once may be told at once.
    CHECK(firsts.size() <= 3);
    REQUIRE(twins.size() == firsts.size());
    for (std::size_t i = 0; i < firsts.size(); ++i) {
        CHECK(std::max(firsts[i], twins[i]) - std::min(firsts[i], twins[i]) == 1);
    }
    // The end of one does not end the other.
    steward->send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" +
                  first + "}}");
    const auto until_now = count(*steward, what(first));
    const auto seconds = count(*steward, what(second));
    CHECK_FALSE(steward->tool("flask_start")->has("isError"));
    CHECK(heard(*steward, what(second), seconds + 1));
    CHECK(count(*steward, what(first)) == until_now);
    for (const auto& line : told(*steward)) {
        CHECK(line.find(" " + other + " ") == std::string::npos);
    }
    // The server's end answers what is still open.
    steward->close_stdin();
    CHECK(steward->wait_exit().code == 0);
    const auto& lines = steward->lines();
    CHECK(std::any_of(lines.begin(), lines.end(), [&](const std::string& line) {
        return line.find(R"("id":)" + second + ",") != std::string::npos &&
               line.find(R"("resultType":"complete")") != std::string::npos;
    }));
}

TEST_CASE("samples and health checks that say the same are no news", "[mcp][updates]") {
    auto start = with_app();
    start.args = {"--metrics-interval", "20ms", "--health-interval", "20ms"};
    Running steward(start);
    subscribe(*steward, kStatus);
    // Samples come: the answers of the health checks cost CPU.
    const auto uses = [&] {
        const auto used = text_at(steward->status(), "metrics.cpu_seconds_total");
        return used.empty() ? 0 : std::stod(used);
    };
    REQUIRE(wait_until([&] { return uses() > 0; }));
    const auto before = uses();
    CHECK(wait_until([&] { return uses() > before; }));
    CHECK(count(*steward, std::string(kUpdated) + " " + kStatus) == 0);
}

TEST_CASE("what another program writes is told to those who watch prompts", "[mcp][updates]") {
    Library library;
    const auto& folder = library.sandbox();
    folder.write("data/coding/one.json", text_of("First Prompt", "a"));
    folder.write("data/coding/two.json", text_of("Second", "b"));
    const bool modern = GENERATE(false, true);
    const std::vector<std::string> uris{
        "promptbin://list-prompts",
        "promptbin://list-prompts-by-category/coding",
        "promptbin://get-prompt/one",
        "promptbin://get-prompt/%6Fne",
        "promptbin://get-prompt-by-name/first-prompt",
        "promptbin://get-prompt-by-name/First%20Prompt",
        "promptbin://get-prompt/two",
    };
    std::string id;
    if (modern) {
        library->speak_modern(true);
        std::string list;
        for (const auto& uri : uris) {
            list += (list.empty() ? "\"" : ",\"") + uri + "\"";
        }
        id = " " + listen(*library.operator->(),
                          R"({"promptsListChanged":true,"resourceSubscriptions":[)" + list + "]}");
    } else {
        for (const auto& uri : uris) {
            subscribe(*library.operator->(), uri);
        }
    }
    // The folder is watched once the list has been made.
    library->call("prompts/list");
    const auto what = [&](const std::string& uri) { return kUpdated + id + " " + uri; };
    folder.write("data/coding/one.json", text_of("First Prompt", "another text"));
    for (std::size_t i = 0; i + 1 < uris.size(); ++i) {
        CAPTURE(uris[i]);
        CHECK(heard(*library.operator->(), what(uris[i])));
    }
    CHECK(count(*library.operator->(), what(uris.back())) == 0);
    const auto changed = "notifications/prompts/list_changed" + id;
    folder.write("data/coding/one.json", text_of("Another title", "another text"));
    CHECK(heard(*library.operator->(), changed));
    const auto before = count(*library.operator->(), what(uris[4]));
    CHECK(before >= 2);  // the name has gone
    fs::remove(folder.data_dir() + "/coding/two.json");
    CHECK(heard(*library.operator->(), what(uris.back())));
    library.refused("get_prompt", R"({"prompt_id":"two"})");
}

TEST_CASE("a subscription alone is enough to hear of prompts", "[mcp][updates]") {
    Library library;
    auto& steward = *library.operator->();
    steward.speak_modern(true);
    const auto id = listen(steward, R"({"promptsListChanged":true})");
    // Looks until the library is open, which the subscription has asked for.
    int number = 0;
    CHECK(wait_until([&] {
        library.sandbox().write("data/coding/p" + std::to_string(++number) + ".json",
                                text_of("New", "c"));
        return count(steward, "notifications/prompts/list_changed " + id) > 0;
    }));
}

TEST_CASE("a data folder that is another one now is noticed", "[mcp][updates]") {
    const Sandbox sandbox;
    sandbox.write("a/coding/one.json", text_of("One", "of a"));
    sandbox.write("b/coding/one.json", text_of("One", "of b"));
    fs::create_directory_symlink("a", sandbox.file("data"));
    StewardProcess steward(sandbox, with_app({"--data-dir", "{data_dir}"}));
    steward.initialize();
    subscribe(steward, "promptbin://get-prompt/one");
    CHECK(text_at(steward.tool("get_prompt", R"({"prompt_id":"one"})"),
                  "structuredContent.content") == "of a");
    fs::create_directory_symlink("b", sandbox.file("next"));
    fs::rename(sandbox.file("next"), sandbox.file("data"));
    CHECK(heard(steward, std::string(kUpdated) + " promptbin://get-prompt/one"));
}

TEST_CASE("many subscriptions do not keep prompts from being asked for", "[mcp][updates]") {
    Library library;
    auto& steward = *library.operator->();
    steward.speak_modern(true);
    std::string uris;
    for (int i = 0; i < 1024; ++i) {
        uris += (i == 0 ? "\"" : ",\"") + ("promptbin://get-prompt/p" + std::to_string(i)) + "\"";
    }
    const int open = steward.request(
        "subscriptions/listen", R"({"notifications":{"resourceSubscriptions":[)" + uris + "]}}");
    const int list = steward.request("prompts/list");
    CHECK(steward.answer(list)->has("result"));
    CHECK(heard(steward, "notifications/subscriptions/acknowledged " + std::to_string(open)));
}

TEST_CASE("a burst of changes loses no last state and takes no memory", "[mcp][updates]") {
    Library library;
    auto& steward = *library.operator->();
    steward.wait_state("running");
    const auto& folder = library.sandbox();
    folder.write("data/coding/one.json", text_of("One", "0"));
    const std::string list = "promptbin://list-prompts";
    const std::string one = "promptbin://get-prompt/one";
    subscribe(steward, list);
    subscribe(steward, one);
    subscribe(steward, kStatus);
    steward.call("prompts/list");
    const auto before = memory_of(steward.pid());
    // 10,000 of them, which nobody reads.
    constexpr int kChanges = 10'000;
    for (int i = 1; i <= kChanges; ++i) {
        fs::rename(folder.write("next.json", text_of("One", std::to_string(i))),
                   folder.data_dir() + "/coding/one.json");
    }
    const int stop = steward.request_tool("flask_stop");
    CHECK(text_at(steward.answer(stop), "result.structuredContent.state") == "stopped");
    // What a client does that is told: it reads, and what it reads after the last one is the last.
    const auto times = [&](const std::string& uri) {
        steward.pump();
        const auto line = R"({"jsonrpc":"2.0","method":"notifications/resources/updated",)"
                          R"("params":{"uri":")" +
                          uri + "\"}}";
        return std::count(steward.lines().begin(), steward.lines().end(), line);
    };
    CHECK(wait_until([&] {
        return times(kStatus) > 0 && times(one) > 0 && times(list) > 0 &&
               text_at(library.read(one), "content") == std::to_string(kChanges);
    }));
    // What came while nobody read was told once.
    CHECK(times(one) < kChanges / 2);
    CHECK(memory_of(steward.pid()) < before + 2048);
}
