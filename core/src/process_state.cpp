#include "steward/core/process_state.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <string>

namespace steward::core {

ProcessState::ProcessState(std::int32_t pid)
    : stat_(open(("/proc/" + std::to_string(pid) + "/stat").c_str(), O_RDONLY | O_CLOEXEC)),
      hidden_(!stat_ && errno != ENOENT && errno != ESRCH) {}

bool ProcessState::runs() const {
    if (hidden_) {
        return true;
    }
    std::array<char, 512> text{};
    const ssize_t n = stat_ ? pread(stat_.get(), text.data(), text.size() - 1, 0) : -1;
    const char* const end = n > 0 ? strrchr(text.data(), ')') : nullptr;
    if (end == nullptr || end[1] == '\0') {
        return false;
    }
    return strchr("TtZXx", end[2]) == nullptr;
}

}  // namespace steward::core
