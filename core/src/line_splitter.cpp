#include "line_splitter.hpp"

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

}  // namespace

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

void LineSplitter::end_line() {
    remember(head_);
    head_.clear();
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
