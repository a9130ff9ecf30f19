#include "output_batch.hpp"

#include <array>
#include <chrono>

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
}

void OutputBatch::add(std::string_view text, bool goes_on) {
    const std::size_t begin = bytes_.size();
    bytes_ += head_;
    bytes_ += goes_on ? "+ " : " ";
    const std::size_t head = bytes_.size() - begin;
    append_escaped(bytes_, text);
    finish(begin, head, text.size() + (goes_on ? 0 : 1), goes_on);
}

void OutputBatch::note(WallTime wall, std::string_view text) {
    clear();
    wall_ = wall;
    generation_ = 0;
    make_head("log ");
    bytes_ += head_;
    append_escaped(bytes_, text);
    finish(0, head_.size(), 0, /*goes_on=*/false);
}

void OutputBatch::finish(std::size_t begin, std::size_t head, std::size_t raw_bytes, bool goes_on) {
    bytes_ += '\n';
    records_.push_back({static_cast<std::uint32_t>(bytes_.size() - begin),
                        static_cast<std::uint32_t>(raw_bytes), static_cast<std::uint32_t>(head),
                        goes_on});
}

void OutputBatch::clear() {
    bytes_.clear();
    records_.clear();
}

}  // namespace steward::core
