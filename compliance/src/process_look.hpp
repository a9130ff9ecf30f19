// What this process has and is, read from /proc and the kernel: before and after a plugin's doing.
//
// Thread: any; nothing here is marked as the plugin's side, so it does not count as its calls.
#pragma once
#include <chrono>
#include <cstddef>
#include <map>
#include <set>
#include <string>
#include <vector>

namespace steward::compliance {

// A program that lies next to this one.
std::string next_to_program(const std::string& name);
// Open descriptors and what they are ("socket:[1234]"), without the one that reads them.
std::map<int, std::string> open_descriptors();
// Ids of the threads of this process.
std::set<int> threads();
// Are these all of them? Waits up to a second for it: one that was joined stands in /proc for a
// moment longer.
bool has_only_threads(const std::set<int>& wanted);
// Live children of all threads of this process.
std::vector<int> children();
// What the calling thread has computed: unlike a time, no matter who else wants the processor.
std::chrono::nanoseconds thread_cpu_time();
// Resident anonymous memory.
std::size_t resident_bytes();
// Does a mapping of this file exist?
bool is_mapped(const std::string& path);

// Everything that belongs to the process and that a plugin must leave alone, one line for each:
// "signal 15" -> "default", "working directory" -> "/", …
std::map<std::string, std::string> process_state();
// The first lines that differ: "umask: 22 before, 77 after; …", empty when none does.
std::string difference(const std::map<std::string, std::string>& before,
                       const std::map<std::string, std::string>& after);

// What was opened since: "7 (socket:[1234])", comma-separated; empty when nothing was.
std::string opened_since(const std::map<int, std::string>& before);

}  // namespace steward::compliance
