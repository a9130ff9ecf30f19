#include "json_scan.hpp"

#include <bitset>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <system_error>

namespace steward::mcp {
namespace {

constexpr std::size_t kDepthCapacity = 512;
constexpr std::int64_t kMaxExact = std::int64_t{1} << 53;

unsigned byte_at(std::string_view text, std::size_t at) noexcept {
    return static_cast<unsigned char>(text[at]);
}

bool is_digit(char c) noexcept {
    return c >= '0' && c <= '9';
}

int hex_value(char c) noexcept {
    if (is_digit(c)) {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

class Scanner {
  public:
    Scanner(std::string_view text, const JsonLimits& limits)
        : text_(text),
          max_depth_(limits.max_depth < kDepthCapacity ? limits.max_depth : kDepthCapacity),
          max_values_(limits.max_values) {}

    ScanResult run() {
        ScanResult result;
        if (scan()) {
            result.status = root_is_container_ ? JsonStatus::kOk : JsonStatus::kScalar;
            result.awkward_integers = std::move(awkward_integers_);
        } else {
            result.status = failure_;
        }
        // Valid as JSON, but not for us: said only when the text has no other fault.
        if (result.status == JsonStatus::kOk && unusable_) {
            result.status = JsonStatus::kUnusable;
        }
        return result;
    }

  private:
    bool fail(JsonStatus status) noexcept {
        failure_ = status;
        return false;
    }

    void skip_space() noexcept {
        while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' ||
                                      text_[at_] == '\r' || text_[at_] == '\n')) {
            ++at_;
        }
    }

    bool take(char c) noexcept {
        if (at_ < text_.size() && text_[at_] == c) {
            ++at_;
            return true;
        }
        return false;
    }

    bool scan() {
        skip_space();
        root_is_container_ = at_ < text_.size() && (text_[at_] == '{' || text_[at_] == '[');
        for (;;) {
            bool opened = false;
            if (!scan_value(opened)) {
                return false;
            }
            if (opened) {
                continue;  // the first element of a container comes next
            }
            if (!close_containers()) {
                return false;
            }
            if (depth_ == 0) {
                skip_space();
                return at_ == text_.size();
            }
        }
    }

    // After a complete value: closes containers until a comma asks for another element.
    bool close_containers() {
        while (depth_ > 0) {
            skip_space();
            if (take(',')) {
                return !in_object() || scan_key();
            }
            if (!take(in_object() ? '}' : ']')) {
                return false;
            }
            --depth_;
        }
        return true;
    }

    [[nodiscard]] bool in_object() const noexcept { return objects_[depth_ - 1]; }

    bool scan_key() {
        skip_space();
        if (!take('"') || !scan_string(/*is_key=*/true)) {
            return false;
        }
        skip_space();
        return take(':');
    }

    bool scan_value(bool& opened) {
        skip_space();
        if (at_ == text_.size()) {
            return false;
        }
        if (++values_ > max_values_) {
            return fail(JsonStatus::kTooManyValues);
        }
        switch (text_[at_]) {
            case '{':
            case '[':
                return open_container(opened);
            case '"':
                ++at_;
                return scan_string(/*is_key=*/false);
            case 't':
                return scan_word("true");
            case 'f':
                return scan_word("false");
            case 'n':
                return scan_word("null");
            default:
                return scan_number();
        }
    }

    bool open_container(bool& opened) {
        if (depth_ == max_depth_) {
            return fail(JsonStatus::kTooDeep);
        }
        const bool is_object = text_[at_++] == '{';
        skip_space();
        if (take(is_object ? '}' : ']')) {
            return true;
        }
        objects_[depth_++] = is_object;
        opened = true;
        return !is_object || scan_key();
    }

    bool scan_word(std::string_view word) noexcept {
        if (text_.substr(at_, word.size()) != word) {
            return false;
        }
        at_ += word.size();
        return true;
    }

    // Behind the opening quote.
    bool scan_string(bool is_key) {
        while (at_ < text_.size()) {
            const unsigned byte = byte_at(text_, at_);
            if (byte == '"') {
                ++at_;
                return true;
            }
            if (byte < 0x20) {
                return false;
            }
            if (byte == '\\') {
                if (!scan_escape(is_key)) {
                    return false;
                }
            } else if (byte < 0x80) {
                ++at_;
            } else {
                const std::size_t length = utf8_sequence(text_, at_);
                if (length == 0) {
                    return false;
                }
                at_ += length;
            }
        }
        return false;
    }

    bool scan_escape(bool is_key) {
        if (++at_ == text_.size()) {
            return false;
        }
        const char kind = text_[at_++];
        if (kind != 'u') {
            return std::string_view("\"\\/bfnrt").find(kind) != std::string_view::npos;
        }
        const int unit = scan_hex4();
        if (unit < 0 || (unit >= 0xDC00 && unit <= 0xDFFF)) {
            return false;
        }
        if (unit >= 0xD800 && unit <= 0xDBFF) {
            if (text_.substr(at_, 2) != "\\u") {
                return false;
            }
            at_ += 2;
            const int low = scan_hex4();
            return low >= 0xDC00 && low <= 0xDFFF;
        }
        // Poco cuts the name there: two names would become one.
        unusable_ = unusable_ || (unit == 0 && is_key);
        return true;
    }

    int scan_hex4() noexcept {
        if (text_.size() - at_ < 4) {
            return -1;
        }
        int unit = 0;
        for (int i = 0; i < 4; ++i) {
            const int digit = hex_value(text_[at_++]);
            if (digit < 0) {
                return -1;
            }
            unit = unit * 16 + digit;
        }
        return unit;
    }

    bool scan_digits() noexcept {
        const std::size_t first = at_;
        while (at_ < text_.size() && is_digit(text_[at_])) {
            ++at_;
        }
        return at_ > first;
    }

    bool scan_number() {
        const std::size_t first = at_;
        take('-');
        if (!take('0') && !scan_digits()) {
            return false;
        }
        bool integer = true;
        if (take('.')) {
            integer = false;
            if (!scan_digits()) {
                return false;
            }
        }
        if (take('e') || take('E')) {
            integer = false;
            if (!take('+')) {
                take('-');
            }
            if (!scan_digits()) {
                return false;
            }
        }
        check_range(text_.substr(first, at_ - first), integer);
        return true;
    }

    void check_range(std::string_view number, bool integer) {
        if (integer) {
            // Sixteen digits and a sign may be beyond what double can tell apart.
            if (number.size() < 17) {
                return;
            }
            std::int64_t value = 0;
            const auto parsed =
                std::from_chars(number.data(), number.data() + number.size(), value);
            const bool fits = parsed.ec == std::errc();
            if (!fits || value < -kMaxExact) {
                awkward_integers_.push_back({at_ - number.size(), at_});
            }
            if (fits) {
                return;
            }
        }
        // Poco throws for what double cannot hold; the exponent or the length alone can tell.
        const bool suspicious =
            number.size() > 300 || number.find_first_of("eE") != std::string_view::npos;
        if (suspicious && std::isinf(std::strtod(std::string(number).c_str(), nullptr))) {
            unusable_ = true;
        }
    }

    std::string_view text_;
    std::size_t max_depth_;
    std::size_t max_values_;
    std::size_t at_ = 0;
    std::size_t depth_ = 0;
    std::size_t values_ = 0;
    std::bitset<kDepthCapacity> objects_;
    std::vector<Span> awkward_integers_;
    JsonStatus failure_ = JsonStatus::kSyntax;
    bool root_is_container_ = false;
    bool unusable_ = false;
};

}  // namespace

ScanResult scan_json(std::string_view text, const JsonLimits& limits) {
    return Scanner(text, limits).run();
}

std::size_t utf8_sequence(std::string_view text, std::size_t at) noexcept {
    const unsigned first = byte_at(text, at);
    if (first < 0x80) {
        return 1;
    }
    std::size_t length = 0;
    unsigned low = 0x80;  // bounds of the second byte: no overlong form, no surrogate
    unsigned high = 0xBF;
    if (first >= 0xC2 && first <= 0xDF) {
        length = 2;
    } else if (first >= 0xE0 && first <= 0xEF) {
        length = 3;
        low = first == 0xE0 ? 0xA0 : low;
        high = first == 0xED ? 0x9F : high;
    } else if (first >= 0xF0 && first <= 0xF4) {
        length = 4;
        low = first == 0xF0 ? 0x90 : low;
        high = first == 0xF4 ? 0x8F : high;
    }
    if (length == 0 || text.size() - at < length) {
        return 0;
    }
    const unsigned second = byte_at(text, at + 1);
    if (second < low || second > high) {
        return 0;
    }
    for (std::size_t i = 2; i < length; ++i) {
        if ((byte_at(text, at + i) & 0xC0U) != 0x80) {
            return 0;
        }
    }
    return length;
}

}  // namespace steward::mcp
