// One app under one supervisor: what each of them needs to be told, and where its own knowledge of a
// crash can be seen. One thread. What cannot be done is a std::runtime_error.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "../mcp_client.hpp"
#include "../process.hpp"
#include "../start_reports.hpp"
#include "../workplace.hpp"

namespace steward::bench {

enum class Who { kSteward, kBare, kRunit, kS6, kSupervisord, kMonit };
inline constexpr std::array kEverybody = {Who::kSteward, Who::kBare,        Who::kRunit,
                                          Who::kS6,      Who::kSupervisord, Who::kMonit};
const char* name_of(Who who);

struct Task {
    // Words for apps/subject.c, beside the FIFO.
    std::vector<std::string> words = {};
    std::vector<std::string> steward_options = {};
    // Of monit's cycle, in seconds, and more of its `check process`.
    int monit_cycle_s = 1;
    std::string monit_check = {};
    // steward's first port, monit's and the app's; 0: none is listened on.
    std::uint16_t port = 0;
};

// Sees the moment at which a supervisor notes that its app is gone.
class Knowledge {
  public:
    virtual ~Knowledge() = default;
    [[nodiscard]] virtual int fd() const = 0;
    // Forgets all that was noted so far.
    virtual void forget() = 0;
    // True if it has been noted since forget(); does not wait.
    virtual bool noted() = 0;
};

class Supervised {
  public:
    // Starts it, in the folder `name` of `place`, and waits until the app has started.
    Supervised(const Workplace& place, Who who, const std::string& name, const Task& task);

    [[nodiscard]] Who who() const { return who_; }
    // What was started here.
    [[nodiscard]] pid_t top() const;
    // What started the app and looks after it. (monit's apps are nobody's children.)
    [[nodiscard]] pid_t supervisor() const;
    [[nodiscard]] const StartReport& app() const { return app_; }
    StartReports& reports() { return *reports_; }
    // Takes the next report that is there for that of the app; does not wait.
    bool take_start();
    // Nothing where it cannot be seen from outside: the bare respawner has no log and no status.
    [[nodiscard]] Knowledge* knowledge() const { return knowledge_.get(); }

  private:
    void watch(const Workplace& place, const std::string& folder);

    Who who_;
    std::unique_ptr<StartReports> reports_;
    std::unique_ptr<McpClient> steward_;
    Process process_;
    std::unique_ptr<Knowledge> knowledge_;
    StartReport app_;
};

// Kills and reaps every child of this process, again and again until there is none. With this
// process a subreaper that is all that any supervisor has left behind.
void end_strays();

// Ends what a phase has left, however it ends. To be made before the phase's Supervised.
struct Phase {
    Phase() = default;
    ~Phase() { end_strays(); }
    Phase(const Phase&) = delete;
    Phase& operator=(const Phase&) = delete;
};

// All processes below `top`, `top` included and apps/subject.c excluded.
std::vector<pid_t> processes_of(pid_t top);
pid_t parent_of(pid_t pid);

}  // namespace steward::bench
