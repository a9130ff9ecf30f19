// OutputBatch: lines that were read together, in the form in which they stand in the file.
//
// Keeps its memory from one batch to the next, so that a line costs no allocation.
//
// Thread: one at a time.
#pragma once
#include <cstddef>
#include <cstdint>
#include <ctime>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "steward/core/app_output.hpp"

namespace steward::core {

class OutputBatch {
  public:
    // A batch of so many bytes is large enough to be passed on.
    static constexpr std::size_t kLarge = std::size_t{128} << 10U;
    // No record is shorter: "2026-11-22T10:22:33.123Z #1 out \n".
    static constexpr std::size_t kMinRecord = 33;

    struct Record {
        std::uint32_t length;     // with its head and the newline
        std::uint32_t raw_bytes;  // what the app wrote for it; 0: a note
        std::uint32_t head;       // bytes before the text
        bool goes_on;
    };

    // What is added from now on has this head. Nothing is in it then.
    void begin(WallTime wall, std::uint64_t generation, OutputStream stream);
    void add(std::string_view text, bool goes_on);
    // A record that is not the app's, alone in the batch.
    void note(WallTime wall, std::string_view text);

    bool empty() const { return records_.empty(); }
    bool is_large() const { return used_ >= kLarge; }
    void clear();

    std::string_view bytes() const { return {memory_.get(), used_}; }
    const std::vector<Record>& records() const { return records_; }
    WallTime wall() const { return wall_; }
    std::uint64_t generation() const { return generation_; }
    OutputStream stream() const { return stream_; }

  private:
    void make_head(const char* kind);
    char* room_for(std::size_t bytes);
    void add_record(std::string_view head, std::string_view text, std::size_t raw_bytes,
                    bool goes_on);

    WallTime wall_{};
    std::uint64_t generation_ = 0;
    OutputStream stream_ = OutputStream::kOut;
    std::time_t second_ = -1;         // the one that second_text_ is about
    std::string second_text_;         // "2026-11-22T10:22:33"
    std::string head_;                // "2026-11-22T10:22:33.123Z #3 err "
    std::string head_goes_on_;        // "2026-11-22T10:22:33.123Z #3 err+ "
    std::unique_ptr<char[]> memory_;  // the records, one after the other
    std::size_t size_ = 0;            // of the memory; what is never used weighs nothing
    std::size_t used_ = 0;
    std::vector<Record> records_;
};

}  // namespace steward::core
