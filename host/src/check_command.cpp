#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <string>

#include <Poco/Exception.h>
#include <Poco/Pipe.h>
#include <Poco/PipeStream.h>
#include <Poco/Process.h>
#include <Poco/StreamCopier.h>
#include <fmt/core.h>

#include "commands.hpp"
#include "service_config.hpp"
#include "session.hpp"
#include "steward/core/held_port.hpp"
#include "steward/core/loop.hpp"

namespace steward::host {
namespace {

// Prints one finding and remembers whether all were good.
class Findings {
  public:
    void good(const std::string& what) { fmt::print("ok     {}\n", what); }
    void bad(const std::string& what) {
        fmt::print("wrong  {}\n", what);
        all_good_ = false;
    }
    bool all_good() const { return all_good_; }

  private:
    bool all_good_ = true;
};

// Where the program would be found, as execvp looks for it; empty: nowhere.
std::string find_program(const std::string& name) {
    if (name.find('/') != std::string::npos) {
        return access(name.c_str(), X_OK) == 0 ? name : std::string();
    }
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "/usr/local/bin:/usr/bin:/bin");
    for (std::string folder; std::getline(folders, folder, ':');) {
        const auto file = folder + "/" + name;
        if (access(file.c_str(), X_OK) == 0 && std::filesystem::is_regular_file(file)) {
            return file;
        }
    }
    return {};
}

void check_python(const std::string& python, Findings& findings) {
    try {
        Poco::Pipe output;
        const Poco::Process::Args arguments{
            "-c", "import flask, waitress; print('flask', flask.__version__)"};
        auto process = Poco::Process::launch(python, arguments, nullptr, &output, &output);
        Poco::PipeInputStream stream(output);
        std::string text;
        Poco::StreamCopier::copyToString(stream, text);
        while (!text.empty() && text.back() == '\n') {
            text.pop_back();
        }
        const auto last = text.rfind('\n');
        const std::string line = last == std::string::npos ? text : text.substr(last + 1);
        if (process.wait() == 0) {
            findings.good(fmt::format("{} has {} and waitress", python, line));
        } else {
            findings.bad(fmt::format(
                "{}: {}; install python3-flask and python3-waitress, or give another --python",
                python, line));
        }
    } catch (const Poco::Exception& e) {
        findings.bad(fmt::format("{}: {}", python, e.displayText()));
    }
}

void check_command_line(const core::ServiceConfig& config, bool is_default, Findings& findings) {
    const std::string& program = config.argv.front();
    const auto file = find_program(program);
    if (file.empty()) {
        findings.bad(fmt::format("{}: cannot be executed; install it or give {}", program,
                                 is_default ? "another --python" : "the command's path"));
        return;
    }
    findings.good(fmt::format("{} can be executed", file));
    if (is_default) {
        const std::string& app = config.argv[1];
        if (access(app.c_str(), R_OK) == 0) {
            findings.good(fmt::format("{} is there", app));
            check_python(file, findings);
        } else {
            findings.bad(fmt::format("{}: is missing; build or install Steward again", app));
        }
    }
}

void check_port(const core::ServiceConfig& config, Findings& findings) {
    if (config.machine.port_mode == core::PortMode::kNone) {
        findings.good("no port is needed");
        return;
    }
    core::Loop loop;
    core::HeldPort port(loop);
    std::string last;
    for (unsigned i = 0; i < config.port_tries && config.base_port + i <= 65535U; ++i) {
        const auto candidate = static_cast<std::uint16_t>(config.base_port + i);
        const auto free = port.test(config.address, candidate);
        if (free) {
            findings.good(fmt::format("port {} of {} is free{}", candidate, config.address,
                                      i == 0 ? "" : " (" + last + ")"));
            return;
        }
        last = free.error().text;
    }
    findings.bad(fmt::format("none of {} ports from {} is free: {}; give another --port",
                             config.port_tries, config.base_port, last));
}

}  // namespace

int check_command(const Options& options) {
    Findings findings;
    const auto config = service_config(options, find_paths());
    if (const auto status = check_options(options); status) {
        findings.good(fmt::format("{} can be written", options.data_dir));
    } else {
        findings.bad(status.error().text);
    }
    check_command_line(config, options.app_command.empty(), findings);
    check_port(config, findings);
    {
        Session session({options, core::Severity::kError, /*watch_parent=*/false});
        if (const auto wrong = session.prepare_plugins(); wrong.empty()) {
            findings.good(fmt::format("strategies {}, {}, {}, {}", options.health, options.restart,
                                      options.port_strategy, options.metrics));
        } else {
            findings.bad(wrong);
        }
        std::fflush(stdout);
#ifndef STEWARD_SANITIZED
        _exit(findings.all_good() ? 0 : 2);  // A plugin that hangs may not hold this up.
#endif
    }
    return findings.all_good() ? 0 : 2;
}

}  // namespace steward::host
