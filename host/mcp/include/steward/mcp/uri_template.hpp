// A small part of RFC 6570: literal text and simple `{name}` expressions.
//
// Thread rule: immutable after parse; any thread.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steward::mcp {

using UriVariables = std::map<std::string, std::string>;

// `text` with %XX decoded; nothing when an escape is broken or the outcome is not UTF-8 or holds
// a NUL.
[[nodiscard]] std::optional<std::string> percent_decode(std::string_view text);

class UriTemplate {
  public:
    // Nothing when a brace is unbalanced, a name is empty, repeated or not [A-Za-z0-9_], or two
    // expressions touch each other.
    [[nodiscard]] static std::optional<UriTemplate> parse(std::string_view text);

    [[nodiscard]] const std::string& text() const noexcept { return text_; }

    // The decoded variables when `uri` matches. A variable takes one or more characters other than
    // '/'. It may still decode to "../x" or the like: whether such a name exists is for the handler
    // to say, which must never make a path of it unchecked.
    [[nodiscard]] std::optional<UriVariables> match(std::string_view uri) const;

  private:
    std::string text_;
    std::vector<std::string> literals_;  // one more than names_
    std::vector<std::string> names_;
};

}  // namespace steward::mcp
