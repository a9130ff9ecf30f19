// OutputBuffer: the lines on their way to the file, in a bounded buffer; drops and counts what does
// not fit.
//
// Thread: the log thread; counters() any.
#pragma once
#include <cstddef>
#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "rotating_file.hpp"
#include "steward/core/app_output.hpp"

namespace steward::core {

class OutputBuffer {
  public:
    OutputBuffer(RotatingFile& file, std::size_t max_bytes) : file_(file), max_bytes_(max_bytes) {}

    // Takes a line for the file, or drops it. raw_bytes: what the app wrote for it.
    void add(const OutputLine& line, std::size_t raw_bytes);

    enum class Pump {
        kEmpty,  // everything is in the file
        kMore,   // call again
        kStuck,  // the file takes nothing now; try again later
    };
    // Writes at most one portion, so that the pipes are read in between.
    Pump pump();

    // So much waits that lines may soon be dropped.
    bool is_half_full() const { return bytes_.size() - begin_ > max_bytes_ / 2; }

    OutputCounters counters() const;

  private:
    struct Record {
        std::size_t length;
        std::size_t raw_bytes;
        bool note;
    };

    Pump begin_records();
    Pump failed(const Error& error);
    void written(std::size_t bytes);
    void append(std::string_view head, std::string_view text, std::size_t raw_bytes, bool note);
    void append_note();

    RotatingFile& file_;
    const std::size_t max_bytes_;
    std::string bytes_;           // the records, one after the other
    std::size_t begin_ = 0;       // of what is not written yet
    std::deque<Record> records_;  // the first may be written in part
    std::size_t first_done_ = 0;  // bytes of the first record that are in the file
    std::size_t cleared_ =
        0;  // bytes that may go to the current file without another look at its size
    std::uint64_t gap_lines_ = 0;  // dropped since the last note
    std::uint64_t gap_bytes_ = 0;
    std::string reason_;  // why the file takes nothing

    mutable std::mutex mutex_;
    OutputCounters counters_;
};

}  // namespace steward::core
