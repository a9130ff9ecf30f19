#include "output_buffer.hpp"

#include <time.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>

namespace steward::core {
namespace {

constexpr std::size_t kPortion = 65536;

// "2026-11-22T10:22:33.123Z"
std::string time_text(WallTime wall) {
    const auto since = wall.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    const std::time_t whole = seconds.count();
    std::tm parts{};
    gmtime_r(&whole, &parts);
    std::array<char, 64> out{};
    const std::size_t length = std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%S", &parts);
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since - seconds).count();
    std::snprintf(out.data() + length, out.size() - length, ".%03dZ", static_cast<int>(ms));
    return out.data();
}

WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

}  // namespace

// ---- in

void OutputBuffer::add(const OutputLine& line, std::size_t raw_bytes) {
    std::string head = time_text(line.wall) + " #" + std::to_string(line.generation) +
                       (line.stream == OutputStream::kOut ? " out" : " err") +
                       (line.goes_on ? "+ " : " ");
    const std::size_t waiting = bytes_.size() - begin_;
    // Once lines are missing, it goes on so until there is room again for many: one gap, one note.
    if (waiting + head.size() + line.text.size() + 1 > max_bytes_ ||
        (gap_lines_ > 0 && is_half_full())) {
        ++gap_lines_;
        gap_bytes_ += raw_bytes;
        const std::lock_guard lock(mutex_);
        ++counters_.dropped_lines;
        counters_.dropped_bytes += raw_bytes;
        return;
    }
    if (gap_lines_ > 0) {
        append_note();
    }
    append(head, line.text, raw_bytes, /*note=*/false);
    const std::lock_guard lock(mutex_);
    counters_.waiting_bytes += raw_bytes;
}

// The note stands where the lines are missing.
void OutputBuffer::append_note() {
    const std::string head = time_text(wall_now()) + " #0 log ";
    const std::string text =
        std::to_string(gap_lines_) + (gap_lines_ == 1 ? " line (" : " lines (") +
        std::to_string(gap_bytes_) + " bytes) of the app's output were dropped here: " +
        (reason_.empty() ? "written faster than the disk takes them" : reason_);
    gap_lines_ = 0;
    gap_bytes_ = 0;
    append(head, text, 0, /*note=*/true);
}

void OutputBuffer::append(std::string_view head, std::string_view text, std::size_t raw_bytes,
                          bool note) {
    bytes_.append(head);
    bytes_.append(text);
    bytes_ += '\n';
    records_.push_back({head.size() + text.size() + 1, raw_bytes, note});
}

// ---- out

OutputBuffer::Pump OutputBuffer::pump() {
    if (records_.empty()) {
        if (gap_lines_ == 0) {
            reason_.clear();
            return Pump::kEmpty;
        }
        append_note();
    }
    if (cleared_ == 0) {
        const Pump begun = begin_records();
        if (begun != Pump::kMore) {
            return begun;
        }
    }
    const auto done = file_.write(std::string_view(bytes_).substr(begin_, cleared_));
    if (!done) {
        return failed(done.error());
    }
    written(*done);
    return records_.empty() && gap_lines_ == 0 ? Pump::kEmpty : Pump::kMore;
}

// Decides how many whole records go to the current file next. A record longer than a file gets one
// for itself.
OutputBuffer::Pump OutputBuffer::begin_records() {
    auto room = file_.room();
    if (!room) {
        return failed(room.error());
    }
    if (records_.front().length > *room && !file_.is_empty()) {
        if (const auto rotated = file_.rotate(); !rotated) {
            return failed(rotated.error());
        }
        room = file_.room();
        if (!room) {
            return failed(room.error());
        }
    }
    cleared_ = records_.front().length;
    for (auto record = records_.begin() + 1; record != records_.end(); ++record) {
        if (cleared_ + record->length > std::min<std::uint64_t>(*room, kPortion)) {
            break;
        }
        cleared_ += record->length;
    }
    return Pump::kMore;
}

OutputBuffer::Pump OutputBuffer::failed(const Error& error) {
    if (error.sys_errno != EAGAIN) {
        reason_ = error.text;
    }
    return Pump::kStuck;
}

void OutputBuffer::written(std::size_t count) {
    begin_ += count;
    cleared_ -= count;
    first_done_ += count;
    std::uint64_t lines = 0;
    std::uint64_t raw = 0;
    while (!records_.empty() && first_done_ >= records_.front().length) {
        const Record& record = records_.front();
        first_done_ -= record.length;
        lines += record.note ? 0 : 1;
        raw += record.raw_bytes;
        records_.pop_front();
    }
    if (begin_ == bytes_.size() || begin_ > max_bytes_ / 4) {
        bytes_.erase(0, begin_);
        begin_ = 0;
    }
    if (bytes_.empty() && bytes_.capacity() > kPortion * 4) {
        bytes_.shrink_to_fit();
    }
    const std::lock_guard lock(mutex_);
    counters_.kept_lines += lines;
    counters_.kept_bytes += raw;
    counters_.waiting_bytes -= raw;
}

OutputCounters OutputBuffer::counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}

}  // namespace steward::core
