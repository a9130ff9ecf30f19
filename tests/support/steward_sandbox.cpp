// The parts of steward_process.hpp that need no StewardProcess: JSON, /proc, ports and the sandbox.
#include <Poco/JSON/Array.h>
#include <Poco/JSON/Parser.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <thread>

#include "steward_process.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;
using Poco::Dynamic::Var;

std::string read_file(const std::string& path) {
    std::ifstream in(path, std::ios::binary);
    std::ostringstream out;
    out << in.rdbuf();
    return out.str();
}

std::string proc(pid_t pid, const std::string& name) {
    return "/proc/" + std::to_string(pid) + "/" + name;
}

// "pid (comm) state ppid …": what comes behind the name, which may itself hold anything.
std::vector<std::string> stat_fields(const std::string& path) {
    const std::string text = read_file(path);
    const auto end = text.rfind(')');
    std::vector<std::string> out;
    if (end != std::string::npos) {
        std::istringstream in(text.substr(end + 1));
        for (std::string field; in >> field;) {
            out.push_back(field);
        }
    }
    return out;
}

std::vector<pid_t> numbers_in(const std::string& folder) {
    std::vector<pid_t> out;
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (name.find_first_not_of("0123456789") == std::string::npos) {
            out.push_back(static_cast<pid_t>(std::stol(name)));
        }
    }
    return out;
}

std::vector<std::string> split(const std::string& text, char separator) {
    std::vector<std::string> out;
    std::istringstream in(text);
    for (std::string part; std::getline(in, part, separator);) {
        out.push_back(part);
    }
    return out;
}

sockaddr_in loopback(std::uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// The port that a socket could be bound to, on both loopback addresses; 0 = taken.
std::uint16_t bindable(std::uint16_t port) {
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    auto v4 = loopback(port);
    socklen_t length = sizeof v4;
    bool fine = bind(fd, reinterpret_cast<sockaddr*>(&v4), length) == 0 &&
                getsockname(fd, reinterpret_cast<sockaddr*>(&v4), &length) == 0;
    const int fd6 = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fine && fd6 >= 0) {
        sockaddr_in6 v6{};
        v6.sin6_family = AF_INET6;
        v6.sin6_port = v4.sin_port;
        v6.sin6_addr = in6addr_loopback;
        const bool bound = bind(fd6, reinterpret_cast<sockaddr*>(&v6), sizeof v6) == 0;
        fine = bound || errno != EADDRINUSE;
    }
    close(fd);
    if (fd6 >= 0) {
        close(fd6);
    }
    return fine ? ntohs(v4.sin_port) : std::uint16_t{0};
}

}  // namespace

// ---- JSON

Json parse_json(const std::string& text) {
    Poco::JSON::Parser parser;
    return parser.parse(text).extract<Json>();
}

Var at(const Json& object, const std::string& path) {
    Var value(object);
    for (auto name : split(path, '.')) {
        std::replace(name.begin(), name.end(), '~', '.');
        if (value.type() == typeid(Json)) {
            const auto& members = value.extract<Json>();
            value = members.isNull() ? Var() : members->get(name);
        } else if (value.type() == typeid(Poco::JSON::Array::Ptr)) {
            value = value.extract<Poco::JSON::Array::Ptr>()->get(
                static_cast<unsigned>(std::stoul(name)));
        } else {
            return {};
        }
    }
    return value;
}

std::string text_at(const Json& object, const std::string& path) {
    const auto value = at(object, path);
    return value.isEmpty() ? std::string() : value.toString();
}

std::int64_t number_at(const Json& object, const std::string& path) {
    const auto value = at(object, path);
    return value.isEmpty() || !value.isNumeric() ? -1 : value.convert<std::int64_t>();
}

bool wait_until(const std::function<bool()>& done, Milliseconds limit) {
    const auto end = Clock::now() + limit;
    while (!done()) {
        if (Clock::now() >= end) {
            return false;
        }
        std::this_thread::sleep_for(Milliseconds(2));
    }
    return true;
}

// ---- network

std::uint16_t free_port(int room) {
    for (int attempt = 0; attempt < 1000; ++attempt) {
        const auto port = bindable(0);
        bool fine = port != 0 && port + room <= 65535;
        for (int i = 1; fine && i < room; ++i) {
            fine = bindable(static_cast<std::uint16_t>(port + i)) != 0;
        }
        if (fine) {
            return port;
        }
    }
    throw std::runtime_error("no free port");
}

std::set<std::string> listening_sockets() {
    std::set<std::string> out;
    for (const char* table : {"tcp", "tcp6"}) {
        std::ifstream in(std::string("/proc/net/") + table);
        std::string line;
        std::getline(in, line);
        while (std::getline(in, line)) {
            std::istringstream fields(line);
            std::string number, local, remote, state;
            fields >> number >> local >> remote >> state;
            if (state == "0A") {
                out.insert(std::string(table) + " " + local);
            }
        }
    }
    return out;
}

namespace {

HttpAnswer http_exchange(std::uint16_t port, const std::string& request, Milliseconds limit) {
    const auto end = Clock::now() + limit;
    HttpAnswer out;
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const auto address = loopback(port);
    std::string text;
    if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0 &&
        ::send(fd, request.data(), request.size(), MSG_NOSIGNAL) ==
            static_cast<ssize_t>(request.size())) {
        char buffer[4096];
        for (;;) {
            pollfd poller{fd, POLLIN, 0};
            const auto left = std::chrono::duration_cast<Milliseconds>(end - Clock::now()).count();
            if (left < 0 || ::poll(&poller, 1, static_cast<int>(left) + 1) <= 0) {
                break;
            }
            const auto got = read(fd, buffer, sizeof buffer);
            if (got <= 0) {
                break;
            }
            text.append(buffer, static_cast<std::size_t>(got));
        }
    }
    close(fd);
    if (const auto body = text.find("\r\n\r\n"); body != std::string::npos && text.size() > 12) {
        out.status = std::atoi(text.c_str() + 9);
        out.head = text.substr(0, body);
        out.body = text.substr(body + 4);
    }
    return out;
}

}  // namespace

HttpAnswer http_get(std::uint16_t port, const std::string& path, Milliseconds limit) {
    return http_exchange(
        port, "GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n", limit);
}

HttpAnswer http_post(std::uint16_t port, const std::string& path, const std::string& form,
                     Milliseconds limit) {
    return http_exchange(port,
                         "POST " + path +
                             " HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n"
                             "Content-Type: application/x-www-form-urlencoded\r\n"
                             "Content-Length: " +
                             std::to_string(form.size()) + "\r\n\r\n" + form,
                         limit);
}

// ---- processes

bool process_lives(pid_t pid) {
    const auto fields = stat_fields(proc(pid, "stat"));
    return !fields.empty() && fields[0] != "Z" && fields[0] != "X";
}

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> out;
    for (const pid_t thread : numbers_in(proc(pid, "task"))) {
        std::ifstream in(proc(pid, "task/" + std::to_string(thread) + "/children"));
        for (pid_t child = 0; in >> child;) {
            out.push_back(child);
        }
    }
    return out;
}

std::string process_name(pid_t pid) {
    std::string name = read_file(proc(pid, "comm"));
    if (!name.empty()) {
        name.pop_back();
    }
    return name;
}

std::vector<std::string> environment_of(pid_t pid) {
    return split(read_file(proc(pid, "environ")), '\0');
}

std::string command_line(pid_t pid) {
    std::string text = read_file(proc(pid, "cmdline"));
    std::replace(text.begin(), text.end(), '\0', ' ');
    return text;
}

std::map<int, std::string> descriptors_of(pid_t pid) {
    std::map<int, std::string> out;
    for (const int fd : numbers_in(proc(pid, "fd"))) {
        std::error_code error;
        out[fd] = fs::read_symlink(proc(pid, "fd/" + std::to_string(fd)), error).string();
    }
    return out;
}

std::chrono::nanoseconds cpu_of(pid_t pid) {
    long long total = 0;
    for (const pid_t thread : numbers_in(proc(pid, "task"))) {
        std::ifstream in(proc(pid, "task/" + std::to_string(thread) + "/schedstat"));
        long long time = 0;
        in >> time;
        total += time;
    }
    // cutime and cstime, in ticks.
    if (const auto fields = stat_fields(proc(pid, "stat")); fields.size() > 14) {
        total += (std::stoll(fields[13]) + std::stoll(fields[14])) *
                 (1'000'000'000 / sysconf(_SC_CLK_TCK));
    }
    return std::chrono::nanoseconds(total);
}

// ---- the sandbox

Sandbox::Sandbox() {
    std::string name = (fs::temp_directory_path() / "steward-test-XXXXXX").string();
    if (mkdtemp(name.data()) == nullptr) {
        throw std::runtime_error("mkdtemp failed");
    }
    path_ = fs::canonical(name).string();
    fs::create_directory(home());
}

Sandbox::~Sandbox() {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
}

std::vector<std::string> Sandbox::environment() const {
    return {"HOME=" + home(),
            "PATH=/usr/bin:/bin",
            "USER=tester",
            "SHELL=/bin/sh",
            "TERM=dumb",
            "XDG_STATE_HOME=" + state(),
            "XDG_CACHE_HOME=" + cache()};
}

std::string Sandbox::write(const std::string& name, const std::string& text,
                           bool executable) const {
    const std::string path = file(name);
    fs::create_directories(fs::path(path).parent_path());
    const std::string temporary = path + ".new";
    std::ofstream(temporary, std::ios::binary) << text;
    chmod(temporary.c_str(), executable ? 0755 : 0644);
    fs::rename(temporary, path);
    return path;
}

std::set<std::string> Sandbox::snapshot() const {
    std::set<std::string> out;
    std::error_code error;
    for (fs::recursive_directory_iterator it(path_, error), end; !error && it != end;
         it.increment(error)) {
        out.insert(it->path().string());
    }
    return out;
}

std::vector<pid_t> Sandbox::processes() const {
    std::vector<pid_t> out;
    for (const pid_t pid : numbers_in("/proc")) {
        if (pid == getpid() || !process_lives(pid)) {
            continue;
        }
        if (read_file(proc(pid, "environ")).find(path_) != std::string::npos ||
            read_file(proc(pid, "cmdline")).find(path_) != std::string::npos) {
            out.push_back(pid);
        }
    }
    return out;
}

std::vector<Json> Sandbox::events() const {
    std::vector<Json> out;
    std::error_code error;
    std::set<std::string> folders;
    for (fs::directory_iterator it(state() + "/steward", error), end; !error && it != end;
         it.increment(error)) {
        folders.insert(it->path().string());
    }
    for (const auto& folder : folders) {
        const std::string text = read_file(folder + "/steward.log");
        for (const auto& line : split(text.substr(0, text.rfind('\n') + 1), '\n')) {
            out.push_back(parse_json(line));
        }
    }
    return out;
}

Json Sandbox::wait_event(const std::string& name, Milliseconds limit, std::size_t from,
                         const std::function<bool(const Json&)>& fits) const {
    Json found;
    std::size_t count = 0;
    const bool seen = wait_until(
        [&] {
            const auto all = events();
            count = all.size();
            for (std::size_t i = from; i < all.size() && found.isNull(); ++i) {
                if (text_at(all[i], "event") == name && (!fits || fits(all[i]))) {
                    found = all[i];
                }
            }
            return !found.isNull();
        },
        limit);
    if (!seen) {
        throw std::runtime_error("no event " + name + " within " + std::to_string(limit.count()) +
                                 " ms among " + std::to_string(count) + " in " + state());
    }
    return found;
}

// ---- programs

std::string steward_program() {
    const char* const other = std::getenv("STEWARD_TEST_PROGRAM");
    return other != nullptr ? other : STEWARD_TEST_PROGRAM;
}
std::string test_app_program() {
    return STEWARD_TEST_APP;
}

std::vector<std::string> test_app(std::vector<std::string> options) {
    options.insert(options.begin(), {test_app_program(), "--listen-fd", "{fd}", "--port", "{port}",
                                     "--instance-id", "{instance}"});
    return options;
}

}  // namespace steward::tests
