#include "mcp_schema.hpp"

#include <Poco/JSON/Array.h>

#include "steward/mcp/json.hpp"

namespace steward::host {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

Array::Ptr array_of(const std::vector<std::string>& texts) {
    Array::Ptr array = new Array;
    for (const auto& text : texts) {
        array->add(text);
    }
    return array;
}

}  // namespace

Object::Ptr property(const std::string& type, const std::string& description) {
    auto out = mcp::ordered_object();
    out->set("type", type);
    out->set("description", description);
    return out;
}

Object::Ptr nullable(const std::string& type, const std::string& description) {
    auto out = mcp::ordered_object();
    out->set("type", array_of({type, "null"}));
    out->set("description", description);
    return out;
}

Object::Ptr integer_between(std::int64_t least, std::int64_t most, const std::string& description) {
    auto out = property("integer", description);
    out->set("minimum", static_cast<Poco::Int64>(least));
    out->set("maximum", static_cast<Poco::Int64>(most));
    return out;
}

Object::Ptr one_of(const std::vector<std::string>& values, const std::string& description) {
    auto out = property("string", description);
    out->set("enum", array_of(values));
    return out;
}

Object::Ptr list_of(const std::string& type, const std::string& description) {
    auto items = mcp::ordered_object();
    items->set("type", type);
    return list_of(items, description);
}

Object::Ptr list_of(const Object::Ptr& items, const std::string& description) {
    auto out = property("array", description);
    out->set("items", items);
    return out;
}

Object::Ptr object_schema(const Object::Ptr& properties, const std::vector<std::string>& required,
                          bool closed) {
    auto out = mcp::ordered_object();
    out->set("type", std::string("object"));
    out->set("properties", properties);
    if (!required.empty()) {
        out->set("required", array_of(required));
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

}  // namespace steward::host
