// Words for the signals by which a plugin can end the program that it runs in.
#pragma once
#include <array>
#include <csignal>
#include <string>

namespace steward::host {

// While it lives, such a signal is told on standard error before it ends the program as it would
// have anyway: "steward: signal 11 WORDS". Not when the stack is at its end, and not where a
// sanitizer tells it. One at a time.
class CrashWords {
  public:
    explicit CrashWords(const std::string& words);
    ~CrashWords();
    CrashWords(const CrashWords&) = delete;
    CrashWords& operator=(const CrashWords&) = delete;

  private:
    static constexpr std::array kSignals{SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT};
    std::array<struct sigaction, kSignals.size()> before_{};
};

}  // namespace steward::host
