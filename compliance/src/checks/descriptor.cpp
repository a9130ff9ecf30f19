// Descriptor: what a plugin says it is.
#include <algorithm>
#include <array>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <steward/sdk/text.hpp>
#include <string_view>

#include "check.hpp"
#include "descriptor_text.hpp"
#include "process_look.hpp"
#include "settings.hpp"
#include "strategies.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

constexpr std::array kKnownInterfaces{STEWARD_IFACE_HEALTH, STEWARD_IFACE_RESTART,
                                      STEWARD_IFACE_PORT, STEWARD_IFACE_METRICS};

std::string quoted(std::string_view text) {
    return '"' + sdk::printable(text, 64) + '"';
}

// ---- desc-ids

void require_text(const std::string& plugin, const char* member, steward_str text,
                  bool may_be_empty) {
    require(text.ptr != nullptr || text.len == 0,
            plugin + "'s " + member + " is null and has a length");
    const std::string value = text_of(text);
    require(may_be_empty || !value.empty(), plugin + "'s " + member + " is empty");
    require(sdk::is_utf8(value), plugin + "'s " + member + " is not UTF-8: " + quoted(value));
    const bool one_line = std::none_of(value.begin(), value.end(), [](char c) {
        return static_cast<unsigned char>(c) < 0x20 || c == 0x7f;
    });
    require(one_line, plugin + "'s " + member + " has a control character: " + quoted(value));
}

void desc_ids(Trial& trial) {
    std::set<std::string> ids;
    for (const auto* plugin : trial.plugins()) {
        const steward_descriptor& desc = *plugin->desc;
        const std::string name = "plugin " + std::to_string(ids.size());
        const std::string id = text_of(desc.id);
        require(is_id(id), name + "'s id is " + quoted(id) + "; expected [a-z][a-z0-9_]{0,63}");
        const std::string file = trial.file().substr(trial.file().rfind('/') + 1);
        require(!ids.empty() || file == "steward_" + id + ".so",
                "the id is " + id + ", so the file must be called steward_" + id +
                    ".so, but it is " + file);
        require(ids.insert(id).second, "two plugins have the id " + id);
        require_text(name, "name", desc.name, /*may_be_empty=*/false);
        require_text(name, "vendor", desc.vendor, /*may_be_empty=*/true);
        require_text(name, "version", desc.version, /*may_be_empty=*/false);
        require_text(name, "license", desc.license, /*may_be_empty=*/false);
        require_text(name, "url", desc.url, /*may_be_empty=*/true);
        require_text(name, "summary", desc.summary, /*may_be_empty=*/false);
        const std::string version = text_of(desc.version);
        require(is_semantic_version(version), name + "'s version is " + quoted(version) +
                                                  "; expected a semantic version such as 1.2.3");
        const std::string license = text_of(desc.license);
        require(is_license_expression(license),
                name + "'s license is " + quoted(license) +
                    "; expected an SPDX expression such as \"MIT OR Apache-2.0\"");
    }
}

// ---- desc-stable

using Snapshot = std::map<std::string, std::string>;

// All that the library says of itself.
Snapshot snapshot_of(const Library& library) {
    Snapshot all;
    std::size_t index = 0;
    for (const auto* plugin : library.plugins()) {
        const steward_descriptor& desc = *plugin->desc;
        const std::string name = "plugin " + std::to_string(index++) + "'s ";
        all[name + "id"] = text_of(desc.id);
        all[name + "name"] = text_of(desc.name);
        all[name + "vendor"] = text_of(desc.vendor);
        all[name + "version"] = text_of(desc.version);
        all[name + "license"] = text_of(desc.license);
        all[name + "url"] = text_of(desc.url);
        all[name + "summary"] = text_of(desc.summary);
        all[name + "capabilities"] = std::to_string(desc.capabilities);
        std::string& interfaces = all[name + "interfaces"];
        for (const char* const* id = desc.interfaces; id != nullptr && *id != nullptr; ++id) {
            interfaces += (interfaces.empty() ? "" : " ") + std::string(*id);
        }
        all[name + "schema"] = SettingsSchema(*plugin).text();
    }
    return all;
}

void require_same(const Snapshot& before, const Library& library, const std::string& when) {
    const std::string changed = difference(before, snapshot_of(library));
    require(changed.empty(), "changed " + when + ": " + changed);
}

// With other settings than the defaults, if there is one with a minimum; refused or not.
void create_otherwise(Session& session, const steward_plugin& plugin) {
    const SettingsSchema schema(plugin);
    for (const auto& [name, property] : schema.properties()) {
        if (property->has("minimum")) {
            (void)session.try_create(plugin, schema.with(name, property->get("minimum")));
            return;
        }
    }
}

void desc_stable(Trial& trial) {
    Library library(trial.file());
    const auto before = snapshot_of(library);
    {
        FakePluginHost host(FakePluginHost::Clock::kVirtual);
        Session session(library, host);
        require_same(before, library, "by init");
        for (const auto* plugin : library.plugins()) {
            const auto instance = session.create(*plugin);
            require_same(before, library, "by create");
            create_otherwise(session, *plugin);
            require_same(before, library, "by create with other settings");
        }
        session.end();
    }
    require_same(before, library, "by deinit");
    if (!kSanitized && library.unloadable()) {
        library.unload();
        const Library again(trial.file());
        require_same(before, again, "from one load to the next");
    }
}

// ---- the lists

void desc_interfaces_truthful(Trial& trial) {
    for (const auto* plugin : trial.plugins()) {
        const std::string id = id_of(*plugin);
        require(plugin->desc->interfaces != nullptr && plugin->desc->interfaces[0] != nullptr,
                id + " lists no interface");
        std::set<std::string> listed;
        for (const char* const* interface = plugin->desc->interfaces; *interface != nullptr;
             ++interface) {
            require(listed.insert(*interface).second,
                    id + " lists the interface " + quoted(*interface) + " twice");
            const void* const found = interface_of(*plugin, *interface);
            require(found != nullptr, id + " lists the interface " + quoted(*interface) +
                                          ", but get_interface gives null for it");
            require(interface_of(*plugin, *interface) == found,
                    id + ": get_interface(" + quoted(*interface) +
                        ") gives another table when it is asked again");
        }
        for (const char* const known : kKnownInterfaces) {
            require(listed.count(known) != 0 || interface_of(*plugin, known) == nullptr,
                    id + " does not list the interface " + quoted(known) +
                        ", but get_interface gives one");
        }
    }
}

// Ids that are nearly one, and ids that are none.
std::vector<std::string> unknown_ids(Random& random) {
    constexpr std::size_t kMegabyte = std::size_t{1} << 20U;
    std::vector<std::string> ids{"", " ", "/", "1", "steward", std::string(kMegabyte, 'a')};
    for (const std::string known : kKnownInterfaces) {
        for (std::size_t length = 1; length < known.size(); ++length) {
            ids.push_back(known.substr(0, length));
            ids.push_back(known.substr(length));
        }
        const std::string name = known.substr(0, known.rfind('/') + 1);
        for (const char* const revision : {"0", "2", "01", "10", "-1", "1.0", "+1"}) {
            ids.push_back(name + revision);
        }
        std::string upper = known;
        upper[0] = 'S';
        ids.insert(ids.end(), {upper, known + "x", known + " ", known + "\n", " " + known,
                               known + "/" + known, known + std::string(kMegabyte, 'x')});
        std::string other = known;
        other[random.below(other.size())] = static_cast<char>(1 + random.below(31));
        ids.push_back(other);
    }
    constexpr int kRandom = 200;
    for (int i = 0; i < kRandom; ++i) {
        std::string id(1 + random.below(100), ' ');
        for (char& c : id) {
            c = static_cast<char>(1 + random.below(255));
        }
        ids.push_back(std::move(id));
    }
    return ids;
}

void desc_unknown_id_null(Trial& trial) {
    for (const auto* plugin : trial.plugins()) {
        for (const std::string& id : unknown_ids(trial.random())) {
            // A vendor's own interface, or a later revision.
            if (offers(*plugin, id)) {
                continue;
            }
            require(interface_of(*plugin, id.c_str()) == nullptr,
                    id_of(*plugin) + ": get_interface gives an interface for " + quoted(id) +
                        ", which it does not list");
        }
    }
}

void desc_index_range(Trial& trial) {
    const steward_entry& entry = trial.library().entry();
    const auto get = [&](std::uint32_t index) {
        return call("get_plugin", [&] { return entry.get_plugin(index); });
    };
    const std::string count = "with plugin_count " + std::to_string(entry.plugin_count);
    std::set<const steward_plugin*> plugins;
    for (std::uint32_t i = 0; i < entry.plugin_count; ++i) {
        const std::string asked = "get_plugin(" + std::to_string(i) + ") ";
        const auto* const plugin = get(i);
        require(plugin != nullptr, asked + "gives null " + count);
        require(plugin->desc != nullptr, asked + "gives a plugin without a descriptor");
        require(plugin == get(i), asked + "gives another plugin when it is asked again");
        require(plugins.insert(plugin).second, asked + "gives a plugin for the second time");
    }
    constexpr auto kLast = std::numeric_limits<std::uint32_t>::max();
    std::vector<std::uint32_t> beyond{kLast, kLast - 1, kLast / 2, kLast / 2 + 1};
    for (std::uint32_t i = 0; i <= 3; ++i) {
        beyond.push_back(entry.plugin_count + i);
    }
    for (int i = 0; i < 16; ++i) {
        const auto step = trial.random().below(kLast - entry.plugin_count);
        beyond.push_back(entry.plugin_count + static_cast<std::uint32_t>(step));
    }
    for (const std::uint32_t index : beyond) {
        require(get(index) == nullptr,
                "get_plugin(" + std::to_string(index) + ") gives a plugin " + count);
    }
}

constexpr std::array kChecks{
    Check{14, "desc-ids", Level::kMust, "",
          "the id is [a-z][a-z0-9_]{0,63}, unique in the library and, for the first plugin, in the "
          "file's name; the version is semantic, the license an SPDX expression, the texts are "
          "UTF-8 in one line",
          "plugins are found by these names; a host refuses a file that is called otherwise than "
          "its plugin, and a strange text breaks lists and logs",
          "use STEWARD_PLUGIN and steward_add_plugin(), which take the id once for both", 5s,
          &desc_ids},
    Check{15, "desc-stable", Level::kMust, "",
          "descriptors and schema are the same bytes before and after init, create, other settings "
          "and deinit, and at each load",
          "a host keeps what it was told at the first look, and judges settings by it",
          "make the descriptor constant data, and the schema independent of any state", 5s,
          &desc_stable},
    Check{16, "desc-interfaces-truthful", Level::kMust, "",
          "each interface that is listed is there, once, and none that is known and not listed",
          "a host decides by the list what a plugin is used for",
          "answer in get_interface exactly what the descriptor lists", 5s,
          &desc_interfaces_truthful},
    Check{17, "desc-unknown-id-null", Level::kMust, "",
          "get_interface gives null for every id that is not exactly a listed one",
          "a later host asks for later revisions; an answer to the beginning of an id gives it a "
          "table that is something else",
          "compare the whole id, with strcmp or as a string_view", 10s, &desc_unknown_id_null},
    Check{18, "desc-index-range", Level::kMust, "",
          "get_plugin gives a plugin of its own for each index below plugin_count, and null for "
          "any other",
          "an index that is not checked reads beyond the table",
          "compare the index with the count before you use it", 5s, &desc_index_range},
};

}  // namespace

const std::span<const Check> kDescriptorChecks{kChecks};

}  // namespace steward::compliance
