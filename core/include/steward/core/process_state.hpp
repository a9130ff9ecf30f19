// ProcessState: whether a process lives and runs, asked again and again.
#pragma once
#include <cstdint>

#include "steward/core/unique_fd.hpp"

namespace steward::core {

class ProcessState {
  public:
    // The process that has this number now; no later one is mistaken for it.
    explicit ProcessState(std::int32_t pid);

    // False when it is gone, a zombie or stopped. True when that cannot be read, for want of
    // descriptors or of the right: whoever supervises it hears of its end elsewhere. A few
    // microseconds; any thread.
    [[nodiscard]] bool runs() const;

  private:
    UniqueFd stat_;
    bool hidden_;
};

}  // namespace steward::core
