// A file of its own: the linker takes it only for a program that does not define the function itself.
#include "defaults.hpp"

namespace steward::host::defaults {

[[gnu::weak]] Strategies strategies() {
    return {};
}

}  // namespace steward::host::defaults
