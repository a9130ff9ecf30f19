// steward/sdk/plugin.hpp - makes a plugin out of a class.
//
//     class MyPolicy {
//       public:
//         struct Settings { ... };                        // with default member initialisers
//         static constexpr std::array kFields{ ... };     // settings.hpp; may be empty
//         static constexpr steward::sdk::About kAbout{ ... };
//         // May throw SettingsError.
//         MyPolicy(steward::sdk::Host host, const Settings& settings);
//         ...                                             // the members of one or more strategies
//     };
//     STEWARD_PLUGIN(my_policy, MyPolicy)
//
// A class offers each strategy whose members it has: decide (restart.hpp), propose (port.hpp),
// start and cancel (health.hpp), sample (metrics.hpp). The macro stands once per library, at
// namespace scope outside any namespace; it defines the one exported object as constant data, so
// that loading the library runs no code.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "health.hpp"
#include "metrics.hpp"
#include "port.hpp"
#include "restart.hpp"
#include "settings.hpp"

namespace steward::sdk {

// What a plugin says of itself; the id is the macro's first argument.
struct About {
    std::string_view name{};  // for people
    std::string_view vendor{};
    std::string_view version{};  // semantic version; STEWARD_PLUGIN_VERSION is the CMake project's
    std::string_view license{};  // SPDX expression
    std::string_view url{};      // may be empty
    std::string_view summary{};  // one sentence
    // STEWARD_CAP_*. A restart policy that backs off adds STEWARD_CAP_BACKOFF.
    std::uint32_t capabilities = STEWARD_CAP_UNLOADABLE;
};

namespace detail {

template <class P>
concept IsHealth = requires {
    &P::start;
};
template <class P>
concept IsRestart = requires {
    &P::decide;
};
template <class P>
concept IsPort = requires {
    &P::propose;
};
template <class P>
concept IsMetrics = requires {
    &P::sample;
};

// `Tag` has kId (string_view) and Policy; it lives in an unnamed namespace, so that no symbol can
// meet another library's.
template <class Tag>
struct Library {
    using Policy = typename Tag::Policy;
    using Settings = typename Policy::Settings;

    static constexpr std::span<const Field<Settings>> fields() noexcept { return Policy::kFields; }

    static_assert(IsHealth<Policy> || IsRestart<Policy> || IsPort<Policy> || IsMetrics<Policy>,
                  "the class has none of decide, propose, start, sample: it offers no strategy");
    static_assert(is_identifier(Tag::kId), "an id is [a-z][a-z0-9_]{0,63}");
    static_assert(fields_valid<Settings>(Policy::kFields),
                  "a field has a bad or repeated name, no description, or bounds that cannot hold");
    static_assert(!Policy::kAbout.name.empty() && !Policy::kAbout.version.empty() &&
                      !Policy::kAbout.license.empty() && !Policy::kAbout.summary.empty(),
                  "kAbout needs name, version, license and summary");

    static constexpr std::array<const char*, 5> interfaces() noexcept {
        std::array<const char*, 5> ids{};
        std::size_t count = 0;
        if constexpr (IsHealth<Policy>) {
            ids[count++] = STEWARD_IFACE_HEALTH;
        }
        if constexpr (IsRestart<Policy>) {
            ids[count++] = STEWARD_IFACE_RESTART;
        }
        if constexpr (IsPort<Policy>) {
            ids[count++] = STEWARD_IFACE_PORT;
        }
        if constexpr (IsMetrics<Policy>) {
            ids[count++] = STEWARD_IFACE_METRICS;
        }
        return ids;
    }
    static constexpr std::array<const char*, 5> kInterfaces = interfaces();

    static constexpr steward_descriptor kDescriptor{
        sizeof(steward_descriptor),  Policy::kAbout.capabilities, str(Tag::kId),
        str(Policy::kAbout.name),    str(Policy::kAbout.vendor),  str(Policy::kAbout.version),
        str(Policy::kAbout.license), str(Policy::kAbout.url),     str(Policy::kAbout.summary),
        kInterfaces.data()};

    static steward_status config_schema(const steward_sink* out) {
        return guard(nullptr, [&] { return write(out, settings_schema<Settings>(fields())); });
    }

    static steward_status create(const steward_host* host, steward_str config,
                                 steward_instance** out, steward_error* error) {
        return guard(error, [&]() -> steward_status {
            if (out == nullptr) {
                throw Failure(STEWARD_E_INVALID, "create: there is no place for the instance");
            }
            check_host(host);
            const Settings settings = parse_settings<Settings>(fields(), view(config));
            *out = reinterpret_cast<steward_instance*>(
                std::make_unique<Policy>(Host(host), settings).release());
            return STEWARD_OK;
        });
    }

    static void destroy(steward_instance* instance) { delete reinterpret_cast<Policy*>(instance); }

    static const void* get_interface(const char* id) {
        const std::string_view wanted = id == nullptr ? std::string_view{} : id;
        if constexpr (IsHealth<Policy>) {
            if (wanted == STEWARD_IFACE_HEALTH) {
                return &HealthAdapter<Policy>::kInterface;
            }
        }
        if constexpr (IsRestart<Policy>) {
            if (wanted == STEWARD_IFACE_RESTART) {
                return &RestartAdapter<Policy>::kInterface;
            }
        }
        if constexpr (IsPort<Policy>) {
            if (wanted == STEWARD_IFACE_PORT) {
                return &PortAdapter<Policy>::kInterface;
            }
        }
        if constexpr (IsMetrics<Policy>) {
            if (wanted == STEWARD_IFACE_METRICS) {
                return &MetricsAdapter<Policy>::kInterface;
            }
        }
        return nullptr;
    }

    static constexpr steward_plugin kPlugin{
        sizeof(steward_plugin), 0, &kDescriptor, &config_schema, &create, &destroy, &get_interface};

    static steward_status init(const steward_host* host, steward_str /*library_path*/,
                               steward_error* error) {
        return guard(error, [&]() -> steward_status {
            check_host(host);
            return STEWARD_OK;
        });
    }

    static void deinit() {}

    static const steward_plugin* get_plugin(std::uint32_t index) {
        return index == 0 ? &kPlugin : nullptr;
    }

    static void check_host(const steward_host* host) {
        if (!Host::usable(host)) {
            throw Failure(STEWARD_E_UNSUPPORTED, "the host does not speak plugin ABI 1.0");
        }
    }

    static constexpr steward_entry kEntry{STEWARD_ABI_MAGIC,
                                          sizeof(steward_entry),
                                          STEWARD_ABI_MAJOR,
                                          STEWARD_ABI_MINOR,
                                          /*min_host_minor=*/0,
                                          /*plugin_count=*/1,
                                          &init,
                                          &deinit,
                                          &get_plugin};
};

}  // namespace detail
}  // namespace steward::sdk

// steward_add_plugin() defines STEWARD_PLUGIN_ID, from which the file is named.
#ifdef STEWARD_PLUGIN_ID
#define STEWARD_CHECK_PLUGIN_ID(plugin_id)                           \
    static_assert(std::string_view(#plugin_id) == STEWARD_PLUGIN_ID, \
                  "STEWARD_PLUGIN and steward_add_plugin name different ids");
#else
#define STEWARD_CHECK_PLUGIN_ID(plugin_id)
#endif

#define STEWARD_PLUGIN(plugin_id, PolicyClass)                     \
    STEWARD_CHECK_PLUGIN_ID(plugin_id)                             \
    namespace {                                                    \
    struct StewardPluginTag {                                      \
        using Policy = PolicyClass;                                \
        static constexpr std::string_view kId = #plugin_id;        \
    };                                                             \
    }                                                              \
    extern "C" {                                                   \
    constinit const steward_entry STEWARD_ENTRY_NAME =             \
        ::steward::sdk::detail::Library<StewardPluginTag>::kEntry; \
    }
