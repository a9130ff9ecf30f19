#include <cerrno>
#include <cstdio>
#include <cstring>

#include <fmt/core.h>

#include "commands.hpp"

namespace steward::host {

int printed(int code) {
    const int before = errno;
    const bool failed = std::ferror(stdout) != 0;
    if (std::fflush(stdout) == 0) {
        if (!failed) {
            return code;
        }
        errno = before;
    }
    fmt::print(stderr, "steward: stdout cannot be written: {}\n", std::strerror(errno));
    return 1;
}

}  // namespace steward::host
