#include "plugin_slots.hpp"

#include <sys/stat.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "plugin_library.hpp"
#include "plugin_values.hpp"
#include "steward/core/schema.hpp"
#include "steward/health.h"
#include "steward/metrics.h"
#include "steward/port.h"
#include "steward/restart.h"

namespace steward::core {
namespace {

constexpr Duration kCreateTime = std::chrono::seconds(2);

Slot empty_slot(std::string kind, std::string interface, std::string name) {
    Slot slot;
    slot.kind = std::move(kind);
    slot.interface = std::move(interface);
    slot.name = std::move(name);
    return slot;
}

FileIdentity identity_of(const std::string& file) {
    struct stat status {};
    return stat(file.c_str(), &status) == 0 ? FileIdentity{status.st_dev, status.st_ino}
                                            : FileIdentity{};
}

}  // namespace

// What a slot is to be filled with; made on the files' thread.
struct PluginSlots::Plan {
    PluginInfo info;
    FileIdentity identity{};
    std::string config;
    std::string error;
};

struct PluginSlots::Plans {
    std::vector<Plan> slots = std::vector<Plan>(kSlotCount);
    // A setting for a plugin that is in no slot: wrong, but the fault of none of them.
    std::string unused_id;
    std::string unused_error;
};

struct PluginSlots::Created {
    std::string error;
    steward_instance* instance = nullptr;
    const steward_plugin* plugin = nullptr;
    const void* functions = nullptr;
};

PluginSlots::PluginSlots(Scheduler& scheduler, Scheduler& files, PluginCatalogue& catalogue,
                         PluginLibraries& libraries, StrategyChoice choice,
                         std::shared_ptr<PluginQuestions> questions)
    : scheduler_(scheduler),
      files_(files),
      catalogue_(catalogue),
      libraries_(libraries),
      choice_(std::move(choice)),
      questions_(std::move(questions)) {
    slots_[kHealth] = empty_slot("health", STEWARD_IFACE_HEALTH, choice_.health);
    slots_[kRestart] = empty_slot("restart", STEWARD_IFACE_RESTART, choice_.restart);
    slots_[kPort] = empty_slot("port", STEWARD_IFACE_PORT, choice_.port);
    slots_[kMetrics] = empty_slot("metrics", STEWARD_IFACE_METRICS, choice_.metrics);
}

void PluginSlots::prepare(std::function<void(Status)> done) {
    if (prepared_) {
        scheduler_.post([done = std::move(done), status = status_] { done(status); });
        return;
    }
    done_.push_back(std::move(done));
    begin();
}

void PluginSlots::when_prepared(std::function<void()> question) {
    waiting_.push_back(std::move(question));
    begin();
}

void PluginSlots::end() {
    ended_ = true;
    done_.clear();
    waiting_.clear();
    for (const auto& slot : slots_) {
        if (slot.instance != nullptr && !slot.library->quarantined) {
            slot.library->thread->call(
                {"destroy"},
                [plugin = slot.plugin, instance = slot.instance] { plugin->destroy(instance); });
        }
    }
}

void PluginSlots::begin() {
    if (begun_) {
        return;
    }
    begun_ = true;
    files_.post([self = shared_from_this()] {
        Plans plans;
        try {
            plans = self->plan();
        } catch (const std::exception& e) {
            for (auto& plan : plans.slots) {
                plan.error = std::string("the plugins cannot be examined: ") + e.what();
            }
        }
        self->scheduler_.post(
            [self, plans = std::move(plans)]() mutable { self->fill(std::move(plans)); });
    });
}

// On the files' thread: reads only what does not change.
PluginSlots::Plans PluginSlots::plan() const {
    Plans plans;
    auto unused = choice_.settings;
    for (std::size_t index = 0; index < kSlotCount; ++index) {
        const auto& slot = slots_[index];
        auto& plan = plans.slots[index];
        if (!slot.none()) {
            auto info = catalogue_.find(slot.name);
            if (!info) {
                plan.error = info.error().text;
            } else if (!info->has(slot.interface)) {
                plan.error = info->id + ": is no " + slot.kind + " strategy (it offers " +
                             (info->interfaces.empty() ? "nothing" : info->interfaces.front()) +
                             "); see `steward plugins`";
            } else {
                plan.info = std::move(*info);
                plan.identity =
                    plan.info.built_in != nullptr ? FileIdentity{} : identity_of(plan.info.file);
                const auto values = choice_.settings.find(plan.info.id);
                auto config = complete_settings(plan.info.id, plan.info.schema,
                                                values == choice_.settings.end()
                                                    ? std::map<std::string, std::string>{}
                                                    : values->second);
                unused.erase(plan.info.id);
                if (config) {
                    plan.config = *config;
                } else {
                    plan.error = config.error().text;
                }
            }
        }
    }
    // What a slot would be called that cannot be filled is not always known: its fault comes first.
    const bool faulty = std::any_of(plans.slots.begin(), plans.slots.end(),
                                    [](const Plan& plan) { return !plan.error.empty(); });
    if (!unused.empty() && !faulty) {
        const auto& [id, values] = *unused.begin();
        plans.unused_id = id;
        plans.unused_error = id + "." + values.begin()->first + ": " + id +
                             " is none of the strategies in use; name it with --health, "
                             "--restart, --port-strategy or "
                             "--metrics, or leave --set out";
    }
    return plans;
}

// On the library's thread.
PluginSlots::Created PluginSlots::create_instance(Library& library, const steward_host* host,
                                                  const PluginInfo& info, const std::string& config,
                                                  const std::string& interface) {
    Created out;
    CallError error;
    if (library.entry == nullptr) {
        const auto loaded = info.built_in != nullptr ? Result<const steward_entry*>(info.built_in)
                                                     : load_plugin_library(info.file);
        if (!loaded) {
            out.error = loaded.error().text;
            return out;
        }
        library.entry = *loaded;
    }
    if (!library.initialised) {
        if (const auto status = library.entry->init(host, as_str(info.file), &error.value);
            status != STEWARD_OK) {
            out.error = info.id + ": its init failed: " + error.text(status);
            return out;
        }
        library.initialised = true;
    }
    for (std::uint32_t i = 0; i < library.entry->plugin_count && out.plugin == nullptr; ++i) {
        const auto* const plugin = library.entry->get_plugin(i);
        if (plugin != nullptr && plugin_text(plugin->desc->id) == info.id) {
            out.plugin = plugin;
        }
    }
    out.functions = out.plugin == nullptr ? nullptr : out.plugin->get_interface(interface.c_str());
    if (out.functions == nullptr) {
        out.error = info.id + ": does not offer " + interface;
        return out;
    }
    if (const auto status = out.plugin->create(host, as_str(config), &out.instance, &error.value);
        status != STEWARD_OK) {
        out.instance = nullptr;
        // A wrong setting is named as it is given: "health_http.path: must begin with a slash".
        out.error = status == STEWARD_E_INVALID
                        ? info.id + "." + error.text(status)
                        : info.id + ": cannot be created: " + error.text(status);
    }
    return out;
}

void PluginSlots::fill(Plans plans) {
    if (ended_) {
        return;
    }
    unused_error_ = plans.unused_error;
    if (!unused_error_.empty() && done_.empty()) {
        // Who waits for the outcome hears it from there.
        questions_->report(EventName::kPluginQuarantined, plans.unused_id, "load",
                           unused_error_ + "; the setting has no effect");
    }
    unfilled_ = kSlotCount;
    for (std::size_t index = 0; index < kSlotCount; ++index) {
        auto& slot = slots_[index];
        auto& plan = plans.slots[index];
        if (slot.none() || !plan.error.empty()) {
            slot.broken = plan.error;
            slot.shown = slot.none() ? "none" : slot.name;
            filled(index, Created{plan.error, nullptr, nullptr, nullptr});
            continue;
        }
        slot.shown = plan.info.id + " " + plan.info.version;
        try {
            slot.library = libraries_.impl().get(plan.info.file, plan.identity, plan.info.id);
        } catch (const std::exception& e) {
            filled(index, Created{plan.info.id + ": its thread cannot be made: " + e.what(),
                                  nullptr, nullptr, nullptr});
            continue;
        }
        const auto library = slot.library;
        questions_->ask<Created>(
            slot, "create", kCreateTime,
            // Not library->thread: the libraries may be gone when a call that hung comes back.
            [library, thread = library->thread.get(), info = plan.info, config = plan.config,
             interface = slot.interface](std::string&) {
                auto created = create_instance(*library, thread->host(), info, config, interface);
                if (thread->quarantined()) {
                    keep_for_ever(created.instance);  // Nobody may destroy it any more.
                }
                return std::optional<Created>(std::move(created));
            },
            [self = shared_from_this(), index](const Created& created) {
                self->filled(index, created);
            },
            [id = plan.info.id](const std::string& why) {
                return Created{id + ": cannot be created: " + why, nullptr, nullptr, nullptr};
            },
            [library](const Created& created) {
                // Nobody waits for it any more.
                if (created.instance != nullptr && library->thread && !library->quarantined) {
                    library->thread->call({"destroy"},
                                          [plugin = created.plugin, instance = created.instance] {
                                              plugin->destroy(instance);
                                          });
                }
            });
    }
}

void PluginSlots::filled(std::size_t index, const Created& created) {
    auto& slot = slots_[index];
    slot.instance = created.instance;
    slot.plugin = created.plugin;
    slot.functions = created.functions;
    if (!created.error.empty()) {
        slot.broken = created.error;
        if (status_) {
            status_ = Error{created.error};
        }
        // Who waits for the outcome hears it from there.
        if (done_.empty()) {
            questions_->report(EventName::kPluginQuarantined, slot.name, "load",
                               created.error + "; the built-in fallback answers");
        }
    }
    if (--unfilled_ == 0) {
        finish();
    }
}

void PluginSlots::finish() {
    prepared_ = true;
    if (status_ && !unused_error_.empty()) {
        status_ = Error{unused_error_};
    }
    for (const auto& done : std::exchange(done_, {})) {
        done(status_);
    }
    for (const auto& question : std::exchange(waiting_, {})) {
        question();
    }
}

}  // namespace steward::core
