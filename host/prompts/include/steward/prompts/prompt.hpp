// One prompt as it was read, and what can be derived from it.
//
// Thread rule: a Prompt is never changed after it was made; any thread.
#pragma once

#include <Poco/JSON/Object.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace steward::prompts {

struct Prompt {
    // A member of the file. `json` is its value as it stands there; empty for the known members,
    // whose values are the fields below.
    struct Member {
        std::string name;
        std::string json;
        bool operator==(const Member&) const = default;
    };

    std::string id;        // the place of the file says these two
    std::string category;  //
    std::string title;
    std::string content;
    std::string description;
    std::vector<std::string> tags;
    std::string created_at;
    std::string updated_at;
    std::optional<bool> favourite;
    std::vector<Member> members;  // all of them, in the order of the file

    std::string slug;                    // slug_of(title); the id when that is empty
    std::size_t words = 0;               // of the content, separated by white space
    std::vector<std::string> variables;  // variables_of(content)
    std::int64_t instant = 0;  // updated_at in microseconds since 1970; the least value if it is
                               // no date

    // An estimate of how many tokens a language model sees: words x 1.3, rounded down.
    [[nodiscard]] std::size_t tokens() const noexcept { return words * 13 / 10; }

    bool operator==(const Prompt&) const = default;
};

using PromptPtr = std::shared_ptr<const Prompt>;

// The prompt as a JSON object on one line: all members of the file, and id, category, description,
// tags, created_at and updated_at in any case. Numbers are written as they stand in the file.
[[nodiscard]] std::string to_json(const Prompt& prompt);

// The same as an object; integers beyond int64 are doubles there.
[[nodiscard]] Poco::JSON::Object::Ptr as_object(const Prompt& prompt);

// A text that is another one when anything of the prompt is: its file's members, id or category.
[[nodiscard]] std::string version_of(const Prompt& prompt);

// Lower-cased, one letter to one letter, as search compares.
[[nodiscard]] std::string lower(std::string_view text);

// A title as part of an address: letters, marks and digits of any script in lower case, everything
// else one '-' between them. Empty if there is no letter and no digit.
[[nodiscard]] std::string slug_of(std::string_view title);

// The names of `{{name}}` in order of first appearance, each once. A name is
// [A-Za-z_][A-Za-z0-9_.-]*; blanks inside the braces do not count.
[[nodiscard]] std::vector<std::string> variables_of(std::string_view content);

// The content with each `{{name}}` replaced by its value. One without a value stays as it is, and
// values are not looked through again. Nothing when that would be more than `max_bytes`: a value may
// be long, and stand in many places.
[[nodiscard]] std::optional<std::string> render(std::string_view content,
                                                const std::map<std::string, std::string>& values,
                                                std::size_t max_bytes = SIZE_MAX);

}  // namespace steward::prompts
