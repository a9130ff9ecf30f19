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

Object::Ptr of_type(const std::string& type) {
    auto out = mcp::ordered_object();
    out->set("type", type);
    return out;
}

Object::Ptr property(const std::string& type, const std::string& description) {
    auto out = of_type(type);
    out->set("description", description);
    return out;
}

Object::Ptr any_of(const std::vector<Object::Ptr>& schemas, const std::string& description) {
    Array::Ptr array = new Array;
    for (const auto& schema : schemas) {
        array->add(schema);
    }
    auto out = mcp::ordered_object();
    out->set("anyOf", array);
    out->set("description", description);
    return out;
}

Object::Ptr nullable(const std::string& type, const std::string& description) {
    return any_of({of_type(type), of_type("null")}, description);
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
    return list_of(of_type(type), description);
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
