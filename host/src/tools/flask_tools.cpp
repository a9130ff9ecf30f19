#include "flask_tools.hpp"

#include <utility>

#include <fmt/core.h>

#include "action_progress.hpp"
#include "mcp_schema.hpp"
#include "printable.hpp"
#include "resource_uris.hpp"
#include "status_reader.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Object;

Object::Ptr status_schema() {
    auto p = mcp::ordered_object();
    p->set("schema", property("integer", "Version of this object"));
    p->set("healthy", property("boolean", "The last health check was good and the process lives"));
    p->set("state", property("string",
                             "stopped, starting, running, unhealthy, deciding, backing_off, "
                             "stopping, degraded, misconfigured "
                             "or unkillable"));
    p->set("since", property("string", "When this state began (UTC)"));
    p->set("cause", property("string", "Why it is in this state, one sentence"));
    p->set("port", nullable("integer", "The port, once it is chosen"));
    p->set("url", nullable("string", "Where people open the app"));
    p->set("pid", nullable("integer", "The app's process"));
    p->set("restarts", property("integer", "Automatic starts after a failure in this session"));
    p->set("uptime", nullable("number", "Seconds that this instance has run"));
    p->set("startup_ms", nullable("integer", "From the start to the first healthy answer"));
    p->set("generation", property("integer", "Number of the instance"));
    p->set("next_restart_ms", nullable("integer", "Milliseconds to the next planned start"));
    return object_schema(
        p, {"schema", "healthy", "state", "since", "cause", "port", "url", "pid", "restarts"},
        /*closed=*/false);
}

std::shared_ptr<StatusReader> make_reader(const Bridge& bridge) {
    auto* const session = &bridge.session;
    StatusReader::Source source;
    source.version = [session] { return session->status_version(); };
    source.take = [session] {
        return StatusReader::Taken{session->status_version(), session->service().status(),
                                   session->log_file()};
    };
    source.to_loop = [session](std::function<void()> task) { session->post(std::move(task)); };
    source.to_mcp = bridge.to_mcp;
    return std::make_shared<StatusReader>(std::move(source));
}

// A start, restart or stop: the status once it has settled.
using Action = void (Session::*)(const std::string&, Session::Settled);

mcp::Handler acting(const Bridge& bridge, const Words& words, const LastLogged& last_logged,
                    Action action, const std::string& what, bool wants_health) {
    return [bridge, words, last_logged, action, what, wants_health](const CallPtr& call) {
        struct Outcome {
            std::string json;
            bool failed;
            std::string cause;
        };
        bridge.ask<Outcome>(
            [bridge, words, last_logged, call, action,
             reason = what + " by " + the_client(call->client()),
             wants_health](const std::function<void(Outcome)>& tell) {
                auto* const session = &bridge.session;
                const auto reports = report_events(bridge, call, words, last_logged);
                (session->*action)(reason, [session, reports, tell,
                                            wants_health](const core::ServiceStatus& status) {
                    session->supervisor().events().unsubscribe(reports);
                    const bool fine = wants_health ? status.state == core::State::kRunning
                                                   : status.state == core::State::kStopped;
                    tell({session->status_json(), !fine, status.cause});
                });
            },
            [call](const Outcome& outcome) {
                auto result = mcp::ToolResult::object_json(outcome.json);
                if (outcome.failed) {
                    result.set_error(true);
                }
                call->reply(result);
            });
    };
}

void add_status(mcp::Server& server, const Bridge& bridge, const Words& words) {
    const auto reader = make_reader(bridge);
    mcp::Resource resource;
    resource.uri = kStatusUri;
    resource.name = "flask-status";
    resource.title = words.title + " status";
    resource.description = "State, health, URL and history of " + words.app;
    resource.mime_type = kJson;
    resource.handler = [reader](const CallPtr& call) {
        reader->ask([call](const std::string& json) { reply_json(call, json); });
    };
    server.add_resource(std::move(resource));

    mcp::Tool tool;
    tool.name = "flask_status";
    tool.title = words.title + " status";
    tool.description = fmt::format(
        "Tells whether {} runs and is healthy, its URL, and why it is in its state.", words.app);
    tool.input_schema = no_arguments();
    tool.output_schema = status_schema();
    tool.annotations = kReadOnly;
    tool.handler = [reader](const CallPtr& call) {
        reader->ask(
            [call](const std::string& json) { call->reply(mcp::ToolResult::object_json(json)); });
    };
    server.add_tool(std::move(tool));
}

// A tool without arguments that acts and returns the status.
void add_action(mcp::Server& server, const char* name, std::string title, std::string description,
                mcp::ToolAnnotations annotations, mcp::Handler handler) {
    mcp::Tool tool;
    tool.name = name;
    tool.title = std::move(title);
    tool.description = std::move(description);
    tool.input_schema = no_arguments();
    tool.output_schema = status_schema();
    tool.annotations = annotations;
    tool.handler = std::move(handler);
    server.add_tool(std::move(tool));
}

void add_actions(mcp::Server& server, const Bridge& bridge, const Words& words) {
    const auto last_logged = std::make_shared<std::uint64_t>(0);
    add_action(
        server, "flask_start", "Start " + words.title,
        fmt::format("Starts {} if it does not run; returns its status once it is healthy, or with "
                    "the cause.",
                    words.app),
        {/*read_only=*/false, /*destructive=*/false, /*idempotent=*/true, /*open_world=*/false},
        acting(bridge, words, last_logged, &Session::start, "start requested",
               /*wants_health=*/true));
    add_action(
        server, "flask_stop", "Stop " + words.title,
        fmt::format("Stops {}; returns when none of its processes is left. It stays stopped until "
                    "it is started.",
                    words.app),
        {/*read_only=*/false, /*destructive=*/true, /*idempotent=*/true, /*open_world=*/false},
        acting(bridge, words, last_logged, &Session::stop, "stop requested",
               /*wants_health=*/false));
    add_action(
        server, "flask_restart", "Restart " + words.title,
        fmt::format("Restarts {} on the same port; returns its status once it is healthy, or with "
                    "the cause.",
                    words.app),
        {/*read_only=*/false, /*destructive=*/true, /*idempotent=*/false, /*open_world=*/false},
        acting(bridge, words, last_logged, &Session::restart, "restart requested",
               /*wants_health=*/true));
}

}  // namespace

std::string the_client(const mcp::Client& client) {
    const std::string name = printable(mcp::excerpt(client.name, 60));
    return name.empty() ? "the client" : "the client " + name;
}

void register_flask_tools(mcp::Server& server, const Bridge& bridge, const Words& words) {
    add_status(server, bridge, words);
    add_actions(server, bridge, words);
}

}  // namespace steward::host
