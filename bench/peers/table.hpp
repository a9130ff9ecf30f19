// What all of them did, side by side: a Markdown table for people, JSON with every sample for
// plot.py.
#pragma once
#include <map>
#include <string>
#include <vector>

#include "../report.hpp"
#include "supervised.hpp"

namespace steward::bench {

struct Contest {
    std::string id;    // for plot.py
    std::string what;  // for people
    std::string unit;
    bool most_wins = false;
    // steward is to be within this factor of the bare side; 0 = no such aim.
    double of_bare = 0;
    // steward is to be ahead of every peer.
    bool ahead = true;
    // An absolute aim for steward's median; negative: none.
    double at_most = -1;
    std::map<Who, Samples> samples = {};
    // Instead of a value, for who has none.
    std::map<Who, std::string> remarks = {};
};

std::string markdown(const std::vector<Contest>& contests);
// Everything, `table` included, with the date, the machine (processors, memory, kernel) and the
// load at the beginning and now.
std::string json(const std::vector<Contest>& contests, const std::string& table,
                 double load_before);

}  // namespace steward::bench
