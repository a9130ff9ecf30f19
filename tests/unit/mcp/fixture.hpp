// A server with a few tools and resources, and what it answers, as parsed objects.
#pragma once

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"
#include "steward/mcp/json.hpp"
#include "steward/mcp/server.hpp"

namespace steward::mcp::test {

using Object = Poco::JSON::Object;

inline Object::Ptr parse_object(const std::string& text) {
    Poco::JSON::Parser parser;
    return parser.parse(text).extract<Object::Ptr>();
}

inline const std::string kModernMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"t","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

inline std::string legacy(const std::string& id, const std::string& method,
                          const std::string& params = "") {
    return R"({"method":")" + method + "\"" + (params.empty() ? "" : ",\"params\":" + params) +
           R"(,"jsonrpc":"2.0","id":)" + id + "}";
}

// `members` are further members of params.
inline std::string modern(const std::string& id, const std::string& method,
                          const std::string& members = "") {
    return legacy(id, method, "{" + members + (members.empty() ? "" : ",") + kModernMeta + "}");
}

// The same with capabilities of the client, an object, and further members of _meta.
inline std::string modern_from(const std::string& capabilities, const std::string& id,
                               const std::string& method, const std::string& members = "",
                               const std::string& meta = "") {
    return legacy(id, method,
                  "{" + members + (members.empty() ? "" : ",") +
                      R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                      R"("io.modelcontextprotocol/clientCapabilities":)" +
                      capabilities + (meta.empty() ? "" : ",") + meta + "}}");
}

inline std::string initialize(const std::string& version, const std::string& id = "0",
                              const std::string& capabilities = "{}") {
    return legacy(id, "initialize",
                  R"({"protocolVersion":")" + version + R"(","capabilities":)" + capabilities +
                      R"(,"clientInfo":{"name":"t","version":"1"}})");
}

inline std::string cancel(const std::string& id) {
    return R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + id +
           R"(,"reason":"because"}})";
}

class Fixture {
  public:
    explicit Fixture(Options options = {}) {
        Hooks hooks;
        hooks.on_legacy_initialize = [this](const Client& client) {
            legacy_client = client;
            lines_at_initialize = lines.size();
        };
        hooks.on_modern_request = [this](const Client&, std::string_view method) {
            modern_requests.emplace_back(method);
        };
        hooks.on_watch = [this](std::string_view what) { watched.emplace_back(what); };
        hooks.on_trouble = [this](std::string_view text) { troubles.emplace_back(text); };
        ServerInfo info{"fixture", "The Fixture", "1.2.3", "be kind"};
        server = std::make_unique<Server>(
            info, options,
            [this](std::string line, LineKind kind) {
                lines.push_back(std::move(line));
                kinds.push_back(kind);
            },
            [](const Object::Ptr& schema, const Poco::Dynamic::Var& value) {
                return validate(*schema, *value.extract<Object::Ptr>());
            },
            hooks);
        add_tools();
        add_resources();
    }

    // The answers to one line, each checked for being one line of valid UTF-8.
    std::vector<std::string> send(std::string_view line) {
        lines.clear();
        kinds.clear();
        server->receive(line);
        for (const std::string& answer : lines) {
            CHECK(is_valid_utf8(answer));
            CHECK(answer.find('\n') == std::string::npos);
        }
        return lines;
    }

    Object::Ptr ask(std::string_view line) {
        const auto answers = send(line);
        REQUIRE(answers.size() == 1);
        auto answer = parse_object(answers.front());
        CHECK(answer->getValue<std::string>("jsonrpc") == "2.0");
        return answer;
    }

    Object::Ptr result(std::string_view line) {
        const auto answer = ask(line);
        INFO(lines.front());
        REQUIRE(answer->isObject("result"));
        return answer->getObject("result");
    }

    Object::Ptr error(std::string_view line) {
        const auto answer = ask(line);
        INFO(lines.front());
        REQUIRE(answer->isObject("error"));
        return answer->getObject("error");
    }

    int error_code(std::string_view line) { return error(line)->getValue<int>("code"); }

    void open(const std::string& version, const std::string& capabilities = "{}") {
        result(initialize(version, "0", capabilities));
        send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    }

    // Still serves, whatever came before.
    void check_alive() { CHECK(ask(legacy("\"alive\"", "ping"))->isObject("result")); }

    void add_plain_tool(const std::string& name, Handler handler) {
        Tool tool;
        tool.name = name;
        tool.handler = std::move(handler);
        server->add_tool(tool);
    }

    std::vector<std::string> lines;
    std::vector<LineKind> kinds;  // of lines
    std::vector<std::string> modern_requests;
    std::vector<std::string> watched;
    std::vector<std::string> troubles;
    std::vector<std::shared_ptr<Call>> waiting;  // calls of the tool "wait"
    std::size_t lines_at_initialize = 0;
    Client legacy_client;
    std::unique_ptr<Server> server;

  private:
    // As much of JSON Schema as the tests need.
    static std::optional<std::string> validate(const Object& schema, const Object& value) {
        if (schema.has("required")) {
            for (const auto& name : *schema.getArray("required")) {
                if (!value.has(name.convert<std::string>())) {
                    return name.convert<std::string>() + ": is required";
                }
            }
        }
        return std::nullopt;
    }

    void add_tools() {
        Tool echo;
        echo.name = "echo";
        echo.title = "Echo";
        echo.description = "Gives its arguments back";
        echo.input_schema = parse_object(
            R"({"type":"object","properties":{"message":{"type":"string"}},"required":["message"]})");
        echo.output_schema = parse_object(R"({"type":"object"})");
        echo.annotations.read_only = true;
        echo.handler = [](const std::shared_ptr<Call>& call) {
            call->reply(ToolResult::object(call->arguments()));
        };
        server->add_tool(echo);
        add_plain_tool("none", [](const std::shared_ptr<Call>& call) {
            call->reply(ToolResult::text(std::to_string(call->arguments().size())));
        });
        add_plain_tool("wait",
                       [this](const std::shared_ptr<Call>& call) { waiting.push_back(call); });
        add_plain_tool("forget", [](const std::shared_ptr<Call>&) {});
        add_plain_tool("throw",
                       [](const std::shared_ptr<Call>&) { throw std::runtime_error("broken"); });
        add_plain_tool("huge", [](const std::shared_ptr<Call>& call) {
            call->reply(ToolResult::text(std::string(9U * 1024 * 1024, 'x')));
        });
    }

    void add_resources() {
        Resource status;
        status.uri = "demo://status";
        status.name = "status";
        status.title = "Status";
        status.mime_type = "application/json";
        status.handler = [](const std::shared_ptr<Call>& call) {
            call->reply_resource({{}, {}, R"({"ok":true})", false});
        };
        server->add_resource(status);
        Resource blob;
        blob.uri = "demo://blob";
        blob.name = "blob";
        blob.cache = {std::chrono::seconds(7), CacheScope::kPublic};
        blob.handler = [](const std::shared_ptr<Call>& call) {
            call->reply_resource(
                {{}, "application/octet-stream", std::string("\0\xFFz\x01", 4), true});
        };
        server->add_resource(blob);
        ResourceTemplate item;
        item.uri_template = "demo://item/{id}";
        item.name = "item";
        item.handler = [](const std::shared_ptr<Call>& call) {
            if (call->variable("id").find("missing") != std::string::npos) {
                call->not_found();
            } else {
                call->reply_resource({{}, "text/plain", call->variable("id"), false});
            }
        };
        server->add_resource_template(item);
    }
};

}  // namespace steward::mcp::test
