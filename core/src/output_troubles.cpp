#include "output_troubles.hpp"

#include <chrono>
#include <utility>

namespace steward::core {
namespace {

constexpr Duration kOver = std::chrono::seconds(1);

}  // namespace

void OutputTroubles::file_error_is(const std::string& error) {
    file_error_ = error;
    if (!error.empty()) {
        gap_reason_ = error;
        begin(error);
    }
}

void OutputTroubles::begin(const std::string& why) {
    if (std::exchange(begun_, true)) {
        return;
    }
    if (tell_) {
        tell_({/*over=*/false, "the app's output cannot be kept in full: " + why, 0, 0});
    }
    look();
}

std::string OutputTroubles::take_gap_reason() {
    const std::string reason = std::exchange(gap_reason_, file_error_);
    return reason.empty() ? "written faster than the disk takes them" : reason;
}

void OutputTroubles::look() {
    const auto now = buffer_.counters();
    const bool over = file_error_.empty() && !buffer_.has_gap() &&
                      loop_.now() - last_drop_ >= kOver && timer_ != 0;
    timer_ = 0;
    if (!over) {
        timer_ = loop_.arm(loop_.now() + kOver, [this] { look(); });
        return;
    }
    begun_ = false;
    const auto lines = now.dropped_lines - told_.dropped_lines;
    const auto bytes = now.dropped_bytes - told_.dropped_bytes;
    told_ = now;
    gap_reason_.clear();
    if (tell_) {
        tell_({/*over=*/true,
               "the app's output is kept again; " + std::to_string(lines) +
                   (lines == 1 ? " line (" : " lines (") + std::to_string(bytes) +
                   " bytes) were dropped",
               lines, bytes});
    }
}

}  // namespace steward::core
