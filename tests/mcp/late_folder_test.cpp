// The disk of the state folder hangs: the app is started without it, and what comes late is used.
#include <sys/ptrace.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "scenes.hpp"

using namespace steward::tests;
namespace fs = std::filesystem;

namespace {

pid_t thread_named(pid_t process, const std::string& name) {
    for (const auto& entry : fs::directory_iterator("/proc/" + std::to_string(process) + "/task")) {
        std::ifstream file(entry.path() / "comm");
        std::string found;
        if (std::getline(file, found) && found == name) {
            return static_cast<pid_t>(std::stol(entry.path().filename().string()));
        }
    }
    return 0;
}

// Holds one thread of another process, as a system call that does not come back would.
class HeldThread {
  public:
    explicit HeldThread(pid_t thread) : thread_(thread) {
        REQUIRE(ptrace(PTRACE_SEIZE, thread, nullptr, nullptr) == 0);
        REQUIRE(ptrace(PTRACE_INTERRUPT, thread, nullptr, nullptr) == 0);
        REQUIRE(waitpid(thread, nullptr, __WALL) == thread);
    }
    ~HeldThread() { release(); }
    HeldThread(const HeldThread&) = delete;
    HeldThread& operator=(const HeldThread&) = delete;
    void release() {
        if (const pid_t thread = std::exchange(thread_, 0); thread != 0) {
            ptrace(PTRACE_DETACH, thread, nullptr, nullptr);
        }
    }

  private:
    pid_t thread_;
};

}  // namespace

TEST_CASE("a state folder that comes late is used from then on", "[mcp][start]") {
    const Sandbox sandbox;
    StewardProcess steward(sandbox, with_app());
    pid_t log = 0;
    REQUIRE(wait_until([&] { return (log = thread_named(steward.pid(), "log")) != 0; }));
    HeldThread held(log);
    steward.initialize();
    // A start without the folder is under way; it waits for the plugins, which that thread looks
    // up.
    steward.wait_state("deciding");
    CHECK(text_at(steward.status(), "log_file").empty());

    held.release();
    const auto status = steward.wait_state("running");
    const std::string file = text_at(status, "log_file");
    REQUIRE_FALSE(file.empty());
    CHECK(fs::exists(file));
    CHECK(fs::exists(fs::path(file).parent_path() / "status.sock"));
    // Everything from the first line on is in it.
    CHECK(number_at(sandbox.wait_event("service.started"), "generation") == 1);
    sandbox.wait_event("log", kPatience, 0, [](const Json& entry) {
        return text_at(entry, "text").find("does not answer") != std::string::npos;
    });
    sandbox.wait_event("log", kPatience, 0, [](const Json& entry) {
        return text_at(entry, "text").find("came late") != std::string::npos;
    });
}
