// Which of the plugin's functions runs, written where the runner can read it when the process is gone.
#pragma once
#include <string>
#include <string_view>

namespace steward::compliance {

// The child's descriptor of the shared note: a file in memory.
inline constexpr int kCallFd = 4;

// In the runner. Throws std::runtime_error.
int make_call_note();
// What the note says: "decide"; empty between two calls.
std::string read_call_note(int fd);

// In the child, once: from here on its notes go to kCallFd, which is closed. Without that descriptor
// they go nowhere.
void share_call_note();

// For the scope of the object the function is running. Any thread; of several at once one is named.
class [[nodiscard]] NoteCall {
  public:
    explicit NoteCall(std::string_view name) noexcept;
    ~NoteCall();
    NoteCall(const NoteCall&) = delete;
    NoteCall& operator=(const NoteCall&) = delete;
};

}  // namespace steward::compliance
