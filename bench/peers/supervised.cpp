#include "supervised.hpp"

#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <stdexcept>
#include <string_view>

namespace steward::bench {
namespace {
namespace fs = std::filesystem;

constexpr int kStartPatienceMs = 60'000;

void write_file(const fs::path& path, const std::string& text, mode_t mode = 0600) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
    if (chmod(path.c_str(), mode) != 0) {
        fail(path);
    }
}

std::string joined(const std::vector<std::string>& words) {
    std::string out;
    for (const auto& word : words) {
        out += (out.empty() ? "" : " ") + word;  // None of them has a space or a quote.
    }
    return out;
}

std::string script(const std::string& command) {
    return "#!/bin/sh\nexec " + command + "\n";
}

// --- how each is told ---

using Argv = std::vector<std::string>;

Argv bare_argv(const Workplace& place, const Argv& app) {
    Argv out = {place.app("respawner")};
    out.insert(out.end(), app.begin(), app.end());
    return out;
}

Argv runit_argv(const std::string& folder, const Argv& app) {
    write_file(folder + "/app/run", script(joined(app)), 0700);
    write_file(folder + "/app/log/run", script("svlogd " + folder + "/lines"), 0700);
    fs::create_directories(folder + "/lines");
    return {"runsv", folder + "/app"};
}

Argv s6_argv(const std::string& folder, const Argv& app) {
    write_file(folder + "/scan/app/run", script(joined(app)), 0700);
    // As large files as svlogd's; the default of 99,999 bytes would measure renames.
    write_file(folder + "/scan/app/log/run", script("s6-log n10 s1000000 " + folder + "/lines"),
               0700);
    return {"s6-svscan", folder + "/scan"};
}

Argv supervisord_argv(const std::string& folder, const Argv& app) {
    write_file(folder + "/conf", "[supervisord]\nnodaemon=true\nlogfile=" + folder +
                                     "/log\npidfile=" + folder + "/pid\nchildlogdir=" + folder +
                                     "\n[program:app]\ncommand=" + joined(app) +
                                     "\nstdout_logfile=" + folder + "/lines\n");
    return {"supervisord", "-c", folder + "/conf"};
}

Argv monit_argv(const std::string& folder, Argv app, const Task& task) {
    const std::string pidfile = folder + "/app.pid";
    app.push_back("pidfile=" + pidfile);
    write_file(folder + "/start", "#!/bin/sh\n" + joined(app) + " >/dev/null 2>&1 &\n", 0700);
    write_file(folder + "/stop", "#!/bin/sh\nkill $(cat " + pidfile + ")\n", 0700);
    write_file(folder + "/restart",
               "#!/bin/sh\n" + folder + "/stop\nwhile kill -0 $(cat " + pidfile +
                   "); do sleep 0.01; done\nexec " + folder + "/start\n",
               0700);
    // The time-outs, because monit looks at no port for 30 s after what it has started otherwise.
    const auto command = [&folder](const std::string& name) {
        return "\n  " + name + " program = \"" + folder + "/" + name + "\" with timeout 1 seconds";
    };
    write_file(folder + "/conf", "set daemon " + std::to_string(task.monit_cycle_s) + "\nset log " +
                                     folder + "/log\nset pidfile " + folder + "/pid\nset idfile " +
                                     folder + "/id\nset statefile " + folder +
                                     "/state\ncheck process app with pidfile " + pidfile +
                                     command("start") + command("stop") + command("restart") +
                                     "\n" + task.monit_check);
    return {"monit", "-I", "-c", folder + "/conf"};
}

Argv steward_argv(const Workplace& place, const Argv& app, const Task& task) {
    Argv out = place.steward_mcp(task.port != 0 ? task.port : free_port(), task.steward_options);
    out.emplace_back("--");
    out.insert(out.end(), app.begin(), app.end());
    return out;
}

// --- where each one's knowledge shows ---

// A line with `word` in a log, or, with an empty `word`, a file that is put into a folder.
class WatchedPath : public Knowledge {
  public:
    WatchedPath(std::string path, std::string word)
        : path_(std::move(path)),
          word_(std::move(word)),
          inotify_(inotify_init1(IN_CLOEXEC | IN_NONBLOCK)) {
        const std::uint32_t what = word_.empty() ? IN_MOVED_TO : IN_MODIFY;
        if (inotify_add_watch(inotify_.get(), path_.c_str(), what) < 0) {
            fail(path_);
        }
    }
    [[nodiscard]] int fd() const override { return inotify_.get(); }
    void forget() override {
        drain();
        if (!word_.empty()) {
            seen_ = fs::file_size(path_);
        }
    }
    bool noted() override {
        const bool something = drain();
        if (word_.empty() || !something) {
            return something;
        }
        std::ifstream file(path_);
        file.seekg(static_cast<std::streamoff>(seen_));
        std::ostringstream text;
        text << file.rdbuf();
        return text.str().find(word_) != std::string::npos;
    }

  private:
    // True if there was something.
    bool drain() {
        alignas(inotify_event) char bytes[4096];
        bool any = false;
        while (read(inotify_.get(), bytes, sizeof bytes) > 0) {
            any = true;
        }
        return any;
    }

    std::string path_;
    std::string word_;
    Fd inotify_;
    std::uintmax_t seen_ = 0;
};

// The event on steward's status socket.
class StatusSocket : public Knowledge {
  public:
    StatusSocket(const std::string& state, pid_t steward)
        : fd_(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{};
        address.sun_family = AF_UNIX;
        const auto path = find(state, steward);
        if (path.size() >= sizeof address.sun_path) {
            throw std::runtime_error(path + ": too long for a socket; choose a shorter TMPDIR");
        }
        std::memcpy(address.sun_path, path.c_str(), path.size());
        constexpr std::string_view kRequest = "{\"want\":\"events\",\"follow\":true,\"count\":0}\n";
        if (connect(fd_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0 ||
            send(fd_.get(), kRequest.data(), kRequest.size(), MSG_NOSIGNAL) < 0) {
            fail(path);
        }
        fcntl(fd_.get(), F_SETFL, O_NONBLOCK);
    }
    [[nodiscard]] int fd() const override { return fd_.get(); }
    void forget() override {
        read_all();
        unread_.clear();
    }
    bool noted() override {
        read_all();
        return unread_.find("\"service.exit\"") != std::string::npos;
    }

  private:
    static std::string find(const std::string& state, pid_t steward) {
        const auto part = "-" + std::to_string(steward) + "-";
        for (const auto& folder : fs::directory_iterator(state + "/steward")) {
            if (folder.path().filename().string().find(part) != std::string::npos) {
                return folder.path() / "status.sock";
            }
        }
        throw std::runtime_error("steward has no state folder in " + state);
    }
    void read_all() {
        char bytes[8192];
        for (ssize_t count = 0; (count = read(fd_.get(), bytes, sizeof bytes)) > 0;) {
            unread_.append(bytes, static_cast<std::size_t>(count));
        }
    }

    Fd fd_;
    std::string unread_;
};

std::vector<pid_t> children_of(pid_t pid) {
    std::vector<pid_t> out;
    std::error_code gone;
    for (const auto& task :
         fs::directory_iterator("/proc/" + std::to_string(pid) + "/task", gone)) {
        std::ifstream file(task.path() / "children");
        for (pid_t child = 0; file >> child;) {
            out.push_back(child);
        }
    }
    return out;
}

}  // namespace

const char* name_of(Who who) {
    constexpr const char* kNames[] = {"steward", "bare", "runit", "s6", "supervisord", "monit"};
    return kNames[static_cast<int>(who)];
}

Supervised::Supervised(const Workplace& place, Who who, const std::string& name, const Task& task)
    : who_(who) {
    const std::string folder = place.file(name);
    fs::create_directories(folder);
    reports_ = std::make_unique<StartReports>(folder + "/fifo");
    Argv app = {place.app("subject"), reports_->path()};
    app.insert(app.end(), task.words.begin(), task.words.end());
    Plan plan;
    for (const auto& variable : place.env()) {
        // Steward's app needs it; supervisord would compile the whole library at each start.
        if (variable.rfind("PYTHONPYCACHEPREFIX=", 0) != 0) {
            plan.env.push_back(variable);
        }
    }
    plan.err = place.log();
    switch (who) {
        case Who::kSteward:
            steward_ = std::make_unique<McpClient>(place, steward_argv(place, app, task));
            steward_->send(initialize_line() + initialized_line());
            break;
        case Who::kBare:
            plan.argv = bare_argv(place, app);
            break;
        case Who::kRunit:
            plan.argv = runit_argv(folder, app);
            break;
        case Who::kS6:
            plan.argv = s6_argv(folder, app);
            break;
        case Who::kSupervisord:
            plan.argv = supervisord_argv(folder, app);
            break;
        case Who::kMonit:
            plan.argv = monit_argv(folder, app, task);
            break;
    }
    if (!plan.argv.empty()) {
        process_ = Process(plan);
    }
    app_ = reports_->next(kStartPatienceMs);
    watch(place, folder);
}

void Supervised::watch(const Workplace& place, const std::string& folder) {
    switch (who_) {
        case Who::kSteward:
            knowledge_ = std::make_unique<StatusSocket>(place.file("state"), steward_->pid());
            break;
        case Who::kBare:
            break;
        case Who::kRunit:
            knowledge_ = std::make_unique<WatchedPath>(folder + "/app/supervise", "");
            break;
        case Who::kS6:
            knowledge_ = std::make_unique<WatchedPath>(folder + "/scan/app/supervise", "");
            break;
        case Who::kSupervisord:
            knowledge_ = std::make_unique<WatchedPath>(folder + "/log", "exited: app");
            break;
        case Who::kMonit:
            knowledge_ = std::make_unique<WatchedPath>(folder + "/log", "process is not running");
            break;
    }
}

pid_t Supervised::top() const {
    return steward_ ? steward_->pid() : process_.pid();
}

pid_t Supervised::supervisor() const {
    return who_ == Who::kS6 ? parent_of(app_.who) : top();
}

bool Supervised::take_start() {
    const auto report = reports_->take();
    app_ = report.value_or(app_);
    return report.has_value();
}

void end_strays() {
    for (;;) {
        for (const pid_t child : children_of(getpid())) {
            kill(child, SIGKILL);
        }
        if (waitpid(-1, nullptr, 0) < 0 && errno == ECHILD) {
            return;
        }
    }
}

std::vector<pid_t> processes_of(pid_t top) {
    std::vector<pid_t> out = {top};
    for (std::size_t i = 0; i < out.size(); ++i) {
        for (const pid_t child : children_of(out[i])) {
            std::string name;
            std::getline(std::ifstream("/proc/" + std::to_string(child) + "/comm"), name);
            if (name != "subject") {
                out.push_back(child);
            }
        }
    }
    return out;
}

pid_t parent_of(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.compare(0, 5, "PPid:") == 0) {
            return static_cast<pid_t>(std::stol(line.substr(5)));
        }
    }
    throw std::runtime_error("process " + std::to_string(pid) + " is gone");
}

}  // namespace steward::bench
