// Load and ABI: the tables of a plugin, and hosts of other versions than this.
#include <array>
#include <cstring>
#include <map>
#include <string_view>

#include "check.hpp"
#include "load_rules.hpp"
#include "scene.hpp"
#include "settings.hpp"
#include "strategies.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

std::string hex(std::uint32_t value) {
    constexpr std::string_view kDigits = "0123456789abcdef";
    std::string text = "0x";
    for (int shift = 28; shift >= 0; shift -= 4) {
        text += kDigits[(value >> static_cast<unsigned>(shift)) & 15U];
    }
    return text;
}

void require_size(const std::string& what, std::uint32_t size, std::size_t least) {
    // A struct may grow, but not to this.
    constexpr std::uint32_t kMost = 64 * 1024;
    require(size >= least && size <= kMost, what + ".size is " + std::to_string(size) +
                                                "; expected sizeof, here " + std::to_string(least));
}

void require_plugin_sizes(const steward_entry& entry) {
    for (std::uint32_t i = 0; i < entry.plugin_count; ++i) {
        const auto* const plugin = call("get_plugin", [&] { return entry.get_plugin(i); });
        // That there is one is for desc-index-range.
        if (plugin == nullptr) {
            continue;
        }
        const std::string name = "plugin " + std::to_string(i);
        require_size(name, plugin->size, sizeof *plugin);
        if (plugin->desc != nullptr) {
            require_size(name + "'s descriptor", plugin->desc->size, sizeof *plugin->desc);
        }
    }
}

// Each interface is a head and then functions.
struct InterfaceTable {
    const char* id;
    std::size_t size;
    std::size_t functions;
};
constexpr std::size_t kInterfaceHead = 2 * sizeof(std::uint32_t);
constexpr std::array kInterfaces{
    InterfaceTable{STEWARD_IFACE_HEALTH, sizeof(steward_health), 2},
    InterfaceTable{STEWARD_IFACE_RESTART, sizeof(steward_restart), 1},
    InterfaceTable{STEWARD_IFACE_PORT, sizeof(steward_port), 1},
    InterfaceTable{STEWARD_IFACE_METRICS, sizeof(steward_metrics), 1},
};
static_assert(sizeof(steward_health) == kInterfaceHead + 2 * sizeof(void (*)()));
static_assert(sizeof(steward_restart) == kInterfaceHead + sizeof(void (*)()));
static_assert(sizeof(steward_port) == kInterfaceHead + sizeof(void (*)()));
static_assert(sizeof(steward_metrics) == kInterfaceHead + sizeof(void (*)()));

void require_interface(const steward_plugin& plugin, const InterfaceTable& known) {
    const void* const found = interface_of(plugin, known.id);
    // That it is there is for desc-interfaces-truthful.
    if (found == nullptr) {
        return;
    }
    std::uint32_t size = 0;
    std::memcpy(&size, found, sizeof size);
    require_size(id_of(plugin) + ": the interface " + known.id, size, known.size);
    for (std::size_t i = 0; i < known.functions; ++i) {
        void (*function)() = nullptr;
        std::memcpy(&function,
                    static_cast<const char*>(found) + kInterfaceHead + i * sizeof function,
                    sizeof function);
        require(function != nullptr, id_of(plugin) + ": function " + std::to_string(i + 1) +
                                         " of the interface " + known.id + " is null");
    }
}

// What a plugin answers to each call, from init on, by the function's name; as far as it gets.
using Answers = std::map<std::string, Answer>;

Answers ask_all(Trial& trial, FakePluginHost& host) {
    const Library& library = trial.library();
    Answers answers;
    const auto initialised = try_init(library, host);
    answers["init"] = {"init", initialised.status, initialised.error};
    if (initialised.status != STEWARD_OK) {
        return answers;
    }
    call("deinit", [&] { library.entry().deinit(); });
    Session session(library, host);
    for (const auto* plugin : trial.plugins()) {
        const std::string id = id_of(*plugin) + ": ";
        const auto created = session.try_create(*plugin, SettingsSchema(*plugin).defaults());
        answers[id + "create"] = {"create", created.status, created.error};
        if (created.status == STEWARD_OK) {
            for (const auto& answer : ask_once(host, created.instance)) {
                answers[id + answer.function] = answer;
            }
        }
    }
    return answers;
}

// Whatever the plugin's reason is (a service that it cannot reach), it is not the host's version.
bool is_usual(const Answers& usual, const std::string& function, steward_status status) {
    const auto found = usual.find(function);
    return found != usual.end() && found->second.status == status;
}

std::string to_text(const std::string& function, const Answer& answer) {
    return function + " gives status " + std::to_string(answer.status) + " (" + answer.error + ")";
}

}  // namespace

void abi_magic_version(Trial& trial) {
    const steward_entry& entry = *load_file(trial.file()).entry;
    require(entry.magic == STEWARD_ABI_MAGIC,
            "the entry begins with " + hex(entry.magic) + "; expected " + hex(STEWARD_ABI_MAGIC));
    require(entry.abi_major == STEWARD_ABI_MAJOR,
            "abi_major is " + std::to_string(entry.abi_major) + "; expected " +
                std::to_string(STEWARD_ABI_MAJOR));
    require(entry.min_host_minor <= entry.abi_minor,
            "min_host_minor is " + std::to_string(entry.min_host_minor) +
                ", above the abi_minor of the same entry, " + std::to_string(entry.abi_minor));
    require(entry.min_host_minor <= STEWARD_ABI_MINOR,
            "min_host_minor is " + std::to_string(entry.min_host_minor) +
                ": it asks for a newer host than this one, which has minor version " +
                std::to_string(STEWARD_ABI_MINOR));
    require_size("the entry", entry.size, sizeof entry);
    require(entry.plugin_count >= 1 && entry.plugin_count <= kMostPlugins,
            "plugin_count is " + std::to_string(entry.plugin_count) + "; expected 1 to " +
                std::to_string(kMostPlugins));
    if (entry.get_plugin != nullptr) {
        require_plugin_sizes(entry);
    }
}

void abi_null_free(Trial& trial) {
    const steward_entry& raw = *load_file(trial.file()).entry;
    if (raw.magic == STEWARD_ABI_MAGIC && STEWARD_HAS(&raw, get_plugin)) {
        require(raw.init != nullptr, "the entry's init is null");
        require(raw.deinit != nullptr, "the entry's deinit is null");
        require(raw.get_plugin != nullptr, "the entry's get_plugin is null");
    }
    for (const auto* plugin : trial.plugins()) {
        const std::string id = id_of(*plugin);
        require(plugin->config_schema != nullptr, id + ": config_schema is null");
        require(plugin->create != nullptr, id + ": create is null");
        require(plugin->destroy != nullptr, id + ": destroy is null");
        require(plugin->get_interface != nullptr, id + ": get_interface is null");
        require(plugin->desc->interfaces != nullptr,
                id + ": the descriptor's list of interfaces is null");
        for (const auto& known : kInterfaces) {
            if (offers(*plugin, known.id)) {
                require_interface(*plugin, known);
            }
        }
    }
}

void abi_newer_host(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kReal);
    const auto usual = ask_all(trial, host);
    FakePluginHost newer(FakePluginHost::Clock::kReal);
    newer.become_newer();
    const auto answers = ask_all(trial, newer);
    for (const auto& [function, answer] : answers) {
        require(answer.status == STEWARD_OK || is_usual(usual, function, answer.status),
                "with a host of version 1." + std::to_string(newer.host()->abi_minor) + " and " +
                    std::to_string(newer.host()->size) + " bytes: " + to_text(function, answer) +
                    "; expected what a host of this version gets");
    }
}

// As hosts ask that were built before the question had `wall` and `utc_offset`.
void decide_without_time_of_day(Trial& trial) {
    constexpr int kQuestions = 200;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        if (!offers(*plugin, STEWARD_IFACE_RESTART)) {
            continue;
        }
        const auto instance = session.create(*plugin);
        for (int i = 0; i < kQuestions; ++i) {
            auto question = any_restart_question(trial.random());
            const auto usual = decide(instance, question);
            question.tells_time_of_day = false;
            const auto decided = decide(instance, question);
            require(decided.status == STEWARD_OK || decided.status == STEWARD_E_UNSUPPORTED ||
                        decided.status == usual.status,
                    "a question of the size without wall and utc_offset: " + to_text(decided) +
                        ", with them: " + to_text(usual) + "; expected STEWARD_OK");
        }
    }
}

void abi_older_host(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kReal);
    const auto usual = ask_all(trial, host);
    FakePluginHost older(FakePluginHost::Clock::kReal);
    older.raw().abi_minor = trial.library().entry().min_host_minor;
    older.hide_reactor();
    for (const auto& [function, answer] : ask_all(trial, older)) {
        require(answer.status == STEWARD_OK || answer.status == STEWARD_E_UNSUPPORTED ||
                    is_usual(usual, function, answer.status),
                "with a host of version 1." + std::to_string(older.host()->abi_minor) +
                    " without extensions: " + to_text(function, answer) +
                    "; expected STEWARD_OK or STEWARD_E_UNSUPPORTED");
    }
    decide_without_time_of_day(trial);
}

}  // namespace steward::compliance
