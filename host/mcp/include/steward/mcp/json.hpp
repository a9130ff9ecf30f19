// JSON in and out: a strict reader on top of Poco's parser, and a writer of our own.
//
// Poco's parser alone is not fit for hostile input: it recurses, turns 2^64 silently into 0, rounds
// integers below -2^53, cuts member names at an escaped U+0000 and lets bytes through that are not
// UTF-8. So each text is first checked by an iterative scan; what passes it, with such integers
// rewritten, is safe for Poco. Poco's stringify takes six times as long as append_json over the
// same objects.
//
// Thread rule: the functions keep no state, any thread; a Reader belongs to one thread.
#pragma once

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>
#include <Poco/JSON/Parser.h>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace steward::mcp {

enum class JsonStatus {
    kOk,
    kSyntax,         // not JSON, not UTF-8, a raw control character or a lone surrogate
    kScalar,         // good JSON, but neither an object nor an array
    kTooDeep,        // nested more deeply than the limit
    kTooManyValues,  // more values than the limit; bounds the memory of the tree
    kUnusable,       // a number beyond the range of double, or a member name with U+0000
};

struct JsonLimits {
    std::size_t max_depth = 512;  // at most 512
    std::size_t max_values = 250'000;
};

// What JsonReader::parse would say of the text, without making a tree of it.
[[nodiscard]] JsonStatus check_json(std::string_view text, const JsonLimits& limits = {});

class JsonReader {
  public:
    explicit JsonReader(JsonLimits limits = {});

    // Reads one text. With kOk `value` holds an Object::Ptr or an Array::Ptr; else it is unchanged.
    // Integers within int64 arrive as Poco::Int64, all other numbers as double; of duplicate member
    // names the last one wins. The order of members is not kept (with it, Poco is quadratic).
    [[nodiscard]] JsonStatus parse(std::string_view text, Poco::Dynamic::Var& value);

  private:
    JsonLimits limits_;
    Poco::JSON::Parser parser_;
};

// Appends `value` as JSON on one line: valid UTF-8 (a bad byte becomes U+FFFD), control characters
// escaped, members in the object's own order. A double that JSON cannot hold becomes null; types
// that JSON does not know become strings.
void append_json(std::string& out, const Poco::Dynamic::Var& value);
void append_json(std::string& out, const Poco::JSON::Object& object);
[[nodiscard]] std::string to_json(const Poco::JSON::Object& object);

// Appends `text` as a JSON string, quotes included.
void append_json_string(std::string& out, std::string_view text);
void append_json_integer(std::string& out, std::int64_t value);

// The member of that name, or null. Unlike Object::get it copies nothing.
[[nodiscard]] const Poco::Dynamic::Var* find_member(const Poco::JSON::Object& object,
                                                    std::string_view name);
// The value as what it is, or null when it is something else.
[[nodiscard]] const std::string* as_string(const Poco::Dynamic::Var* value);
[[nodiscard]] Poco::JSON::Object::Ptr as_object(const Poco::Dynamic::Var* value);
[[nodiscard]] std::optional<std::int64_t> as_integer(const Poco::Dynamic::Var* value);

// An object that keeps the order in which its members are set; for answers that people read too.
[[nodiscard]] Poco::JSON::Object::Ptr ordered_object();

[[nodiscard]] bool is_valid_utf8(std::string_view text) noexcept;
// At most `max_bytes` of `text`, cut between characters, with "…" when something was cut off.
[[nodiscard]] std::string excerpt(std::string_view text, std::size_t max_bytes = 200);

}  // namespace steward::mcp
