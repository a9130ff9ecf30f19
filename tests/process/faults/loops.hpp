// The loops; each prints its figures and its last line, and returns the exit code of the program.
#pragma once
#include "loop.hpp"

namespace steward::faults {

// SIGKILL of steward, or of the guardian, at random instants.
int kill_loop(const Options& options);
// Crashes of the app, one after the other, in one session: nothing piles up.
int crash_loop(const Options& options);
// The same under load: no connection is refused.
int crash_load_loop(const Options& options);
// EOF on stdin at random instants.
int eof_loop(const Options& options);
// Stop of apps that defend themselves.
int stop_loop(const Options& options);

}  // namespace steward::faults
