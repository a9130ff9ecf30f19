#include "manner.hpp"

#include <utility>
#include <vector>

#include "check.hpp"
#include "settings.hpp"
#include "strategies.hpp"
#include "targets.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

// What services say that are well, and whatever the settings speak of.
std::vector<std::pair<int, std::string>> candidates(const steward_plugin& plugin) {
    std::vector<std::pair<int, std::string>> answers{{200, healthy_body()},
                                                     {200, R"({"status":"ok"})"},
                                                     {200, R"({"status":"UP"})"},
                                                     {200, R"({"status":"pass"})"},
                                                     {200, "OK"},
                                                     {204, ""}};
    const SettingsSchema schema(plugin);
    for (const auto& [name, property] : schema.properties()) {
        if (property->has("default") && property->get("default").isString()) {
            answers.emplace_back(200, property->getValue<std::string>("default"));
        }
    }
    return answers;
}

}  // namespace

Manner manner_of(Session& session, const Instance& instance) {
    constexpr steward_token kFirst = 1'000'000;
    // Real time for the server to answer, on a busy machine too.
    constexpr auto kGrace = 10'000ms;
    Manner manner;
    Prober prober(session.host(), instance);
    steward_token token = kFirst;
    const auto ask = [&](int status, const std::string& body) {
        ScriptedHttpServer server(script::respond(status, body));
        ++token;
        const steward_status started = prober.start(token, kLoopback, server.port());
        require(started == STEWARD_OK, "a probe of a server that answers: start gives status " +
                                           std::to_string(started) + " (" + prober.error() +
                                           "), expected STEWARD_OK");
        require(prober.settle(token, 2s, kGrace),
                "a probe of a server that answers: done did not come by the deadline");
        manner.connects = manner.connects || server.wait_connections(1, 0ms);
        manner.speaks_http = manner.speaks_http || prober.of(token).front().code == status;
        return prober.of(token).front().verdict == STEWARD_HEALTHY;
    };
    for (const auto& [status, body] : candidates(instance.plugin())) {
        if (ask(status, body)) {
            manner.content = true;
            manner.status = status;
            manner.body = body;
            break;
        }
        if (!manner.speaks_http) {
            break;
        }
    }
    if (!manner.content) {
        manner.body = healthy_body();
    }
    manner.reads_body = manner.content && !manner.body.empty() && !ask(manner.status, "");
    return manner;
}

}  // namespace steward::compliance
