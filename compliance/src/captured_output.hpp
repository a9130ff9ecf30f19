// Standard output and standard error lead to memory, for the scope of the object or until end().
#pragma once
#include <array>
#include <string>

#include "steward/core/unique_fd.hpp"

namespace steward::compliance {

class CapturedOutput {
  public:
    // Throws std::system_error, with everything as before.
    CapturedOutput();
    ~CapturedOutput() { end(); }
    CapturedOutput(const CapturedOutput&) = delete;
    CapturedOutput& operator=(const CapturedOutput&) = delete;

    void end();
    // What was written to descriptor 1 or 2 until now, or its beginning.
    [[nodiscard]] std::string text(int fd) const;

  private:
    struct Stream {
        core::UniqueFd kept;
        core::UniqueFd memory;
    };
    std::array<Stream, 2> streams_;  // of descriptors 1 and 2
    bool ended_ = false;
};

}  // namespace steward::compliance
