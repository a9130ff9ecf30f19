// Supervisor: any number of services on one loop, with one event log.
//
// Owned by the loop's thread, which calls everything here.
#pragma once
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "steward/core/app_output.hpp"
#include "steward/core/event_log.hpp"
#include "steward/core/loop.hpp"
#include "steward/core/plugin_strategies.hpp"
#include "steward/core/service.hpp"

namespace steward::core {

struct SupervisorOptions {
    std::string guardian_file;  // path of app-guardian
    std::string host_version;
    PluginPlaces plugins;
    // A line that a plugin logged (level of steward/abi.h). Any thread.
    std::function<void(int level, std::string line)> plugin_log;
};

class Supervisor {
  public:
    // `loop` runs everything; `files` is a second loop for what may block (the log thread's);
    // `output` a third, which reads what the apps write. All outlive this.
    Supervisor(Loop& loop, Loop& files, Loop& output, SupervisorOptions options);
    ~Supervisor();
    Supervisor(const Supervisor&) = delete;
    Supervisor& operator=(const Supervisor&) = delete;

    // Adds a service, stopped. `output` says where the app's output goes.
    Service& add(ServiceConfig config, StrategyChoice choice, OutputOptions output);

    // Loads and configures the plugins of all services now; `done` comes with the first error.
    // Without it the first start does so.
    void prepare_plugins(std::function<void(Status)> done);

    // Every plugin file that is found, usable or not, and those that `choice` names by a path; looked
    // at on the other loop, where unknown ones may take 2 s each. `answer` comes once, on this loop.
    void list_plugins(const StrategyChoice& choice,
                      std::function<void(std::vector<PluginInfo>)> answer);

    const std::vector<Service*>& services() const { return services_; }
    AppOutput& output(const Service& service);
    EventLog& events() { return events_; }

    // Ends all services; `finished` comes once, with what is left of their trees (empty: nothing).
    // Again: only adds `at_once`; its `finished` is not called.
    void exit(const std::string& reason, bool at_once,
              std::function<void(std::string left)> finished = {});

  private:
    struct Entry;
    Entry& entry_of(const Service& service);

    Loop& loop_;
    Loop& files_;
    Loop& output_;
    SupervisorOptions options_;
    EventLog events_;
    PluginCatalogue catalogue_;
    PluginLibraries libraries_;
    std::vector<std::unique_ptr<Entry>> entries_;
    std::vector<Service*> services_;
    std::size_t unfinished_ = 0;
    std::string left_;
    std::function<void(std::string)> finished_;
    bool cache_saved_ = false;
    bool exit_asked_ = false;
};

}  // namespace steward::core
