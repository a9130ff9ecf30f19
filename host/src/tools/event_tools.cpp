#include "event_tools.hpp"

#include <chrono>
#include <utility>
#include <vector>

#include <fmt/core.h>

#include "capped_list.hpp"
#include "explain.hpp"
#include "mcp_schema.hpp"
#include "resource_uris.hpp"
#include "status_json.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Events = std::vector<core::Event>;

// More than the event log keeps.
constexpr std::size_t kAllEvents = 10'000;
// Enough for the transitions of one service.
constexpr std::size_t kRecentEvents = 200;

std::string events_json(const Events& events) {
    CappedList list(Carrier::kResource, kMaxListBytes);
    for (auto event = events.rbegin(); event != events.rend(); ++event) {
        if (!list.add(mcp::to_json(*event_object(*event)))) {
            break;
        }
    }
    return fmt::format(R"({{"events":{},"truncated":{}}})", list.json_reversed(), list.is_cut());
}

void add_events(mcp::Server& server, const Bridge& bridge, const Words& words) {
    mcp::Resource resource;
    resource.uri = kEventsUri;
    resource.name = "flask-events";
    resource.title = words.title + " events";
    resource.description = "What happened to " + words.app + " and why, the newest last";
    resource.mime_type = kJson;
    resource.handler = [bridge](const CallPtr& call) {
        bridge.ask<const core::EventLog*>(
            [session = &bridge.session](const std::function<void(const core::EventLog*)>& tell) {
                tell(&session->supervisor().events());
            },
            [call](const core::EventLog* log) {
                reply_json(call, events_json(log->recent(kAllEvents)));
            });
    };
    server.add_resource(std::move(resource));
}

Poco::JSON::Object::Ptr explanation_schema() {
    auto transition = mcp::ordered_object();
    transition->set("ts", property("string", "When (UTC)"));
    transition->set("event", property("string", "Name of the event"));
    transition->set("generation", property("integer", "Number of the instance"));
    transition->set("cause", property("string", "One sentence"));
    transition->set("fields", property("object", "What belongs to this event"));
    auto p = mcp::ordered_object();
    p->set("service", property("string", "What is supervised"));
    p->set("state", property("string", "As flask_status tells it"));
    p->set("cause", property("string", "Why it is in this state"));
    p->set("since", property("string", "When this state began (UTC)"));
    p->set("transitions",
           list_of(object_schema(transition, {"ts", "event", "cause", "fields"}, /*closed=*/false),
                   "The last 20 events, the newest last"));
    p->set("next", nullable("object", "The next planned action: `action` and `in_ms`"));
    p->set("text", property("string", "The same in a few sentences"));
    return object_schema(p, {"state", "cause", "since", "transitions", "next", "text"},
                         /*closed=*/false);
}

void add_explain(mcp::Server& server, const Bridge& bridge, const Words& words) {
    struct Known {
        core::ServiceStatus status;
        Events events;
    };
    mcp::Tool tool;
    tool.name = "flask_explain";
    tool.title = "Explain " + words.title;
    tool.description = fmt::format(
        "Answers why {} is in its state: what happened last, with the causes, and what comes next.",
        words.app);
    tool.input_schema = no_arguments();
    tool.output_schema = explanation_schema();
    tool.annotations = kReadOnly;
    tool.handler = [bridge](const CallPtr& call) {
        bridge.ask<Known>(
            [session = &bridge.session](const std::function<void(Known)>& tell) {
                tell({session->service().status(),
                      session->supervisor().events().recent(kRecentEvents)});
            },
            [call](const Known& known) {
                const auto now = std::chrono::time_point_cast<std::chrono::microseconds>(
                    std::chrono::system_clock::now());
                call->reply(mcp::ToolResult::object(*explanation(known.status, known.events, now)));
            });
    };
    server.add_tool(std::move(tool));
}

}  // namespace

void register_event_tools(mcp::Server& server, const Bridge& bridge, const Words& words) {
    add_events(server, bridge, words);
    add_explain(server, bridge, words);
}

}  // namespace steward::host
