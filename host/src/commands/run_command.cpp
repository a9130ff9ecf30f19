#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <sstream>
#include <string>

#include <fmt/core.h>

#include "commands.hpp"
#include "console.hpp"
#include "service_config.hpp"
#include "session.hpp"
#include "steward/core/spawn.hpp"

extern char** environ;

namespace steward::host {
namespace {

// The first program of PATH that opens a page in the user's browser; empty where there is no
// desktop.
std::string browser_opener() {
    if (std::getenv("DISPLAY") == nullptr && std::getenv("WAYLAND_DISPLAY") == nullptr) {
        return {};
    }
    const char* const path = std::getenv("PATH");
    std::istringstream folders(path != nullptr ? path : "");
    for (std::string folder; std::getline(folders, folder, ':');) {
        for (const char* name : {"xdg-open", "sensible-browser"}) {
            if (const auto file = folder + "/" + name; access(file.c_str(), X_OK) == 0) {
                return file;
            }
        }
    }
    return {};
}

// A helper of this process, so that the sweep after a guardian's death leaves it alone; reaped when
// it ends. The loop's thread.
void open_browser(Session& session, const std::string& url) {
    const auto opener = browser_opener();
    if (opener.empty()) {
        return;
    }
    core::ProcessSpec spec;
    spec.file = opener;
    spec.argv = {opener, url};
    for (char** entry = environ; *entry != nullptr; ++entry) {
        spec.environment.emplace_back(*entry);
    }
    spec.descriptors = {{-1, 0}, {-1, 1}, {-1, 2}};
    spec.new_session = true;
    auto started = core::spawn(spec);
    if (!started) {
        session.log(core::Severity::kWarning, "run", started.error().text);
        return;
    }
    const auto child = std::make_shared<core::ChildProcess>(std::move(*started));
    session.loop().watch(child->pidfd.get(), core::Interest::kRead, [&session, child](bool, bool) {
        session.loop().unwatch(child->pidfd.get());
        (void)core::reap(*child);
    });
}

// Says once where the app is.
class Announcer {
  public:
    Announcer(Session& session, std::shared_ptr<Console> screen, bool open)
        : session_(session), screen_(std::move(screen)), open_(open) {}

    // The loop's thread, after each change.
    void look() {
        const auto& state = session_.service().machine();
        if (said_ || state.state != core::State::kRunning || !(state.healthy || state.port == 0)) {
            return;
        }
        said_ = true;
        const auto status = session_.service().status();
        std::string text =
            status.url.empty()
                // It may have ended since: nobody can ask a program without a port.
                ? fmt::format("{} started, pid {}\n", status.service, status.pid)
                : fmt::format(
                      "{} is ready: {}\n",
                      status.service == defaults::kServiceName ? "PromptBin" : status.service,
                      status.url);
        if (!status.healthy) {
            text += fmt::format("its health is not known: {}\n", status.cause);
        }
        if (status.service == defaults::kServiceName) {
            text += fmt::format(
                "\nTo connect an AI tool (it starts a server of its own; see `{0} connect`), put "
                "this into its\n"
                "configuration:\n\n{1}\n",
                find_paths().program, connect_snippet("claude", find_paths()));
        }
        screen_->line(text + "Ctrl-C stops it.");
        if (open_ && !status.url.empty()) {
            open_browser(session_, status.url);
        }
    }

  private:
    Session& session_;
    const std::shared_ptr<Console> screen_;
    const bool open_;
    bool said_ = false;
};

}  // namespace

int run_command(const Options& options) {
    if (const auto wrong = check_options(options); !wrong) {
        fmt::print(stderr, "steward: {}\n", wrong.error().text);
        return 2;
    }
    const auto screen = std::make_shared<Console>(STDOUT_FILENO, "out");
    Session session({options, core::Severity::kInfo, /*watch_parent=*/false, screen});
    if (options.strategies_given) {
        if (const auto wrong = session.prepare_plugins(); !wrong.empty()) {
            fmt::print(stderr, "steward: {}\n", wrong);
            std::fflush(stderr);
            _exit(2);
        }
    }
    const auto announcer = std::make_shared<Announcer>(session, screen, options.open_browser);
    session.on_change([announcer] { announcer->look(); });
    session.post([&session] { session.start_for_client("steward run"); });
    return session.wait();
}

}  // namespace steward::host
