// Prompts for measurements: files as the store reads them, the same ones in each run.
#pragma once
#include <string>

namespace steward::bench {

// What prompts of write_prompts() contain.
inline constexpr const char* kAtTheEnd = "{{name}}";  // of each content
inline constexpr const char* kRareWord = "quartz";    // in one of 1,000
inline constexpr const char* kInNone = "supervisor restart";
inline constexpr const char* kTag = "tag-3";        // on one of 10
inline constexpr const char* kCategory = "coding";  // one of 3

// Writes `count` prompts of `words` words (a word has 7 bytes or so) into the data folder `root`.
// Returns one of their frequent words.
std::string write_prompts(const std::string& root, int count, int words);

}  // namespace steward::bench
