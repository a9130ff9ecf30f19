// The whole of a text into a pipe.
#pragma once
#include <unistd.h>

#include <cerrno>
#include <string_view>

namespace steward::compliance {

// Nothing is said of a reader that is gone: then nobody waits for it.
inline void write_all(int fd, std::string_view text) {
    while (!text.empty()) {
        const ssize_t written = ::write(fd, text.data(), text.size());
        if (written < 0 && errno == EINTR) {
            continue;
        }
        if (written <= 0) {
            return;
        }
        text.remove_prefix(static_cast<std::size_t>(written));
    }
}

}  // namespace steward::compliance
