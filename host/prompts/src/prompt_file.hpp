// The format of one prompt file: names, members, checks, dates. Nothing here touches the disk. The
// rules are in tests/data/prompt_store/README.md.
#pragma once

#include <Poco/JSON/Object.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "steward/prompts/prompt.hpp"
#include "steward/prompts/result.hpp"

namespace steward::prompts {

inline constexpr std::size_t kMaxFileBytes = 16UL * 1024 * 1024;
inline constexpr std::size_t kMaxContentBytes = 1024UL * 1024;
inline constexpr std::string_view kFileEnding = ".json";

[[nodiscard]] bool is_prompt_id(std::string_view text) noexcept;
[[nodiscard]] bool is_category(std::string_view text) noexcept;
// A file that may hold a prompt, or is reported as broken when its name is no id.
[[nodiscard]] bool is_prompt_file(std::string_view name) noexcept;
[[nodiscard]] std::string file_of(std::string_view id);

// Local time with six digits of a second and no zone, as all files have it.
[[nodiscard]] std::string format_date(std::chrono::system_clock::time_point moment);
inline constexpr std::int64_t kNoDate = INT64_MIN;
// Microseconds since 1970 of a stored date, local time unless it has a zone; kNoDate if it is none.
[[nodiscard]] std::int64_t instant_of(std::string_view date);

struct Fault {
    std::string reason;
};

// Reads the bytes of `<category>/<id>.json`.
Result<Prompt, Fault> parse_prompt(std::string_view data, std::string_view id,
                                   std::string_view category);

// The bytes of a file: UTF-8, indented by two, no newline at the end. May be longer than
// kMaxFileBytes, and is cut somewhere then.
[[nodiscard]] std::string serialise(const Prompt& prompt);

// Values to be stored, checked and in the form that is stored.
struct Changes {
    std::optional<std::string> title;
    std::optional<std::string> content;
    std::optional<std::string> category;
    std::optional<std::string> description;
    std::optional<std::vector<std::string>> tags;
    std::optional<bool> favourite;
    std::vector<std::string> names;  // of the values that are there, in the order given
};

Result<Changes> checked_changes(const Poco::JSON::Object& values);

// The prompt with the changes made; each new member comes last in its file. What is derived from
// members is not brought up to date: that is done by reading the written file.
void apply(const Changes& changes, Prompt& prompt);
void set_updated_at(Prompt& prompt, std::string date);
// A new prompt. Precondition: title, content and category are there.
[[nodiscard]] Prompt new_prompt(std::string id, const Changes& changes, const std::string& now);

}  // namespace steward::prompts
