// What is derived from a prompt's texts: slugs, variables and versions.
#include <Poco/SHA2Engine.h>
#include <Poco/Unicode.h>

#include <optional>
#include <unordered_set>

#include "steward/prompts/prompt.hpp"
#include "text.hpp"

namespace steward::prompts {
namespace {

bool is_name_start(char c) noexcept {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

bool is_name_part(char c) noexcept {
    return is_name_start(c) || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

struct Variable {
    std::string_view name;
    std::size_t begin;  // of the braces
    std::size_t end;
};

// The variable whose braces begin at `at`.
std::optional<Variable> variable_at(std::string_view text, std::size_t at) {
    std::size_t name = at + 2;
    while (name < text.size() && (text[name] == ' ' || text[name] == '\t')) {
        ++name;
    }
    std::size_t end = name;
    if (end == text.size() || !is_name_start(text[end])) {
        return std::nullopt;
    }
    while (end < text.size() && is_name_part(text[end])) {
        ++end;
    }
    std::size_t close = end;
    while (close < text.size() && (text[close] == ' ' || text[close] == '\t')) {
        ++close;
    }
    if (text.substr(close, 2) != "}}") {
        return std::nullopt;
    }
    return Variable{text.substr(name, end - name), at, close + 2};
}

std::optional<Variable> next_variable(std::string_view text, std::size_t from) {
    for (std::size_t at = text.find("{{", from); at != std::string_view::npos;
         at = text.find("{{", at + 1)) {
        if (auto variable = variable_at(text, at)) {
            return variable;
        }
    }
    return std::nullopt;
}

bool is_slug_character(char32_t c) {
    if (c < 0x80) {
        return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    }
    Poco::Unicode::CharacterProperties properties{};
    Poco::Unicode::properties(static_cast<int>(c), properties);
    return properties.category == Poco::Unicode::UCP_LETTER ||
           properties.category == Poco::Unicode::UCP_MARK ||
           properties.category == Poco::Unicode::UCP_NUMBER;
}

}  // namespace

std::string version_of(const Prompt& prompt) {
    Poco::SHA2Engine engine;
    engine.update(prompt.category + "/" + prompt.id + "\n" + to_json(prompt));
    return Poco::DigestEngine::digestToHex(engine.digest());
}

std::string slug_of(std::string_view title) {
    const std::string text = lower(title);
    std::string slug;
    bool gap = false;
    for (std::size_t at = 0; at < text.size();) {
        const char32_t c = next_code_point(text, at);
        if (!is_slug_character(c)) {
            gap = true;
            continue;
        }
        if (gap && !slug.empty()) {
            slug += '-';
        }
        gap = false;
        append_utf8(slug, c);
    }
    return slug;
}

std::vector<std::string> variables_of(std::string_view content) {
    std::vector<std::string> names;
    std::unordered_set<std::string_view> seen;
    for (auto found = next_variable(content, 0); found;
         found = next_variable(content, found->end)) {
        if (seen.insert(found->name).second) {
            names.emplace_back(found->name);
        }
    }
    return names;
}

std::optional<std::string> render(std::string_view content,
                                  const std::map<std::string, std::string>& values,
                                  std::size_t max_bytes) {
    std::string out;
    std::size_t copied = 0;
    for (auto found = next_variable(content, 0); found;
         found = next_variable(content, found->end)) {
        const auto value = values.find(std::string(found->name));
        if (value == values.end()) {
            continue;
        }
        out += content.substr(copied, found->begin - copied);
        if (out.size() + value->second.size() > max_bytes) {
            return std::nullopt;
        }
        out += value->second;
        copied = found->end;
    }
    out += content.substr(copied);
    return out.size() <= max_bytes ? std::optional(std::move(out)) : std::nullopt;
}

}  // namespace steward::prompts
