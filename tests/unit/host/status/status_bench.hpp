// What the tests of the state folder and the status socket share: a temporary folder, a served
// status socket on a loop of its own, and a client that knows nothing but the format.
#pragma once
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <condition_variable>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <map>
#include <mutex>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "catch.hpp"
#include "status_socket.hpp"
#include "steward/core/loop.hpp"

namespace steward::test {

using namespace std::chrono_literals;
namespace fs = std::filesystem;

constexpr int kLimitMs = 20'000;  // for what comes at once unless something is wrong

class TempFolder {
  public:
    TempFolder() {
        std::string name = (fs::temp_directory_path() / "steward-status-XXXXXX").string();
        if (::mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("no temporary folder");
        }
        path_ = name;
    }
    ~TempFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TempFolder(const TempFolder&) = delete;
    TempFolder& operator=(const TempFolder&) = delete;

    const std::string& path() const { return path_; }
    std::string operator/(const std::string& name) const { return path_ + "/" + name; }

  private:
    std::string path_;
};

inline void write_file(const std::string& path, const std::string& text) {
    std::ofstream(path) << text;
}

inline std::string read_file(const std::string& path) {
    std::ostringstream text;
    text << std::ifstream(path).rdbuf();
    return text.str();
}

// A Loop whose timers fire when the test says so.
class HandTimers final : public core::Scheduler {
  public:
    core::TimePoint now() const override { return loop_.now(); }
    void post(Task task) override { loop_.post(std::move(task)); }
    core::TimerId arm(core::TimePoint at, Task task) override {
        const std::lock_guard lock(mutex_);
        timers_[++last_] = {at - now(), std::move(task)};
        changed_.notify_all();
        return last_;
    }
    void disarm(core::TimerId timer) override {
        const std::lock_guard lock(mutex_);
        timers_.erase(timer);
        changed_.notify_all();
    }
    bool watch(int fd, core::Interest interest, Ready ready) override {
        return loop_.watch(fd, interest, std::move(ready));
    }
    void unwatch(int fd) override { loop_.unwatch(fd); }

    void run() { loop_.run(); }
    void stop() { loop_.stop(); }
    // Waits until so many timers are armed.
    bool wait_for_timers(std::size_t count) {
        std::unique_lock lock(mutex_);
        return changed_.wait_for(lock, std::chrono::milliseconds(kLimitMs),
                                 [&] { return timers_.size() == count; });
    }
    // On the loop's thread: fires all. Returns the longest of their times.
    core::Duration fire() {
        std::map<core::TimerId, std::pair<core::Duration, Task>> due;
        {
            const std::lock_guard lock(mutex_);
            due.swap(timers_);
        }
        core::Duration longest{};
        for (auto& [id, timer] : due) {
            longest = std::max(longest, timer.first);
            timer.second();
        }
        return longest;
    }

  private:
    core::Loop loop_;
    std::mutex mutex_;
    std::condition_variable changed_;
    core::TimerId last_ = 0;
    std::map<core::TimerId, std::pair<core::Duration, Task>> timers_;
};

// A status socket served by a loop on a thread of its own. The members of the source are read on
// that thread.
template <class Scheduler = core::Loop>
class Served {
  public:
    explicit Served(const std::string& folder, bool must_open = true)
        : socket_(std::in_place, scheduler_, source()), thread_([this] { scheduler_.run(); }) {
        const auto opened = on_loop([&] { return socket_->open(folder); });
        error_ = opened ? "" : opened.error().text;
        if (must_open && !opened) {
            end();
            throw std::runtime_error(error_);
        }
    }
    ~Served() { end(); }
    Served(const Served&) = delete;
    Served& operator=(const Served&) = delete;

    // Runs it on the loop's thread and waits for it.
    template <class Work>
    auto on_loop(Work work) {
        std::packaged_task<decltype(work())()> task(std::move(work));
        auto result = task.get_future();
        scheduler_.post([&task] { task(); });
        return result.get();
    }

    void status(const std::string& json) {
        on_loop([&] { socket_->publish_status(status_json = json); });
    }
    void event(const std::string& json) {
        on_loop([&] {
            events.push_back(json);
            socket_->publish_event(json);
        });
    }
    void log(const std::string& line) {
        on_loop([&] {
            lines.push_back(line);
            socket_->publish_log(line);
        });
    }
    // On the loop's thread.
    const host::StatusSocket& socket() const { return *socket_; }
    std::size_t clients() {
        return on_loop([&] { return socket_->clients(); });
    }
    // Waits until the server has noticed what changes the number of its clients.
    bool wait_for_clients(std::size_t count) {
        const auto until = std::chrono::steady_clock::now() + std::chrono::milliseconds(kLimitMs);
        while (clients() != count) {
            if (std::chrono::steady_clock::now() > until) {
                return false;
            }
            std::this_thread::yield();
        }
        return true;
    }
    void close() {
        on_loop([&] { socket_->close(); });
    }
    // On the loop's thread.
    bool reopen(const std::string& folder) { return static_cast<bool>(socket_->open(folder)); }
    const std::string& error() const { return error_; }
    Scheduler& scheduler() { return scheduler_; }

    std::string status_json = R"({"schema":1,"state":"running","healthy":true})";
    std::vector<std::string> events;
    std::vector<std::string> lines;
    bool broken = false;  // the source throws

  private:
    host::StatusSource source() {
        const auto last = [this](const std::vector<std::string>& all, std::size_t count) {
            if (broken) {
                throw std::runtime_error("broken");
            }
            const auto from = all.size() - std::min(count, all.size());
            return std::vector(all.begin() + static_cast<std::ptrdiff_t>(from), all.end());
        };
        return {[this] { return broken ? throw std::runtime_error("broken") : status_json; },
                [this, last](std::size_t count) { return last(events, count); },
                [this, last](std::size_t count) { return last(lines, count); }};
    }
    void end() {
        if (thread_.joinable()) {
            on_loop([&] { socket_.reset(); });
            scheduler_.stop();
            thread_.join();
        }
    }

    Scheduler scheduler_;
    std::optional<host::StatusSocket> socket_;
    std::string error_;
    std::thread thread_;
};

// A client that knows sockets and lines.
class Peer {
  public:
    explicit Peer(const std::string& folder) {
        const auto address = host::StatusAddress::of(folder);
        fd_.reset(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
        connected_ =
            address && fd_ && ::connect(fd_.get(), address->get(), sizeof address->address) == 0;
    }
    Peer(const std::string& folder, const std::string& request) : Peer(folder) {
        send(request + "\n");
    }

    bool connected() const { return connected_; }
    int fd() const { return fd_.get(); }
    bool send(const std::string& bytes) {
        return ::send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL) ==
               static_cast<ssize_t>(bytes.size());
    }
    void half_close() { ::shutdown(fd_.get(), SHUT_WR); }
    void close() { fd_.reset(); }
    // The next line without its end; "<end>" when the server has ended the connection, "<late>"
    // when nothing comes.
    std::string line() {
        for (;;) {
            if (const auto end = in_.find('\n'); end != std::string::npos) {
                std::string line = in_.substr(0, end);
                in_.erase(0, end + 1);
                return line;
            }
            pollfd waited{fd_.get(), POLLIN, 0};
            if (::poll(&waited, 1, kLimitMs) <= 0) {
                return "<late>";
            }
            char buffer[65536];
            const ssize_t got = ::recv(fd_.get(), buffer, sizeof buffer, 0);
            if (got <= 0) {
                return in_.empty() ? "<end>" : "<cut off: " + in_ + ">";
            }
            in_.append(buffer, static_cast<std::size_t>(got));
        }
    }
    // All lines up to the end of the connection.
    std::vector<std::string> rest() {
        std::vector<std::string> lines;
        do {
            lines.push_back(line());
        } while (!lines.back().starts_with("<"));
        return lines;
    }

  private:
    core::UniqueFd fd_;
    bool connected_ = false;
    std::string in_;
};

using Lines = std::vector<std::string>;

}  // namespace steward::test
