#include "json_text.hpp"

#include <unordered_map>
#include <utility>

#include "steward/mcp/json.hpp"
#include "text.hpp"

namespace steward::prompts {
namespace {

bool is_json_space(char c) noexcept {
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void skip_space(std::string_view text, std::size_t& at) noexcept {
    while (at < text.size() && is_json_space(text[at])) {
        ++at;
    }
}

// From the opening quote to behind the closing one.
std::string_view take_string(std::string_view text, std::size_t& at) noexcept {
    const std::size_t first = at++;
    while (at < text.size() && text[at] != '"') {
        at += text[at] == '\\' ? 2 : 1;
    }
    ++at;
    return text.substr(first, at - first);
}

std::string_view take_value(std::string_view text, std::size_t& at) noexcept {
    const std::size_t first = at;
    std::size_t depth = 0;
    while (at < text.size()) {
        const char c = text[at];
        if (c == '"') {
            take_string(text, at);
        } else {
            const bool closes = c == '}' || c == ']';
            if (depth == 0 && (closes || c == ',' || is_json_space(c))) {
                break;  // the end of a number or a word
            }
            depth += c == '{' || c == '[' ? 1U : 0U;
            depth -= closes ? 1U : 0U;
            ++at;
            if (!closes) {
                continue;
            }
        }
        if (depth == 0) {
            break;
        }
    }
    return text.substr(first, at - first);
}

unsigned hex4(std::string_view text, std::size_t at) noexcept {
    unsigned unit = 0;
    for (const char c : text.substr(at, 4)) {
        const auto digit = static_cast<unsigned>(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        unit = unit * 16 + digit;
    }
    return unit;
}

// Behind the backslash; `at` moves behind the escape.
void append_escape(std::string& out, std::string_view text, std::size_t& at) {
    constexpr std::string_view kFrom = "bfnrt";
    constexpr std::string_view kTo = "\b\f\n\r\t";
    const char kind = text[at++];
    if (kind != 'u') {
        const std::size_t known = kFrom.find(kind);
        out += known == std::string_view::npos ? kind : kTo[known];
        return;
    }
    char32_t code = hex4(text, at);
    at += 4;
    if (code >= 0xD800 && code <= 0xDBFF) {
        code = 0x10000 + ((code - 0xD800) << 10U) + (hex4(text, at + 2) - 0xDC00);
        at += 6;
    }
    append_utf8(out, code);
}

// `quoted` with its quotes.
std::string decoded(std::string_view quoted) {
    const std::string_view text = quoted.substr(1, quoted.size() - 2);
    std::string out;
    out.reserve(text.size());
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t escape = text.find('\\', at);
        if (escape == std::string_view::npos) {
            out += text.substr(at);
            break;
        }
        out += text.substr(at, escape - at);
        at = escape + 1;
        append_escape(out, text, at);
    }
    return out;
}

}  // namespace

std::optional<std::vector<RawMember>> split_object(std::string_view text) {
    std::size_t at = 0;
    skip_space(text, at);
    if (at == text.size() || text[at] != '{') {
        return std::nullopt;
    }
    ++at;
    std::vector<RawMember> members;
    std::unordered_map<std::string, std::size_t> places;
    for (skip_space(text, at); at < text.size() && text[at] != '}'; skip_space(text, at)) {
        if (text[at] == ',') {
            ++at;
            continue;
        }
        std::string name = decoded(take_string(text, at));
        skip_space(text, at);
        ++at;  // the colon
        skip_space(text, at);
        const std::string_view value = take_value(text, at);
        const auto [place, is_new] = places.emplace(name, members.size());
        if (is_new) {
            members.push_back({std::move(name), value});
        } else {
            members[place->second].value = value;
        }
    }
    return members;
}

std::optional<std::string> string_of(std::string_view value) {
    if (value.empty() || value.front() != '"') {
        return std::nullopt;
    }
    return decoded(value);
}

std::optional<bool> bool_of(std::string_view value) {
    if (value == "true" || value == "false") {
        return value == "true";
    }
    return std::nullopt;
}

std::optional<std::vector<std::string>> strings_of(std::string_view value) {
    if (value.empty() || value.front() != '[') {
        return std::nullopt;
    }
    std::vector<std::string> out;
    std::size_t at = 1;
    for (skip_space(value, at); at < value.size() && value[at] != ']'; skip_space(value, at)) {
        if (value[at] == ',') {
            ++at;
        } else if (value[at] == '"') {
            out.push_back(decoded(take_string(value, at)));
        } else {
            return std::nullopt;
        }
    }
    return out;
}

void append_line(std::string& out, const Layout& layout, std::size_t depth) {
    if (layout.lines) {
        out += '\n';
        out.append(2 * depth, ' ');
    }
}

void append_value(std::string& out, std::string_view value, Layout layout) {
    std::size_t depth = layout.depth;
    for (std::size_t at = 0; at < value.size() && out.size() <= layout.max_bytes;) {
        const char c = value[at];
        if (is_json_space(c)) {
            ++at;
        } else if (c == '"') {
            mcp::append_json_string(out, decoded(take_string(value, at)));
        } else if (c == '{' || c == '[') {
            out += c;
            skip_space(value, ++at);
            if (at < value.size() && (value[at] == '}' || value[at] == ']')) {
                out += value[at++];
            } else {
                append_line(out, layout, ++depth);
            }
        } else if (c == '}' || c == ']') {
            append_line(out, layout, --depth);
            out += c;
            ++at;
        } else {
            out += c;
            ++at;
            if (c == ',') {
                append_line(out, layout, depth);
            } else if (c == ':' && layout.lines) {
                out += ' ';
            }
        }
    }
}

}  // namespace steward::prompts
