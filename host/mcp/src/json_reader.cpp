#include <Poco/Exception.h>
#include <Poco/JSON/ParseHandler.h>

#include <charconv>
#include <string>
#include <system_error>
#include <utility>

#include "json_scan.hpp"
#include "steward/mcp/json.hpp"

namespace steward::mcp {
namespace {

// The text with integers that Poco reads. What int64 cannot hold becomes a double, by "e0". What it
// would round is written as the unsigned number of the same bits, which occurs for no other reason.
std::string rewritten(std::string_view text, const std::vector<Span>& integers) {
    std::string out;
    out.reserve(text.size() + 4 * integers.size());
    std::size_t begin = 0;
    for (const Span& span : integers) {
        out.append(text.substr(begin, span.begin - begin));
        const auto literal = text.substr(span.begin, span.end - span.begin);
        std::int64_t value = 0;
        if (std::from_chars(literal.data(), literal.data() + literal.size(), value).ec ==
            std::errc()) {
            out.append(std::to_string(static_cast<std::uint64_t>(value)));
        } else {
            out.append(literal).append("e0");
        }
        begin = span.end;
    }
    out.append(text.substr(begin));
    return out;
}

// Gives the numbers back that rewritten() has made unsigned.
class Handler : public Poco::JSON::ParseHandler {
  public:
    using ParseHandler::value;
    void value(Poco::UInt64 number) override { value(static_cast<Poco::Int64>(number)); }
};

}  // namespace

JsonStatus check_json(std::string_view text, const JsonLimits& limits) {
    return scan_json(text, limits).status;
}

JsonReader::JsonReader(JsonLimits limits) : limits_(limits), parser_(new Handler) {}

JsonStatus JsonReader::parse(std::string_view text, Poco::Dynamic::Var& value) {
    const ScanResult scan = scan_json(text, limits_);
    if (scan.status != JsonStatus::kOk) {
        return scan.status;
    }
    parser_.setDepth(limits_.max_depth + 1);
    JsonStatus status = JsonStatus::kOk;
    try {
        value =
            parser_.parse(scan.awkward_integers.empty() ? std::string(text)
                                                        : rewritten(text, scan.awkward_integers));
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
