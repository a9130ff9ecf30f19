#include "descriptor_text.hpp"

#include <algorithm>
#include <cstddef>
#include <string>
#include <vector>

namespace steward::compliance {
namespace {

bool is_digit(char c) {
    return c >= '0' && c <= '9';
}

bool is_word_letter(char c) {
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-';
}

std::vector<std::string_view> split(std::string_view text, char separator) {
    std::vector<std::string_view> parts;
    for (;;) {
        const auto end = text.find(separator);
        parts.push_back(text.substr(0, end));
        if (end == std::string_view::npos) {
            return parts;
        }
        text.remove_prefix(end + 1);
    }
}

bool is_number(std::string_view text) {
    return !text.empty() && std::all_of(text.begin(), text.end(), is_digit) &&
           (text.size() == 1 || text[0] != '0');
}

// The dot-separated words of a pre-release or build part.
bool are_words(std::string_view text, bool numbers_without_zeros) {
    const auto words = split(text, '.');
    return std::all_of(words.begin(), words.end(), [&](std::string_view word) {
        const bool digits = std::all_of(word.begin(), word.end(), is_digit);
        return !word.empty() && std::all_of(word.begin(), word.end(), is_word_letter) &&
               (!numbers_without_zeros || !digits || is_number(word));
    });
}

std::vector<std::string> license_tokens(std::string_view text) {
    std::vector<std::string> tokens;
    bool in_word = false;
    for (const char c : text) {
        if (c == ' ' || c == '(' || c == ')') {
            in_word = false;
            if (c != ' ') {
                tokens.emplace_back(1, c);
            }
        } else if (in_word) {
            tokens.back() += c;
        } else {
            tokens.emplace_back(1, c);
            in_word = true;
        }
    }
    return tokens;
}

}  // namespace

bool is_id(std::string_view text) {
    return !text.empty() && text.size() <= 64 && text[0] >= 'a' && text[0] <= 'z' &&
           std::all_of(text.begin(), text.end(),
                       [](char c) { return is_digit(c) || (c >= 'a' && c <= 'z') || c == '_'; });
}

bool is_semantic_version(std::string_view text) {
    if (const auto plus = text.find('+'); plus != std::string_view::npos) {
        if (!are_words(text.substr(plus + 1), /*numbers_without_zeros=*/false)) {
            return false;
        }
        text = text.substr(0, plus);
    }
    if (const auto dash = text.find('-'); dash != std::string_view::npos) {
        if (!are_words(text.substr(dash + 1), /*numbers_without_zeros=*/true)) {
            return false;
        }
        text = text.substr(0, dash);
    }
    const auto numbers = split(text, '.');
    return numbers.size() == 3 && std::all_of(numbers.begin(), numbers.end(), is_number);
}

bool is_license_expression(std::string_view text) {
    int depth = 0;
    bool wants_license = true;
    bool after_with = false;
    for (const std::string& token : license_tokens(text)) {
        const bool is_operator = token == "AND" || token == "OR" || token == "WITH";
        if (token == "(") {
            if (!wants_license || after_with) {
                return false;
            }
            ++depth;
        } else if (token == ")") {
            if (wants_license || --depth < 0) {
                return false;
            }
        } else if (is_operator) {
            if (wants_license || (token == "WITH" && after_with)) {
                return false;
            }
            wants_license = true;
            after_with = token == "WITH";
        } else {
            // "GPL-2.0-or-later", "LicenseRef-own", "DocumentRef-a:LicenseRef-b"; "+" ends one.
            const auto end = token.size() - (token.back() == '+' && !after_with ? 1 : 0);
            const bool word =
                end > 0 &&
                std::all_of(token.begin(), token.begin() + static_cast<std::ptrdiff_t>(end),
                            [](char c) { return is_word_letter(c) || c == '.' || c == ':'; });
            if (!wants_license || !word) {
                return false;
            }
            wants_license = false;
        }
    }
    return depth == 0 && !wants_license;
}

}  // namespace steward::compliance
