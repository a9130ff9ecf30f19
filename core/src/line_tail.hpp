// LineTail: the most recent lines, bounded by their size. Any thread.
//
// They are kept one after the other in one piece of memory: a line costs a copy and no allocation.
#pragma once
#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "output_batch.hpp"
#include "steward/core/app_output.hpp"

namespace steward::core {

class LineTail {
  public:
    explicit LineTail(std::size_t max_bytes) : max_bytes_(max_bytes) {}

    // Numbers the lines and keeps copies of them; the oldest make way. One line is kept whatever
    // its size. `skipped`: so many lines came before them that are not kept, nor those before.
    void add(const OutputBatch& batch, std::uint64_t skipped);
    std::vector<OutputLine> last(std::size_t max_lines) const;
    std::vector<OutputLine> since(std::uint64_t sequence, std::size_t max_lines) const;
    // Of the last line; 0 before the first.
    std::uint64_t last_sequence() const;
    // The last lines of that stream that are not blank, at most so many, oldest first; fewer if
    // they are not in memory.
    std::vector<std::string> last_texts(std::uint64_t generation, OutputStream stream,
                                        std::size_t max_lines) const;

  private:
    struct Head {
        WallTime wall;
        std::uint64_t generation;
        std::uint32_t length;  // of the text behind it
        OutputStream stream;
        bool goes_on;
    };
    static std::size_t cost(const Head& head) { return sizeof(OutputLine) + head.length; }
    Head head_at(std::size_t at) const;
    std::vector<OutputLine> lines(std::uint64_t skip, std::size_t count) const;

    const std::size_t max_bytes_;
    mutable std::mutex mutex_;
    // Guarded by mutex_.
    std::string memory_;  // heads and texts; what is before begin_ has made way
    std::size_t begin_ = 0;
    std::uint64_t count_ = 0;
    std::size_t bytes_ = 0;  // the sum of the costs
    std::uint64_t sequence_ = 0;
};

}  // namespace steward::core
