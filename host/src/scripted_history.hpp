// A scripted history: what becomes of one instance of the app after the other, for `steward
// simulate`.
//
// One step, as it is written on the command line or on a line of a file:
//
//   exit CODE [after DURATION] [xN]      it ends with this exit code
//   signal NUMBER [after DURATION] [xN]  a signal ends it
//   hang [after DURATION] [xN]           it lives and answers no health check from then on
//   slow DURATION [xN]                   its first healthy answer comes so late; then it runs on
//   cannot-start [xN]                    it cannot be executed
//   run [xN]                             it runs on
//
// DURATION: 500ms, 5s, 2m, from the start of its process; without one it happens at once. xN: the
// same N times (1 to 10000).
#pragma once
#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "steward/core/result.hpp"

namespace steward::host {

struct HistoryStep {
    enum class What { kExit, kSignal, kHang, kSlow, kCannotStart, kRun } what = What::kRun;
    int code = 0;                      // exit code or signal
    std::chrono::nanoseconds after{};  // kExit, kSignal, kHang; of kSlow: the first answer
    int times = 1;
};

// One step. The error names what is wrong and what may stand there.
core::Result<HistoryStep> parse_history_step(const std::string& text);

// The steps of a file's text: one on each line; empty lines and what follows a # are left out. An
// error names the line.
core::Result<std::vector<HistoryStep>> parse_history(const std::string& text);

}  // namespace steward::host
