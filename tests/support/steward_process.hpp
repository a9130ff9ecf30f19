// The program `steward` as a test sees it: started in a sandbox of its own, spoken to in JSON
// lines, watched from outside.
//
// Nothing here knows the inside of steward: it is an executable with descriptors, an environment,
// files and processes. Each call that waits has a limit and throws std::runtime_error, with what
// was seen until then, when it passes; that fails the test. One thread (the test's). The test
// program becomes a subreaper, so that whatever escapes from a tree ends up as its child.
#pragma once

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>
#include <sys/types.h>

#include <chrono>
#include <csignal>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace steward::tests {

using Clock = std::chrono::steady_clock;
using Milliseconds = std::chrono::milliseconds;
using Json = Poco::JSON::Object::Ptr;

// Generous: for what a test needs on its way, never for a bound that it asserts.
inline constexpr Milliseconds kPatience{10'000};

[[nodiscard]] Json parse_json(const std::string& text);
// The value at a path of member names and array indexes ("result.tools.0.name"); empty when there
// is none. "~" stands for a dot inside a name.
[[nodiscard]] Poco::Dynamic::Var at(const Json& object, const std::string& path);
[[nodiscard]] std::string text_at(const Json& object,
                                  const std::string& path);  // as text; "" when empty or null
[[nodiscard]] std::int64_t number_at(const Json& object,
                                     const std::string& path);  // -1 when empty or null

// Calls `done` every 2 ms until it is true; false after `limit`.
bool wait_until(const std::function<bool()>& done, Milliseconds limit = kPatience);

// A port of 127.0.0.1 that the kernel chose and nobody has right now, with `room` free ones from it
// upwards.
[[nodiscard]] std::uint16_t free_port(int room = 1);
// Every listening TCP socket of this machine ("tcp 0100007F:1388"), for comparing before and after.
[[nodiscard]] std::set<std::string> listening_sockets();

// GET over HTTP/1.1 to 127.0.0.1: status code, body and the head as received. status 0 = no answer
// within the limit.
struct HttpAnswer {
    int status = 0;
    std::string head;
    std::string body;
};
[[nodiscard]] HttpAnswer http_get(std::uint16_t port, const std::string& path,
                                  Milliseconds limit = kPatience);
// POST of a form ("a=b&c=d", encoded already), else the same.
[[nodiscard]] HttpAnswer http_post(std::uint16_t port, const std::string& path,
                                   const std::string& form, Milliseconds limit = kPatience);

[[nodiscard]] bool process_lives(pid_t pid);  // exists and is no zombie
[[nodiscard]] std::vector<pid_t> children_of(pid_t pid);
[[nodiscard]] std::string process_name(pid_t pid);                 // comm; "" when gone
[[nodiscard]] std::vector<std::string> environment_of(pid_t pid);  // in order; empty when gone
[[nodiscard]] std::string command_line(
    pid_t pid);  // words separated by a space, one at the end; "" when gone
[[nodiscard]] std::map<int, std::string> descriptors_of(pid_t pid);  // number: link
[[nodiscard]] std::chrono::nanoseconds cpu_of(
    pid_t pid);  // of all its threads, and of the children it has waited for

// Folders of its own for everything that steward reads and writes; removed with everything in it.
class Sandbox {
  public:
    Sandbox();
    ~Sandbox();
    Sandbox(const Sandbox&) = delete;
    Sandbox& operator=(const Sandbox&) = delete;

    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + "/" + name; }
    [[nodiscard]] std::string home() const { return file("home"); }
    [[nodiscard]] std::string data_dir() const {
        return file("data");
    }  // does not exist at first, nor do the next two
    [[nodiscard]] std::string state() const { return file("state"); }
    [[nodiscard]] std::string cache() const { return file("cache"); }
    // HOME PATH USER SHELL TERM, as AI tools give it, and the XDG variables of this sandbox.
    [[nodiscard]] std::vector<std::string> environment() const;
    std::string write(const std::string& name, const std::string& text,
                      bool executable = false) const;
    // Every file, folder and socket in it.
    [[nodiscard]] std::set<std::string> snapshot() const;
    // Live processes whose environment or command line names the sandbox (all of a tree but the
    // guardian, which has neither).
    [[nodiscard]] std::vector<pid_t> processes() const;
    // The structured logs of all servers that ran here, in order.
    [[nodiscard]] std::vector<Json> events() const;
    // The first event of this name, from the one with index `from` on, for which `fits` holds.
    Json wait_event(const std::string& name, Milliseconds limit = kPatience, std::size_t from = 0,
                    const std::function<bool(const Json&)>& fits = {}) const;

  private:
    std::string path_;
};

struct StewardStart {
    std::string program{};            // "" = the one that was built
    std::string command = "mcp";      // "" = plain `steward`
    std::vector<std::string> args{};  // its options
    std::vector<std::string> app{};   // behind "--"; empty = the Flask app
    std::vector<std::string> env{};   // NAME=VALUE, in addition
    bool defaults = true;             // adds --data-dir of the sandbox and --port
    std::uint16_t port = 0;           // for --port; 0 = one that is free
    std::vector<int> closed{};        // of 0, 1, 2: closed at its start
    std::vector<std::pair<int, int>>
        descriptors{};         // (the test's, its number in steward): inherited
    std::set<int> unread{};    // of 1, 2: its pipe is full from the start, and nobody reads it
    bool own_parent = false;   // started by a process in between, which kill_parent() ends
    bool own_session = false;  // setsid before exec
    bool blocked_signals =
        false;  // starts with all signals blocked and SIGTERM, SIGHUP, SIGINT ignored
};

struct StewardExit {
    int code = -1;  // -1 = killed
    int signal = 0;
    Clock::time_point at;
    std::chrono::nanoseconds cpu{};  // steward and the descendants it has waited for
};

class StewardProcess {
  public:
    StewardProcess(const Sandbox& sandbox, StewardStart start);
    // Kills what is left of the tree.
    ~StewardProcess();
    StewardProcess(const StewardProcess&) = delete;
    StewardProcess& operator=(const StewardProcess&) = delete;

    [[nodiscard]] pid_t pid() const { return pid_; }
    [[nodiscard]] std::uint16_t port() const { return port_; }  // the base port it was given
    [[nodiscard]] Clock::time_point started() const { return started_; }  // just before its exec

    // ---- bytes
    void send_raw(std::string_view bytes);  // one write; an error (it is gone) is ignored
    void send(std::string_view line);       // and a line break
    void close_stdin();
    void close_stdout();
    void close_stderr();
    // A duplicate of the write end of its stdin: whoever has it keeps it from seeing EOF.
    [[nodiscard]] int duplicate_stdin() const;
    // Reads what there is; returns at once when there is nothing and `limit` is 0.
    void pump(Milliseconds limit = Milliseconds(0));
    // From now on `fd` (1 or 2), which was started as `unread`, is read.
    void read_again(int fd) { unread_.erase(fd); }
    [[nodiscard]] const std::vector<std::string>& lines() const {
        return lines_;
    }  // complete ones of its stdout
    [[nodiscard]] const std::string& partial_line() const { return partial_; }
    [[nodiscard]] const std::string& error_output() const { return errors_; }
    // The stdout lines that are no JSON-RPC message.
    [[nodiscard]] std::vector<std::string> impure_lines() const;

    // ---- JSON-RPC; params and arguments are JSON texts
    // In modern mode every request carries the `_meta` of revision 2026-07-28. Off at first.
    void speak_modern(bool modern) { modern_ = modern; }
    [[nodiscard]] std::string request_text(int id, const std::string& method,
                                           const std::string& params = "{}") const;
    int request(const std::string& method, const std::string& params = "{}");  // returns its id
    // The response to it (the whole message); notifications and other responses stay available.
    Json answer(int id, Milliseconds limit = kPatience);
    Json call(const std::string& method, const std::string& params = "{}",
              Milliseconds limit = kPatience);
    int request_tool(const std::string& name, const std::string& arguments = "{}");
    Json tool(const std::string& name, const std::string& arguments = "{}",
              Milliseconds limit = kPatience);  // `result`
    Json initialize();  // initialize 2025-11-25 and initialized; returns `result`
    Json status();      // the structured content of flask_status
    Json wait_status(const std::function<bool(const Json&)>& fits, Milliseconds limit = kPatience);
    Json wait_state(const std::string& state, Milliseconds limit = kPatience);

    // ---- processes
    void kill(int signal) const;
    void kill_parent();
    [[nodiscard]] pid_t guardian() const;  // 0 = none
    [[nodiscard]] bool lives() const;
    // Waits for its end, reading its output meanwhile.
    StewardExit wait_exit(Milliseconds limit = kPatience);
    // Live processes of the sandbox, and live orphans that have become children of the test
    // program. Retry once for a fresh process whose environment cannot be read yet.
    [[nodiscard]] std::vector<pid_t> left() const;
    // CPU of steward and its guardian until now.
    [[nodiscard]] std::chrono::nanoseconds cpu() const;

  private:
    struct Pipes;
    void spawn(const StewardStart& start, const std::vector<std::string>& argv);
    bool read_some(int& fd, std::string& into);
    void split_lines();
    [[noreturn]] void give_up(const std::string& what);

    const Sandbox& sandbox_;
    std::uint16_t port_ = 0;
    pid_t pid_ = 0;
    pid_t parent_ = 0;
    int pidfd_ = -1;
    int in_ = -1;
    int out_ = -1;
    int err_ = -1;
    std::set<int> unread_;
    bool reaped_ = false;
    bool modern_ = false;
    int next_id_ = 1;
    Clock::time_point started_{};
    std::vector<std::string> lines_;
    std::size_t looked_at_ = 0;
    std::map<int, Json> answers_;
    std::string partial_;
    std::string errors_;
    std::set<pid_t> children_before_;
};

// Paths in the build tree.
// The one that was built, unless CTest names another build of it (STEWARD_TEST_PROGRAM).
[[nodiscard]] std::string steward_program();
[[nodiscard]] std::string test_app_program();

// test_app with a handed-over socket, behind "--": {fd} makes steward give it the listening socket.
[[nodiscard]] std::vector<std::string> test_app(std::vector<std::string> options = {});

}  // namespace steward::tests
