// StatusClient: the asking side of status_socket.hpp, and what `steward status` and `steward logs`
// share besides.
//
// For short-lived commands: everything here blocks, and each object belongs to one thread.
#pragma once
#include <signal.h>

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "state_folder.hpp"
#include "steward/core/result.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::host {

struct StatusRequest {
    std::string want;  // "status", "events", "logs"
    bool follow = false;
    std::size_t count = 200;
};

struct StatusReply {
    enum class Kind {
        kStatus,       // text: the status object, one line, exactly as the server gave it
        kEvent,        // text: the event object, likewise
        kLog,          // text: the line
        kError,        // text: what the server refused, or why the answer cannot be used
        kEnd,          // the server ended the connection
        kInterrupted,  // Interruption::fd() became readable
        kOutputGone,   // nobody reads `output` any more
        kLate,         // the time is over
    };
    Kind kind = Kind::kEnd;
    std::string text;
};

class StatusClient {
  public:
    static constexpr std::chrono::seconds kPatience{5};
    static constexpr std::size_t kMaxLineBytes = std::size_t{4} << 20U;

    // Waits at most kPatience for a server that does not accept. Failure: a text for people.
    static core::Result<StatusClient> connect(const RunningServer& server);

    // Once per connection.
    core::Status send(const StatusRequest& request);

    // Waits for the next line from the server; without a limit for as long as it takes. Ends early
    // when `interruption` is readable or `output` has lost its reader; both may be -1. What has
    // arrived comes before the end of the connection.
    StatusReply next(std::optional<std::chrono::milliseconds> limit, int interruption, int output);

  private:
    explicit StatusClient(core::UniqueFd fd) : fd_(std::move(fd)) {}
    std::optional<StatusReply> buffered();

    core::UniqueFd fd_;
    std::string in_;
    std::size_t searched_ = 0;  // of `in_`: no line ends before it
    bool ended_ = false;
};

// Which server is asked.
struct Choice {
    std::optional<RunningServer> server;
    std::string text;  // with a server: a note about others, or empty; without: why there is none
};

// Among the running servers below `base`: the newest, or the one that `selector` names by its pid,
// its folder's path or its folder's name.
Choice choose_server(const std::string& base, const std::string& selector);

// Finds the server, connects and sends the request; notes and failures are said on `err_fd`. Without
// a client `code` is the exit code.
struct Asked {
    std::optional<StatusClient> client;
    int code = 0;
};
Asked ask_server(const std::string& base, const std::string& selector, const StatusRequest& request,
                 int err_fd);

// SIGINT, SIGTERM and SIGHUP as a readable descriptor instead of an end, and no SIGPIPE; as before
// when it is destroyed. Holds for the calling thread (SIGPIPE: the process), which destroys it too.
class Interruption {
  public:
    Interruption();
    ~Interruption();
    Interruption(const Interruption&) = delete;
    Interruption& operator=(const Interruption&) = delete;

    int fd() const { return fd_.get(); }
    // Takes the signal that has come; 0 if none has.
    int take();

  private:
    sigset_t before_{};
    struct sigaction pipe_before_ {};
    core::UniqueFd fd_;
};

// Writes the text to a descriptor, blocking or not.
enum class Written { kAll, kReaderGone, kInterrupted, kFailed };
Written write_all(int fd, std::string_view text, int interruption);

// One line on `fd`; what cannot be written is lost.
void say(int fd, std::string_view text);

}  // namespace steward::host
