// Which of the plugin's functions runs, noted where the runner can read it when the process is
// gone.
#pragma once
#include <string>
#include <string_view>

#include "steward/core/unique_fd.hpp"

namespace steward::compliance {

// The child's descriptor of the shared note: a file in memory.
inline constexpr int kCallFd = 4;

// In the runner. Throws std::runtime_error.
core::UniqueFd make_call_note();
// "decide()", or of several threads "decide(), create()"; empty when no function of the plugin that
// is noted was running.
std::string read_call_note(int fd);

// In the child, once, before any call: from here on its notes go to kCallFd, which is closed.
// Without that descriptor they go nowhere.
void share_call_note();

// For the scope of the object the function is running, on this thread; within it others may. Only
// the functions that the harness itself calls by name are noted, no callback from a reactor and no
// thread of the plugin's own. Any thread.
class [[nodiscard]] NoteCall {
  public:
    explicit NoteCall(std::string_view name) noexcept;
    ~NoteCall();
    NoteCall(const NoteCall&) = delete;
    NoteCall& operator=(const NoteCall&) = delete;

  private:
    unsigned char before_;
};

}  // namespace steward::compliance
