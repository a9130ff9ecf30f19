#include "guardian_driver.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iterator>
#include <stdexcept>
#include <system_error>

extern char** environ;

namespace steward::test {

namespace {

int check(int result, const char* what) {
    if (result < 0) {
        throw std::system_error(errno, std::generic_category(), what);
    }
    return result;
}

}  // namespace

void Fd::reset() {
    if (fd_ >= 0) {
        close(fd_);
        fd_ = -1;
    }
}

Pipe make_pipe() {
    int fds[2];
    check(pipe2(fds, O_CLOEXEC), "pipe2");
    return {Fd(fds[0]), Fd(fds[1])};
}

SocketPair make_socket_pair() {
    int fds[2];
    check(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds), "socketpair");
    return {Fd(fds[0]), Fd(fds[1])};
}

Fd make_memfd(const std::string& content, int seals) {
    Fd fd(check(memfd_create("spawn", MFD_CLOEXEC | MFD_ALLOW_SEALING), "memfd_create"));
    if (write(fd.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size())) {
        throw std::runtime_error("memfd: short write");
    }
    check(fcntl(fd.get(), F_ADD_SEALS, seals), "F_ADD_SEALS");
    return fd;
}

pid_t spawn_guardian(int guardian_end, const std::string& argument) {
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, guardian_end, STEWARD_GUARDIAN_SOCKET);
    posix_spawnattr_t attributes;
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSID);
    std::string name = "app-guardian";
    std::string parameter = argument;
    char* argv[] = {name.data(), parameter.data(), nullptr};
    pid_t pid = -1;
    const int error =
        posix_spawn(&pid, STEWARD_GUARDIAN_PATH, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), STEWARD_GUARDIAN_PATH);
    }
    return pid;
}

std::string make_document(const SpawnRequest& request) {
    std::string document = request.directory + '\0';
    for (const auto* list : {&request.argv, &request.env}) {
        for (const std::string& text : *list) {
            document += text + '\0';
        }
    }
    return document;
}

int send_order(int socket, const void* order, std::size_t size, const std::vector<int>& fds) {
    iovec part{const_cast<void*>(order), size};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    std::vector<char> control(CMSG_SPACE(fds.size() * sizeof(int)));
    if (!fds.empty()) {
        header.msg_control = control.data();
        header.msg_controllen = control.size();
        cmsghdr* c = CMSG_FIRSTHDR(&header);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(fds.size() * sizeof(int));
        std::memcpy(CMSG_DATA(c), fds.data(), fds.size() * sizeof(int));
    }
    return sendmsg(socket, &header, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? errno : 0;
}

Guardian::Guardian() : pid_(-1), ours_(true) {
    SocketPair pair = make_socket_pair();
    pid_ = spawn_guardian(pair.guardian.get(), std::to_string(getpid()));
    socket_ = std::move(pair.supervisor);
    pidfd_ = open_pidfd(pid_);
}

Guardian::Guardian(pid_t pid, Fd socket)
    : pid_(pid), ours_(false), socket_(std::move(socket)), pidfd_(open_pidfd(pid)) {}

Guardian::~Guardian() {
    socket_.reset();
    if (!ours_) {
        return;
    }
    try {
        wait_for_exit(5 * kSecond);
    } catch (const std::exception&) {
        signal_by_pidfd(pidfd_.get(), SIGKILL);
        waitpid(pid_, nullptr, 0);
    }
}

steward_guardian_order Guardian::order(std::uint16_t type) {
    steward_guardian_order order;
    steward_guardian_order_init(&order, type, ++seq_);
    return order;
}

std::uint64_t Guardian::send(const steward_guardian_order& order, const std::vector<int>& fds) {
    const int error = send_order(socket_.get(), &order, sizeof order, fds);
    if (error != 0) {
        throw std::system_error(error, std::generic_category(), "order");
    }
    return order.seq;
}

std::uint64_t Guardian::send_spawn(const SpawnRequest& request) {
    const std::string document = make_document(request);
    Fd memfd = make_memfd(document);
    Fd null(check(open("/dev/null", O_WRONLY | O_CLOEXEC), "/dev/null"));
    steward_guardian_order spawn = order(kStewardGuardianSpawn);
    spawn.generation = request.generation;
    spawn.argc = static_cast<std::uint32_t>(request.argv.size());
    spawn.envc = static_cast<std::uint32_t>(request.env.size());
    spawn.listen_pid_index = request.listen_pid_index;
    spawn.document_size = document.size();
    std::vector<int> fds = {memfd.get(), request.out < 0 ? null.get() : request.out,
                            request.err < 0 ? STDERR_FILENO : request.err};
    if (request.listener >= 0) {
        spawn.flags = kStewardGuardianHasListener;
        fds.push_back(request.listener);
    }
    return send(spawn, fds);
}

std::optional<Received> Guardian::receive(Milliseconds timeout) {
    if (!wait_readable(socket_.get(), timeout)) {
        return std::nullopt;
    }
    Received received;
    iovec part{&received.report, sizeof received.report};
    alignas(cmsghdr) char control[CMSG_SPACE(4 * sizeof(int))];
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    const ssize_t length = recvmsg(socket_.get(), &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (length < 0 && errno == ECONNRESET) {
        return receive(timeout);  // told once; the last reports lie behind it
    }
    if (length <= 0) {
        return std::nullopt;
    }
    const cmsghdr* c = CMSG_FIRSTHDR(&header);
    if (c != nullptr && c->cmsg_type == SCM_RIGHTS) {
        if (c->cmsg_len != CMSG_LEN(sizeof(int))) {
            throw std::runtime_error("a report came with more than one descriptor");
        }
        int fd = -1;
        std::memcpy(&fd, CMSG_DATA(c), sizeof fd);
        received.fd = Fd(fd);
    }
    if (steward_guardian_report_valid(&received.report, static_cast<std::size_t>(length)) == 0) {
        throw std::runtime_error("a report is not valid");
    }
    return received;
}

Received Guardian::expect(std::uint16_t type, Milliseconds timeout) {
    std::optional<Received> received = receive(timeout);
    if (!received) {
        throw std::runtime_error("no report of type " + std::to_string(type) + " in time");
    }
    if (received->report.type != type) {
        throw std::runtime_error("report " + std::to_string(received->report.type) + " detail " +
                                 std::to_string(received->report.detail) + " instead of " +
                                 std::to_string(type));
    }
    return std::move(*received);
}

Received Guardian::start(const SpawnRequest& request) {
    send_spawn(request);
    expect(kStewardGuardianAck);
    return expect(kStewardGuardianStarted);
}

Received Guardian::ask(std::uint16_t type, std::uint64_t generation) {
    steward_guardian_order question = order(type);
    question.generation = generation;
    const std::uint64_t seq = send(question);
    Received answer =
        expect(type == kStewardGuardianPing ? kStewardGuardianPong : kStewardGuardianAck);
    if (answer.report.seq != seq) {
        throw std::runtime_error("the answer is to another order");
    }
    return answer;
}

int Guardian::wait_for_exit(Milliseconds timeout) {
    if (!status_) {
        if (!wait_readable(pidfd_.get(), timeout)) {
            throw std::runtime_error("the guardian did not end in time");
        }
        int status = 0;
        check(waitpid(pid_, &status, 0), "waitpid");
        status_ = status;
    }
    return *status_;
}

std::size_t Guardian::open_fds() const {
    const std::filesystem::directory_iterator folder("/proc/" + std::to_string(pid_) + "/fd");
    return static_cast<std::size_t>(std::distance(begin(folder), end(folder)));
}

std::string Guardian::children() const {
    const std::string pid = std::to_string(pid_);
    return read_file("/proc/" + pid + "/task/" + pid + "/children");
}

Fd open_pidfd(pid_t pid) {
    return Fd(check(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)), "pidfd_open"));
}

void signal_by_pidfd(int pidfd, int signal) {
    check(static_cast<int>(syscall(SYS_pidfd_send_signal, pidfd, signal, nullptr, 0)),
          "pidfd_send_signal");
}

bool wait_readable(int fd, Milliseconds timeout) {
    pollfd entry{fd, POLLIN, 0};
    return poll(&entry, 1, static_cast<int>(timeout.count())) > 0;
}

// A file in /proc may end with ESRCH at any moment; what has been read until then counts.
std::string read_file(const std::string& path) {
    const Fd file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
    std::string content;
    char block[8192];
    for (ssize_t length = 1; length > 0;) {
        length = read(file.get(), block, sizeof block);
        content.append(block, length > 0 ? static_cast<std::size_t>(length) : 0);
    }
    return content;
}

namespace {

// The pids for which /proc/<pid>/<name>, with a NUL before and after it, has `part` in it.
std::vector<pid_t> processes_with(const char* name, const std::string& part) {
    std::vector<pid_t> pids;
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string pid = entry.path().filename();
        if (pid.find_first_not_of("0123456789") == std::string::npos &&
            ('\0' + read_file(entry.path() / name)).find('\0' + part + '\0') != std::string::npos) {
            pids.push_back(std::stoi(pid));
        }
    }
    return pids;
}

}  // namespace

std::vector<pid_t> processes_with_env(const std::string& entry) {
    return processes_with("environ", entry);
}

std::vector<pid_t> processes_with_argv(const std::string& zero, const std::string& one) {
    return processes_with("cmdline", zero + '\0' + one);
}

char process_state(pid_t pid) {
    const std::string stat = read_file("/proc/" + std::to_string(pid) + "/stat");
    const std::size_t end = stat.rfind(") ");
    return end == std::string::npos ? '-' : stat[end + 2];
}

bool wait_for_line(int fd, const std::string& line, Milliseconds timeout) {
    const auto end = std::chrono::steady_clock::now() + timeout;
    std::string text = "\n";
    while (text.find('\n' + line + '\n') == std::string::npos) {
        const auto left =
            std::chrono::duration_cast<Milliseconds>(end - std::chrono::steady_clock::now());
        char block[4096];
        if (left.count() <= 0 || !wait_readable(fd, left)) {
            return false;
        }
        const ssize_t length = read(fd, block, sizeof block);
        if (length <= 0) {
            return false;
        }
        text.append(block, static_cast<std::size_t>(length));
    }
    return true;
}

}  // namespace steward::test
