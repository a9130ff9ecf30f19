// What the child of a check tells the runner: one line of JSON on descriptor 3.
#pragma once
#include <cstdint>
#include <optional>
#include <string>

#include "report.hpp"

namespace steward::compliance {

inline constexpr int kVerdictFd = 3;

struct Verdict {
    Outcome outcome = Outcome::kPass;  // kPass, kFail (or kWarn by its level), kSkip
    std::string detail;
    bool unusable = false;  // the library does not load: nothing else can be tried
};

std::string to_line(const Verdict& verdict);
// Nothing when the text is no verdict: the child ended before it wrote one.
std::optional<Verdict> verdict_of(const std::string& line);

// The whole life of a child: runs the check on the file, writes the verdict, kills what it has
// started, and ends the process. `runner` is the parent with which it must die; `is_twin` as
// Trial's.
[[noreturn]] void run_child(const Check& check, const std::string& file, std::uint64_t seed,
                            int runner, bool is_twin);

}  // namespace steward::compliance
