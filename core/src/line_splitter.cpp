#include "line_splitter.hpp"

#include <algorithm>
#include <utility>

#include "utf8.hpp"

namespace steward::core {
namespace {

bool is_blank(std::string_view text) {
    return text.find_first_not_of(" \t\r\v\f") == std::string_view::npos;
}

}  // namespace

void LineSplitter::feed(std::string_view bytes, const Piece& piece) {
    while (!bytes.empty()) {
        const auto newline = bytes.find('\n');
        const std::size_t length = std::min(newline, bytes.size());
        if (newline != std::string_view::npos && partial_.empty() && length <= kMaxPiece) {
            // The common case: a whole line, straight from the read buffer.
            add_head(bytes.substr(0, length));
            end_line();
            piece(bytes.substr(0, length), /*goes_on=*/false);
            bytes.remove_prefix(length + 1);
            continue;
        }
        const std::size_t taken = std::min(length, kMaxPiece - partial_.size());
        add_head(bytes.substr(0, taken));
        partial_.append(bytes.substr(0, taken));
        bytes.remove_prefix(taken);
        if (taken == length) {
            if (newline == std::string_view::npos) {
                // A full piece would leave no room to go on with.
                if (partial_.size() == kMaxPiece) {
                    flush(/*at_end=*/false, piece);
                }
                return;
            }
            bytes.remove_prefix(1);
            end_line();
            piece(partial_, /*goes_on=*/false);
            partial_.clear();
        } else {
            flush(/*at_end=*/false, piece);
        }
    }
}

void LineSplitter::flush(bool at_end, const Piece& piece) {
    const std::size_t kept = at_end ? 0 : utf8_unfinished(partial_);
    if (partial_.size() > kept) {
        piece(std::string_view(partial_).substr(0, partial_.size() - kept), /*goes_on=*/true);
    }
    partial_.erase(0, partial_.size() - kept);
}

std::string LineSplitter::last_line() const {
    std::string_view raw = is_blank(head_) ? last_ : head_;
    if (raw.size() == kMaxHead) {
        raw.remove_suffix(utf8_unfinished(raw));
    }
    if (const auto end = raw.find_last_not_of(" \t\r\v\f"); end != std::string_view::npos) {
        raw = raw.substr(0, end + 1);
    }
    std::string escaped;
    append_escaped(escaped, raw);
    return std::string(utf8_cut(escaped, kMaxHead));
}

void LineSplitter::add_head(std::string_view bytes) {
    head_.append(bytes.substr(0, kMaxHead - head_.size()));
}

void LineSplitter::end_line() {
    if (!is_blank(head_)) {
        last_ = std::exchange(head_, {});
    }
    head_.clear();
}

}  // namespace steward::core
