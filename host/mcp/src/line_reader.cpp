#include "steward/mcp/line_reader.hpp"

#include <new>

namespace steward::mcp {
namespace {

constexpr std::string_view kByteOrderMark = "\xEF\xBB\xBF";
// A buffer that a long line has blown up is given back once it is empty enough.
constexpr std::size_t kKeptCapacity = 256U * 1024;

}  // namespace

void LineReader::append(std::string_view bytes) noexcept {
    compact();
    try {
        buffer_.append(bytes);
    } catch (const std::bad_alloc&) {
        lose(bytes);
    }
}

void LineReader::lose(std::string_view bytes) noexcept {
    // What is buffered is the beginning of one line. Its room is kept, and does for what follows.
    buffer_.clear();
    begin_ = scanned_ = 0;
    lost_ = lost_ || !discarding_;  // What is being thrown away has been told of.
    const std::size_t newline = bytes.find('\n');
    discarding_ = newline == std::string_view::npos;
    if (discarding_) {
        return;
    }
    bytes.remove_prefix(newline + 1);
    if (bytes.size() <= buffer_.capacity()) {
        buffer_.append(bytes);
        return;
    }
    lost_ = true;
    discarding_ = bytes.back() != '\n';
}

void LineReader::compact() noexcept {
    if (begin_ == 0) {
        return;
    }
    buffer_.erase(0, begin_);
    scanned_ -= begin_;
    begin_ = 0;
    if (buffer_.capacity() > kKeptCapacity && buffer_.size() < kKeptCapacity / 2) {
        buffer_.shrink_to_fit();
    }
}

LineReader::Event LineReader::take(std::size_t end, std::size_t next_begin) {
    std::string_view line(buffer_.data() + begin_, end - begin_);
    begin_ = next_begin;
    scanned_ = next_begin;
    if (!line.empty() && line.back() == '\r') {
        line.remove_suffix(1);
    }
    if (line.substr(0, kByteOrderMark.size()) == kByteOrderMark) {
        line.remove_prefix(kByteOrderMark.size());
    }
    return {Kind::kLine, line};
}

LineReader::Event LineReader::next() {
    if (lost_) {
        lost_ = false;
        return {Kind::kLost, {}};
    }
    for (;;) {
        const std::size_t newline = buffer_.find('\n', scanned_);
        const bool complete = newline != std::string::npos;
        const std::size_t end = complete ? newline : buffer_.size();
        const std::size_t next_begin = complete ? newline + 1 : end;
        if (discarding_) {
            begin_ = scanned_ = next_begin;
            if (!complete) {
                compact();
                return {};
            }
            discarding_ = false;
            continue;
        }
        if (end - begin_ > limit_) {
            discarding_ = !complete;
            begin_ = scanned_ = next_begin;
            return {Kind::kOversize, {}};
        }
        if (complete || (finished_ && end > begin_)) {
            return take(end, next_begin);
        }
        scanned_ = end;
        return {};
    }
}

}  // namespace steward::mcp
