#include "confirm_delete.hpp"

#include <memory>
#include <utility>

#include <fmt/core.h>

#include "mcp_schema.hpp"
#include "printable.hpp"
#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Object;

constexpr const char* kMethod = "elicitation/create";
constexpr const char* kAnswer = "confirm";  // the member of the form, and the name of the input

Object::Ptr question(const prompts::Prompt& prompt) {
    auto confirm = property("boolean", "Yes, delete it");
    confirm->set("title", "Delete it");
    confirm->set("default", false);
    auto members = mcp::ordered_object();
    members->set(kAnswer, confirm);
    auto params = mcp::ordered_object();
    // The title comes last: what it says, in quotes or behind them, is not taken for ours.
    params->set(
        "message",
        fmt::format("Delete this prompt? Its last version stays in the history.\n"
                    "id: {}\ncategory: {}\ntitle: {}",
                    prompt.id, printable(prompt.category), printable(mcp::excerpt(prompt.title))));
    auto schema = mcp::ordered_object();
    schema->set("type", "object");
    schema->set("properties", members);
    Poco::JSON::Array::Ptr required = new Poco::JSON::Array;
    required->add(std::string(kAnswer));
    schema->set("required", required);
    params->set("requestedSchema", schema);
    return params;
}

// `result` is what the client sent: {action, content}.
Confirmation reading(const Object& result) {
    const auto* const action = mcp::as_string(mcp::find_member(result, "action"));
    if (action == nullptr || *action != "accept") {
        return {false,
                action != nullptr && *action == "decline"  ? "declined"
                : action != nullptr && *action == "cancel" ? "dismissed without an answer"
                                                           : "the client sent no answer",
                {}};
    }
    const auto content = mcp::as_object(mcp::find_member(result, "content"));
    const auto* const confirm = content.isNull() ? nullptr : mcp::find_member(*content, kAnswer);
    if (confirm == nullptr || confirm->type() != typeid(bool) || !confirm->extract<bool>()) {
        return {false, "not confirmed", {}};
    }
    return {true, {}, {}};
}

// 2026-07-28: the client sends the call again, with the answer.
void ask_by_result(const CallPtr& call, const prompts::Prompt& prompt,
                   const std::function<void(const Confirmation&)>& then) {
    const auto response = call->input_response(kAnswer);
    // Only what was asked for counts: the state is signed, a response alone anybody can send.
    if (!call->state() || response.isNull()) {
        call->require_input({{kAnswer, kMethod, question(prompt)}}, prompts::version_of(prompt));
        return;
    }
    auto confirmation = reading(*response);
    confirmation.seen = *call->state();
    then(confirmation);
}

}  // namespace

void confirm_delete(const CallPtr& call, const prompts::PromptPtr& prompt, const Timers& timers,
                    std::function<void(const Confirmation&)> then) {
    if (!call->may_ask(kMethod)) {
        then({true, {}, {}});
        return;
    }
    if (call->asks_by_result()) {
        ask_by_result(call, *prompt, then);
        return;
    }
    auto timer = std::make_shared<std::uint64_t>(0);
    const auto asked = call->ask_client(
        kMethod, question(*prompt),
        [timer, disarm = timers.disarm, then,
         seen = prompts::version_of(*prompt)](const mcp::ClientReply& r) {
            disarm(*timer);
            Confirmation confirmation;
            if (r.result.isNull()) {
                confirmation.why_not = "the client could not ask: " + mcp::excerpt(r.message);
            } else {
                confirmation = reading(*r.result);
            }
            confirmation.seen = seen;
            then(confirmation);
        });
    if (!asked) {
        then({false, "the client could not be asked", {}});
        return;
    }
    *timer = timers.arm(kConfirmTime, [then = std::move(then)] {
        then({false, fmt::format("not answered within {} minutes", kConfirmTime.count()), {}});
    });
    call->on_cancel([timer, disarm = timers.disarm] { disarm(*timer); });
}

}  // namespace steward::host
