// LineSplitter: makes lines of the bytes of one pipe, and remembers the last line that was not
// blank.
//
// Thread: one at a time.
#pragma once
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

namespace steward::core {

class LineSplitter {
  public:
    static constexpr std::size_t kMaxPiece = 65536;
    static constexpr std::size_t kMaxHead = 300;

    // The text is without its newline; goes_on: its line does not end here. Valid during the call.
    using Piece = std::function<void(std::string_view text, bool goes_on)>;

    void feed(std::string_view bytes, const Piece& piece);
    // Gives out what has no end yet. An unfinished UTF-8 sequence waits for its rest unless nothing
    // more will come.
    void flush(bool at_end, const Piece& piece);
    bool has_partial() const { return !partial_.empty(); }

    // The beginning of the last line that is not blank, ended or not; escaped, at most kMaxHead
    // bytes.
    std::string last_line() const;

  private:
    void add_head(std::string_view bytes);
    void end_line();

    std::string partial_;  // shorter than kMaxPiece between calls
    std::string head_;     // of the line that is being read
    std::string last_;     // the head of the last one that was not blank
};

}  // namespace steward::core
