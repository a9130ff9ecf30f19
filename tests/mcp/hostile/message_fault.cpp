#include "message_fault.hpp"

#include <Poco/JSON/Array.h>

#include "steward/mcp/json.hpp"

namespace steward::tests {
namespace {

std::string fault_of_response(const Poco::JSON::Object& object, const Poco::Dynamic::Var* id) {
    const auto* const result = mcp::find_member(object, "result");
    const auto* const failure = mcp::find_member(object, "error");
    if ((result == nullptr) == (failure == nullptr)) {
        return "neither or both of result and error";
    }
    if (result != nullptr) {
        return id == nullptr || mcp::as_object(result).isNull() ? "no id, or no object as result"
                                                                : "";
    }
    const auto error = mcp::as_object(failure);
    if (error.isNull() || !mcp::as_integer(mcp::find_member(*error, "code")) ||
        mcp::as_string(mcp::find_member(*error, "message")) == nullptr) {
        return "the error has no code or no message";
    }
    return "";
}

}  // namespace

std::string fault_of_message(const Poco::Dynamic::Var& message) {
    const auto object = mcp::as_object(&message);
    if (object.isNull()) {
        return "no object";
    }
    const auto* const version = mcp::as_string(mcp::find_member(*object, "jsonrpc"));
    if (version == nullptr || *version != "2.0") {
        return "jsonrpc is not 2.0";
    }
    const auto* const id = mcp::find_member(*object, "id");
    if (id != nullptr && mcp::as_string(id) == nullptr && !mcp::as_integer(id)) {
        return "the id is neither a string nor an integer";
    }
    if (const auto* const method = mcp::find_member(*object, "method")) {
        return mcp::as_string(method) == nullptr ? "the method is no string" : "";
    }
    return fault_of_response(*object, id);
}

std::string fault_of_line(std::string_view line) {
    // Answers may hold more than messages of clients may.
    mcp::JsonLimits limits;
    limits.max_values = 10'000'000;
    Poco::Dynamic::Var value;
    if (mcp::JsonReader(limits).parse(line, value) != mcp::JsonStatus::kOk) {
        return "no strict JSON text";
    }
    if (value.type() != typeid(Poco::JSON::Array::Ptr)) {
        return fault_of_message(value);
    }
    const auto batch = value.extract<Poco::JSON::Array::Ptr>();
    for (const auto& message : *batch) {
        if (const auto fault = fault_of_message(message); !fault.empty()) {
            return fault;
        }
    }
    return batch->empty() ? "an empty array" : "";
}

}  // namespace steward::tests
