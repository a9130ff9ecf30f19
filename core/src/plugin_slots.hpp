// PluginSlots: the four slots of a service and how they are filled: find, probe, load, configure.
//
// Owned by the loop's thread.
#pragma once
#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "plugin_questions.hpp"
#include "steward/core/plugin_catalogue.hpp"
#include "steward/core/plugin_strategies.hpp"

namespace steward::core {

enum SlotIndex : std::size_t { kHealth, kRestart, kPort, kMetrics, kSlotCount };

class PluginSlots : public std::enable_shared_from_this<PluginSlots> {
  public:
    // `files` and the catalogue: see PluginStrategies.
    PluginSlots(Scheduler& scheduler, Scheduler& files, PluginCatalogue& catalogue,
                PluginLibraries& libraries, StrategyChoice choice,
                std::shared_ptr<PluginQuestions> questions);

    // `done` comes once, with the first error: at once when the slots are filled already.
    void prepare(std::function<void(Status)> done);
    bool prepared() const { return prepared_; }
    // Runs when the slots are filled, and has them filled if nobody has asked for it before; then
    // a slot with an error is reported, for nobody else would tell.
    void when_prepared(std::function<void()> question);

    const Slot& operator[](SlotIndex index) const { return slots_[index]; }
    const std::array<Slot, kSlotCount>& all() const { return slots_; }

    // The strategies are gone: their instances are destroyed, nobody is told anything any more.
    void end();

  private:
    struct Plan;
    struct Plans;
    struct Created;

    void begin();
    Plans plan() const;
    void fill(Plans plans);
    void filled(std::size_t index, const Created& created);
    void finish();
    static Created create_instance(Library& library, const steward_host* host,
                                   const PluginInfo& info, const std::string& config,
                                   const std::string& interface);

    Scheduler& scheduler_;
    Scheduler& files_;
    PluginCatalogue& catalogue_;
    PluginLibraries& libraries_;
    const StrategyChoice choice_;
    std::shared_ptr<PluginQuestions> questions_;
    std::array<Slot, kSlotCount> slots_;

    bool ended_ = false;
    bool begun_ = false;
    bool prepared_ = false;
    std::size_t unfilled_ = 0;
    std::string unused_error_;
    Status status_ = Nothing{};
    std::vector<std::function<void(Status)>> done_;
    std::vector<std::function<void()>> waiting_;
};

}  // namespace steward::core
