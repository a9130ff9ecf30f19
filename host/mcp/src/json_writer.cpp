#include <Poco/JSON/Array.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <vector>

#include "json_scan.hpp"
#include "steward/mcp/json.hpp"

namespace steward::mcp {
namespace {

constexpr std::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

void append_escape(std::string& out, unsigned char byte) {
    switch (byte) {
        case '"':
            out += "\\\"";
            return;
        case '\\':
            out += "\\\\";
            return;
        case '\n':
            out += "\\n";
            return;
        case '\r':
            out += "\\r";
            return;
        case '\t':
            out += "\\t";
            return;
        default:
            break;
    }
    constexpr std::string_view kHex = "0123456789abcdef";
    out += "\\u00";
    out += kHex[byte >> 4U];
    out += kHex[byte & 0x0FU];
}

void append_double(std::string& out, double value) {
    if (!std::isfinite(value)) {
        out += "null";
        return;
    }
    std::array<char, 32> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    out.append(buffer.data(), end);
}

template <typename Integer>
void append_number(std::string& out, Integer value) {
    std::array<char, 24> buffer{};
    const auto end = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value).ptr;
    out.append(buffer.data(), end);
}

using Member = Poco::JSON::Object::ValueType;

void append_member(std::string& out, const Member& member) {
    append_json_string(out, member.first);
    out += ':';
    append_json(out, member.second);
    out += ',';
}

// The object keeps its order to itself: only getNames() tells it. Finding the names again in the
// sorted members avoids a copy of each value.
void append_in_order(std::string& out, const Poco::JSON::Object& object,
                     const Poco::JSON::Object::NameList& names) {
    std::vector<const Member*> members;
    members.reserve(names.size());
    for (const auto& member : object) {
        members.push_back(&member);
    }
    for (const auto& name : names) {
        const auto found =
            std::lower_bound(members.begin(), members.end(), name,
                             [](const Member* a, const std::string& b) { return a->first < b; });
        if (found != members.end() && (*found)->first == name) {
            append_member(out, **found);
        }
    }
}

void append_array(std::string& out, const Poco::JSON::Array& array) {
    out += '[';
    for (const auto& element : array) {
        append_json(out, element);
        out += ',';
    }
    if (out.back() == ',') {
        out.back() = ']';
    } else {
        out += ']';
    }
}

// The less frequent types of a Var.
void append_other(std::string& out, const Poco::Dynamic::Var& value) {
    const std::type_info& type = value.type();
    if (type == typeid(Poco::JSON::Object)) {
        append_json(out, value.extract<Poco::JSON::Object>());
    } else if (type == typeid(Poco::JSON::Array)) {
        append_array(out, value.extract<Poco::JSON::Array>());
    } else if (type == typeid(float)) {
        append_double(out, static_cast<double>(value.extract<float>()));
    } else if (value.isInteger() && value.isSigned()) {
        append_number(out, value.convert<Poco::Int64>());
    } else if (value.isInteger()) {
        append_number(out, value.convert<Poco::UInt64>());
    } else {
        append_json_string(out, value.convert<std::string>());
    }
}

}  // namespace

void append_json_string(std::string& out, std::string_view text) {
    out += '"';
    std::size_t copied = 0;  // everything before this offset is in `out`
    std::size_t at = 0;
    while (at < text.size()) {
        const auto byte = static_cast<unsigned char>(text[at]);
        if (byte >= 0x20 && byte < 0x7F && byte != '"' && byte != '\\') {
            ++at;
            continue;
        }
        std::size_t length = 1;
        if (byte >= 0x80) {
            length = utf8_sequence(text, at);
            if (length > 0) {
                at += length;
                continue;
            }
            length = 1;
        }
        out.append(text, copied, at - copied);
        if (byte >= 0x80) {
            out += kReplacement;
        } else {
            append_escape(out, byte);
        }
        at += length;
        copied = at;
    }
    out.append(text, copied, at - copied);
    out += '"';
}

void append_json_integer(std::string& out, std::int64_t value) {
    append_number(out, value);
}

void append_json(std::string& out, const Poco::Dynamic::Var& value) {
    if (value.isEmpty()) {
        out += "null";
        return;
    }
    const std::type_info& type = value.type();
    if (type == typeid(std::string)) {
        append_json_string(out, value.extract<std::string>());
    } else if (type == typeid(Poco::Int64)) {
        append_number(out, value.extract<Poco::Int64>());
    } else if (type == typeid(int)) {
        append_number(out, value.extract<int>());
    } else if (type == typeid(double)) {
        append_double(out, value.extract<double>());
    } else if (type == typeid(bool)) {
        out += value.extract<bool>() ? "true" : "false";
    } else if (type == typeid(Poco::JSON::Object::Ptr)) {
        const auto& object = value.extract<Poco::JSON::Object::Ptr>();
        if (object.isNull()) {
            out += "null";
        } else {
            append_json(out, *object);
        }
    } else if (type == typeid(Poco::JSON::Array::Ptr)) {
        const auto& array = value.extract<Poco::JSON::Array::Ptr>();
        if (array.isNull()) {
            out += "null";
        } else {
            append_array(out, *array);
        }
    } else {
        append_other(out, value);
    }
}

void append_json(std::string& out, const Poco::JSON::Object& object) {
    if (object.size() == 0) {
        out += "{}";
        return;
    }
    out += '{';
    append_in_order(out, object, object.getNames());
    out.back() = '}';  // in place of the last comma
}

std::string to_json(const Poco::JSON::Object& object) {
    std::string out;
    append_json(out, object);
    return out;
}

Poco::JSON::Object::Ptr ordered_object() {
    return new Poco::JSON::Object(Poco::JSON_PRESERVE_KEY_ORDER);
}

bool is_valid_utf8(std::string_view text) noexcept {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = utf8_sequence(text, at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

std::string excerpt(std::string_view text, std::size_t max_bytes) {
    if (text.size() <= max_bytes) {
        return std::string(text);
    }
    std::size_t end = max_bytes;
    while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80) {
        --end;
    }
    return std::string(text.substr(0, end)) + "…";
}

}  // namespace steward::mcp
