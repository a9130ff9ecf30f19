#include "mcp_tools.hpp"

#include <memory>
#include <utility>

#include <fmt/core.h>

#include "status_json.hpp"
#include "steward/mcp/json.hpp"
#include "version.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;
using CallPtr = std::shared_ptr<mcp::Call>;
using ToMcp = std::function<void(std::function<void()>)>;

constexpr const char* kStatusUri = "promptbin://flask-status";
constexpr std::size_t kMaxLogBytes = 1024 * 1024;  // clients drop the connection at 10 MiB
constexpr int kDefaultLogLines = 100;
constexpr int kMaxLogLines = 2000;

Object::Ptr property(const std::string& type, const std::string& description) {
    auto out = mcp::ordered_object();
    out->set("type", type);
    out->set("description", description);
    return out;
}

Object::Ptr nullable(const std::string& type, const std::string& description) {
    auto out = mcp::ordered_object();
    Array::Ptr types = new Array;
    types->add(type);
    types->add(std::string("null"));
    out->set("type", types);
    out->set("description", description);
    return out;
}

Object::Ptr object_schema(const Object::Ptr& properties, const std::vector<std::string>& required,
                          bool closed) {
    auto out = mcp::ordered_object();
    out->set("type", std::string("object"));
    out->set("properties", properties);
    if (!required.empty()) {
        Array::Ptr names = new Array;
        for (const auto& name : required) {
            names->add(name);
        }
        out->set("required", names);
    }
    if (closed) {
        out->set("additionalProperties", false);
    }
    return out;
}

Object::Ptr no_arguments() {
    auto out = mcp::ordered_object();
    out->set("type", std::string("object"));
    out->set("additionalProperties", false);
    return out;
}

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

// Asks the loop's thread for something and answers the call on the mcp thread.
struct Bridge {
    Session& session;
    ToMcp to_mcp;

    // `ask` runs on the loop's thread; what it passes on reaches `answer` on the mcp thread.
    template <class Value>
    void ask(std::function<void(std::function<void(Value)>)> ask,
             std::function<void(Value)> answer) const {
        session.post([ask = std::move(ask), answer = std::move(answer), to_mcp = to_mcp] {
            ask([answer, to_mcp](Value value) {
                to_mcp([answer, value = std::move(value)] { answer(value); });
            });
        });
    }
    void ask_status(std::function<void(std::string)> answer) const {
        ask<std::string>(
            [s = &session](const std::function<void(std::string)>& tell) {
                tell(s->status_json());
            },
            std::move(answer));
    }
};

// A start, restart or stop: the status once it has settled.
using Action = void (Session::*)(const std::string&, Session::Settled);

// How the texts speak of the service.
struct Words {
    explicit Words(const std::string& service)
        : title(service == defaults::kServiceName ? "PromptBin" : service),
          app(service == defaults::kServiceName ? "the PromptBin web app" : "the app " + service) {}
    std::string title;
    std::string app;
};

mcp::Handler acting(const Bridge& bridge, Action action, const std::string& what,
                    bool wants_health) {
    return [bridge, action, what, wants_health](const CallPtr& call) {
        struct Outcome {
            std::string json;
            bool failed;
            std::string cause;
        };
        bridge.ask<Outcome>(
            [session = &bridge.session, action, reason = what + " by " + the_client(call->client()),
             wants_health](const std::function<void(Outcome)>& tell) {
                (session->*action)(
                    reason, [session, tell, wants_health](const core::ServiceStatus& status) {
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
    mcp::Resource resource;
    resource.uri = kStatusUri;
    resource.name = "flask-status";
    resource.title = words.title + " status";
    resource.description = "State, health, URL and history of " + words.app;
    resource.mime_type = "application/json";
    resource.handler = [bridge](const CallPtr& call) {
        bridge.ask_status([call](const std::string& json) {
            mcp::ResourceContents contents;
            contents.data = json;
            call->reply_resource(std::move(contents));
        });
    };
    server.add_resource(std::move(resource));

    mcp::Tool tool;
    tool.name = "flask_status";
    tool.title = words.title + " status";
    tool.description = fmt::format(
        "Tells whether {} runs and is healthy, its URL, and why it is in its state.", words.app);
    tool.input_schema = no_arguments();
    tool.output_schema = status_schema();
    tool.annotations = {/*read_only=*/true, /*destructive=*/false, /*idempotent=*/true,
                        /*open_world=*/false};
    tool.handler = [bridge](const CallPtr& call) {
        bridge.ask_status(
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
    add_action(
        server, "flask_start", "Start " + words.title,
        fmt::format("Starts {} if it does not run; returns its status once it is healthy, or with "
                    "the cause.",
                    words.app),
        {/*read_only=*/false, /*destructive=*/false, /*idempotent=*/true, /*open_world=*/false},
        acting(bridge, &Session::start, "start requested", /*wants_health=*/true));
    add_action(
        server, "flask_stop", "Stop " + words.title,
        fmt::format("Stops {}; returns when none of its processes is left. It stays stopped until "
                    "it is started.",
                    words.app),
        {/*read_only=*/false, /*destructive=*/true, /*idempotent=*/true, /*open_world=*/false},
        acting(bridge, &Session::stop, "stop requested", /*wants_health=*/false));
    add_action(
        server, "flask_restart", "Restart " + words.title,
        fmt::format("Restarts {} on the same port; returns its status once it is healthy, or with "
                    "the cause.",
                    words.app),
        {/*read_only=*/false, /*destructive=*/true, /*idempotent=*/false, /*open_world=*/false},
        acting(bridge, &Session::restart, "restart requested", /*wants_health=*/true));
}

std::string logs_json(const std::vector<core::OutputLine>& lines) {
    // Newest first until the cap, then turned round: what is cut off is the oldest.
    std::size_t bytes = 0;
    std::size_t first = lines.size();
    while (first > 0 && bytes + lines[first - 1].text.size() + 128 < kMaxLogBytes / 2) {
        bytes += lines[--first].text.size() + 128;
    }
    std::string json = R"({"lines":[)";
    for (std::size_t i = first; i < lines.size(); ++i) {
        const auto& line = lines[i];
        json += i == first ? "{" : ",{";
        json += fmt::format(R"("seq":{},"ts":"{}","generation":{},"stream":"{}","text":)",
                            line.sequence, iso_time(line.wall), line.generation,
                            line.stream == core::OutputStream::kErr ? "stderr" : "stdout");
        mcp::append_json_string(json, line.text);
        json += "}";
    }
    json += fmt::format(R"(],"truncated":{}}})", first > 0);
    return json;
}

void add_logs(mcp::Server& server, const Bridge& bridge, const Words& words) {
    auto count = property("integer", "How many lines, the newest last");
    count->set("default", kDefaultLogLines);
    count->set("minimum", 1);
    count->set("maximum", kMaxLogLines);
    auto arguments = mcp::ordered_object();
    arguments->set("lines", count);
    auto result = mcp::ordered_object();
    result->set("lines", property("array", "seq, ts, generation, stream and text of each line"));
    result->set("truncated", property("boolean", "Older lines were left out for their size"));

    mcp::Tool tool;
    tool.name = "flask_logs";
    tool.title = words.title + " output";
    tool.description = fmt::format(
        "Returns the last lines that {} wrote to its standard output and error.", words.app);
    tool.input_schema = object_schema(arguments, {}, /*closed=*/true);
    tool.output_schema = object_schema(result, {"lines", "truncated"}, /*closed=*/false);
    tool.annotations = {/*read_only=*/true, /*destructive=*/false, /*idempotent=*/true,
                        /*open_world=*/false};
    tool.handler = [bridge](const CallPtr& call) {
        const auto asked = mcp::as_integer(mcp::find_member(call->arguments(), "lines"));
        const auto lines = static_cast<std::size_t>(asked.value_or(kDefaultLogLines));
        bridge.ask<std::vector<core::OutputLine>>(
            [session = &bridge.session,
             lines](const std::function<void(std::vector<core::OutputLine>)>& tell) {
                tell(session->supervisor().output(session->service()).tail(lines));
            },
            [call](const std::vector<core::OutputLine>& tail) {
                call->reply(mcp::ToolResult::object_json(logs_json(tail)));
            });
    };
    server.add_tool(std::move(tool));
}

}  // namespace

std::string the_client(const mcp::Client& client) {
    std::string name = mcp::excerpt(client.name, 60);
    // A terminal obeys control characters, also those that UTF-8 writes as C2 80 to C2 9F.
    for (std::size_t i = 0; i < name.size(); ++i) {
        const auto c = static_cast<unsigned char>(name[i]);
        const bool second = c >= 0x80 && c < 0xA0 && i > 0 && name[i - 1] == '\xC2';
        if (second) {
            name.replace(--i, 2, "?");
        } else if (c < 0x20 || c == 0x7F) {
            name[i] = '?';
        }
    }
    return name.empty() ? "the client" : "the client " + name;
}

mcp::ServerInfo server_info(const std::string& service) {
    const Words words(service);
    return {"steward", "Steward for " + words.title, std::string(kVersion),
            fmt::format("Runs {}{} and looks after it. flask_status tells its URL and whether it "
                        "is healthy; flask_start, flask_stop and flask_restart control it; "
                        "flask_logs shows what it writes.",
                        words.app, service == defaults::kServiceName ? " (a prompt library)" : "")};
}

void register_tools(mcp::Server& server, Session& session, const std::string& service,
                    std::function<void(std::function<void()>)> to_mcp) {
    const Bridge bridge{session, std::move(to_mcp)};
    const Words words(service);
    add_status(server, bridge, words);
    add_actions(server, bridge, words);
    add_logs(server, bridge, words);
}

}  // namespace steward::host
