// GuardianClient: the supervisor's end of the line to one app-guardian (guardian/protocol.h).
//
// Starts the guardian with the first spawn and again after it has died. A guardian that leaves an
// order unanswered for 200 ms is killed, and so is one that says nothing of the app's end and then
// leaves a ping unanswered for 200 ms. One that is silent without need (check()) is sent SIGCONT
// first. When a guardian is dead, the supervisor, a subreaper, has
// inherited its tree: it is killed and reaped here, in short rounds that do not hold the loop, and
// the app's true status is learned that way. Owned by the loop's thread.
#pragma once
#include <deque>
#include <memory>
#include <optional>
#include <string>

#include "steward/core/os.hpp"
#include "steward/core/scheduler.hpp"
#include "steward/core/spawn.hpp"

namespace steward::core {

class GuardianClient final : public GuardianLink {
  public:
    // `file`: the path of app-guardian.
    GuardianClient(Scheduler& scheduler, std::string file);
    ~GuardianClient() override;
    GuardianClient(const GuardianClient&) = delete;
    GuardianClient& operator=(const GuardianClient&) = delete;

    void listen(GuardianEvents events) override;
    void spawn(SpawnRequest request) override;
    void terminate() override;
    void kill() override;
    void check() override;
    void signal_app(int number) override;
    std::int32_t guardian_pid() const override;
    std::string describe_tree() const override;
    void close(std::function<void()> gone) override;

  private:
    struct Impl;
    std::shared_ptr<Impl> impl_;  // posted tasks hold it weakly
};

}  // namespace steward::core
