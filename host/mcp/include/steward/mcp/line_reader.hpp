// Splits a byte stream into lines.
//
// One newline ends a line; one carriage return before it and a UTF-8 byte order mark at the start
// are taken off. A line that is longer than the limit is reported once, at the moment when it
// passes the limit, and thrown away up to its newline, so that memory stays bounded by the limit
// plus one chunk.
//
// Thread rule: one owner.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace steward::mcp {

class LineReader {
  public:
    enum class Kind {
        kNone,      // no complete line is buffered
        kLine,      // `text` is a line, possibly empty
        kOversize,  // a line passed the limit and is being thrown away
        kLost,      // there was no memory for a line: it is thrown away
    };
    struct Event {
        Kind kind = Kind::kNone;
        std::string_view text;  // valid until the next call of append, finish or next
    };

    static constexpr std::size_t kDefaultLimit = 8U * 1024 * 1024;

    explicit LineReader(std::size_t limit = kDefaultLimit) noexcept : limit_(limit) {}

    // Adds bytes; a character may be split over calls. Call next() until kNone before adding more,
    // else the bound on memory does not hold. Without memory the line that they belong to is lost,
    // and no other if that can be helped.
    void append(std::string_view bytes) noexcept;
    // The same, as if there were no memory.
    void lose(std::string_view bytes) noexcept;
    // The stream has ended: what is left without a newline becomes the last line.
    void finish() noexcept { finished_ = true; }
    // The next event, in the order of the stream.
    [[nodiscard]] Event next();

    [[nodiscard]] std::size_t buffered_bytes() const noexcept { return buffer_.size() - begin_; }
    [[nodiscard]] std::size_t allocated_bytes() const noexcept { return buffer_.capacity(); }

  private:
    [[nodiscard]] Event take(std::size_t end, std::size_t next_begin);
    void compact() noexcept;

    std::string buffer_;
    std::size_t begin_ = 0;    // first byte that has not been delivered
    std::size_t scanned_ = 0;  // no newline before this offset
    std::size_t limit_;
    bool discarding_ = false;
    bool lost_ = false;  // kLost is to be told
    bool finished_ = false;
};

}  // namespace steward::mcp
