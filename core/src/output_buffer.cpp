#include "output_buffer.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <chrono>
#include <cstring>
#include <new>

namespace steward::core {
namespace {

constexpr std::size_t kPortion = std::size_t{256} << 10U;
// Room for the note that ends a gap.
constexpr std::size_t kNote = 512;

WallTime wall_now() {
    return std::chrono::time_point_cast<std::chrono::microseconds>(
        std::chrono::system_clock::now());
}

}  // namespace

MappedMemory::MappedMemory(std::size_t bytes) : bytes_(bytes) {
    void* const memory = mmap(nullptr, bytes, PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        throw std::bad_alloc();
    }
    data_ = static_cast<char*>(memory);
}

MappedMemory::~MappedMemory() {
    munmap(data_, bytes_);
}

void MappedMemory::release() {
    madvise(data_, bytes_, MADV_DONTNEED);
}

OutputBuffer::OutputBuffer(RotatingFile& file, std::size_t max_bytes)
    : max_bytes_(std::max<std::size_t>(max_bytes, 1)),
      max_records_(std::bit_ceil((max_bytes_ + kNote) / OutputBatch::kMinRecord + 1)),
      bytes_(max_bytes_ + kNote),
      records_(max_records_ * sizeof(Record)),
      file_(file) {}

// ---- in

void OutputBuffer::read(std::size_t raw_bytes) {
    const std::lock_guard lock(mutex_);
    counters_.read_bytes += raw_bytes;
    counters_.waiting_bytes += raw_bytes;
}

std::size_t OutputBuffer::in_use() const {
    const std::lock_guard lock(mutex_);
    return in_ - shared_out_;
}

bool OutputBuffer::add(const OutputBatch& batch) {
    std::size_t used = 0;
    bool gap = false;
    {
        const std::lock_guard lock(mutex_);
        used = in_ - shared_out_;
        gap = gap_lines_ > 0;
    }
    std::size_t taken = 0;
    std::uint64_t dropped_lines = 0;
    std::uint64_t dropped_bytes = 0;
    for (const auto& record : batch.records()) {
        // Once lines are missing, it goes on so until there is room again for many: one gap, one
        // note.
        if (gap || used + record.length > max_bytes_) {
            gap = true;
            ++dropped_lines;
            dropped_bytes += record.raw_bytes;
            continue;
        }
        record_at(records_in_++) = {record.length, record.raw_bytes};
        used += record.length;
        taken += record.length;
    }
    copy_in(batch.bytes().substr(0, taken));
    const std::lock_guard lock(mutex_);
    shared_in_ = in_;
    shared_records_in_ = records_in_;
    gap_lines_ += dropped_lines;
    gap_bytes_ += dropped_bytes;
    counters_.dropped_lines += dropped_lines;
    counters_.dropped_bytes += dropped_bytes;
    counters_.waiting_bytes -= dropped_bytes;
    return dropped_lines == 0;
}

void OutputBuffer::copy_in(std::string_view bytes) {
    const std::size_t size = max_bytes_ + kNote;
    while (!bytes.empty()) {
        const std::size_t at = in_ % size;
        const std::size_t count = std::min(bytes.size(), size - at);
        std::memcpy(bytes_.data() + at, bytes.data(), count);
        bytes.remove_prefix(count);
        in_ += count;
    }
}

void OutputBuffer::drop(std::uint64_t lines, std::uint64_t raw_bytes) {
    const std::lock_guard lock(mutex_);
    gap_lines_ += lines;
    gap_bytes_ += raw_bytes;
    counters_.dropped_lines += lines;
    counters_.dropped_bytes += raw_bytes;
    counters_.waiting_bytes -= raw_bytes;
}

bool OutputBuffer::has_gap() const {
    const std::lock_guard lock(mutex_);
    return gap_lines_ > 0;
}

bool OutputBuffer::gap_can_end() const {
    const std::lock_guard lock(mutex_);
    return gap_lines_ > 0 && shared_in_ - shared_out_ <= max_bytes_ / 2;
}

// The note stands where the lines are missing.
void OutputBuffer::end_gap(const std::string& why) {
    if (!gap_can_end()) {
        return;
    }
    const std::lock_guard lock(mutex_);
    note_.note(wall_now(),
               std::to_string(gap_lines_) + (gap_lines_ == 1 ? " line (" : " lines (") +
                   std::to_string(gap_bytes_) +
                   " bytes) of the app's output were dropped here: " + why.substr(0, kNote / 2));
    record_at(records_in_++) = {note_.records()[0].length, 0};
    copy_in(note_.bytes());
    gap_lines_ = 0;
    gap_bytes_ = 0;
    shared_in_ = in_;
    shared_records_in_ = records_in_;
}

bool OutputBuffer::release() {
    if (in_use() != 0) {
        return false;
    }
    bytes_.release();
    records_.release();
    return true;
}

// ---- out

OutputBuffer::Pump OutputBuffer::pump() {
    std::uint64_t end = 0;
    std::uint64_t records_end = 0;
    {
        const std::lock_guard lock(mutex_);
        end = shared_in_;
        records_end = shared_records_in_;
    }
    if (out_ == end) {
        error_.clear();
        return Pump::kEmpty;
    }
    if (cleared_ == 0) {
        const Pump begun = begin_records(records_end);
        if (begun != Pump::kMore) {
            return begun;
        }
    }
    const std::size_t size = max_bytes_ + kNote;
    const std::size_t at = out_ % size;
    const auto done = file_.write({bytes_.data() + at, std::min(cleared_, size - at)});
    if (!done) {
        return failed(done.error());
    }
    error_.clear();
    written(*done);
    return out_ == end ? Pump::kEmpty : Pump::kMore;
}

// Decides how many whole records go to the current file next. A record longer than a file gets one
// for itself.
OutputBuffer::Pump OutputBuffer::begin_records(std::uint64_t records_end) {
    auto room = file_.room();
    if (!room) {
        return failed(room.error());
    }
    if (record_at(records_out_).length > *room && !file_.is_empty()) {
        if (const auto rotated = rotate(); !rotated) {
            return failed(rotated.error());
        }
        room = file_.room();
        if (!room) {
            return failed(room.error());
        }
    }
    cleared_ = record_at(records_out_).length;
    for (auto i = records_out_ + 1; i < records_end; ++i) {
        const std::size_t length = record_at(i).length;
        if (cleared_ + length > std::min<std::uint64_t>(*room, kPortion)) {
            break;
        }
        cleared_ += length;
    }
    return Pump::kMore;
}

Status OutputBuffer::rotate() {
    if (auto rotated = file_.rotate(); !rotated) {
        return rotated;
    }
    file_raw_.push_back(0);
    while (file_raw_.size() > file_.files()) {
        const std::lock_guard lock(mutex_);
        counters_.expired_bytes += file_raw_.front();
        file_raw_.pop_front();
    }
    return Nothing{};
}

OutputBuffer::Pump OutputBuffer::failed(const Error& error) {
    if (error.sys_errno != EAGAIN) {
        error_ = error.text;
    }
    return Pump::kStuck;
}

// A record counts as kept when its last byte is in the file.
void OutputBuffer::written(std::size_t count) {
    out_ += count;
    cleared_ -= count;
    first_done_ += count;
    std::uint64_t lines = 0;
    std::uint64_t raw = 0;
    while (first_done_ != 0 && first_done_ >= record_at(records_out_).length) {
        const Record record = record_at(records_out_++);
        first_done_ -= record.length;
        lines += record.raw_bytes == 0 ? 0 : 1;
        raw += record.raw_bytes;
    }
    file_raw_.back() += raw;
    const std::lock_guard lock(mutex_);
    shared_out_ = out_;
    counters_.kept_lines += lines;
    counters_.kept_bytes += raw;
    counters_.waiting_bytes -= raw;
}

OutputCounters OutputBuffer::counters() const {
    const std::lock_guard lock(mutex_);
    return counters_;
}

}  // namespace steward::core
