#include "crash_words.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstring>

namespace steward::host {
namespace {

// What a signal's handler may read: text without a destructor.
std::array<char, 512> words_of_crash;

void write_text(const char* text) {
    (void)!write(STDERR_FILENO, text, std::strlen(text));
}

extern "C" void tell_crash(int number) {
    const std::array<char, 3> digits{static_cast<char>('0' + number / 10),
                                     static_cast<char>('0' + number % 10), '\0'};
    write_text("steward: signal ");
    write_text(digits.data() + (number < 10 ? 1 : 0));
    write_text(words_of_crash.data());
    // By default again, so it ends the program as it would have without this.
    (void)std::raise(number);
}

}  // namespace

CrashWords::CrashWords(const std::string& words) {
    (void)std::snprintf(words_of_crash.data(), words_of_crash.size(), " %s\n", words.c_str());
    struct sigaction told {};
    told.sa_handler = &tell_crash;
    told.sa_flags = static_cast<int>(SA_RESETHAND | SA_NODEFER);
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        if (sigaction(kSignals[i], nullptr, &before_[i]) == 0 && before_[i].sa_handler == SIG_DFL) {
            (void)sigaction(kSignals[i], &told, nullptr);
        }
    }
}

CrashWords::~CrashWords() {
    for (std::size_t i = 0; i < kSignals.size(); ++i) {
        (void)sigaction(kSignals[i], &before_[i], nullptr);
    }
}

}  // namespace steward::host
