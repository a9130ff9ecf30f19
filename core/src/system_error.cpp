#include <cerrno>
#include <cstring>

#include "steward/core/result.hpp"

namespace steward::core {

Error system_error(const std::string& text, int sys_errno) {
    return Error{text + ": " + std::strerror(sys_errno), sys_errno};
}

Error system_error(const std::string& text) {
    return system_error(text, errno);
}

}  // namespace steward::core
