#include "bed.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>

#include "proc_kit.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;

// The status socket of the server with this pid.
std::string socket_of(const Sandbox& sandbox, pid_t pid) {
    std::error_code error;
    const std::string part = "-" + std::to_string(pid) + "-";
    for (const auto& entry : fs::directory_iterator(sandbox.state() + "/steward", error)) {
        const std::string name = entry.path().filename().string();
        if (name.find(part) != std::string::npos && name[0] != '.') {
            return entry.path().string() + "/status.sock";
        }
    }
    return {};
}

// The one line that it answers; empty if it does not.
std::string ask(const std::string& path, const std::string& request) {
    sockaddr_un name{};
    name.sun_family = AF_UNIX;
    if (path.empty() || path.size() >= sizeof name.sun_path) {
        return {};
    }
    path.copy(name.sun_path, path.size());
    const core::UniqueFd fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (connect(fd.get(), reinterpret_cast<const sockaddr*>(&name), sizeof name) != 0 ||
        send(fd.get(), request.data(), request.size(), MSG_NOSIGNAL) !=
            static_cast<ssize_t>(request.size())) {
        return {};
    }
    std::string line;
    const auto end = Clock::now() + kPatience;
    while (line.find('\n') == std::string::npos && Clock::now() < end) {
        pollfd entry{fd.get(), POLLIN, 0};
        poll(&entry, 1, 1000);
        char buffer[8192];
        const ssize_t got = recv(fd.get(), buffer, sizeof buffer, MSG_DONTWAIT);
        if (got == 0) {
            break;
        }
        line.append(buffer, static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    }
    return line;
}

}  // namespace

Bed::Bed(Arguments args, Arguments app, StewardStart start) {
    start.command = start.command == "mcp" ? "run" : start.command;
    start.args = std::move(args);
    start.app = std::move(app);
    steward_ = std::make_unique<StewardProcess>(sandbox_, std::move(start));
}

Json Bed::status() {
    const std::string line = ask(socket_of(sandbox_, steward_->pid()), "{\"want\":\"status\"}\n");
    if (line.empty()) {
        return {};
    }
    const auto value = at(parse_json(line), "status");
    return value.isEmpty() ? Json() : value.extract<Json>();
}

std::string Bed::trouble() {
    steward_->pump();
    const auto now = status();
    std::string text =
        "\nstatus: " + (now.isNull() ? std::string("none") : Poco::Dynamic::Var(now).toString());
    return text + "\nstderr: " + steward_->error_output();
}

Json Bed::wait_status(const Fits& fits, Milliseconds limit) {
    Json found;
    const bool seen = wait_until(
        [&] {
            steward_->pump();
            const auto now = status();
            if (!now.isNull() && fits(now)) {
                found = now;
            }
            return !found.isNull() || !steward_->lives();
        },
        limit);
    if (!seen || found.isNull()) {
        throw std::runtime_error("the status did not come to that within " +
                                 std::to_string(limit.count()) + " ms" + trouble());
    }
    return found;
}

Json Bed::wait_healthy(std::int64_t generation, Milliseconds limit) {
    return wait_status(
        [generation](const Json& status) {
            return at(status, "healthy").convert<bool>() && text_at(status, "state") == "running" &&
                   number_at(status, "generation") >= generation;
        },
        limit);
}

Json Bed::wait_event(const std::string& name, const Fits& fits, Milliseconds limit) {
    try {
        return sandbox_.wait_event(name, limit, 0, fits);
    } catch (const std::runtime_error& error) {
        throw std::runtime_error(error.what() + trouble());
    }
}

void Bed::wait_log() {
    const std::string line =
        ask(socket_of(sandbox_, steward_->pid()), "{\"want\":\"events\",\"count\":1}\n");
    if (line.empty()) {
        return;
    }
    const auto value = at(parse_json(line), "event");
    if (value.isEmpty()) {
        return;
    }
    const auto last = value.extract<Json>();
    (void)wait_until(
        [&] {
            const auto written = sandbox_.events();
            return !steward_->lives() ||
                   std::any_of(written.begin(), written.end(), [&](const Json& event) {
                       return number_at(event, "seq") == number_at(last, "seq") &&
                              text_at(event, "ts") == text_at(last, "ts");
                   });
        },
        Milliseconds(2000));
}

std::vector<Json> Bed::events(const std::string& name) {
    wait_log();
    std::vector<Json> found;
    for (const auto& event : sandbox_.events()) {
        if (text_at(event, "event") == name) {
            found.push_back(event);
        }
    }
    return found;
}

std::vector<std::int64_t> Bed::numbers(const std::string& event, const std::string& field) {
    std::vector<std::int64_t> found;
    for (const auto& entry : events(event)) {
        found.push_back(number_at(entry, field));
    }
    return found;
}

StewardExit Bed::end(Milliseconds limit) {
    steward_->kill(SIGINT);
    return steward_->wait_exit(limit);
}

bool Bed::nothing_left(Milliseconds limit) {
    return wait_until([this] { return steward_->left().empty(); }, limit);
}

Output run_program(const Sandbox& sandbox, Arguments argv, const Arguments& variables,
                   Milliseconds limit) {
    static int count = 0;
    const std::string files[2] = {sandbox.file("out" + std::to_string(++count)),
                                  sandbox.file("err" + std::to_string(count))};
    Arguments environment = variables;
    for (const auto& entry : sandbox.environment()) {
        const auto name = entry.substr(0, entry.find('=') + 1);
        const auto given = [&name](const std::string& variable) {
            return variable.starts_with(name);
        };
        if (std::none_of(variables.begin(), variables.end(), given)) {
            environment.push_back(entry);
        }
    }
    const auto pointers = [](Arguments& texts) {
        std::vector<char*> out;
        for (auto& text : texts) {
            out.push_back(text.data());
        }
        out.push_back(nullptr);
        return out;
    };
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    for (const int i : {0, 1}) {
        posix_spawn_file_actions_addopen(&actions, i + 1, files[i].c_str(),
                                         O_WRONLY | O_CREAT | O_TRUNC, 0600);
    }
    pid_t pid = 0;
    const int failure = posix_spawn(&pid, argv[0].c_str(), &actions, nullptr, pointers(argv).data(),
                                    pointers(environment).data());
    posix_spawn_file_actions_destroy(&actions);
    if (failure != 0) {
        throw std::runtime_error("posix_spawn failed");
    }
    if (!ends_within(pidfd_of(pid), limit)) {
        kill(pid, SIGKILL);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read_file(files[0]), read_file(files[1])};
}

Output run_steward(const Sandbox& sandbox, const Arguments& args) {
    return run_program(sandbox, Arguments{steward_program()} + args);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

std::int64_t milliseconds_of(const Json& event) {
    int hours = 0;
    int minutes = 0;
    int seconds = 0;
    int ms = 0;
    if (std::sscanf(text_at(event, "ts").c_str(), "%*d-%*d-%*dT%d:%d:%d.%dZ", &hours, &minutes,
                    &seconds, &ms) != 4) {
        throw std::runtime_error("not a time: " + text_at(event, "ts"));
    }
    return ((hours * 60LL + minutes) * 60 + seconds) * 1000 + ms;
}

Arguments settings(const std::vector<std::string>& assignments) {
    Arguments args;
    for (const auto& assignment : assignments) {
        args.insert(args.end(), {"--set", assignment});
    }
    return args;
}

Arguments operator+(Arguments a, const Arguments& b) {
    a.insert(a.end(), b.begin(), b.end());
    return a;
}

Arguments quick_restarts() {
    return settings({"restart_backoff.base_ms=10", "restart_backoff.cap_ms=100",
                     "restart_backoff.jitter_percent=0", "restart_backoff.max_restarts=200"});
}

}  // namespace steward::tests
