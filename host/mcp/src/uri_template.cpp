#include "steward/mcp/uri_template.hpp"

#include <algorithm>

#include "steward/mcp/json.hpp"

namespace steward::mcp {
namespace {

int hex_value(char c) noexcept {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

bool is_name(std::string_view name) noexcept {
    return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
        return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
               c == '_';
    });
}

}  // namespace

std::optional<std::string> percent_decode(std::string_view text) {
    std::string out;
    out.reserve(text.size());
    for (std::size_t i = 0; i < text.size(); ++i) {
        char c = text[i];
        if (c == '%') {
            const int high = i + 2 < text.size() ? hex_value(text[i + 1]) : -1;
            const int low = i + 2 < text.size() ? hex_value(text[i + 2]) : -1;
            if (high < 0 || low < 0) {
                return std::nullopt;
            }
            c = static_cast<char>(high * 16 + low);
            i += 2;
        }
        if (c == '\0') {
            return std::nullopt;
        }
        out += c;
    }
    if (!is_valid_utf8(out)) {
        return std::nullopt;
    }
    return out;
}

std::optional<UriTemplate> UriTemplate::parse(std::string_view text) {
    UriTemplate result;
    result.text_ = text;
    for (;;) {
        const std::size_t open = text.find('{');
        const std::string_view literal = text.substr(0, open);
        if (literal.find('}') != std::string_view::npos) {
            return std::nullopt;
        }
        result.literals_.emplace_back(literal);
        if (open == std::string_view::npos) {
            return result;
        }
        const std::size_t close = text.find('}', open);
        if (close == std::string_view::npos || (literal.empty() && !result.names_.empty())) {
            return std::nullopt;
        }
        const std::string name(text.substr(open + 1, close - open - 1));
        if (!is_name(name) ||
            std::find(result.names_.begin(), result.names_.end(), name) != result.names_.end()) {
            return std::nullopt;
        }
        result.names_.push_back(name);
        text.remove_prefix(close + 1);
    }
}

std::optional<UriVariables> UriTemplate::match(std::string_view uri) const {
    if (uri.substr(0, literals_.front().size()) != literals_.front()) {
        return std::nullopt;
    }
    uri.remove_prefix(literals_.front().size());
    UriVariables variables;
    for (std::size_t i = 0; i < names_.size(); ++i) {
        const std::string& literal = literals_[i + 1];
        const bool last = i + 1 == names_.size();
        // The last literal has to end the uri; any other one ends its variable where it first
        // comes.
        const std::size_t end = last ? (uri.size() < literal.size() ? std::string_view::npos
                                                                    : uri.size() - literal.size())
                                     : uri.find(literal, 1);
        if (end == std::string_view::npos || end == 0 || end > uri.size() ||
            uri.substr(end, literal.size()) != literal) {
            return std::nullopt;
        }
        const std::string_view raw = uri.substr(0, end);
        auto decoded = raw.find('/') == std::string_view::npos ? percent_decode(raw) : std::nullopt;
        if (!decoded) {
            return std::nullopt;
        }
        variables.emplace(names_[i], std::move(*decoded));
        uri.remove_prefix(end + literal.size());
    }
    return uri.empty() ? std::optional(std::move(variables)) : std::nullopt;
}

}  // namespace steward::mcp
