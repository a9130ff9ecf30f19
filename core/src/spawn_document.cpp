#include "spawn_document.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "guardian/protocol.h"

namespace steward::core {

std::int32_t add_listen_variables(std::vector<std::pair<std::string, std::string>>& environment) {
    std::erase_if(environment, [](const auto& variable) {
        return variable.first == "LISTEN_FDS" || variable.first == "LISTEN_PID";
    });
    environment.emplace_back("LISTEN_FDS", "1");
    const std::string slot = STEWARD_GUARDIAN_LISTEN_PID_SLOT;
    const auto equals = slot.find('=');
    environment.emplace_back(slot.substr(0, equals), slot.substr(equals + 1));
    return static_cast<std::int32_t>(environment.size() - 1);
}

Result<UniqueFd> spawn_document(const SpawnRequest& request, std::size_t& size) {
    std::string data = request.directory;
    data.push_back('\0');
    for (const auto& argument : request.argv) {
        data += argument;
        data.push_back('\0');
    }
    for (const auto& [name, value] : request.environment) {
        data += name + "=" + value;
        data.push_back('\0');
    }
    UniqueFd fd(memfd_create("steward-spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    if (!fd) {
        return system_error("cannot make the start order");
    }
    std::size_t done = 0;
    while (done < data.size()) {
        const ssize_t n = write(fd.get(), data.data() + done, data.size() - done);
        if (n < 0) {
            return system_error("cannot write the start order");
        }
        done += static_cast<std::size_t>(n);
    }
    if (fcntl(fd.get(), F_ADD_SEALS, STEWARD_GUARDIAN_SEALS) != 0) {
        return system_error("cannot seal the start order");
    }
    size = data.size();
    return fd;
}

}  // namespace steward::core
