// plugin.hpp and the adapters: a class seen through the C interface.
#define STEWARD_STATIC_ENTRY steward_plugin_entry_sdk_test
#include <steward/sdk.hpp>

#include <cmath>
#include <stdexcept>

#include "catch.hpp"
#include "plain_host.hpp"

namespace {

namespace sdk = steward::sdk;
namespace test = steward::test;

class Sample {
  public:
    struct Settings {
        std::string mode = "good";
    };
    static constexpr std::array kFields{sdk::text("mode", &Settings::mode, "How it behaves.")};
    static constexpr sdk::About kAbout{.name = "Sample",
                                       .vendor = "Nobody",
                                       .version = "1.2.3",
                                       .license = "LicenseRef-Test",
                                       .url = "",
                                       .summary = "Does what the tests ask for."};

    Sample(sdk::Host /*host*/, const Settings& settings) : mode_(settings.mode) {
        if (mode_ == "refuse") {
            throw sdk::SettingsError("mode", "must not be refuse");
        }
    }

    [[nodiscard]] sdk::RestartDecision decide(const sdk::RestartQuestion& question) const {
        if (mode_ == "throw") {
            throw std::runtime_error("no idea");
        }
        if (mode_ == "wall") {
            return {STEWARD_RESTART,
                    {},
                    question.wall
                        ? sdk::number_text(std::int64_t{question.wall->since_epoch.count()}) +
                              " ns, " + std::to_string(question.wall->utc_offset.count()) + " s"
                        : "no wall clock"};
        }
        return {STEWARD_RESTART, std::chrono::nanoseconds(question.events.size()), "because"};
    }

    void start(const sdk::HealthRequest& /*request*/, sdk::HealthDone done) {
        if (mode_ == "throw") {
            throw sdk::Failure(STEWARD_E_IO, "no descriptor left", 24);
        }
        done_ = std::move(done);
    }

    void cancel(steward_token probe) noexcept {
        if (probe == done_.probe()) {
            done_(
                {.verdict = STEWARD_UNKNOWN, .status = STEWARD_E_CANCELLED, .detail = "asked to"});
        }
    }

    steward_status sample(const sdk::MetricsRequest& request, const sdk::MetricsEmitter& emit) {
        emit.gauge({"rss_bytes", "Memory.", "bytes"}, 42, {{"root", request.proc_root}});
        const std::vector<sdk::MetricLabel> labels{{"a", "1"}, {"b", "2"}};
        emit.counter({"seen", "How often.", ""}, 1, labels);
        return STEWARD_E_TIMEOUT;
    }

  private:
    std::string mode_;
    sdk::HealthDone done_;
};

}  // namespace

STEWARD_PLUGIN(sdk_test, Sample)

namespace {

const steward_plugin* plugin() {
    return steward_plugin_entry_sdk_test.get_plugin(0);
}

template <class Interface>
const Interface* interface(const char* id) {
    return static_cast<const Interface*>(plugin()->get_interface(id));
}

}  // namespace

TEST_CASE("the entry is data that a host can judge", "[sdk][plugin]") {
    const steward_entry& entry = steward_plugin_entry_sdk_test;
    CHECK(entry.magic == STEWARD_ABI_MAGIC);
    CHECK(entry.size == sizeof(steward_entry));
    CHECK(entry.abi_major == STEWARD_ABI_MAJOR);
    CHECK(entry.plugin_count == 1);
    CHECK(entry.get_plugin(1) == nullptr);
    CHECK(entry.get_plugin(UINT32_MAX) == nullptr);
    CHECK(sdk::view(plugin()->desc->id) == "sdk_test");
    CHECK(sdk::view(plugin()->desc->version) == "1.2.3");
}

TEST_CASE("the listed interfaces resolve and no others do", "[sdk][plugin]") {
    std::vector<std::string> listed;
    for (const char* const* id = plugin()->desc->interfaces; *id != nullptr; ++id) {
        listed.emplace_back(*id);
        CHECK(plugin()->get_interface(*id) != nullptr);
    }
    CHECK(listed ==
          std::vector<std::string>{"steward.health/1", "steward.restart/1", "steward.metrics/1"});
    CHECK(plugin()->get_interface("steward.port/1") == nullptr);
    CHECK(plugin()->get_interface("steward.restart/1x") == nullptr);
    CHECK(plugin()->get_interface("steward.restart/") == nullptr);
    CHECK(plugin()->get_interface("") == nullptr);
    CHECK(plugin()->get_interface(nullptr) == nullptr);
}

TEST_CASE("a host that lacks what 1.0 promises is refused", "[sdk][plugin]") {
    steward_error error = test::empty_error();
    steward_host host = test::plain_host();
    CHECK(steward_plugin_entry_sdk_test.init(&host, {}, &error) == STEWARD_OK);
    host.size = offsetof(steward_host, get_extension);
    CHECK(steward_plugin_entry_sdk_test.init(&host, {}, &error) == STEWARD_E_UNSUPPORTED);
    CHECK(std::string(error.text) == "the host does not speak plugin ABI 1.0");
    steward_instance* instance = nullptr;
    CHECK(plugin()->create(&host, test::as_str("{}"), &instance, &error) == STEWARD_E_UNSUPPORTED);
    CHECK(instance == nullptr);
    host.size = sizeof host + 64;
    host.abi_minor = STEWARD_ABI_MINOR + 1;
    CHECK(steward_plugin_entry_sdk_test.init(&host, {}, &error) == STEWARD_OK);
}

TEST_CASE("create leaves the instance alone when it fails", "[sdk][plugin]") {
    const test::Instance refused(plugin(), R"({"mode":"refuse"})");
    CHECK(refused.status() == STEWARD_E_INVALID);
    CHECK(refused.error() == "mode: must not be refuse");
    CHECK(refused.get() == nullptr);
    const test::Instance unknown(plugin(), R"({"mood":"good"})");
    CHECK(unknown.error() == "mood: is not a setting (there are: mode)");
    CHECK(unknown.get() == nullptr);
}

TEST_CASE("a decision that throws leaves its outputs alone", "[sdk][plugin]") {
    const auto* restart = interface<steward_restart>(STEWARD_IFACE_RESTART);
    const steward_event event{};
    const steward_restart_input input{sizeof input, 1, &event, 0, 0, 0, 0, 0, 0};
    steward_restart_decision out{sizeof out, 77, 88};
    test::Collector why;
    const steward_sink sink = why.sink();
    steward_error error = test::empty_error();

    const test::Instance bad(plugin(), R"({"mode":"throw"})");
    CHECK(restart->decide(bad.get(), &input, &out, &sink, &error) == STEWARD_E_INTERNAL);
    CHECK(std::string(error.text) == "no idea");
    CHECK(out.action == 77);
    CHECK(out.delay == 88);

    const test::Instance good(plugin(), "{}");
    CHECK(restart->decide(good.get(), &input, &out, &sink, &error) == STEWARD_OK);
    CHECK(out.action == STEWARD_RESTART);
    CHECK(out.delay == 1);
    CHECK(why.text == "because");
}

TEST_CASE("a host from before the wall clock asks without one", "[sdk][plugin]") {
    const auto* restart = interface<steward_restart>(STEWARD_IFACE_RESTART);
    const steward_event event{};
    steward_restart_input input{sizeof input, 1, &event, 0, 0, 0, 42, -3600, 0};
    steward_restart_decision out{sizeof out, 77, 88};
    test::Collector why;
    const steward_sink sink = why.sink();
    steward_error error = test::empty_error();
    const test::Instance good(plugin(), R"({"mode":"wall"})");
    REQUIRE(restart->decide(good.get(), &input, &out, &sink, &error) == STEWARD_OK);
    CHECK(why.text == "42 ns, -3600 s");
    why.text.clear();
    input.size = offsetof(steward_restart_input, wall);
    REQUIRE(restart->decide(good.get(), &input, &out, &sink, &error) == STEWARD_OK);
    CHECK(why.text == "no wall clock");
}

TEST_CASE("a sink that refuses stops the answer", "[sdk][plugin]") {
    const auto* restart = interface<steward_restart>(STEWARD_IFACE_RESTART);
    const steward_event event{};
    steward_restart_input input{sizeof input, 1, &event, 0, 0, 0, 0, 0, 0};
    steward_restart_decision out{sizeof out, 77, 88};
    test::Collector why{{}, 3};
    const steward_sink sink = why.sink();
    steward_error error = test::empty_error();
    const test::Instance good(plugin(), "{}");
    CHECK(restart->decide(good.get(), &input, &out, &sink, &error) == STEWARD_E_IO);
    CHECK(out.action == 77);
    CHECK(plugin()->config_schema(&sink) == STEWARD_E_IO);
    input.event_count = 0;
    CHECK(restart->decide(good.get(), &input, &out, &sink, &error) == STEWARD_E_INVALID);
    input.size = 4;
    CHECK(restart->decide(good.get(), &input, &out, &sink, &error) == STEWARD_E_INVALID);
}

TEST_CASE("a probe is done exactly once", "[sdk][plugin]") {
    const auto* health = interface<steward_health>(STEWARD_IFACE_HEALTH);
    steward_health_request request{};
    request.size = sizeof request;
    request.probe = 9;
    std::vector<std::string> seen;
    const auto done = [](void* ud, steward_token probe, const steward_health_result* result) {
        static_cast<std::vector<std::string>*>(ud)->push_back(
            std::to_string(probe) + " " + std::to_string(result->status) + " " +
            std::string(sdk::view(result->detail)));
    };
    steward_error error = test::empty_error();
    const test::Instance good(plugin(), "{}");
    REQUIRE(health->start(good.get(), &request, done, &seen, &error) == STEWARD_OK);
    health->cancel(good.get(), 8);
    CHECK(seen.empty());
    health->cancel(good.get(), 9);
    health->cancel(good.get(), 9);
    CHECK(seen == std::vector<std::string>{"9 5 asked to"});

    const test::Instance bad(plugin(), R"({"mode":"throw"})");
    CHECK(health->start(bad.get(), &request, done, &seen, &error) == STEWARD_E_IO);
    CHECK(error.sys_errno == 24);
    CHECK(seen.size() == 1);
}

TEST_CASE("series arrive with their names, kinds and labels", "[sdk][plugin]") {
    const auto* metrics = interface<steward_metrics>(STEWARD_IFACE_METRICS);
    steward_metrics_request request{};
    request.size = sizeof request;
    request.proc_root = test::as_str("/proc");
    std::vector<std::string> seen;
    const auto emit = [](void* ud, const steward_metric* metric) {
        std::string line = std::string(sdk::view(metric->name)) + " " +
                           std::to_string(metric->kind) + " " + sdk::number_text(metric->value);
        for (std::size_t i = 0; i < metric->label_count; ++i) {
            line += " " + std::string(sdk::view(metric->labels[i].name)) + "=" +
                    std::string(sdk::view(metric->labels[i].value));
        }
        static_cast<std::vector<std::string>*>(ud)->push_back(line);
    };
    steward_error error = test::empty_error();
    const test::Instance good(plugin(), "{}");
    CHECK(metrics->sample(good.get(), &request, emit, &seen, &error) == STEWARD_E_TIMEOUT);
    CHECK(seen == std::vector<std::string>{"rss_bytes 0 42 root=/proc", "seen 1 1 a=1 b=2"});
}
