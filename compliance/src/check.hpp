// Check: one rule of the catalogue, and the code that tries a plugin on it.
//
// A check runs in a process of its own (trial.hpp), on that process's main thread, which is
// [plugin] to the plugin. It returns when the rule was kept, and throws a verdict otherwise.
#pragma once
#include <chrono>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace steward::compliance {

class Trial;

// Is this a harness with a sanitizer, for plugins that have the same one?
#ifdef STEWARD_SANITIZED
inline constexpr bool kSanitized = true;
#else
inline constexpr bool kSanitized = false;
#endif

enum class Level {
    kMust,    // bronze
    kShould,  // silver
    kNote     // gold
};
std::string_view to_string(Level level);

// One row of the catalogue. The texts are for people; docs/compliance.md is made from them.
struct Check {
    int number;           // of the catalogue; never reused
    std::string_view id;  // kebab-case; never reused
    Level level;
    std::string_view interface;  // only plugins with this interface are tried; "" is any plugin
    std::string_view rule;       // one line
    std::string_view why;        // what happens to users when it is broken
    std::string_view fix;        // what an author does about it
    // Real time after which the child is killed. What a well-behaved plugin needs is far below.
    std::chrono::milliseconds budget;
    void (*run)(Trial& trial);
};

// A heading of the catalogue, with its checks in order.
struct Group {
    std::string_view name;
    std::span<const Check> checks;
};

// The whole catalogue, in the order of the numbers.
std::span<const Group> catalogue();
// Null if there is no such check.
const Check* find_check(std::string_view id);
std::string_view group_of(const Check& check);

// Each defined in checks/NAME.cpp.
extern const std::span<const Check> kLoadChecks;
extern const std::span<const Check> kDescriptorChecks;
extern const std::span<const Check> kConfigChecks;
extern const std::span<const Check> kLifecycleChecks;
extern const std::span<const Check> kDeterminismChecks;
extern const std::span<const Check> kThreadChecks;
extern const std::span<const Check> kCancellationChecks;
extern const std::span<const Check> kResourceChecks;
extern const std::span<const Check> kErrorChecks;
extern const std::span<const Check> kUnloadChecks;
extern const std::span<const Check> kHealthChecks;
extern const std::span<const Check> kRestartChecks;
extern const std::span<const Check> kPortChecks;
extern const std::span<const Check> kMetricsChecks;

// ---- verdicts; thrown by a check

// The rule is broken. The text says what was done, what came, and what was expected.
struct Broken {
    std::string text;
};
// The rule does not apply to this plugin, or cannot be tried here; the text says why.
struct Skipped {
    std::string reason;
};
// The library does not load or is none of ours: nothing can be tried.
struct Unusable {
    std::string reason;
};

[[noreturn]] void broken(std::string text);
[[noreturn]] void skip(std::string reason);
// Throws Broken unless `kept`.
void require(bool kept, const std::string& otherwise);

}  // namespace steward::compliance
