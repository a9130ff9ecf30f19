#include <Poco/Exception.h>

#include <utility>

#include "json_scan.hpp"
#include "steward/mcp/json.hpp"

namespace steward::mcp {
namespace {

std::string with_double_integers(std::string_view text, const std::vector<std::size_t>& ends) {
    std::string out;
    out.reserve(text.size() + 2 * ends.size());
    std::size_t begin = 0;
    for (const std::size_t end : ends) {
        out.append(text.substr(begin, end - begin));
        out.append("e0");
        begin = end;
    }
    out.append(text.substr(begin));
    return out;
}

}  // namespace

JsonStatus check_json(std::string_view text, const JsonLimits& limits) {
    return scan_json(text, limits).status;
}

JsonStatus JsonReader::parse(std::string_view text, Poco::Dynamic::Var& value) {
    const ScanResult scan = scan_json(text, limits_);
    if (scan.status != JsonStatus::kOk) {
        return scan.status;
    }
    parser_.setDepth(limits_.max_depth + 1);
    JsonStatus status = JsonStatus::kOk;
    try {
        value = parser_.parse(scan.wide_integers.empty()
                                  ? std::string(text)
                                  : with_double_integers(text, scan.wide_integers));
    } catch (const Poco::Exception&) {
        status = JsonStatus::kSyntax;
    }
    parser_.reset();  // keeps no reference to the tree
    return status;
}

const Poco::Dynamic::Var* find_member(const Poco::JSON::Object& object, std::string_view name) {
    for (const auto& member : object) {
        if (member.first == name) {
            return &member.second;
        }
    }
    return nullptr;
}

const std::string* as_string(const Poco::Dynamic::Var* value) {
    if (value == nullptr || value->type() != typeid(std::string)) {
        return nullptr;
    }
    return &value->extract<std::string>();
}

Poco::JSON::Object::Ptr as_object(const Poco::Dynamic::Var* value) {
    if (value == nullptr || value->type() != typeid(Poco::JSON::Object::Ptr)) {
        return {};
    }
    return value->extract<Poco::JSON::Object::Ptr>();
}

std::optional<std::int64_t> as_integer(const Poco::Dynamic::Var* value) {
    if (value == nullptr || value->type() != typeid(Poco::Int64)) {
        return std::nullopt;
    }
    return value->extract<Poco::Int64>();
}

}  // namespace steward::mcp
