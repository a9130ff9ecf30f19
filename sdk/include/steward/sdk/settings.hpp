// steward/sdk/settings.hpp - one table from which both the JSON Schema and the strict parser of a
// plugin's settings are made.
//
//     struct Settings {
//         std::int64_t base_ms = 250;          // the default is written here, and only here
//         std::string path = "/health";
//     };
//     static constexpr std::array kFields{
//         sdk::integer("base_ms", &Settings::base_ms, {0, 3'600'000}, "The first delay in ms."),
//         sdk::text("path", &Settings::path, "What is asked for, beginning with a slash."),
//     };
//
// parse_settings() refuses whatever the schema refuses, names the setting, and gives the rule and
// the value: "base_ms: must be >= 0 (got -1)". A setting that is left out keeps its default.
// Functions only; any thread.
#pragma once

#include <array>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>

#include "json.hpp"

namespace steward::sdk {

// Integers beyond +-2^53 do not survive every JSON reader, so no bound may lie outside.
inline constexpr std::int64_t kMaxInteger = std::int64_t{1} << 53;
// The longest text a setting may have, in bytes.
inline constexpr std::size_t kMaxText = 4096;
inline constexpr std::size_t kMaxChoices = 16;

template <class T>
struct Range {
    T minimum;
    T maximum;
};

using Choices = std::array<std::string_view, kMaxChoices>;

// The values a text may have, at most kMaxChoices.
template <class... T>
[[nodiscard]] constexpr Choices one_of(T... values) {
    static_assert(sizeof...(values) >= 1 && sizeof...(values) <= kMaxChoices);
    return Choices{std::string_view(values)...};
}

enum class FieldKind : std::uint8_t { kInteger, kNumber, kText, kBoolean };

// One setting, kept in the member of S that is not null. Made by the four functions below.
template <class S>
struct Field {
    FieldKind kind = FieldKind::kBoolean;
    std::string_view name;
    std::string_view description;
    std::int64_t S::*integer = nullptr;
    double S::*number = nullptr;
    std::string S::*text = nullptr;
    bool S::*boolean = nullptr;
    Range<std::int64_t> integers{0, 0};
    Range<double> numbers{0, 0};
    Choices choices{};  // empty: any text
};

template <class S>
[[nodiscard]] constexpr Field<S> integer(std::string_view name, std::int64_t S::*member,
                                         Range<std::int64_t> range, std::string_view description) {
    Field<S> field{FieldKind::kInteger, name, description};
    field.integer = member;
    field.integers = range;
    return field;
}

template <class S>
[[nodiscard]] constexpr Field<S> number(std::string_view name, double S::*member,
                                        Range<double> range, std::string_view description) {
    Field<S> field{FieldKind::kNumber, name, description};
    field.number = member;
    field.numbers = range;
    return field;
}

template <class S>
[[nodiscard]] constexpr Field<S> text(std::string_view name, std::string S::*member,
                                      std::string_view description) {
    Field<S> field{FieldKind::kText, name, description};
    field.text = member;
    return field;
}

template <class S>
[[nodiscard]] constexpr Field<S> text(std::string_view name, std::string S::*member,
                                      Choices choices, std::string_view description) {
    Field<S> field = text(name, member, description);
    field.choices = choices;
    return field;
}

template <class S>
[[nodiscard]] constexpr Field<S> boolean(std::string_view name, bool S::*member,
                                         std::string_view description) {
    Field<S> field{FieldKind::kBoolean, name, description};
    field.boolean = member;
    return field;
}

// [a-z][a-z0-9_]{0,63}: what an id or the name of a setting looks like.
[[nodiscard]] constexpr bool is_identifier(std::string_view name) noexcept {
    const auto lower = [](char c) { return c >= 'a' && c <= 'z'; };
    if (name.empty() || name.size() > 64 || !lower(name[0])) {
        return false;
    }
    for (const char c : name) {
        if (!lower(c) && !(c >= '0' && c <= '9') && c != '_') {
            return false;
        }
    }
    return true;
}

// Is the table sound? Checked at compile time by STEWARD_PLUGIN.
template <class S>
[[nodiscard]] constexpr bool fields_valid(std::span<const Field<S>> fields) noexcept {
    if (fields.size() > 64) {
        return false;
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
        const Field<S>& f = fields[i];
        const bool bounds =
            f.integers.minimum <= f.integers.maximum && f.integers.minimum >= -kMaxInteger &&
            f.integers.maximum <= kMaxInteger && f.numbers.minimum <= f.numbers.maximum;
        if (!is_identifier(f.name) || f.description.empty() || !bounds) {
            return false;
        }
        for (std::size_t j = 0; j < i; ++j) {
            if (fields[j].name == f.name) {
                return false;
            }
        }
    }
    return true;
}

namespace detail {

inline std::string shown(const JsonScalar& value) {
    switch (value.kind) {
        case JsonKind::kNull:
            return "null";
        case JsonKind::kBoolean:
            return value.boolean ? "true" : "false";
        case JsonKind::kNumber:
            return printable(value.text);
        case JsonKind::kText:
            return '"' + printable(value.text) + '"';
        case JsonKind::kArray:
            return "an array";
        case JsonKind::kObject:
            return "an object";
    }
    return {};
}

[[noreturn]] inline void refuse(std::string_view name, std::string_view rule,
                                const JsonScalar& value) {
    throw SettingsError(name, std::string("must be ").append(rule) + " (got " + shown(value) + ")");
}

template <class T>
T in_range(std::string_view name, T parsed, Range<T> range, const JsonScalar& value) {
    if (parsed < range.minimum) {
        refuse(name, ">= " + number_text(range.minimum), value);
    }
    if (parsed > range.maximum) {
        refuse(name, "<= " + number_text(range.maximum), value);
    }
    return parsed;
}

inline double parse_number(std::string_view name, const JsonScalar& value) {
    if (value.kind != JsonKind::kNumber) {
        refuse(name, "a number", value);
    }
    double parsed = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto result = std::from_chars(value.text.data(), end, parsed);
    if (result.ec != std::errc{} || result.ptr != end || !std::isfinite(parsed)) {
        refuse(name, "a number that a double can hold", value);
    }
    return parsed + 0.0;  // -0 becomes 0
}

// Accepts what JSON Schema calls an integer: also 5.0 and 1e3.
inline std::int64_t parse_integer(std::string_view name, Range<std::int64_t> range,
                                  const JsonScalar& value) {
    if (value.kind != JsonKind::kNumber) {
        refuse(name, "an integer", value);
    }
    std::int64_t parsed = 0;
    const char* const end = value.text.data() + value.text.size();
    const auto result = std::from_chars(value.text.data(), end, parsed);
    if (result.ec == std::errc::result_out_of_range) {
        parsed = value.text[0] == '-' ? std::numeric_limits<std::int64_t>::min()
                                      : std::numeric_limits<std::int64_t>::max();
    } else if (result.ptr != end) {
        const double wide = parse_number(name, value);
        if (wide != std::trunc(wide)) {
            refuse(name, "an integer", value);
        }
        constexpr auto kBeyond = static_cast<double>(kMaxInteger) * 2;
        parsed = static_cast<std::int64_t>(std::fmin(std::fmax(wide, -kBeyond), kBeyond));
    }
    return in_range(name, parsed, range, value);
}

inline std::string parse_text(std::string_view name, const Choices& choices,
                              const JsonScalar& value) {
    if (value.kind != JsonKind::kText) {
        refuse(name, "a text", value);
    }
    if (value.text.size() > kMaxText) {
        throw SettingsError(name, "must be at most " + std::to_string(kMaxText) + " bytes (got " +
                                      std::to_string(value.text.size()) + ")");
    }
    if (choices[0].empty()) {
        return value.text;
    }
    std::string known;
    for (std::size_t i = 0; i < choices.size() && !choices[i].empty(); ++i) {
        if (choices[i] == value.text) {
            return value.text;
        }
        known.append(i == 0 ? "" : ", ").append(choices[i]);
    }
    refuse(name, "one of " + known, value);
}

// Not inlined: where the field is known, g++ 12 warns of the branches for the other kinds.
template <class S>
[[gnu::noinline]] void assign(S& settings, const Field<S>& field, const JsonScalar& value) {
    switch (field.kind) {
        case FieldKind::kInteger:
            settings.*field.integer = parse_integer(field.name, field.integers, value);
            return;
        case FieldKind::kNumber:
            settings.*field.number =
                in_range(field.name, parse_number(field.name, value), field.numbers, value);
            return;
        case FieldKind::kText:
            settings.*field.text = parse_text(field.name, field.choices, value);
            return;
        case FieldKind::kBoolean:
            if (value.kind != JsonKind::kBoolean) {
                refuse(field.name, "true or false", value);
            }
            settings.*field.boolean = value.boolean;
            return;
    }
}

template <class S>
std::size_t find_field(std::span<const Field<S>> fields, std::string_view name) {
    std::string known;
    for (std::size_t i = 0; i < fields.size(); ++i) {
        if (fields[i].name == name) {
            return i;
        }
        known.append(i == 0 ? "" : ", ").append(fields[i].name);
    }
    throw SettingsError(name.empty() ? "\"\"" : printable(name),
                        known.empty() ? "is not a setting (there are none)"
                                      : "is not a setting (there are: " + known + ")");
}

template <class T>
void append_bounds(std::string& out, T value, Range<T> range) {
    out.append(",\"default\":").append(number_text(value));
    out.append(",\"minimum\":").append(number_text(range.minimum));
    out.append(",\"maximum\":").append(number_text(range.maximum));
}

template <class S>
[[gnu::noinline]] void append_schema(std::string& out, const Field<S>& field, const S& defaults) {
    constexpr std::array<std::string_view, 4> kTypes{"integer", "number", "string", "boolean"};
    append_json_text(out, field.name);
    out.append(":{\"type\":\"").append(kTypes[static_cast<std::size_t>(field.kind)]).append("\"");
    out.append(",\"description\":");
    append_json_text(out, field.description);
    switch (field.kind) {
        case FieldKind::kInteger:
            append_bounds(out, defaults.*field.integer, field.integers);
            break;
        case FieldKind::kNumber:
            append_bounds(out, defaults.*field.number, field.numbers);
            break;
        case FieldKind::kText:
            out.append(",\"default\":");
            append_json_text(out, defaults.*field.text);
            for (std::size_t i = 0; i < kMaxChoices && !field.choices[i].empty(); ++i) {
                out.append(i == 0 ? ",\"enum\":[" : ",");
                append_json_text(out, field.choices[i]);
            }
            out.append(field.choices[0].empty() ? "" : "]");
            break;
        case FieldKind::kBoolean:
            out.append(",\"default\":").append(defaults.*field.boolean ? "true" : "false");
            break;
    }
    out.push_back('}');
}

}  // namespace detail

// The JSON Schema of the settings, the defaults taken from S{}.
template <class S>
[[nodiscard]] std::string settings_schema(std::span<const Field<S>> fields) {
    const S defaults{};
    std::string out = R"({"type":"object","additionalProperties":false,"properties":{)";
    for (std::size_t i = 0; i < fields.size(); ++i) {
        out.append(i == 0 ? "" : ",");
        if constexpr (!std::is_empty_v<S>) {
            detail::append_schema(out, fields[i], defaults);
        }
    }
    return out.append("}}");
}

// Reads a JSON object. Throws SettingsError for anything that the schema does not allow, a repeated
// name included.
template <class S>
[[nodiscard]] S parse_settings(std::span<const Field<S>> fields, std::string_view json) {
    S settings{};
    std::uint64_t seen = 0;
    JsonCursor cursor(json);
    cursor.expect('{');
    for (bool first = true; !cursor.take('}'); first = false) {
        if (!first) {
            cursor.expect(',');
        }
        const std::string name = cursor.text();
        cursor.expect(':');
        const std::size_t index = detail::find_field(fields, name);
        const std::uint64_t bit = std::uint64_t{1} << index;
        if ((seen & bit) != 0) {
            throw SettingsError(name, "is given twice");
        }
        seen |= bit;
        const JsonScalar value = cursor.scalar();
        if constexpr (!std::is_empty_v<S>) {  // If it is, no name was found.
            detail::assign(settings, fields[index], value);
        }
    }
    cursor.skip_space();
    if (!cursor.at_end()) {
        cursor.fail("something follows the object");
    }
    return settings;
}

}  // namespace steward::sdk
