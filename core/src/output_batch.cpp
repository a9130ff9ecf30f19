#include "output_batch.hpp"

#include <algorithm>
#include <array>
#include <chrono>
#include <utility>

#include "utf8.hpp"

namespace steward::core {

void OutputBatch::begin(WallTime wall, std::uint64_t generation, OutputStream stream) {
    clear();
    wall_ = wall;
    generation_ = generation;
    stream_ = stream;
    make_head(stream == OutputStream::kOut ? "out" : "err");
}

// "2026-11-22T10:22:33.123Z #3 err"; strftime only once a second.
void OutputBatch::make_head(const char* kind) {
    const auto since = wall_.time_since_epoch();
    const auto seconds = std::chrono::floor<std::chrono::seconds>(since);
    if (seconds.count() != second_) {
        second_ = seconds.count();
        std::tm parts{};
        gmtime_r(&second_, &parts);
        std::array<char, 64> out{};
        second_text_.assign(out.data(),
                            std::strftime(out.data(), out.size(), "%Y-%m-%dT%H:%M:%S", &parts));
    }
    const auto ms = std::chrono::duration_cast<std::chrono::milliseconds>(since - seconds).count();
    head_ = second_text_;
    head_ += '.';
    head_ += static_cast<char>('0' + ms / 100);
    head_ += static_cast<char>('0' + ms / 10 % 10);
    head_ += static_cast<char>('0' + ms % 10);
    head_ += "Z #";
    head_ += std::to_string(generation_);
    head_ += ' ';
    head_ += kind;
    head_goes_on_ = head_ + "+ ";
    head_ += ' ';
}

void OutputBatch::add(std::string_view text, bool goes_on) {
    add_record(goes_on ? head_goes_on_ : head_, text, text.size() + (goes_on ? 0 : 1), goes_on);
}

void OutputBatch::note(WallTime wall, std::string_view text) {
    clear();
    wall_ = wall;
    generation_ = 0;
    make_head("log");
    add_record(head_, text, 0, /*goes_on=*/false);
}

char* OutputBatch::room_for(std::size_t bytes) {
    if (size_ - used_ < bytes) {
        size_ = std::max(used_, kLarge) + 2 * bytes;
        std::unique_ptr<char[]> memory(new char[size_]);
        std::copy_n(memory_.get(), used_, memory.get());
        memory_ = std::move(memory);
    }
    return memory_.get() + used_;
}

void OutputBatch::add_record(std::string_view head, std::string_view text, std::size_t raw_bytes,
                             bool goes_on) {
    char* const begin = room_for(head.size() + kMaxEscaped * text.size() + 1);
    char* end = escape_to(std::copy(head.begin(), head.end(), begin), text);
    *end++ = '\n';
    const auto length = static_cast<std::size_t>(end - begin);
    used_ += length;
    records_.push_back({static_cast<std::uint32_t>(length), static_cast<std::uint32_t>(raw_bytes),
                        static_cast<std::uint32_t>(head.size()), goes_on});
}

void OutputBatch::clear() {
    used_ = 0;
    records_.clear();
}

}  // namespace steward::core
