// Waivers: checks that an author knows to fail, each with a reason and a last day.
//
//     {"waive":[{"id":"elf-needed-allowed","reason":"needs libpq","until":"2027-01-01"}]}
#pragma once
#include <string>
#include <vector>

#include "report.hpp"

namespace steward::compliance {

struct Waiver {
    std::string id;
    std::string reason;
    std::string until;  // YYYY-MM-DD, the last day on which it holds
};

// Throws std::runtime_error for a file that cannot be read, is no such object, names an unknown
// check, gives no reason or no date.
std::vector<Waiver> read_waivers(const std::string& path);

// Excuses what is bad and waived; `today` is YYYY-MM-DD. A waiver that has run out excuses nothing,
// and says so in the detail.
void apply_waivers(Report& report, const std::vector<Waiver>& waivers, const std::string& today);

// The current day, UTC.
std::string today();

}  // namespace steward::compliance
