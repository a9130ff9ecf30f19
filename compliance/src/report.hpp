// Report: what came of a run, and its forms.
#pragma once
#include <chrono>
#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include "check.hpp"

namespace steward::compliance {

enum class Outcome {
    kPass,
    kFail,     // a MUST was broken
    kCrash,    // the child ended without a verdict
    kTimeout,  // it was killed when its budget was used up
    kWarn,     // a SHOULD or NOTE was broken
    kSkip,     // does not apply
    kWaived    // broken, and excused by a waiver that has not run out
};
std::string_view to_string(Outcome outcome);

enum class Grade { kNone, kBronze, kSilver, kGold };
std::string_view to_string(Grade grade);

// With a question mark for each byte that is no UTF-8: what a plugin says goes into reports.
std::string as_utf8(std::string_view text);

struct Result {
    const Check* check = nullptr;
    Outcome outcome = Outcome::kPass;
    std::string detail;  // what was broken, or why it was skipped; empty when it passed
    std::string output;  // what the plugin printed, at most 4 KiB
    std::string waiver;  // its reason, with kWaived
    std::string until;   // the waiver's last day, with kWaived: YYYY-MM-DD
    std::chrono::milliseconds duration{};
    bool unusable = false;  // skipped, because the library does not load or is none of ours
};

// Does it keep the plugin from the grade of its level?
bool is_bad(Outcome outcome);

struct Report {
    std::string file;
    std::string refused;  // why a host would not load it; empty: it would
    std::string id;       // from here on empty when it is refused
    std::string version;
    std::string sha256;
    std::uint64_t seed = 1;
    std::vector<Result> results;  // in the order of the catalogue
    std::chrono::milliseconds duration{};

    // The best grade of which no check is bad. None when a host would refuse the file, or when a
    // check of any level crashed: so would the supervisor.
    [[nodiscard]] Grade grade() const;
    [[nodiscard]] int count(Outcome outcome) const;
    // The command that repeats one check.
    [[nodiscard]] std::string reproduce(const Result& result) const;
};

// For people: what is not well, and one line at the end.
void write_text(std::ostream& out, const Report& report);
void write_json(std::ostream& out, const Report& report);
void write_junit(std::ostream& out, const Report& report);
void write_tap(std::ostream& out, const Report& report);

}  // namespace steward::compliance
