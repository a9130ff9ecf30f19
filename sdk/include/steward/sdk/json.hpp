// steward/sdk/json.hpp - a strict reader for one flat JSON object, the form in which a host hands
// over settings.
//
// It never recurses, so no input can exhaust the stack: an array or object as a value is recognised
// by its first character and left unread. Used by settings.hpp; any thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "guard.hpp"

namespace steward::sdk {

enum class JsonKind : std::uint8_t { kNull, kBoolean, kNumber, kText, kArray, kObject };

struct JsonScalar {
    JsonKind kind = JsonKind::kNull;
    bool boolean = false;
    std::string text;  // the decoded text, or a number as it was written
};

// Reads from the front of a text that must outlive it. Every fault is a SettingsError "settings:
// not valid JSON …" with the offset in bytes.
class JsonCursor {
  public:
    explicit JsonCursor(std::string_view text) : text_(text) {
        if (!is_utf8(text_)) {
            throw SettingsError("settings", "not valid UTF-8");
        }
    }

    void skip_space() noexcept {
        while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != npos) {
            ++at_;
        }
    }

    [[nodiscard]] bool at_end() const noexcept { return at_ == text_.size(); }

    // Skips white space and then `c`, if that is what comes.
    [[nodiscard]] bool take(char c) noexcept {
        skip_space();
        if (peek() != c) {
            return false;
        }
        ++at_;
        return true;
    }

    void expect(char c) {
        if (!take(c)) {
            fail(std::string("expected '") + c + "'");
        }
    }

    // A string, its escapes resolved. No lone surrogate and no U+0000, which C would cut.
    [[nodiscard]] std::string text() {
        expect('"');
        std::string out;
        for (;;) {
            const char c = next();
            if (c == '"') {
                return out;
            }
            if (static_cast<unsigned char>(c) < 0x20) {
                fail("control character in a string");
            }
            if (c == '\\') {
                escape(out);
            } else {
                out.push_back(c);
            }
        }
    }

    // The next value; an array or object is only named, and what follows must not be read then.
    [[nodiscard]] JsonScalar scalar() {
        skip_space();
        switch (peek()) {
            case '"':
                return {JsonKind::kText, false, text()};
            case '[':
                return {JsonKind::kArray, false, {}};
            case '{':
                return {JsonKind::kObject, false, {}};
            case 't':
                word("true");
                return {JsonKind::kBoolean, true, {}};
            case 'f':
                word("false");
                return {JsonKind::kBoolean, false, {}};
            case 'n':
                word("null");
                return {};
            default:
                return {JsonKind::kNumber, false, number()};
        }
    }

    [[noreturn]] void fail(std::string_view why) const {
        throw SettingsError(
            "settings", "not valid JSON at byte " + std::to_string(at_) + ": " + std::string(why));
    }

  private:
    static constexpr auto npos = std::string_view::npos;

    [[nodiscard]] char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }

    char next() {
        if (at_end()) {
            fail("the text ends too early");
        }
        return text_[at_++];
    }

    void word(std::string_view expected) {
        if (text_.substr(at_, expected.size()) != expected) {
            fail("expected a value");
        }
        at_ += expected.size();
    }

    [[nodiscard]] std::size_t digits() noexcept {
        const std::size_t begin = at_;
        while (peek() >= '0' && peek() <= '9') {
            ++at_;
        }
        return at_ - begin;
    }

    [[nodiscard]] std::string number() {
        const std::size_t begin = at_;
        if (peek() == '-') {
            ++at_;
        }
        const bool zero = peek() == '0';
        const std::size_t whole = digits();
        if (whole == 0 || (zero && whole > 1)) {
            at_ = begin;
            fail("expected a value");
        }
        if (peek() == '.') {
            ++at_;
            if (digits() == 0) {
                fail("expected a digit");
            }
        }
        if (peek() == 'e' || peek() == 'E') {
            ++at_;
            if (peek() == '+' || peek() == '-') {
                ++at_;
            }
            if (digits() == 0) {
                fail("expected a digit");
            }
        }
        return std::string(text_.substr(begin, at_ - begin));
    }

    [[nodiscard]] std::uint32_t hex4() {
        std::uint32_t value = 0;
        for (int i = 0; i < 4; ++i) {
            const char c = next();
            const std::size_t digit = std::string_view("0123456789abcdef").find(lower(c));
            if (digit == npos) {
                fail("expected a hexadecimal digit");
            }
            value = value * 16 + static_cast<std::uint32_t>(digit);
        }
        return value;
    }

    [[nodiscard]] static char lower(char c) noexcept {
        return c >= 'A' && c <= 'F' ? static_cast<char>(c - 'A' + 'a') : c;
    }

    void escape(std::string& out) {
        const char c = next();
        constexpr std::string_view kFrom = "\"\\/bfnrt";
        constexpr std::string_view kTo = "\"\\/\b\f\n\r\t";
        if (const std::size_t i = kFrom.find(c); i != npos) {
            out.push_back(kTo[i]);
            return;
        }
        if (c != 'u') {
            fail("unknown escape");
        }
        std::uint32_t code = hex4();
        if (code >= 0xD800 && code <= 0xDBFF && text_.substr(at_, 2) == "\\u") {
            at_ += 2;
            const std::uint32_t low = hex4();
            if (low < 0xDC00 || low > 0xDFFF) {
                fail("lone surrogate");
            }
            code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00);
        }
        if (code == 0 || (code >= 0xD800 && code <= 0xDFFF)) {
            fail(code == 0 ? "U+0000 in a string" : "lone surrogate");
        }
        append(out, code);
    }

    static void append(std::string& out, std::uint32_t code) {
        const auto tail = [&](unsigned shift) {
            out.push_back(static_cast<char>(0x80U | ((code >> shift) & 0x3FU)));
        };
        if (code < 0x80) {
            out.push_back(static_cast<char>(code));
        } else if (code < 0x800) {
            out.push_back(static_cast<char>(0xC0U | (code >> 6)));
            tail(0);
        } else if (code < 0x10000) {
            out.push_back(static_cast<char>(0xE0U | (code >> 12)));
            tail(6);
            tail(0);
        } else {
            out.push_back(static_cast<char>(0xF0U | (code >> 18)));
            tail(12);
            tail(6);
            tail(0);
        }
    }

    std::string_view text_;
    std::size_t at_ = 0;
};

// Appends `text` as a JSON string, quotes included.
inline void append_json_text(std::string& out, std::string_view text) {
    constexpr std::string_view kHex = "0123456789abcdef";
    out.push_back('"');
    for (const char c : text) {
        const auto byte = static_cast<unsigned char>(c);
        if (c == '"' || c == '\\') {
            out.push_back('\\');
            out.push_back(c);
        } else if (byte < 0x20) {
            out.append("\\u00").append(1, kHex[byte >> 4]).append(1, kHex[byte & 15]);
        } else {
            out.push_back(c);
        }
    }
    out.push_back('"');
}

}  // namespace steward::sdk
