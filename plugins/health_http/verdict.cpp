#include "verdict.hpp"

#include <cerrno>
#include <cstring>
#include <steward/sdk/text.hpp>

#include "text.hpp"

namespace steward::health_http {
namespace {

std::string asked(const Question& question) {
    return "GET " + question.path + ": ";
}

std::string with_status(const Question& question, const HttpAnswer& answer) {
    return asked(question) + sdk::number_text(std::int64_t{answer.status()});
}

Outcome unhealthy(const HttpAnswer& answer, steward_status status, std::string detail) {
    return {STEWARD_UNHEALTHY, status, answer.status(), std::move(detail), {}};
}

bool status_decides(const Question& question, const HttpAnswer& answer) {
    return question.pointer.empty() || answer.status() != question.expect_status;
}

// The beginning of `text`, which is UTF-8, cut between characters.
std::string cut(std::string text, std::size_t limit) {
    std::size_t end = 0;
    while (end < text.size()) {
        const std::size_t step = sdk::utf8_sequence(std::string_view(text).substr(end));
        if (step == 0 || end + step > limit) {
            break;
        }
        end += step;
    }
    text.resize(end);
    return text;
}

// The instance that a complete JSON body names.
std::string claimed_instance(const HttpAnswer& answer) {
    if (answer.state() != AnswerState::kComplete || answer.body().empty()) {
        return {};
    }
    for (const std::string_view name : {"/instance", "/instance_id"}) {
        const auto pointer = JsonPointer::parse(name);
        auto found = json_lookup(answer.body(), *pointer);
        if (!found) {
            return {};
        }
        if (found->kind == JsonKind::kString) {
            return cut(std::move(found->text), kInstanceIdLimit);
        }
    }
    return {};
}

Outcome judge_status(const Question& question, const HttpAnswer& answer) {
    Outcome outcome;
    outcome.protocol_code = answer.status();
    outcome.detail = with_status(question, answer);
    if (answer.status() == question.expect_status) {
        outcome.verdict = STEWARD_HEALTHY;
    } else {
        outcome.verdict = STEWARD_UNHEALTHY;
        outcome.detail += ", expected " + sdk::number_text(question.expect_status);
    }
    outcome.instance_id = claimed_instance(answer);
    return outcome;
}

std::string describe(const JsonValue& value) {
    switch (value.kind) {
        case JsonKind::kMissing:
            return "missing";
        case JsonKind::kArray:
            return "an array";
        case JsonKind::kObject:
            return "an object";
        case JsonKind::kString:
            return quoted(value.text);
        case JsonKind::kNull:
        case JsonKind::kBoolean:
        case JsonKind::kNumber:
            break;
    }
    return sdk::printable(value.text);
}

Outcome judge_body(const Question& question, const HttpAnswer& answer) {
    const std::string name = sdk::printable(question.pointer, 200);
    if (answer.body().empty()) {
        return unhealthy(
            answer, STEWARD_OK,
            with_status(question, answer) + ", but the body is empty, expected JSON with " + name);
    }
    const auto value = json_lookup(answer.body(), question.tokens);
    if (!value) {
        return unhealthy(
            answer, STEWARD_OK,
            with_status(question, answer) + ", but the body is not JSON: " + quoted(answer.body()));
    }
    Outcome outcome;
    outcome.protocol_code = answer.status();
    outcome.instance_id = claimed_instance(answer);
    const bool scalar = value->kind != JsonKind::kMissing && value->kind != JsonKind::kArray &&
                        value->kind != JsonKind::kObject;
    if (scalar && value->text == question.expect) {
        outcome.verdict = STEWARD_HEALTHY;
        outcome.detail = with_status(question, answer) + ", " + name + " is " + describe(*value);
    } else {
        outcome.verdict = STEWARD_UNHEALTHY;
        outcome.detail = with_status(question, answer) + ", but " + name + " is " +
                         describe(*value) + ", expected " + quoted(question.expect);
    }
    return outcome;
}

std::string ending_text(const HttpAnswer& answer, Ending ending, std::int64_t limit_ms) {
    const std::string within = " within " + sdk::number_text(limit_ms) + " ms";
    const char* how = ending == Ending::kClosed ? "connection closed" : "connection reset";
    if (answer.status() != 0) {
        return ending == Ending::kDeadline ? ", but no complete body" + within
                                           : std::string(", but ") + how + " within the body";
    }
    if (answer.begun()) {
        return ending == Ending::kDeadline ? "no complete answer" + within
                                           : std::string(how) + " within the headers";
    }
    return ending == Ending::kDeadline ? "no answer" + within
                                       : std::string(how) + " before an answer";
}

}  // namespace

std::optional<Outcome> judge(const Question& question, const HttpAnswer& answer) {
    switch (answer.state()) {
        case AnswerState::kHeaders:
            return std::nullopt;
        case AnswerState::kNotHttp:
            return unhealthy(
                answer, STEWARD_OK,
                asked(question) + "the answer is not HTTP: " + quoted(answer.first_bytes()));
        case AnswerState::kHeadersTooLarge:
            return unhealthy(answer, STEWARD_OK,
                             asked(question) + "the headers are larger than 8 KiB");
        case AnswerState::kBody:
        case AnswerState::kComplete:
        case AnswerState::kBodyTooLarge:
        case AnswerState::kBodyBroken:
            break;
    }
    const bool by_status = status_decides(question, answer);
    if (answer.state() == AnswerState::kBody && (!by_status || answer.says_json())) {
        return std::nullopt;
    }
    if (by_status) {
        return judge_status(question, answer);
    }
    if (answer.state() == AnswerState::kBodyTooLarge) {
        return unhealthy(answer, STEWARD_OK,
                         with_status(question, answer) + ", but the body is larger than 64 KiB");
    }
    if (answer.state() == AnswerState::kBodyBroken) {
        return unhealthy(answer, STEWARD_OK,
                         with_status(question, answer) + ", but the body's coding is broken");
    }
    return judge_body(question, answer);
}

Outcome judge_ending(const Question& question, const HttpAnswer& answer, Ending ending,
                     std::int64_t limit_ms) {
    if (auto outcome = judge(question, answer)) {
        return *std::move(outcome);
    }
    if (answer.status() != 0 && status_decides(question, answer)) {
        return judge_status(question, answer);
    }
    const std::string start =
        answer.status() != 0 ? with_status(question, answer) : asked(question);
    return unhealthy(answer, ending == Ending::kDeadline ? STEWARD_E_TIMEOUT : STEWARD_E_IO,
                     start + ending_text(answer, ending, limit_ms));
}

Outcome judge_errno(const Question& question, int error) {
    Outcome outcome;
    outcome.status = STEWARD_E_IO;
    switch (error) {
        case ECONNREFUSED:
            outcome.verdict = STEWARD_UNHEALTHY;
            outcome.detail = asked(question) + "connection refused";
            return outcome;
        case ECONNRESET:
        case EPIPE:
        case ECONNABORTED:
            outcome.verdict = STEWARD_UNHEALTHY;
            outcome.detail = asked(question) + "connection reset before an answer";
            return outcome;
        case ETIMEDOUT:
            outcome.verdict = STEWARD_UNHEALTHY;
            outcome.status = STEWARD_E_TIMEOUT;
            outcome.detail = asked(question) + "connection timed out";
            return outcome;
        case EHOSTUNREACH:
        case EHOSTDOWN:
            outcome.verdict = STEWARD_UNHEALTHY;
            outcome.detail = asked(question) + "host unreachable";
            return outcome;
        case ENOMEM:
        case ENOBUFS:
            outcome.status = STEWARD_E_NOMEM;
            break;
        case EAFNOSUPPORT:
        case EPROTONOSUPPORT:
            outcome.status = STEWARD_E_UNSUPPORTED;
            break;
        default:
            break;
    }
    // Not strerror: its text depends on the locale.
    const char* text = strerrordesc_np(error);
    outcome.detail = asked(question) + "not probed: " +
                     (text != nullptr ? text : "error " + sdk::number_text(std::int64_t{error}));
    return outcome;
}

Outcome not_probed(const Question& question, steward_status status, std::string_view text) {
    Outcome outcome;
    outcome.status = status;
    outcome.detail = asked(question).append("not probed: ").append(text);
    return outcome;
}

}  // namespace steward::health_http
