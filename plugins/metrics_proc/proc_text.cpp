#include "proc_text.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <system_error>

namespace steward::metrics_proc {
namespace {

constexpr std::uint64_t kBelievable = std::uint64_t{1} << 53U;
constexpr std::uint64_t kMostPages = std::uint64_t{1} << 40U;  // 4 PiB, what processors can address
constexpr std::uint64_t kMostThreads = std::uint64_t{1} << 22U;  // the kernel's own bound on pids

std::string_view next_word(std::string_view& text) {
    const std::size_t begin = text.find_first_not_of(" \t\n");
    if (begin == std::string_view::npos) {
        text = {};
        return {};
    }
    text.remove_prefix(begin);
    const std::size_t end = std::min(text.find_first_of(" \t\n"), text.size());
    const std::string_view word = text.substr(0, end);
    text.remove_prefix(end);
    return word;
}

template <class T>
std::optional<T> number(std::string_view word) {
    T value{};
    const char* const end = word.data() + word.size();
    const auto [stop, error] = std::from_chars(word.data(), end, value);
    if (word.empty() || error != std::errc{} || stop != end) {
        return std::nullopt;
    }
    return value;
}

std::optional<std::uint64_t> figure(std::string_view word) {
    const auto value = number<std::uint64_t>(word);
    return value && *value <= kBelievable ? value : std::nullopt;
}

}  // namespace

std::optional<ProcStat> parse_stat(std::string_view text) {
    const std::size_t name_end = text.rfind(')');
    if (name_end == std::string_view::npos) {
        return std::nullopt;
    }
    text.remove_prefix(name_end + 1);
    // Fields 3 (state) to 22 (starttime) of proc(5).
    std::array<std::string_view, 20> fields{};
    for (std::string_view& field : fields) {
        field = next_word(text);
    }
    const auto parent = number<std::int32_t>(fields[1]);
    const auto user = figure(fields[11]);
    const auto system = figure(fields[12]);
    const auto children_user = figure(fields[13]);
    const auto children_system = figure(fields[14]);
    const auto threads = figure(fields[17]);
    const auto start = figure(fields[19]);
    if (fields[0].size() != 1 || !parent || *parent < 0 || !user || !system || !children_user ||
        !children_system || !threads || *threads > kMostThreads || !start) {
        return std::nullopt;
    }
    return ProcStat{fields[0][0], *parent, *user + *system, *children_user + *children_system,
                    *threads,     *start};
}

std::optional<std::uint64_t> parse_resident_pages(std::string_view text) {
    next_word(text);
    const auto pages = number<std::uint64_t>(next_word(text));
    return pages && *pages <= kMostPages ? pages : std::nullopt;
}

std::optional<double> parse_uptime(std::string_view text) {
    const auto seconds = number<double>(next_word(text));
    if (!seconds || !std::isfinite(*seconds) || *seconds < 0 ||
        *seconds > static_cast<double>(kBelievable)) {
        return std::nullopt;
    }
    return seconds;
}

void parse_children(std::string_view text, std::vector<std::int32_t>& out) {
    for (std::string_view word = next_word(text); !word.empty(); word = next_word(text)) {
        const auto pid = number<std::int32_t>(word);
        if (pid && *pid > 0) {
            out.push_back(*pid);
        }
    }
}

}  // namespace steward::metrics_proc
