#include "steward_process.hpp"

#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

namespace steward::tests {
namespace {

constexpr const char* kModernMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"steward-test","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

int remaining_ms(Clock::time_point end) {
    const auto left = std::chrono::duration_cast<Milliseconds>(end - Clock::now()).count();
    return left < 0 ? 0 : static_cast<int>(left) + 1;
}

// What the child does between fork and exec: async-signal-safe calls only.
[[noreturn]] void become_steward(const StewardStart& start, const int (&fds)[3], char* const* argv,
                                 char* const* env) {
    if (start.own_session) {
        setsid();
    }
    // First out of the way of every number that is wanted, then into place.
    int sources[3];
    for (int i = 0; i < 3; ++i) {
        sources[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 200);
    }
    for (const auto& [from, to] : start.descriptors) {
        const int copy = fcntl(from, F_DUPFD_CLOEXEC, 200);
        dup2(copy, to);
    }
    for (int i = 0; i < 3; ++i) {
        dup2(sources[i], i);
    }
    for (const int fd : start.closed) {
        close(fd);
    }
    struct sigaction action {};
    action.sa_handler = SIG_DFL;
    sigaction(SIGPIPE, &action, nullptr);
    sigset_t set;
    sigemptyset(&set);
    if (start.blocked_signals) {
        sigfillset(&set);
        action.sa_handler = SIG_IGN;
        for (const int number : {SIGTERM, SIGHUP, SIGINT}) {
            sigaction(number, &action, nullptr);
        }
    }
    sigprocmask(SIG_SETMASK, &set, nullptr);
    execve(argv[0], argv, env);
    _exit(127);
}

// Starts steward, tells its pid, lives until it is killed or the test program ends.
[[noreturn]] void be_parent(const StewardStart& start, const int (&fds)[3], char* const* argv,
                            char* const* env, int tell) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const pid_t pid = fork();
    if (pid == 0) {
        become_steward(start, fds, argv, env);
    }
    (void)!write(tell, &pid, sizeof pid);
    syscall(SYS_close_range, 0U, ~0U, 0U);
    for (;;) {
        pause();
    }
}

// Fills a pipe to its last byte.
void fill(int fd) {
    fcntl(fd, F_SETFL, O_NONBLOCK);
    const std::string bytes(4096, '.');
    while (write(fd, bytes.data(), bytes.size()) > 0) {
    }
    while (write(fd, "\n", 1) > 0) {
    }
    fcntl(fd, F_SETFL, 0);
}

std::vector<char*> pointers(const std::vector<std::string>& texts) {
    std::vector<char*> out;
    for (const auto& text : texts) {
        out.push_back(const_cast<char*>(text.c_str()));
    }
    out.push_back(nullptr);
    return out;
}

}  // namespace

struct StewardProcess::Pipes {
    int in[2];
    int out[2];
    int err[2];
    Pipes() {
        if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0 || pipe2(err, O_CLOEXEC) != 0) {
            throw std::runtime_error("pipe2 failed");
        }
    }
};

StewardProcess::StewardProcess(const Sandbox& sandbox, StewardStart start) : sandbox_(sandbox) {
    prctl(PR_SET_CHILD_SUBREAPER, 1);
    signal(SIGPIPE, SIG_IGN);
    std::vector<std::string> argv{start.program.empty() ? steward_program() : start.program};
    if (!start.command.empty()) {
        argv.push_back(start.command);
    }
    if (start.defaults) {
        port_ = start.port == 0 ? free_port() : start.port;
        argv.insert(argv.end(),
                    {"--data-dir", sandbox.data_dir(), "--port", std::to_string(port_)});
    }
    argv.insert(argv.end(), start.args.begin(), start.args.end());
    if (!start.app.empty()) {
        argv.push_back("--");
        argv.insert(argv.end(), start.app.begin(), start.app.end());
    }
    for (const pid_t pid : children_of(getpid())) {
        children_before_.insert(pid);
    }
    spawn(start, argv);
}

void StewardProcess::spawn(const StewardStart& start, const std::vector<std::string>& argv) {
    auto env = sandbox_.environment();
    env.insert(env.end(), start.env.begin(), start.env.end());
    const auto arguments = pointers(argv);
    const auto variables = pointers(env);
    const Pipes pipes;
    const int fds[3] = {pipes.in[0], pipes.out[1], pipes.err[1]};
    unread_ = start.unread;
    for (const int number : unread_) {
        fill(fds[number]);
    }
    int tell[2] = {-1, -1};
    if (start.own_parent && pipe2(tell, O_CLOEXEC) != 0) {
        throw std::runtime_error("pipe2 failed");
    }
    started_ = Clock::now();
    const pid_t child = fork();
    if (child < 0) {
        throw std::runtime_error("fork failed");
    }
    if (child == 0) {
        if (start.own_parent) {
            be_parent(start, fds, arguments.data(), variables.data(), tell[1]);
        }
        become_steward(start, fds, arguments.data(), variables.data());
    }
    pid_ = child;
    if (start.own_parent) {
        parent_ = child;
        if (read(tell[0], &pid_, sizeof pid_) != static_cast<ssize_t>(sizeof pid_)) {
            throw std::runtime_error("the process in between did not start steward");
        }
        close(tell[0]);
        close(tell[1]);
    }
    pidfd_ = static_cast<int>(syscall(SYS_pidfd_open, pid_, 0));
    for (const int fd : fds) {
        close(fd);
    }
    in_ = pipes.in[1];
    out_ = pipes.out[0];
    err_ = pipes.err[0];
    // The other ends have open file descriptions of their own: steward does not see this.
    fcntl(out_, F_SETFL, O_NONBLOCK);
    fcntl(err_, F_SETFL, O_NONBLOCK);
}

StewardProcess::~StewardProcess() {
    if (!reaped_) {
        ::kill(pid_, SIGKILL);
    }
    kill_parent();
    // The guardian empties its tree within milliseconds; whoever is still there after a second is
    // killed one by one.
    const auto gone = [this] {
        if (!reaped_) {
            reaped_ = waitpid(pid_, nullptr, WNOHANG) != 0;
        }
        return reaped_ && left().empty();
    };
    if (!wait_until(gone, Milliseconds(1000))) {
        for (const pid_t pid : left()) {
            ::kill(pid, SIGKILL);
        }
        wait_until(gone, Milliseconds(1000));
    }
    for (int* fd : {&pidfd_, &in_, &out_, &err_}) {
        if (*fd >= 0) {
            close(*fd);
        }
    }
}

// ---- bytes

void StewardProcess::send_raw(std::string_view bytes) {
    while (!bytes.empty() && in_ >= 0) {
        const auto written = write(in_, bytes.data(), bytes.size());
        if (written < 0) {
            return;
        }
        bytes.remove_prefix(static_cast<std::size_t>(written));
    }
}

void StewardProcess::send(std::string_view line) {
    send_raw(std::string(line) + "\n");
}

void StewardProcess::close_stdin() {
    if (in_ >= 0) {
        close(std::exchange(in_, -1));
    }
}

void StewardProcess::close_stdout() {
    if (out_ >= 0) {
        close(std::exchange(out_, -1));
    }
}

void StewardProcess::close_stderr() {
    if (err_ >= 0) {
        close(std::exchange(err_, -1));
    }
}

int StewardProcess::duplicate_stdin() const {
    return fcntl(in_, F_DUPFD_CLOEXEC, 3);
}

bool StewardProcess::read_some(int& fd, std::string& into) {
    char buffer[65536];
    while (fd >= 0) {
        const auto got = read(fd, buffer, sizeof buffer);
        if (got > 0) {
            into.append(buffer, static_cast<std::size_t>(got));
            continue;
        }
        if (got == 0) {
            close(std::exchange(fd, -1));
        }
        return got == 0;
    }
    return true;
}

void StewardProcess::split_lines() {
    std::size_t from = 0;
    for (auto to = partial_.find('\n'); to != std::string::npos; to = partial_.find('\n', from)) {
        lines_.push_back(partial_.substr(from, to - from));
        from = to + 1;
    }
    partial_.erase(0, from);
}

void StewardProcess::pump(Milliseconds limit) {
    const bool read_out = unread_.count(1) == 0;
    const bool read_err = unread_.count(2) == 0;
    pollfd fds[3] = {{read_out ? out_ : -1, POLLIN, 0},
                     {read_err ? err_ : -1, POLLIN, 0},
                     {reaped_ ? -1 : pidfd_, POLLIN, 0}};
    poll(fds, 3, static_cast<int>(limit.count()));
    if (read_out) {
        read_some(out_, partial_);
    }
    if (read_err) {
        read_some(err_, errors_);
    }
    split_lines();
}

std::vector<std::string> StewardProcess::impure_lines() const {
    std::vector<std::string> out;
    const auto is_message = [](const std::string& line) {
        try {
            return text_at(parse_json(line), "jsonrpc") == "2.0";
        } catch (const std::exception&) {
            return false;
        }
    };
    for (const auto& line : lines_) {
        if (!is_message(line)) {
            out.push_back(line);
        }
    }
    if (!partial_.empty()) {
        out.push_back(partial_);
    }
    return out;
}

void StewardProcess::give_up(const std::string& what) {
    std::string text = what + "\nlast lines:";
    for (std::size_t i = lines_.size() > 5 ? lines_.size() - 5 : 0; i < lines_.size(); ++i) {
        text += "\n  " + lines_[i].substr(0, 1000);
    }
    text += "\nstderr: " + errors_ + "\nevents:";
    for (const auto& event : sandbox_.events()) {
        text += "\n  " + text_at(event, "ts") + " " + text_at(event, "event") + " " +
                text_at(event, "generation") + ": " + text_at(event, "cause") +
                text_at(event, "text");
    }
    throw std::runtime_error(text);
}

// ---- JSON-RPC

std::string StewardProcess::request_text(int id, const std::string& method,
                                         const std::string& params) const {
    std::string with_meta = params;
    if (modern_) {
        const bool empty = params.find('"') == std::string::npos;
        with_meta = std::string("{") + kModernMeta + (empty ? "" : ",") +
                    params.substr(params.find('{') + 1);
    }
    return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) + R"(,"method":")" + method +
           R"(","params":)" + with_meta + "}";
}

int StewardProcess::request(const std::string& method, const std::string& params) {
    const int id = next_id_++;
    send(request_text(id, method, params));
    return id;
}

Json StewardProcess::answer(int id, Milliseconds limit) {
    const auto end = Clock::now() + limit;
    for (;;) {
        for (; looked_at_ < lines_.size(); ++looked_at_) {
            try {
                const auto message = parse_json(lines_[looked_at_]);
                if (!message->has("method") && message->has("id")) {
                    answers_[static_cast<int>(number_at(message, "id"))] = message;
                }
            } catch (const std::exception&) {
                continue;  // impure_lines() tells.
            }
        }
        if (const auto it = answers_.find(id); it != answers_.end()) {
            return it->second;
        }
        if (Clock::now() >= end) {
            give_up("no answer to request " + std::to_string(id) + " within " +
                    std::to_string(limit.count()) + " ms");
        }
        if (out_ < 0) {
            give_up("stdout ended before the answer to request " + std::to_string(id));
        }
        pump(Milliseconds(remaining_ms(end)));
    }
}

Json StewardProcess::call(const std::string& method, const std::string& params,
                          Milliseconds limit) {
    return answer(request(method, params), limit);
}

int StewardProcess::request_tool(const std::string& name, const std::string& arguments) {
    return request("tools/call", R"({"name":")" + name + R"(","arguments":)" + arguments + "}");
}

Json StewardProcess::tool(const std::string& name, const std::string& arguments,
                          Milliseconds limit) {
    const auto message = answer(request_tool(name, arguments), limit);
    const auto result = message->getObject("result");
    if (result.isNull()) {
        give_up(name + " was answered with an error");
    }
    return result;
}

Json StewardProcess::initialize() {
    const auto message = call(
        "initialize",
        R"({"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"steward-test","version":"1"}})");
    send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
    return message->getObject("result");
}

Json StewardProcess::status() {
    return tool("flask_status")->getObject("structuredContent");
}

Json StewardProcess::wait_status(const std::function<bool(const Json&)>& fits, Milliseconds limit) {
    Json last;
    if (!wait_until([&] { return fits(last = status()); }, limit)) {
        std::ostringstream text;
        last->stringify(text);
        give_up("the status did not become as wanted; it is " + text.str());
    }
    return last;
}

Json StewardProcess::wait_state(const std::string& state, Milliseconds limit) {
    return wait_status([&](const Json& status) { return text_at(status, "state") == state; },
                       limit);
}

// ---- processes

void StewardProcess::kill(int signal) const {
    syscall(SYS_pidfd_send_signal, pidfd_, signal, nullptr, 0);
}

void StewardProcess::kill_parent() {
    if (parent_ > 0) {
        ::kill(parent_, SIGKILL);
        waitpid(parent_, nullptr, 0);
        parent_ = 0;
    }
}

pid_t StewardProcess::guardian() const {
    for (const pid_t pid : children_of(pid_)) {
        if (process_name(pid) == "app-guardian" && process_lives(pid)) {
            return pid;
        }
    }
    return 0;
}

bool StewardProcess::lives() const {
    pollfd fd{pidfd_, POLLIN, 0};
    return poll(&fd, 1, 0) == 0;
}

StewardExit StewardProcess::wait_exit(Milliseconds limit) {
    const auto end = Clock::now() + limit;
    while (lives()) {
        if (Clock::now() >= end) {
            give_up("steward did not end within " + std::to_string(limit.count()) + " ms");
        }
        pump(Milliseconds(remaining_ms(end)));
    }
    StewardExit out;
    out.at = Clock::now();
    kill_parent();  // It would be the one to reap.
    int status = 0;
    rusage usage{};
    if (wait4(pid_, &status, 0, &usage) != pid_) {
        throw std::runtime_error("wait4 failed");
    }
    reaped_ = true;
    out.code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    out.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    const auto time = [](const timeval& t) {
        return std::chrono::seconds(t.tv_sec) + std::chrono::microseconds(t.tv_usec);
    };
    out.cpu = time(usage.ru_utime) + time(usage.ru_stime);
    pump();
    return out;
}

std::vector<pid_t> StewardProcess::left() const {
    std::set<pid_t> out;
    for (const pid_t pid : sandbox_.processes()) {
        out.insert(pid);
    }
    for (const pid_t pid : children_of(getpid())) {
        if (children_before_.count(pid) == 0 && pid != pid_ && pid != parent_) {
            if (process_lives(pid)) {
                out.insert(pid);
            } else {
                waitpid(pid, nullptr, WNOHANG);
            }
        }
    }
    return {out.begin(), out.end()};
}

std::chrono::nanoseconds StewardProcess::cpu() const {
    const pid_t other = guardian();
    return cpu_of(pid_) + (other == 0 ? std::chrono::nanoseconds(0) : cpu_of(other));
}

}  // namespace steward::tests
