#include "line_splitter.hpp"

#include <cstring>
#include <vector>

namespace steward::core {
namespace {

constexpr const char* kBlank = " \t\r\v\f";

bool is_blank(std::string_view text) {
    return text.find_first_not_of(kBlank) == std::string_view::npos;
}

std::string shown(std::string_view raw) {
    if (raw.size() == LineSplitter::kMaxHead) {
        raw.remove_suffix(utf8_unfinished(raw));
    }
    if (const auto end = raw.find_last_not_of(kBlank); end != std::string_view::npos) {
        raw = raw.substr(0, end + 1);
    }
    std::string escaped;
    append_escaped(escaped, raw);
    return std::string(utf8_cut(escaped, LineSplitter::kMaxHead));
}

// string_view's rfind looks at one byte after the other.
std::size_t newline_before(std::string_view bytes, std::size_t end) {
    const void* const found = memrchr(bytes.data(), '\n', end);
    return found == nullptr
               ? std::string_view::npos
               : static_cast<std::size_t>(static_cast<const char*>(found) - bytes.data());
}

}  // namespace

std::size_t LineSplitter::whole_bytes(std::string_view bytes) const {
    const std::size_t newline = newline_before(bytes, bytes.size());
    return newline == std::string_view::npos ? 0 : partial_.size() + newline + 1;
}

std::string LineSplitter::last_line() const {
    if (!is_blank(head_)) {
        return shown(head_);
    }
    return last_count_ == 0 ? std::string() : shown(last_[(last_count_ - 1) % kRemembered]);
}

std::string LineSplitter::last_lines(std::size_t max_bytes) const {
    std::vector<std::string> lines;  // the newest first
    if (!is_blank(head_)) {
        lines.push_back(shown(head_));
    }
    for (std::size_t i = 0; i < std::min(last_count_, kRemembered); ++i) {
        lines.push_back(shown(last_[(last_count_ - 1 - i) % kRemembered]));
    }
    return join_last(lines, kRemembered, max_bytes);
}

void LineSplitter::remember(std::string_view head) {
    if (!is_blank(head)) {
        last_[last_count_++ % kRemembered].assign(head);
    }
}

// Where the last kRemembered lines begin that end here and are not blank; 0 if there are not more.
std::size_t LineSplitter::last_lines_begin(std::string_view bytes) {
    std::size_t end = newline_before(bytes, bytes.size());
    for (std::size_t count = 0; end != std::string_view::npos && count < kRemembered;) {
        const std::size_t before = newline_before(bytes, end);
        const std::size_t begin = before == std::string_view::npos ? 0 : before + 1;
        count += is_blank(bytes.substr(begin, std::min(end - begin, kMaxHead))) ? 0 : 1;
        end = before;
    }
    return end == std::string_view::npos ? 0 : end + 1;
}

void LineSplitter::end_line() {
    remember(head_);
    head_.clear();
}

// In pieces of a fixed size, which compilers make into instructions for many bytes.
std::size_t count_newlines(std::string_view bytes) {
    constexpr std::size_t kPiece = 64;
    std::size_t count = 0;
    for (; bytes.size() >= kPiece; bytes.remove_prefix(kPiece)) {
        unsigned char here = 0;
        for (std::size_t i = 0; i < kPiece; ++i) {
            here = static_cast<unsigned char>(here + (bytes[i] == '\n' ? 1 : 0));
        }
        count += here;
    }
    return count + static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n'));
}

std::string join_last(const std::vector<std::string>& newest_first, std::size_t max_lines,
                      std::size_t max_bytes) {
    std::string out;
    for (std::size_t i = 0; i < std::min(newest_first.size(), max_lines); ++i) {
        const std::string& line = newest_first[i];
        if (out.size() + line.size() + (i == 0 ? 0 : 1) > max_bytes) {
            break;
        }
        out.insert(0, i == 0 ? line : line + "\n");
    }
    return out;
}

}  // namespace steward::core
