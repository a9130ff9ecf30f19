// LineSplitter: makes lines of the bytes of one pipe, and remembers the last lines that were not
// blank.
//
// Thread: one at a time.
#pragma once
#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "utf8.hpp"

namespace steward::core {

class LineSplitter {
  public:
    static constexpr std::size_t kMaxPiece = 65536;
    static constexpr std::size_t kMaxHead = 300;
    static constexpr std::size_t kRemembered = 10;

    // The text is without its newline; goes_on: its line does not end here. Valid during the call.
    using Piece = std::function<void(std::string_view text, bool goes_on)>;

    // Calls piece(text, goes_on) for each line, as Piece; a template, for it is called for each.
    template <class OnPiece>
    void feed(std::string_view bytes, OnPiece&& piece);
    // Gives out what has no end yet. An unfinished UTF-8 sequence waits for its rest unless nothing
    // more will come.
    template <class OnPiece>
    void flush(bool at_end, OnPiece&& piece);
    bool has_partial() const { return !partial_.empty(); }
    // So many bytes of what was fed will have been given out, at least, when these have been fed too:
    // all up to the last newline. 0: none is among these.
    std::size_t whole_bytes(std::string_view bytes) const;

    // The beginning of the last line that is not blank, ended or not; escaped, at most kMaxHead
    // bytes.
    std::string last_line() const;
    // The beginnings of the last lines that are not blank, at most kRemembered and so many bytes of
    // them, one below the other; escaped.
    std::string last_lines(std::size_t max_bytes) const;

  private:
    void add_head(std::string_view bytes) {
        head_.append(bytes.substr(0, kMaxHead - head_.size()));
    }
    void remember(std::string_view head);
    static std::size_t last_lines_begin(std::string_view bytes);
    void end_line();

    std::string partial_;                        // shorter than kMaxPiece between calls
    std::string head_;                           // of the line that is being read
    std::array<std::string, kRemembered> last_;  // heads of those that were not blank, in a ring
    std::size_t last_count_ = 0;                 // ever
};

template <class OnPiece>
void LineSplitter::feed(std::string_view bytes, OnPiece&& piece) {
    // Of many lines, all but the last would be remembered for nothing.
    std::size_t forgotten = last_lines_begin(bytes);
    const auto pass = [&](std::size_t count) {
        bytes.remove_prefix(count);
        forgotten -= std::min(forgotten, count);
    };
    while (!bytes.empty()) {
        const auto newline = bytes.find('\n');
        const std::size_t length = std::min(newline, bytes.size());
        if (newline != std::string_view::npos && partial_.empty() && length <= kMaxPiece &&
            head_.empty()) {
            // The common case: a whole line, straight from the read buffer.
            if (forgotten == 0) {
                remember(bytes.substr(0, std::min(length, kMaxHead)));
            }
            piece(bytes.substr(0, length), /*goes_on=*/false);
            pass(length + 1);
            continue;
        }
        const std::size_t taken = std::min(length, kMaxPiece - partial_.size());
        add_head(bytes.substr(0, taken));
        partial_.append(bytes.substr(0, taken));
        pass(taken);
        if (taken == length) {
            if (newline == std::string_view::npos) {
                // A full piece would leave no room to go on with.
                if (partial_.size() == kMaxPiece) {
                    flush(/*at_end=*/false, piece);
                }
                return;
            }
            pass(1);
            end_line();
            piece(std::string_view(partial_), /*goes_on=*/false);
            partial_.clear();
        } else {
            flush(/*at_end=*/false, piece);
        }
    }
}

template <class OnPiece>
void LineSplitter::flush(bool at_end, OnPiece&& piece) {
    const std::size_t kept = at_end ? 0 : utf8_unfinished(partial_);
    if (partial_.size() > kept) {
        piece(std::string_view(partial_).substr(0, partial_.size() - kept), /*goes_on=*/true);
    }
    partial_.erase(0, partial_.size() - kept);
}

std::size_t count_newlines(std::string_view bytes);

// The first of these, so many lines and bytes at the most, with the first one at the bottom.
std::string join_last(const std::vector<std::string>& newest_first, std::size_t max_lines,
                      std::size_t max_bytes);

}  // namespace steward::core
