// LineTail: the most recent lines, bounded by their size. Any thread.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "steward/core/app_output.hpp"

namespace steward::core {

class LineTail {
  public:
    explicit LineTail(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // Numbers the lines and keeps copies of them; the oldest make way. One line is kept whatever
    // its size.
    void add(std::vector<OutputLine>& lines);
    std::vector<OutputLine> last(std::size_t max_lines) const;
    std::uint64_t last_sequence() const;  // 0: there has been none
    std::vector<OutputLine> since(std::uint64_t sequence, std::size_t max_lines) const;
    // The last line of that stream that is not blank; empty if it is not in memory.
    std::string last_text(std::uint64_t generation, OutputStream stream) const;

  private:
    const std::size_t max_bytes_;
    mutable std::mutex mutex_;
    std::deque<OutputLine> lines_;
    std::size_t bytes_ = 0;
    std::uint64_t sequence_ = 0;
};

}  // namespace steward::core
