// Settings: what a plugin does with those that break its schema; and the list of the group.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <limits>
#include <optional>
#include <set>
#include <steward/sdk/json.hpp>
#include <string_view>

#include "check.hpp"
#include "process_look.hpp"
#include "settings.hpp"
#include "settings_rules.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;
using Poco::Dynamic::Var;
using Poco::JSON::Object;

std::string shown(std::string_view text) {
    return sdk::printable(text, 160);
}

// ---- config-rejects-unknown

// The text must name `name`. `what` says what was given; the whole settings would not fit in a line.
void require_refused(Session& session, const steward_plugin& plugin, const std::string& config,
                     const std::string& name, const std::string& what) {
    const auto created = session.try_create(plugin, config);
    const std::string answer = id_of(plugin) + ": create " +
                               (created.status == STEWARD_OK
                                    ? "accepts "
                                    : "gives status " + std::to_string(created.status) + " for ") +
                               shown(what);
    require(created.status == STEWARD_E_INVALID, answer + "; expected STEWARD_E_INVALID");
    require(created.error.find(name) != std::string::npos,
            answer + " with the text \"" + created.error + "\", which does not name " + name);
}

void require_rejects_unknown(Session& session, const steward_plugin& plugin,
                             const SettingsSchema& schema) {
    std::set<std::string> names{"no_such_setting", "x"};
    std::set<std::string> known;
    for (const auto& [name, property] : schema.properties()) {
        known.insert(name);
        names.insert({name + "x", name + "_", name.substr(0, name.size() - 1), "_" + name});
        std::string upper = name;
        upper[0] = static_cast<char>(upper[0] - (upper[0] >= 'a' && upper[0] <= 'z' ? 32 : 0));
        names.insert(upper);
    }
    for (const std::string& name : names) {
        if (name.empty() || known.count(name) != 0) {
            continue;
        }
        const std::string last = schema.with_text(name, "1");
        require_refused(session, plugin, last, name, "the unknown setting " + name);
        std::string first = schema.defaults();
        std::string member;
        sdk::append_json_text(member, name);
        first.insert(1, member + ":1" + (first.size() > 2 ? "," : ""));
        require_refused(session, plugin, first, name,
                        "the unknown setting " + name + " as the first one");
    }
}

void require_rejects_wrong_type(Session& session, const steward_plugin& plugin,
                                const SettingsSchema& schema) {
    struct Value {
        std::string_view text;
        std::array<std::string_view, 2> types;  // of which it is
    };
    constexpr std::array kValues{
        Value{"null", {}},        Value{"true", {"boolean"}}, Value{"0", {"integer", "number"}},
        Value{"1.5", {"number"}}, Value{"\"1\"", {"string"}}, Value{"[]", {"array"}},
        Value{"[1]", {"array"}},  Value{"{}", {"object"}},
    };
    for (const auto& [name, property] : schema.properties()) {
        const std::string type = property->optValue<std::string>("type", "");
        for (const Value& value : kValues) {
            const bool fits =
                std::find(value.types.begin(), value.types.end(), type) != value.types.end();
            if (!type.empty() && !fits) {
                require_refused(
                    session, plugin, schema.with_text(name, value.text), name,
                    name + " = " + std::string(value.text) + ", though its type is " + type);
            }
        }
    }
}

void config_rejects_unknown(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const SettingsSchema schema(*plugin);
        require_rejects_unknown(session, *plugin, schema);
        require_rejects_wrong_type(session, *plugin, schema);
        for (const auto& [name, property] : schema.properties()) {
            if (schema.is_required(name)) {
                require_refused(session, *plugin, schema.without(name), name,
                                "settings without " + name + ", which is required");
            }
        }
        const std::string good = schema.defaults();
        for (const std::string& config : std::initializer_list<std::string>{
                 "", " ", "null", "1", "\"text\"", "[]", "[" + good + "]", "{",
                 good.substr(0, good.size() - 1)}) {
            require_refused(session, *plugin, config, /*name=*/"",
                            "settings that are no object: " + config);
        }
    }
}

// ---- config-bounds

struct Range {
    std::optional<double> minimum;
    std::optional<double> maximum;
    [[nodiscard]] bool has(double value) const {
        return !(minimum && value < *minimum) && !(maximum && value > *maximum);
    }
};

std::optional<double> bound(const Object& property, const char* name) {
    return property.has(name) && property.get(name).isNumeric()
               ? std::optional(property.getValue<double>(name))
               : std::nullopt;
}

// The next value in this direction that is not allowed, as JSON.
std::vector<std::string> beyond(double bound, double step, bool integer) {
    std::vector<std::string> values;
    // Above 2^53 a step of one is lost.
    if (std::fabs(bound) < 9e15) {
        values.push_back(integer ? sdk::number_text(static_cast<std::int64_t>(bound + step))
                                 : sdk::number_text(bound + step));
    }
    if (!integer) {
        const double next = std::nextafter(bound, step * std::numeric_limits<double>::infinity());
        if (std::isfinite(next)) {
            values.push_back(sdk::number_text(next));
        }
    }
    return values;
}

class BoundsTrial {
  public:
    BoundsTrial(Session& session, const steward_plugin& plugin)
        : session_(session), plugin_(plugin), schema_(plugin) {}

    // How many settings have bounds.
    int run() {
        int count = 0;
        for (const auto& [name, property] : schema_.properties()) {
            const std::string type = property->optValue<std::string>("type", "");
            const bool is_enum = property->has("enum");
            if (is_enum && type == "string") {
                refused(name, "\"no such value\"");
                ++count;
            } else if (!is_enum && type == "string") {
                count += lengths(name, *property) ? 1 : 0;
            } else if (!is_enum && (type == "integer" || type == "number")) {
                const Range range{bound(*property, "minimum"), bound(*property, "maximum")};
                numbers(name, *property, range, type == "integer");
                count += range.minimum || range.maximum ? 1 : 0;
            }
        }
        return count;
    }

  private:
    void refused(const std::string& name, const std::string& value) {
        require_refused(session_, plugin_, schema_.with_text(name, value), name,
                        name + " = " + value);
    }

    // Settings may depend on each other (a low mark below a high mark): where the bound alone is
    // refused, it must be accepted with all others at theirs.
    void accepted(const std::string& name, const char* which) {
        auto settings = schema_.defaults_object();
        const Var value = property_of(name)->get(which);
        settings->set(name, value);
        auto created = session_.try_create(plugin_, SettingsSchema::to_text(settings));
        if (created.status == STEWARD_OK) {
            return;
        }
        for (const auto& [other, property] : schema_.properties()) {
            if (property->has(which)) {
                settings->set(other, property->get(which));
            }
        }
        const auto again = session_.try_create(plugin_, SettingsSchema::to_text(settings));
        require(again.status == STEWARD_OK, id_of(plugin_) + ": create refuses the " + which +
                                                " of " + name + ", " + Var::toString(value) +
                                                ", with status " + std::to_string(created.status) +
                                                ": " + created.error);
    }

    [[nodiscard]] Object::Ptr property_of(const std::string& name) const {
        return schema_.object()->getObject("properties")->getObject(name);
    }

    bool lengths(const std::string& name, const Object& property) {
        const auto least = property.optValue<std::size_t>("minLength", 0);
        if (least > 0) {
            refused(name, '"' + std::string(least - 1, 'a') + '"');
        }
        constexpr std::size_t kMegabyte = std::size_t{1} << 20U;
        const auto most = property.optValue<std::size_t>("maxLength", kMegabyte);
        if (most < kMegabyte) {
            refused(name, '"' + std::string(most + 1, 'a') + '"');
        }
        return least > 0 || most < kMegabyte;
    }

    void numbers(const std::string& name, const Object& property, const Range& range,
                 bool integer) {
        for (const char* const which : {"minimum", "maximum"}) {
            if (property.has(which)) {
                accepted(name, which);
            }
        }
        std::vector<std::string> outside;
        const auto add = [&](const std::vector<std::string>& values) {
            outside.insert(outside.end(), values.begin(), values.end());
        };
        if (range.minimum) {
            add(beyond(*range.minimum, -1, integer));
        }
        if (range.maximum) {
            add(beyond(*range.maximum, 1, integer));
        }
        // 2^53 + 1, the first integer that a double cannot hold; 2^63 and 2^64, where integers wrap
        // around; and what not even a double can hold.
        struct Far {
            const char* text;
            double value;
        };
        constexpr double kInfinity = std::numeric_limits<double>::infinity();
        for (const Far& far : std::initializer_list<Far>{{"9007199254740993", 9007199254740993.0},
                                                         {"-9007199254740993", -9007199254740993.0},
                                                         {"9223372036854775808", 0x1p63},
                                                         {"-9223372036854775809", -0x1p63},
                                                         {"18446744073709551617", 0x1p64},
                                                         {"1e308", 1e308},
                                                         {"-1e308", -1e308},
                                                         {"1e999", kInfinity},
                                                         {"-1e999", -kInfinity}}) {
            if (!range.has(far.value)) {
                outside.emplace_back(far.text);
            }
        }
        for (const std::string& value : outside) {
            refused(name, value);
        }
        // No JSON, so the text need not name the setting.
        for (const std::string value : {"NaN", "Infinity", "-Infinity"}) {
            require_refused(session_, plugin_, schema_.with_text(name, value), /*name=*/"",
                            name + " = " + value + ", which is no JSON");
        }
        const auto zero = session_.try_create(plugin_, schema_.with_text(name, "0"));
        const auto minus_zero = session_.try_create(plugin_, schema_.with_text(name, "-0"));
        require(zero.status == minus_zero.status,
                id_of(plugin_) + ": create gives status " + std::to_string(zero.status) + " for " +
                    name + " 0 and status " + std::to_string(minus_zero.status) +
                    " for -0, which is the same number");
    }

    Session& session_;
    const steward_plugin& plugin_;
    SettingsSchema schema_;
};

void config_bounds(Trial& trial) {
    int bounded = 0;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        bounded += BoundsTrial(session, *plugin).run();
    }
    if (bounded == 0) {
        skip("the schema sets no bounds");
    }
}

// ---- config-no-side-effect

std::vector<std::string> refusals(const SettingsSchema& schema) {
    std::vector<std::string> configs{schema.with_text("no_such_setting", "1"), "{", "[]",
                                     "{\"\xff\":1}"};
    for (const auto& [name, property] : schema.properties()) {
        configs.push_back(schema.with_text(name, "null"));
        if (const auto minimum = bound(*property, "minimum")) {
            configs.push_back(schema.with_text(name, sdk::number_text(*minimum - 1)));
        }
    }
    return configs;
}

// What one refusal may cost, if it costs anything at all, is paid before `before` is taken.
void require_no_trace(Session& session, const steward_plugin& plugin, const std::string& config) {
    constexpr int kWarmUp = 4;
    constexpr int kRounds = 64;
    FakePluginHost& host = session.host();
    const auto refuse = [&](int rounds) {
        bool refused = true;
        for (int i = 0; i < rounds && refused; ++i) {
            const auto created = session.try_create(plugin, config);
            refused = created.status != STEWARD_OK;
            require(!created.touched,
                    id_of(plugin) + ": create refuses " + shown(config) + ", but has written *out");
        }
        return refused;
    };
    // That it is refused is for other checks.
    if (!refuse(kWarmUp)) {
        return;
    }
    const auto descriptors = open_descriptors();
    const auto running = threads();
    const auto watched = host.watched();
    const auto armed = host.armed();
    const auto posted = host.calls()["post"];
    const auto blocks = watch_live_blocks();
    (void)refuse(kRounds);
    const auto left = watch_live_blocks() - blocks;
    const std::string after = id_of(plugin) + ": after " + std::to_string(kRounds) +
                              " refusals of " + shown(config) + ": ";
    // Something that grows by and by (a ring of last errors) is none.
    require(left < kRounds, after + std::to_string(left) + " blocks of memory are left");
    const std::string opened = opened_since(descriptors);
    require(opened.empty(), after + "a descriptor is left open: " + opened);
    require(threads() == running, after + "a thread is left");
    require(host.watched() == watched, after + "a descriptor is left on the reactor");
    require(host.armed() == armed, after + "a timer is left on the reactor");
    require(host.calls()["post"] == posted,
            after + "a callback was posted, for an instance that there is not");
}

void config_no_side_effect(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const SettingsSchema schema(*plugin);
        // What the first instance sets up for all is not counted.
        (void)session.create(*plugin);
        const auto state = process_state();
        for (const std::string& config : refusals(schema)) {
            require_no_trace(session, *plugin, config);
        }
        const std::string changed = difference(state, process_state());
        require(changed.empty(),
                id_of(*plugin) + ": refusing settings changed the process: " + changed);
        (void)session.create(*plugin);
    }
}

constexpr std::array kChecks{
    Check{19, "schema-valid", Level::kMust, "",
          "config_schema writes a JSON Schema of at most 64 KiB: an object, closed, of properties "
          "that have type, description and a default (or are required), with none but minimum, "
          "maximum, minLength, maxLength, enum and examples beside them; defaults and examples "
          "obey it",
          "the schema is what users and MCP clients are shown and what the host checks settings "
          "by; it refuses a plugin whose schema it cannot use",
          "describe the settings in a table of sdk/settings.hpp, which writes the schema", 5s,
          &schema_valid},
    Check{20, "schema-defaults-create", Level::kMust, "",
          "the schema's defaults make an instance, in whatever order, spacing and escapes the "
          "JSON is written",
          "a plugin that does not start with its own defaults cannot be tried out",
          "take the defaults in code and in the schema from one place, and read settings with a "
          "JSON parser",
          5s, &schema_defaults_create},
    Check{21, "schema-examples-create", Level::kShould, "",
          "each example in the schema makes an instance", "people copy examples",
          "correct the example, or the check that refuses it", 5s, &schema_examples_create},
    Check{22, "config-rejects-unknown", Level::kMust, "",
          "an unknown setting, a value of the wrong type, a missing required setting and what is "
          "no object are refused with STEWARD_E_INVALID, and the text names the setting",
          "a misspelt setting that is ignored is found out when it would have been needed",
          "read settings with parse_settings(), or refuse what your parser has not used", 10s,
          &config_rejects_unknown},
    Check{23, "config-bounds", Level::kMust, "",
          "the minimum and maximum that the schema gives are accepted; what is beyond, however "
          "little or far, is refused with STEWARD_E_INVALID and the setting's name",
          "a number that wraps around or becomes infinite in the plugin is a delay that nobody "
          "wanted",
          "compare with the bounds before you convert, and take them from where the schema takes "
          "them",
          10s, &config_bounds},
    Check{24, "config-fuzz", Level::kMust, "",
          "5000 damaged settings, and ones that are huge or nested 10000 deep, make an instance "
          "or are refused with STEWARD_E_INVALID, in less than 1 s of CPU time each",
          "settings come from people and programs; one bad text must not end the supervisor",
          "let no parser of yours recurse without a limit, and test it with -fsanitize", 60s,
          &config_fuzz},
    Check{25, "config-no-side-effect", Level::kMust, "",
          "settings that are refused leave nothing behind: no memory, descriptor, thread, timer "
          "or callback, and *out as it was",
          "a client that tries settings until they are right would use up the supervisor",
          "check settings before anything is acquired, and let destructors give back the rest", 10s,
          &config_no_side_effect},
};

}  // namespace

const std::span<const Check> kConfigChecks{kChecks};

}  // namespace steward::compliance
