#include "captured_output.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <system_error>
#include <utility>

namespace steward::compliance {
namespace {

constexpr std::array kFds{STDOUT_FILENO, STDERR_FILENO};

}  // namespace

CapturedOutput::CapturedOutput() {
    (void)std::fflush(nullptr);
    for (std::size_t i = 0; i < kFds.size(); ++i) {
        streams_[i].kept.reset(fcntl(kFds[i], F_DUPFD_CLOEXEC, 3));
        streams_[i].memory.reset(memfd_create("output", MFD_CLOEXEC));
        if (!streams_[i].kept || !streams_[i].memory) {
            throw std::system_error(errno, std::generic_category(), "cannot capture the output");
        }
    }
    for (std::size_t i = 0; i < kFds.size(); ++i) {
        if (dup2(streams_[i].memory.get(), kFds[i]) < 0) {
            const int error = errno;
            end();
            throw std::system_error(error, std::generic_category(), "cannot capture the output");
        }
    }
}

void CapturedOutput::end() {
    if (std::exchange(ended_, true)) {
        return;
    }
    // What a plugin has printed may be in the buffers of the C library, which it shares with this
    // program.
    (void)std::fflush(nullptr);
    for (std::size_t i = 0; i < kFds.size(); ++i) {
        (void)dup2(streams_[i].kept.get(), kFds[i]);
    }
}

std::string CapturedOutput::text(int fd) const {
    (void)std::fflush(nullptr);
    std::array<char, 256> begin{};
    const auto& stream = streams_[fd == STDOUT_FILENO ? 0 : 1];
    const ssize_t got = pread(stream.memory.get(), begin.data(), begin.size(), 0);
    return {begin.data(), got < 0 ? 0 : static_cast<std::size_t>(got)};
}

}  // namespace steward::compliance
