// A strict JSON (RFC 8259) reader that answers one question: what is at this JSON pointer (RFC
// 6901)?
//
// It is made for bodies that a stranger may have written: it keeps no tree, allocates for the value
// alone, and its stack is bounded, because a document nested deeper than kMaxDepth is refused. The
// whole document is checked, also behind the value. Of keys that occur twice in one object the last
// one counts. Pure functions; any thread.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steward::health_http {

inline constexpr std::size_t kMaxDepth = 64;

// A JSON pointer, taken apart. The empty pointer has no tokens and means the whole document.
class JsonPointer {
  public:
    // Nothing, if `text` is neither empty nor begins with '/', or holds a '~' that is not followed
    // by 0 or 1.
    [[nodiscard]] static std::optional<JsonPointer> parse(std::string_view text);

    [[nodiscard]] const std::vector<std::string>& tokens() const noexcept { return tokens_; }

  private:
    std::vector<std::string> tokens_;
};

enum class JsonKind { kMissing, kNull, kBoolean, kNumber, kString, kArray, kObject };

struct JsonValue {
    JsonKind kind = JsonKind::kMissing;
    // A string's characters with the escapes resolved (a lone surrogate becomes U+FFFD); of a
    // number, a boolean or null the text as it stands in the document; else empty.
    std::string text;
};

// What is at `pointer` in `document`: kMissing when the document is JSON but has nothing there.
// Nothing, if it is not JSON, not UTF-8 or nested too deeply.
[[nodiscard]] std::optional<JsonValue> json_lookup(std::string_view document,
                                                   const JsonPointer& pointer);

}  // namespace steward::health_http
