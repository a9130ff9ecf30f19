#include "line_tail.hpp"

#include <algorithm>
#include <cstring>
#include <deque>

namespace steward::core {

LineTail::Head LineTail::head_at(std::size_t at) const {
    Head head{};
    std::memcpy(&head, memory_.data() + at, sizeof head);
    return head;
}

void LineTail::add(const OutputBatch& batch, std::uint64_t skipped) {
    const std::lock_guard lock(mutex_);
    if (skipped > 0) {
        sequence_ += skipped;
        memory_.clear();
        begin_ = 0;
        count_ = 0;
        bytes_ = 0;
    }
    std::size_t at = 0;
    for (const auto& record : batch.records()) {
        const std::uint32_t length = record.length - record.head - 1;
        Head head{};
        head.wall = batch.wall();
        head.generation = batch.generation();
        head.length = length;
        head.stream = batch.stream();
        head.goes_on = record.goes_on;
        memory_.append(reinterpret_cast<const char*>(&head), sizeof head);
        memory_.append(batch.bytes().substr(at + record.head, length));
        at += record.length;
        bytes_ += cost(head);
        ++count_;
        ++sequence_;
        while (count_ > 1 && bytes_ > max_bytes_) {
            const Head first = head_at(begin_);
            bytes_ -= cost(first);
            begin_ += sizeof first + first.length;
            --count_;
        }
        // Seldom, so that little is moved.
        if (begin_ > max_bytes_ / 2) {
            memory_.erase(0, begin_);
            begin_ = 0;
        }
    }
}

std::vector<OutputLine> LineTail::lines(std::uint64_t skip, std::size_t count) const {
    std::vector<OutputLine> out;
    out.reserve(count);
    std::size_t at = begin_;
    for (std::uint64_t i = 0; out.size() < count; ++i) {
        const Head head = head_at(at);
        if (i >= skip) {
            out.push_back({sequence_ - count_ + i + 1, head.wall, head.generation, head.stream,
                           head.goes_on, memory_.substr(at + sizeof head, head.length)});
        }
        at += sizeof head + head.length;
    }
    return out;
}

std::vector<OutputLine> LineTail::last(std::size_t max_lines) const {
    const std::lock_guard lock(mutex_);
    const auto count = std::min<std::uint64_t>(max_lines, count_);
    return lines(count_ - count, count);
}

std::vector<OutputLine> LineTail::since(std::uint64_t sequence, std::size_t max_lines) const {
    const std::lock_guard lock(mutex_);
    const std::uint64_t before_first = sequence_ - count_;
    const std::uint64_t skip =
        sequence > before_first ? std::min(sequence - before_first, count_) : 0;
    return lines(skip, std::min<std::uint64_t>(max_lines, count_ - skip));
}

std::uint64_t LineTail::last_sequence() const {
    const std::lock_guard lock(mutex_);
    return sequence_;
}

std::vector<std::string> LineTail::last_texts(std::uint64_t generation, OutputStream stream,
                                              std::size_t max_lines) const {
    const std::lock_guard lock(mutex_);
    std::deque<std::string_view> found;
    std::size_t at = begin_;
    for (std::uint64_t i = 0; i < count_; ++i) {
        const Head head = head_at(at);
        const auto text = std::string_view(memory_).substr(at + sizeof head, head.length);
        at += sizeof head + head.length;
        if (head.generation == generation && head.stream == stream &&
            text.find_first_not_of(" \t") != std::string_view::npos) {
            found.push_back(text);
            if (found.size() > max_lines) {
                found.pop_front();
            }
        }
    }
    return {found.begin(), found.end()};
}

}  // namespace steward::core
