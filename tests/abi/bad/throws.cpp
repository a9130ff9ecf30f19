// A static constructor that throws: nobody can catch that, the process ends.
#include <stdexcept>

namespace {
struct Thrower {
    Thrower() { throw std::runtime_error("thrown while loading"); }
} thrower;
}  // namespace
