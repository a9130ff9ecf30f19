#include "message.hpp"

#include <utility>

#include "steward/mcp/errors.hpp"
#include "steward/mcp/json.hpp"

namespace steward::mcp {

ResultWriter::ResultWriter(std::string_view id, const Rules& rules, std::size_t expected_bytes)
    : ResultWriter(id, rules, rules.result_head, expected_bytes) {}

ResultWriter ResultWriter::input_required(std::string_view id, const Rules& rules) {
    return {id, rules, rules.input_required_head, 512};
}

ResultWriter::ResultWriter(std::string_view id, const Rules& rules, std::string_view head,
                           std::size_t expected_bytes)
    : rules_(rules), empty_(head.empty()) {
    line_.reserve(expected_bytes + id.size() + 192);
    line_ += R"({"jsonrpc":"2.0","id":)";
    line_ += id;
    line_ += R"(,"result":{)";
    line_ += head;
}

std::string& ResultWriter::member(std::string_view key) {
    line_ += empty_ ? "\"" : ",\"";
    line_ += key;
    line_ += "\":";
    empty_ = false;
    return line_;
}

void ResultWriter::string_member(std::string_view key, std::string_view value) {
    append_json_string(member(key), value);
}

std::string ResultWriter::finish(const std::optional<CachePolicy>& cache,
                                 std::string_view server_info, std::string_view subscription) && {
    if (cache && rules_.caching) {
        append_json_integer(member("ttlMs"), cache->ttl.count() > 0 ? cache->ttl.count() : 0);
        member("cacheScope") +=
            cache->scope == CacheScope::kPublic ? R"("public")" : R"("private")";
    }
    if (rules_.server_info_in_results) {
        std::string& out = member("_meta");
        out += "{\"";
        out += kMetaServerInfo;
        out += "\":";
        out += server_info;
        if (!subscription.empty()) {
            out += ",\"";
            out += kMetaSubscriptionId;
            out += "\":";
            out += subscription;
        }
        out += '}';
    }
    line_ += "}}";
    return std::move(line_);
}

std::string error_line(std::string_view id, int code, std::string_view message,
                       const Poco::JSON::Object::Ptr& data) {
    std::string line = R"({"jsonrpc":"2.0")";
    if (!id.empty()) {
        line += R"(,"id":)";
        line += id;
    }
    line += R"(,"error":{"code":)";
    append_json_integer(line, code);
    line += R"(,"message":)";
    append_json_string(line, message);
    if (!data.isNull()) {
        line += R"(,"data":)";
        append_json(line, *data);
    }
    line += "}}";
    return line;
}

void Outgoing::answer(std::string_view id, std::string line, Batch* batch) {
    if (line.size() + 2 > max_line_) {  // 2: the brackets of a batch
        const std::string text = "the answer takes " + std::to_string(line.size()) +
                                 " bytes, more than the limit of " + std::to_string(max_line_) +
                                 " bytes; ask for less";
        line = error_line(id, kInternalError, text, {});
    }
    if (batch == nullptr) {
        sink_(std::move(line), LineKind::kAnswer);
        return;
    }
    if (batch->answers.size() + line.size() + 3 > max_line_) {
        flush(*batch);
    }
    if (!batch->answers.empty()) {
        batch->answers += ',';
    }
    batch->answers += line;
}

void Outgoing::notification(std::string_view method, std::string_view params, LineKind kind) {
    std::string line = R"({"jsonrpc":"2.0","method":)";
    append_json_string(line, method);
    if (!params.empty()) {
        line += R"(,"params":)";
        line += params;
    }
    line += '}';
    if (line.size() <= max_line_) {
        sink_(std::move(line), kind);
    }
}

bool Outgoing::request(std::string_view id, std::string_view method, std::string_view params) {
    std::string line = R"({"jsonrpc":"2.0","id":)";
    line += id;
    line += R"(,"method":)";
    append_json_string(line, method);
    line += R"(,"params":)";
    line += params;
    line += '}';
    if (line.size() > max_line_) {
        return false;
    }
    sink_(std::move(line), LineKind::kAnswer);
    return true;
}

void Outgoing::close_one(Batch& batch) {
    if (--batch.open == 0) {
        flush(batch);
    }
}

void Outgoing::flush(Batch& batch) {
    if (batch.answers.empty()) {
        return;  // notifications alone get no answer
    }
    std::string line;
    line.reserve(batch.answers.size() + 2);
    line += '[';
    line += batch.answers;
    line += ']';
    batch.answers.clear();
    sink_(std::move(line), LineKind::kAnswer);
}

}  // namespace steward::mcp
