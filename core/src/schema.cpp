// The one file that includes valijson: it takes a long time to compile.
#include "steward/core/schema.hpp"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <sstream>
#include <string_view>

#include <Poco/Exception.h>
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <Poco/JSON/Stringifier.h>

#include <valijson/adapters/poco_json_adapter.hpp>
#include <valijson/schema.hpp>
#include <valijson/schema_parser.hpp>
#include <valijson/validation_results.hpp>
#include <valijson/validator.hpp>

#include "utf8.hpp"

namespace steward::core {
namespace {

using Poco::Dynamic::Var;
using Poco::JSON::Object;

constexpr int kMaxDepth = 32;
constexpr std::size_t kMaxEcho = 80;

// The beginning of what was given, for an error text.
std::string echo(std::string_view text) {
    const bool is_cut = text.size() > kMaxEcho;
    std::string_view head = text.substr(0, kMaxEcho);
    if (is_cut) {
        head.remove_suffix(utf8_unfinished(head));
    }
    std::string out;
    append_escaped(out, head);
    return is_cut ? out + "…" : out;
}

std::string text_of(const Var& value) {
    std::ostringstream out;
    if (value.isString()) {
        out << value.convert<std::string>();
    } else {
        Poco::JSON::Stringifier::stringify(value, out);
    }
    return echo(out.str());
}

// The whole text is the number: no blanks, no separators, no other base.
template <class Number>
bool read_number(const std::string& text, Number& number) {
    const char* const end = text.data() + text.size();
    const auto [rest, error] = std::from_chars(text.data(), end, number);
    return error == std::errc{} && rest == end;
}

bool is_utf8(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_sequence(text, at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

// Why the validator could not bear the schema of a stranger; empty: it can. `$ref` to itself
// overflows its stack, and so does std::regex with a long string; it divides by a multipleOf of 0.
std::string unbearable(const Var& node, int depth) {
    constexpr const char* kForbidden = "the schema uses $ref or pattern, or is nested too deeply";
    if (depth > kMaxDepth) {
        return kForbidden;
    }
    if (node.type() == typeid(Object::Ptr)) {
        for (const auto& [key, value] : *node.extract<Object::Ptr>()) {
            const bool is_text = value.isString();
            if ((key == "$ref" && is_text) || (key == "pattern" && is_text) ||
                key == "patternProperties") {
                return kForbidden;
            }
            if (key == "multipleOf" && value.isNumeric() && !(value.convert<double>() > 0)) {
                return "the schema's multipleOf must be > 0";
            }
            if (auto why = unbearable(value, depth + 1); !why.empty()) {
                return why;
            }
        }
    } else if (node.type() == typeid(Poco::JSON::Array::Ptr)) {
        for (const auto& value : *node.extract<Poco::JSON::Array::Ptr>()) {
            if (auto why = unbearable(value, depth + 1); !why.empty()) {
                return why;
            }
        }
    }
    return {};
}

std::string type_name(const std::string& type) {
    return (type == "integer" || type == "object" || type == "array" ? "an " : "a ") + type;
}

bool is_number(const Var& value) {
    return value.isNumeric() && !value.isBoolean();
}

// Is the value of the schema's type, if that is one?
bool fits_type(const Object::Ptr& schema, const Var& value) {
    const std::string type = schema->optValue<std::string>("type", "");
    return type.empty() || (type == "string" && value.isString()) ||
           (type == "boolean" && value.isBoolean()) ||
           (type == "integer" && is_number(value) && value.isInteger()) ||
           (type == "number" && is_number(value)) ||
           (type == "object" && value.type() == typeid(Object::Ptr)) ||
           (type == "array" && value.type() == typeid(Poco::JSON::Array::Ptr));
}

std::string wrong_type(const std::string& name, const Object::Ptr& schema, const Var& value) {
    return name + ": must be " + type_name(schema->optValue<std::string>("type", "")) + " (got " +
           text_of(value) + ")";
}

// The first element that is of another type than the array's items.
std::string explain_elements(const std::string& name, const Object::Ptr& schema,
                             const Poco::JSON::Array& array) {
    const auto items = schema->isObject("items") ? schema->getObject("items") : Object::Ptr();
    for (std::size_t i = 0; items && i < array.size(); ++i) {
        const Var element = array.get(static_cast<unsigned>(i));
        if (!fits_type(items, element)) {
            return wrong_type(name + "[" + std::to_string(i) + "]", items, element);
        }
    }
    return {};
}

std::string explain_value(const std::string& name, const Object::Ptr& schema, const Var& value);

// Of several schemas the one of the value's type tells what is wrong; without one, all their types.
std::string explain_any(const std::string& name, const Poco::JSON::Array& schemas,
                        const Var& value) {
    std::string types;
    for (const auto& each : schemas) {
        if (each.type() != typeid(Object::Ptr)) {
            return {};
        }
        const auto schema = each.extract<Object::Ptr>();
        const auto type = schema->optValue<std::string>("type", "");
        if (type.empty() || fits_type(schema, value)) {
            return type.empty() ? std::string() : explain_value(name, schema, value);
        }
        types += (types.empty() ? "" : " or ") + (type == "null" ? type : type_name(type));
    }
    return types.empty() ? types : name + ": must be " + types + " (got " + text_of(value) + ")";
}

// valijson decides; this says it in one line for people. Empty: nothing that it knows a better text
// for.
std::string explain_value(const std::string& name, const Object::Ptr& schema, const Var& value) {
    const std::string got = " (got " + text_of(value) + ")";
    if (!fits_type(schema, value)) {
        return wrong_type(name, schema, value);
    }
    if (schema->isArray("anyOf")) {
        return explain_any(name, *schema->getArray("anyOf"), value);
    }
    if (value.type() == typeid(Poco::JSON::Array::Ptr)) {
        auto text = explain_elements(name, schema, *value.extract<Poco::JSON::Array::Ptr>());
        if (!text.empty()) {
            return text;
        }
    }
    if (schema->isArray("enum")) {
        return name + ": must be one of " + text_of(schema->get("enum")) + got;
    }
    if (is_number(value)) {
        const double number = value.convert<double>();
        if (schema->has("minimum") && number < schema->getValue<double>("minimum")) {
            return name + ": must be >= " + text_of(schema->get("minimum")) + got;
        }
        if (schema->has("maximum") && number > schema->getValue<double>("maximum")) {
            return name + ": must be <= " + text_of(schema->get("maximum")) + got;
        }
    }
    if (value.isString()) {
        const auto length = value.convert<std::string>().size();
        if (schema->has("minLength") && length < schema->getValue<std::size_t>("minLength")) {
            return name + ": must have at least " + text_of(schema->get("minLength")) +
                   " characters" + got;
        }
        if (schema->has("maxLength")) {
            return name + ": must have at most " + text_of(schema->get("maxLength")) +
                   " characters" + got;
        }
    }
    return {};
}

std::string property_list(const Object::Ptr& properties) {
    std::string names;
    for (const auto& [key, ignored] : *properties) {
        names += (names.empty() ? "" : ", ") + key;
    }
    return names;
}

// The first thing that is wrong with an object, in the words of explain_value.
std::string explain_object(const std::string& prefix, const Object::Ptr& schema,
                           const Object::Ptr& value, const std::string& noun) {
    const auto properties =
        schema->has("properties") ? schema->getObject("properties") : Object::Ptr();
    const bool closed = schema->has("additionalProperties") &&
                        schema->get("additionalProperties").isBoolean() &&
                        !schema->getValue<bool>("additionalProperties");
    if (schema->isArray("required")) {
        for (const auto& name : *schema->getArray("required")) {
            if (!value->has(name.convert<std::string>())) {
                return prefix + name.convert<std::string>() + ": is required";
            }
        }
    }
    for (const auto& [key, member] : *value) {
        const bool known = properties && properties->has(key);
        if (!known && closed) {
            return prefix + echo(key) + ": no such " + noun + "; there is " +
                   (properties && properties->size() > 0 ? property_list(properties) : "none");
        }
        if (known) {
            if (auto text = explain_value(prefix + key, properties->getObject(key), member);
                !text.empty()) {
                // explain_value names an enum's members without looking for the value: ask about
                // this one alone.
                const auto one = SchemaValidator::compile(properties->getObject(key));
                if (!one || one->check(member)) {
                    return text;
                }
            }
        }
    }
    return {};
}

Result<Var> read_value(const std::string& name, const Object::Ptr& property,
                       const std::string& raw) {
    const std::string type = property->optValue<std::string>("type", "string");
    const std::string must = name + ": must be " + type_name(type) + " (got " + echo(raw) + ")";
    if (type == "string") {
        return is_utf8(raw) ? Result<Var>(Var(raw))
                            : Error{name + ": must be UTF-8 (got " + echo(raw) + ")"};
    }
    if (type == "boolean") {
        if (raw == "true" || raw == "false") {
            return Var(raw == "true");
        }
        return Error{must};
    }
    Poco::Int64 integer = 0;
    if (read_number(raw, integer)) {
        return Var(integer);
    }
    double number = 0;
    if (type == "number" && read_number(raw, number) && std::isfinite(number)) {
        return Var(number);
    }
    return Error{must};
}

Result<Object::Ptr> parse_object(const std::string& what, const std::string& json) {
    try {
        Poco::JSON::Parser parser;
        const Var value = parser.parse(json);
        if (value.type() == typeid(Object::Ptr)) {
            return value.extract<Object::Ptr>();
        }
        return Error{what + ": is no JSON object"};
    } catch (const Poco::Exception& e) {
        return Error{what + ": is no JSON: " + e.displayText()};
    }
}

}  // namespace

struct SchemaValidator::Impl {
    valijson::Schema schema;
    Object::Ptr source;
};

SchemaValidator::SchemaValidator(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
SchemaValidator::SchemaValidator(SchemaValidator&&) noexcept = default;
SchemaValidator& SchemaValidator::operator=(SchemaValidator&&) noexcept = default;
SchemaValidator::~SchemaValidator() = default;

Result<SchemaValidator> SchemaValidator::compile(const Object::Ptr& schema) {
    if (!schema) {
        return Error{"the schema is no object"};
    }
    if (auto why = unbearable(Var(schema), 0); !why.empty()) {
        return Error{std::move(why)};
    }
    try {
        auto impl = std::make_unique<Impl>();
        impl->source = schema;
        valijson::SchemaParser parser;
        parser.populateSchema(valijson::adapters::PocoJsonAdapter(Var(schema)), impl->schema);
        return SchemaValidator(std::move(impl));
    } catch (const std::exception& e) {
        return Error{std::string("the schema cannot be used: ") + e.what()};
    }
}

std::optional<std::string> SchemaValidator::check(const Var& value,
                                                  const std::string& member) const {
    try {
        valijson::Validator validator(valijson::Validator::kStrongTypes);
        valijson::ValidationResults results;
        if (validator.validate(impl_->schema, valijson::adapters::PocoJsonAdapter(value),
                               &results)) {
            return std::nullopt;
        }
        std::string text;
        if (value.type() == typeid(Object::Ptr)) {
            text = explain_object("", impl_->source, value.extract<Object::Ptr>(), member);
        }
        valijson::ValidationResults::Error error;
        if (text.empty() && results.popError(error)) {
            text = error.description;
        }
        return text.empty() ? "does not satisfy its schema" : text;
    } catch (const std::exception& e) {
        return std::string("cannot be checked: ") + e.what();
    }
}

Result<std::string> complete_settings(const std::string& id, const std::string& schema_json,
                                      const std::map<std::string, std::string>& values) {
    const auto schema = parse_object(id + ": its settings' schema", schema_json);
    if (!schema) {
        return schema.error();
    }
    Object::Ptr properties =
        (*schema)->has("properties") ? (*schema)->getObject("properties") : Object::Ptr(new Object);
    if (!properties) {
        return Error{id + ": the properties of its settings' schema are no object"};
    }
    Object::Ptr settings = new Object;
    try {
        for (const auto& [key, property] : *properties) {
            const auto object = properties->getObject(key);
            if (object && object->has("default")) {
                settings->set(key, object->get("default"));
            }
        }
        for (const auto& [key, raw] : values) {
            if (!properties->has(key)) {
                const std::string names = property_list(properties);
                return Error{id + "." + echo(key) + ": no such setting; " +
                             (names.empty() ? id + " has none" : "there is " + names)};
            }
            auto value = read_value(id + "." + key, properties->getObject(key), raw);
            if (!value) {
                return value.error();
            }
            settings->set(key, *value);
        }
        const auto validator = SchemaValidator::compile(*schema);
        if (!validator) {
            return Error{id + ": " + validator.error().text};
        }
        if (const auto wrong = validator->check(Var(settings))) {
            return Error{id + "." + *wrong};
        }
        std::ostringstream out;
        settings->stringify(out);
        return out.str();
    } catch (const Poco::Exception& e) {
        return Error{id + ": its settings' schema cannot be used: " + e.displayText()};
    }
}

}  // namespace steward::core
