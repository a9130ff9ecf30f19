#include "line_tail.hpp"

#include <algorithm>

namespace steward::core {
namespace {

std::size_t cost(const OutputLine& line) {
    return sizeof line + line.text.size();
}

}  // namespace

void LineTail::add(std::vector<OutputLine>& lines) {
    const std::lock_guard lock(mutex_);
    for (auto& line : lines) {
        line.sequence = ++sequence_;
        bytes_ += cost(line);
        lines_.push_back(line);
    }
    while (lines_.size() > 1 && bytes_ > max_bytes_) {
        bytes_ -= cost(lines_.front());
        lines_.pop_front();
    }
}

std::vector<OutputLine> LineTail::last(std::size_t max_lines) const {
    const std::lock_guard lock(mutex_);
    const auto count = static_cast<std::ptrdiff_t>(std::min(max_lines, lines_.size()));
    return {lines_.end() - count, lines_.end()};
}

std::uint64_t LineTail::last_sequence() const {
    const std::lock_guard lock(mutex_);
    return sequence_;
}

std::vector<OutputLine> LineTail::since(std::uint64_t sequence, std::size_t max_lines) const {
    const std::lock_guard lock(mutex_);
    const auto first = std::upper_bound(
        lines_.begin(), lines_.end(), sequence,
        [](std::uint64_t value, const OutputLine& line) { return value < line.sequence; });
    const auto count = std::min(max_lines, static_cast<std::size_t>(lines_.end() - first));
    return {first, first + static_cast<std::ptrdiff_t>(count)};
}

std::string LineTail::last_text(std::uint64_t generation, OutputStream stream) const {
    const std::lock_guard lock(mutex_);
    for (auto line = lines_.rbegin(); line != lines_.rend(); ++line) {
        if (line->generation == generation && line->stream == stream &&
            line->text.find_first_not_of(" \t") != std::string::npos) {
            return line->text;
        }
    }
    return {};
}

}  // namespace steward::core
