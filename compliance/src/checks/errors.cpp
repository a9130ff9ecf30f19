// Errors: codes that mean what abi.h says, texts that people can use, and nothing that unwinds.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <cstring>
#include <limits>
#include <steward/sdk/text.hpp>

#include "check.hpp"
#include "manner.hpp"
#include "settings.hpp"
#include "strategies.hpp"
#include "targets.hpp"
#include "trial.hpp"
#include "use.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;
using Poco::JSON::Object;

constexpr steward_ns kForever = std::numeric_limits<steward_ns>::max();
constexpr std::int32_t kNobody = 0x7ffffffe;  // far above any pid_max

// ---- err-codes

void require_listed(const std::string& what, steward_status status) {
    require(status >= STEWARD_OK && status <= STEWARD_E_INTERNAL,
            what + ": status " + std::to_string(status) + " is not one of abi.h");
}

void require_code(const std::string& what, steward_status status, steward_status expected,
                  const std::string& error) {
    require(status == expected, what + ": status " + std::to_string(status) + " (" + error +
                                    "), expected " + std::to_string(expected));
}

// Does it tell anything of processes at all?
bool looks_at_processes(const Instance& instance) {
    MetricsQuestion question;
    question.app_pid = getpid();
    question.tree_pid = getppid();
    question.deadline = kForever;
    const auto sampled = sample(instance, question);
    const auto told = [&](const char* name) { return sampled.value(name).has_value(); };
    return told("cpu_percent") || told("rss_bytes") || told("processes") || told("threads");
}

void try_conditions(Session& session, const Instance& instance) {
    const steward_plugin& plugin = instance.plugin();
    for (const char* const config : {"", "{", "[]", "null", "{}}"}) {
        const Created created = session.try_create(plugin, config);
        require_code(std::string("create with ") + config + ", which is no JSON object",
                     created.status, STEWARD_E_INVALID, created.error);
    }
    if (offers(plugin, STEWARD_IFACE_METRICS) && looks_at_processes(instance)) {
        MetricsQuestion question;
        question.app_pid = kNobody;
        question.tree_pid = kNobody;
        question.deadline = kForever;
        const auto sampled = sample(instance, question);
        require_code("sample of a tree of which nothing exists", sampled.status, STEWARD_E_GONE,
                     sampled.error);
    }
    if (offers(plugin, STEWARD_IFACE_HEALTH) && manner_of(session, instance).speaks_http) {
        const UnattendedPort unattended;
        Prober prober(session.host(), instance);
        (void)prober.start(1, kLoopback, unattended.port());
        require(prober.settle(1, 2s, 0ms), "a probe without an answer is not reported");
        const HealthReport& report = prober.of(1).front();
        require_code("a probe without an answer", report.status, STEWARD_E_TIMEOUT, report.detail);
    }
}

void err_codes(Trial& trial) {
    const Targets targets;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (const UseAnswer& answer : use(session, instance, targets)) {
            require_listed(answer.what, answer.status);
        }
        try_conditions(session, instance);
    }
}

// ---- err-text

// Something like 0x7f3a5c10: the address of an object says nothing to anybody.
bool has_address(const std::string& text) {
    constexpr std::size_t kDigits = 6;
    for (auto at = text.find("0x"); at != std::string::npos; at = text.find("0x", at + 2)) {
        std::size_t digits = 0;
        while (at + 2 + digits < text.size() &&
               std::isxdigit(static_cast<unsigned char>(text[at + 2 + digits])) != 0) {
            ++digits;
        }
        if (digits >= kDigits) {
            return true;
        }
    }
    return false;
}

void require_text(const std::string& what, const std::string& text) {
    const auto demand = [&](bool kept, const char* problem) {
        require(kept, what + ": the error text " + problem + ": \"" + text + "\"");
    };
    const auto is_control = [](char c) { return static_cast<unsigned char>(c) < ' '; };
    demand(!text.empty(), "is empty");
    demand(sdk::is_utf8(text), "is not UTF-8");
    demand(std::none_of(text.begin(), text.end(), is_control), "has control characters");
    demand(!has_address(text), "has a pointer's value");
    demand(text.back() != '.' || text.ends_with(".."), "ends with a period");
}

// What create says to a config that it should refuse; nothing if it takes it.
std::optional<std::string> refusal(Session& session, const steward_plugin& plugin,
                                   const std::string& what, const std::string& config) {
    constexpr char kFiller = '#';
    steward_error error{};
    error.size = sizeof error;
    std::fill(std::begin(error.text), std::end(error.text), kFiller);
    steward_instance* made = nullptr;
    const steward_status status = call("create", [&] {
        return plugin.create(session.host().host(), str_of(config), &made, &error);
    });
    if (status == STEWARD_OK) {
        Instance(plugin, made).destroy();
        return std::nullopt;
    }
    const std::size_t length = strnlen(error.text, sizeof error.text);
    require(length < sizeof error.text,
            what + ": the error text is not written, or has no NUL at its end");
    return std::string(error.text, length);
}

std::vector<std::pair<std::string, std::string>> bad_configs(const steward_plugin& plugin) {
    const SettingsSchema schema(plugin);
    std::string umlauts;
    for (int i = 0; i < 300; ++i) {
        umlauts += "\xc3\xa4";
    }
    std::vector<std::pair<std::string, std::string>> configs{
        {"a config that is no JSON", "{\"a\""},
        {"a config that is an array", "[1]"},
        {"a config with an unknown setting", schema.with("no_such_setting", 1)},
        {"a config with an unknown setting of 600 bytes", schema.with(umlauts, 1)},
        {"a config with an unknown setting with a line break", schema.with("no\nsuch", 1)},
        {"a config that is not UTF-8", "{\"\xff\xfe\": 1}"},
        {"a config with a NUL", std::string("{\"a\0b\": 1}", 10)},
    };
    for (const auto& [name, property] : schema.properties()) {
        Object::Ptr object = new Object;
        configs.emplace_back("a config with " + name + " as an object", schema.with(name, object));
    }
    return configs;
}

void err_text(Trial& trial) {
    const Targets targets;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        for (const auto& [what, config] : bad_configs(*plugin)) {
            if (const auto text = refusal(session, *plugin, what, config)) {
                require_text(what, *text);
            }
        }
        // A value that is out of its bounds is told by the name of its setting.
        const SettingsSchema schema(*plugin);
        for (const auto& [name, property] : schema.properties()) {
            if (!property->has("maximum")) {
                continue;
            }
            const std::string what = "a config with " + name + " above its maximum";
            const double above = property->getValue<double>("maximum") * 2 + 1;
            if (const auto text = refusal(session, *plugin, what, schema.with(name, above))) {
                require_text(what, *text);
                require(text->find(name) != std::string::npos,
                        what + ": the error text does not name it: \"" + *text + "\"");
            }
        }
        // Others speak for themselves.
        const auto instance = session.create(*plugin);
        for (const UseAnswer& answer : use(session, instance, targets)) {
            if (answer.what.rfind("the probe", 0) != 0 && answer.what.rfind("a config", 0) != 0 &&
                (answer.status == STEWARD_E_INVALID || answer.status == STEWARD_E_IO ||
                 answer.status == STEWARD_E_UNSUPPORTED || answer.status == STEWARD_E_INTERNAL)) {
                require_text(answer.what, answer.error);
            }
        }
    }
}

// ---- err-no-unwind

std::vector<std::string> hostile_configs() {
    std::vector<std::string> configs{
        "", "null", "\"", "{\"a\":1e999}", "{\"a\":-1e-999}", "\xff", "{\"\\ud800\":1}"};
    configs.push_back(std::string(1000, '['));
    configs.push_back("{\"a\":\"" + std::string(1'000'000, 'x') + "\"}");
    configs.push_back("{\"a\":" + std::string(10'000, '9') + "}");
    configs.push_back(std::string(1000, '\0'));
    return configs;
}

const std::string& long_text() {
    static const std::string text(std::size_t{1} << 20U, '7');
    return text;
}

// No answer is wrong here, as long as one comes: call() sees what unwinds.
void ask_absurd_things(Session& session, const Instance& instance) {
    const steward_plugin& plugin = instance.plugin();
    if (offers(plugin, STEWARD_IFACE_RESTART)) {
        for (const std::int32_t code : {std::numeric_limits<std::int32_t>::min(), -1,
                                        std::numeric_limits<std::int32_t>::max()}) {
            RestartQuestion question{{{0xffffffffU, code, 0, 0, 0}}, 0, ~0ULL, ~0ULL};
            (void)decide(instance, question);
            question.events.assign(256, {STEWARD_EV_SIGNAL, code, kForever, kForever, kForever});
            question.now = kForever;
            (void)decide(instance, question);
        }
    }
    if (offers(plugin, STEWARD_IFACE_PORT)) {
        PortQuestion question;
        for (const std::string& address : {std::string(), std::string("\0x", 2), long_text()}) {
            question.address = address;
            (void)propose(instance, question);
        }
        question = {};
        question.capacity = 0;
        (void)propose(instance, question);
        question = {};
        std::swap(question.first, question.last);
        (void)propose(instance, question);
        question = {};
        question.base = question.first = 0;
        question.last = 65535;
        question.attempt = 0xffffffffU;
        (void)propose(instance, question);
    }
    if (offers(plugin, STEWARD_IFACE_METRICS)) {
        MetricsQuestion question;
        for (const std::string& root :
             {std::string(), std::string("/nowhere"), std::string("/\0x", 3), long_text()}) {
            question.proc_root = root;
            question.address = root;
            (void)sample(instance, question);
        }
        question = {};
        question.deadline = kForever;
        for (const std::int32_t pid : {0, -1, kNobody, std::numeric_limits<std::int32_t>::min()}) {
            question.app_pid = question.tree_pid = pid;
            question.now = kForever;
            (void)sample(instance, question);
        }
    }
    if (offers(plugin, STEWARD_IFACE_HEALTH)) {
        const ClosedPort refused;
        Prober prober(session.host(), instance);
        steward_token token = 0;
        for (const std::string& address :
             {std::string(), std::string("127.0.0.1\0x", 11), long_text(), std::string("%"),
              std::string("\xff\xfe")}) {
            (void)prober.start(++token, address, refused.port());
        }
        const steward_ns now = session.host().now();
        (void)prober.start(~steward_token{0}, kLoopback, refused.port(),
                           std::chrono::nanoseconds(kForever - now));
        (void)prober.start(0, kLoopback, refused.port(), std::chrono::nanoseconds(-now));
        (void)prober.start(1, kLoopback, refused.port());
        (void)session.host().run_until([&] { return prober.count() >= token + 2; }, 50ms);
        for (steward_token probe = 0; probe <= token; ++probe) {
            prober.cancel(probe);
        }
        prober.cancel(~steward_token{0});
        session.host().run_ready();
    }
}

void err_no_unwind(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        for (const std::string& config : hostile_configs()) {
            (void)session.try_create(*plugin, config);
        }
        call("get_interface", [&] {
            (void)plugin->get_interface("");
            return plugin->get_interface(long_text().c_str());
        });
        // A destroy that lets an exception out ends the process.
        const auto instance = session.create(*plugin);
        ask_absurd_things(session, instance);
    }
    call("get_plugin", [&] {
        return trial.library().entry().get_plugin(std::numeric_limits<std::uint32_t>::max());
    });
}

// ---- err-bad-sink

void require_stopped(const std::string& what, const Sink& sink, std::size_t limit,
                     steward_status refused, steward_status status) {
    const std::string full = what + " into a sink that refuses with status " +
                             std::to_string(refused) + " after " + std::to_string(limit) +
                             " bytes: ";
    require(status == refused,
            full + "status " + std::to_string(status) + ", expected that of the sink");
    require(sink.writes_after_refusal() == 0,
            full + std::to_string(sink.writes_after_refusal()) + " more writes, expected none");
}

template <class F>
void refuse_at(std::size_t length, F&& f) {
    for (const std::size_t limit : {std::size_t{0}, std::size_t{1}, length / 2, length - 1}) {
        for (const steward_status refused : {STEWARD_E_IO, STEWARD_E_BUSY, STEWARD_E_NOMEM}) {
            if (limit < length) {
                f(limit, refused);
            }
        }
    }
}

void refuse_the_reason(const Instance& instance) {
    const RestartQuestion question{{{STEWARD_EV_EXIT, 1, 1'000'000, 1'000'000, 0}}, 2'000'000};
    const auto& restart = *static_cast<const steward_restart*>(
        interface_of(instance.plugin(), STEWARD_IFACE_RESTART));
    const std::size_t length = decide(instance, question).why.size();
    steward_restart_input input{};
    input.size = sizeof input;
    input.event_count = 1;
    input.events = question.events.data();
    input.now = question.now;
    refuse_at(length, [&](std::size_t limit, steward_status refused) {
        constexpr std::int32_t kUntouched = -7;
        const Sink sink(limit, refused);
        steward_restart_decision out{sizeof out, kUntouched, kUntouched};
        steward_error error{};
        error.size = sizeof error;
        const steward_status status = call("decide", [&] {
            return restart.decide(instance.get(), &input, &out, sink.get(), &error);
        });
        require_stopped("decide", sink, limit, refused, status);
        require(out.action == kUntouched && out.delay == kUntouched,
                "decide has failed for its sink, and *out is changed");
    });
}

void err_bad_sink(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const std::size_t length = SettingsSchema(*plugin).text().size();
        refuse_at(length, [&](std::size_t limit, steward_status refused) {
            const Sink sink(limit, refused);
            const steward_status status =
                call("config_schema", [&] { return plugin->config_schema(sink.get()); });
            require_stopped("config_schema", sink, limit, refused, status);
        });
        if (offers(*plugin, STEWARD_IFACE_RESTART)) {
            refuse_the_reason(session.create(*plugin));
        }
    }
}

constexpr std::array kChecks{
    Check{54, "err-codes", Level::kMust, "",
          "every status is one of abi.h, and each condition that it names has its own",
          "the host does different things for GONE, INVALID and UNSUPPORTED: a wrong code is a "
          "wrong thing done",
          "return the code whose comment in abi.h and the strategy's header fits", 20s, &err_codes},
    Check{55, "err-text", Level::kShould, "",
          "an error text is there, is UTF-8 with a NUL at its end, in one line without a final "
          "period, names the setting and no address in memory",
          "it is all that the user is shown, between the host's own words",
          "write \"name: must be ... (got ...)\", and cut what you quote between characters", 20s,
          &err_text},
    Check{56, "err-no-unwind", Level::kMust, "",
          "no exception leaves the plugin, whatever it is asked",
          "an exception that crosses the boundary ends the supervisor",
          "catch (...) in every function that the host calls; in C++ the SDK does it", 20s,
          &err_no_unwind},
    Check{57, "err-bad-sink", Level::kMust, "",
          "when a sink refuses, the plugin writes no more and returns the status of the sink",
          "half a schema that is said to be whole is read as a schema with less settings",
          "check what write() returns, each time", 20s, &err_bad_sink},
};

}  // namespace

const std::span<const Check> kErrorChecks{kChecks};

}  // namespace steward::compliance
