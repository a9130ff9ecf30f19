#include "log_tools.hpp"

#include <cstdint>
#include <utility>

#include <Poco/JSON/Array.h>
#include <fmt/core.h>

#include "log_page.hpp"
#include "mcp_schema.hpp"
#include "resource_uris.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

// What is in memory of the output may be read on any thread; where it is, the loop knows.
void with_output(const Bridge& bridge, const std::function<void(const core::AppOutput&)>& use) {
    bridge.ask<const core::AppOutput*>(
        [session = &bridge.session](const std::function<void(const core::AppOutput*)>& tell) {
            tell(&session->supervisor().output(session->service()));
        },
        [use](const core::AppOutput* output) { use(*output); });
}

void add_resource(mcp::Server& server, const Bridge& bridge, const Words& words) {
    mcp::Resource resource;
    resource.uri = kLogUri;
    resource.name = "flask-log";
    resource.title = words.title + " output";
    resource.description =
        "The last lines that " + words.app + " wrote, as flask_logs returns them";
    resource.mime_type = kJson;
    resource.handler = [bridge](const CallPtr& call) {
        with_output(bridge, [call](const core::AppOutput& output) {
            LogQuery query;
            query.lines = LogQuery::kMaxLines;
            reply_json(call, log_page(output.lines_since(0, SIZE_MAX), query, Carrier::kResource));
        });
    };
    server.add_resource(std::move(resource));
}

Object::Ptr arguments_schema() {
    auto lines = integer_between(1, static_cast<std::int64_t>(LogQuery::kMaxLines),
                                 "How many lines at most, the newest");
    lines->set("default", static_cast<Poco::Int64>(LogQuery::kDefaultLines));
    auto before = property("integer", "Only lines before this seq: next_before of the last page");
    before->set("minimum", 1);
    auto number = of_type("integer");
    number->set("minimum", 0);
    const auto since =
        any_of({number, of_type("string")},
               "Only lines after this seq, or from this time on (2026-11-22T10:22:33Z)");
    auto arguments = mcp::ordered_object();
    arguments->set("lines", lines);
    arguments->set("contains", property("string", "Only lines with this text, in any case"));
    arguments->set("since", since);
    arguments->set("level",
                   one_of({"info", "warning"},
                          "warning: only standard error, without lines that begin with INFO or "
                          "DEBUG behind their time"));
    arguments->set("before", before);
    return object_schema(arguments, {}, /*closed=*/true);
}

Object::Ptr page_schema() {
    auto line = mcp::ordered_object();
    line->set("seq", property("integer", "Number of the line"));
    line->set("ts", property("string", "When it was read (UTC)"));
    line->set("generation", property("integer", "Which instance wrote it"));
    line->set("stream", property("string", "stdout or stderr"));
    line->set("text", property("string", "The line"));
    auto page = mcp::ordered_object();
    page->set("lines", list_of(object_schema(line, {"seq", "ts", "generation", "stream", "text"},
                                             /*closed=*/false),
                               "The newest last"));
    page->set("truncated", property("boolean", "Older lines were left out for their size"));
    page->set("next_before",
              nullable("integer", "Pass it as `before` for the page before; null: there is none"));
    return object_schema(page, {"lines", "truncated", "next_before"}, /*closed=*/false);
}

void add_tool(mcp::Server& server, const Bridge& bridge, const Words& words) {
    mcp::Tool tool;
    tool.name = "flask_logs";
    tool.title = words.title + " output";
    tool.description = fmt::format(
        "Returns the last lines that {} wrote to its standard output and error, page by page.",
        words.app);
    tool.input_schema = arguments_schema();
    tool.output_schema = page_schema();
    tool.annotations = kReadOnly;
    tool.handler = [bridge](const CallPtr& call) {
        auto query = log_query(call->arguments());
        if (!query) {
            call->reply(mcp::ToolResult::error(query.error().text));
            return;
        }
        with_output(bridge, [call, query = *query](const core::AppOutput& output) {
            call->reply(mcp::ToolResult::object_json(
                log_page(output.lines_since(query.after, SIZE_MAX), query, Carrier::kTool)));
        });
    };
    server.add_tool(std::move(tool));
}

}  // namespace

void register_log_tools(mcp::Server& server, const Bridge& bridge, const Words& words) {
    add_resource(server, bridge, words);
    add_tool(server, bridge, words);
}

}  // namespace steward::host
