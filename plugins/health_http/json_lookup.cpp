#include "json_lookup.hpp"

#include <charconv>
#include <cstdint>
#include <steward/sdk/text.hpp>
#include <utility>

namespace steward::health_http {
namespace {

// An array index as RFC 6901 writes it: digits without a leading zero.
std::optional<std::size_t> array_index(std::string_view token) {
    if (token.empty() || (token.size() > 1 && token[0] == '0')) {
        return std::nullopt;
    }
    std::size_t index = 0;
    const auto [end, error] = std::from_chars(token.data(), token.data() + token.size(), index);
    if (error != std::errc{} || end != token.data() + token.size()) {
        return std::nullopt;
    }
    return index;
}

void append_utf8(std::string& out, std::uint32_t code) {
    const auto byte = [&out](std::uint32_t value) { out += static_cast<char>(value); };
    if (code < 0x80U) {
        byte(code);
    } else if (code < 0x800U) {
        byte(0xC0U | (code >> 6U));
        byte(0x80U | (code & 0x3FU));
    } else if (code < 0x10000U) {
        byte(0xE0U | (code >> 12U));
        byte(0x80U | ((code >> 6U) & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    } else {
        byte(0xF0U | (code >> 18U));
        byte(0x80U | ((code >> 12U) & 0x3FU));
        byte(0x80U | ((code >> 6U) & 0x3FU));
        byte(0x80U | (code & 0x3FU));
    }
}

// Reads the document once, from left to right. Each function returns false when the document is not
// JSON; the cursor is then of no interest. `matched` is the number of pointer tokens that the way
// to the current value has matched, or kOffPath when the value is not on the way to what is looked
// for.
class Reader {
  public:
    Reader(std::string_view document, const JsonPointer& pointer)
        : rest_(document), tokens_(pointer.tokens()) {}

    std::optional<JsonValue> run() {
        skip_space();
        if (!value(0, 0)) {
            return std::nullopt;
        }
        skip_space();
        if (!rest_.empty()) {
            return std::nullopt;
        }
        return std::move(found_);
    }

  private:
    static constexpr std::size_t kOffPath = static_cast<std::size_t>(-1);

    void skip_space() noexcept {
        const std::size_t end = rest_.find_first_not_of(" \t\r\n");
        rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end);
    }

    bool take(char c) noexcept {
        if (rest_.empty() || rest_[0] != c) {
            return false;
        }
        rest_.remove_prefix(1);
        return true;
    }

    [[nodiscard]] bool is_wanted(std::size_t matched) const noexcept {
        return matched == tokens_.size();
    }

    // A step into a member or an element. What an earlier member of the same name had is forgotten.
    std::size_t step(std::size_t matched, bool same) {
        if (matched == kOffPath || is_wanted(matched) || !same) {
            return kOffPath;
        }
        found_ = JsonValue{};
        return matched + 1;
    }

    bool value(std::size_t depth, std::size_t matched) {
        if (rest_.empty() || depth > kMaxDepth) {
            return false;
        }
        switch (rest_[0]) {
            case '{':
                return object(depth, matched);
            case '[':
                return array(depth, matched);
            case '"':
                return string_value(matched);
            case 't':
                return word("true", JsonKind::kBoolean, matched);
            case 'f':
                return word("false", JsonKind::kBoolean, matched);
            case 'n':
                return word("null", JsonKind::kNull, matched);
            default:
                return number(matched);
        }
    }

    bool object(std::size_t depth, std::size_t matched) {
        rest_.remove_prefix(1);
        if (is_wanted(matched)) {
            found_ = {JsonKind::kObject, {}};
        }
        skip_space();
        if (take('}')) {
            return true;
        }
        std::string key;
        do {
            skip_space();
            key.clear();
            if (!string(&key)) {
                return false;
            }
            skip_space();
            if (!take(':')) {
                return false;
            }
            skip_space();
            const bool on_path = matched != kOffPath && !is_wanted(matched);
            if (!value(depth + 1, step(matched, on_path && key == tokens_[matched]))) {
                return false;
            }
            skip_space();
        } while (take(','));
        return take('}');
    }

    bool array(std::size_t depth, std::size_t matched) {
        rest_.remove_prefix(1);
        std::optional<std::size_t> wanted;
        if (is_wanted(matched)) {
            found_ = {JsonKind::kArray, {}};
        } else if (matched != kOffPath) {
            wanted = array_index(tokens_[matched]);
        }
        skip_space();
        if (take(']')) {
            return true;
        }
        std::size_t index = 0;
        do {
            skip_space();
            if (!value(depth + 1, step(matched, wanted == index))) {
                return false;
            }
            ++index;
            skip_space();
        } while (take(','));
        return take(']');
    }

    bool word(std::string_view text, JsonKind kind, std::size_t matched) {
        if (rest_.substr(0, text.size()) != text) {
            return false;
        }
        rest_.remove_prefix(text.size());
        if (is_wanted(matched)) {
            found_ = {kind, std::string(text)};
        }
        return true;
    }

    std::size_t digits(std::size_t at) const noexcept {
        while (at < rest_.size() && rest_[at] >= '0' && rest_[at] <= '9') {
            ++at;
        }
        return at;
    }

    bool number(std::size_t matched) {
        std::size_t at = rest_[0] == '-' ? 1 : 0;
        const std::size_t whole = digits(at);
        if (whole == at || (whole - at > 1 && rest_[at] == '0')) {
            return false;
        }
        at = whole;
        if (at < rest_.size() && rest_[at] == '.') {
            const std::size_t end = digits(at + 1);
            if (end == at + 1) {
                return false;
            }
            at = end;
        }
        if (at < rest_.size() && (rest_[at] == 'e' || rest_[at] == 'E')) {
            ++at;
            if (at < rest_.size() && (rest_[at] == '+' || rest_[at] == '-')) {
                ++at;
            }
            const std::size_t end = digits(at);
            if (end == at) {
                return false;
            }
            at = end;
        }
        if (is_wanted(matched)) {
            found_ = {JsonKind::kNumber, std::string(rest_.substr(0, at))};
        }
        rest_.remove_prefix(at);
        return true;
    }

    bool string_value(std::size_t matched) {
        if (!is_wanted(matched)) {
            return string(nullptr);
        }
        std::string text;
        if (!string(&text)) {
            return false;
        }
        found_ = {JsonKind::kString, std::move(text)};
        return true;
    }

    // Reads a string; its characters go to *out unless that is null.
    bool string(std::string* out) {
        if (!take('"')) {
            return false;
        }
        while (!rest_.empty()) {
            const char c = rest_[0];
            if (c == '"') {
                rest_.remove_prefix(1);
                return true;
            }
            if (c == '\\') {
                if (!escape(out)) {
                    return false;
                }
                continue;
            }
            if (static_cast<unsigned char>(c) < 0x20U) {
                return false;
            }
            if (out != nullptr) {
                *out += c;
            }
            rest_.remove_prefix(1);
        }
        return false;
    }

    bool escape(std::string* out) {
        if (rest_.size() < 2) {
            return false;
        }
        if (rest_[1] == 'u') {
            return unicode_escape(out);
        }
        constexpr std::string_view kNames = "\"\\/bfnrt";
        constexpr std::string_view kMeanings = "\"\\/\b\f\n\r\t";
        const std::size_t which = kNames.find(rest_[1]);
        if (which == std::string_view::npos) {
            return false;
        }
        if (out != nullptr) {
            *out += kMeanings[which];
        }
        rest_.remove_prefix(2);
        return true;
    }

    // The four hexadecimal digits of a \uXXXX that `rest_` begins with, which is then taken.
    std::optional<std::uint32_t> hex4() {
        if (rest_.size() < 6 || rest_[0] != '\\' || rest_[1] != 'u') {
            return std::nullopt;
        }
        std::uint32_t code = 0;
        const char* begin = rest_.data() + 2;
        const auto [end, error] = std::from_chars(begin, begin + 4, code, 16);
        if (error != std::errc{} || end != begin + 4) {
            return std::nullopt;
        }
        rest_.remove_prefix(6);
        return code;
    }

    bool unicode_escape(std::string* out) {
        constexpr std::uint32_t kReplacement = 0xFFFD;
        auto code = hex4();
        if (!code) {
            return false;
        }
        if (*code >= 0xD800U && *code <= 0xDBFFU) {
            const std::string_view before = rest_;
            const auto low = hex4();
            if (low && *low >= 0xDC00U && *low <= 0xDFFFU) {
                code = 0x10000U + ((*code - 0xD800U) << 10U) + (*low - 0xDC00U);
            } else {
                rest_ = before;
                code = kReplacement;
            }
        } else if (*code >= 0xDC00U && *code <= 0xDFFFU) {
            code = kReplacement;
        }
        if (out != nullptr) {
            append_utf8(*out, *code);
        }
        return true;
    }

    std::string_view rest_;
    const std::vector<std::string>& tokens_;
    JsonValue found_;
};

}  // namespace

std::optional<JsonPointer> JsonPointer::parse(std::string_view text) {
    JsonPointer pointer;
    if (text.empty()) {
        return pointer;
    }
    if (text[0] != '/') {
        return std::nullopt;
    }
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '/') {
            pointer.tokens_.emplace_back();
        } else if (text[i] == '~') {
            ++i;
            if (i == text.size() || (text[i] != '0' && text[i] != '1')) {
                return std::nullopt;
            }
            pointer.tokens_.back() += text[i] == '0' ? '~' : '/';
        } else {
            pointer.tokens_.back() += text[i];
        }
    }
    return pointer;
}

std::optional<JsonValue> json_lookup(std::string_view document, const JsonPointer& pointer) {
    if (!sdk::is_utf8(document)) {
        return std::nullopt;
    }
    return Reader(document, pointer).run();
}

}  // namespace steward::health_http
