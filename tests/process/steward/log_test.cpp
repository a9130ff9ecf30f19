// The structured log and the figures of one run with one crash.
#include <algorithm>
#include <csignal>

#include "bed.hpp"
#include "catch.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

// The first events that match the names in this order, with others in between; shorter if they do
// not all come.
std::vector<Json> subsequence(const std::vector<Json>& events,
                              const std::vector<std::string>& names) {
    std::vector<Json> found;
    for (const auto& event : events) {
        if (found.size() < names.size() && text_at(event, "event") == names[found.size()]) {
            found.push_back(event);
        }
    }
    return found;
}

bool is_time(const std::string& text) {
    const std::string form = "dddd-dd-ddTdd:dd:dd.dddZ";
    return text.size() == form.size() &&
           std::equal(text.begin(), text.end(), form.begin(),
                      [](char c, char f) { return f == 'd' ? c >= '0' && c <= '9' : c == f; });
}

}  // namespace

TEST_CASE("a run with one crash is told in the log, event by event") {
    Bed bed(Arguments{"--metrics-interval", "50ms"}, test_app());
    const Json first = bed.wait_healthy();
    const auto first_seen = Clock::now();
    bed.wait_event("metrics");
    REQUIRE(::kill(static_cast<pid_t>(number_at(first, "pid")), SIGKILL) == 0);
    const Json second = bed.wait_healthy(2);
    REQUIRE(bed.end().code == 0);

    const std::vector<std::string> names{
        "service.start",   "port.chosen",     "service.started",
        "service.healthy", "service.exit",    "service.restart_scheduled",
        "service.start",   "service.started", "service.healthy",
        "service.stop",    "service.exit",    "service.stopped"};
    const auto all = bed.sandbox().events();
    const auto told = subsequence(all, names);
    REQUIRE(told.size() == names.size());
    CHECK(bed.events("metrics").size() >= 1);
    CHECK(bed.events("port.chosen").size() == 1);

    std::int64_t last_sequence = 0;
    std::int64_t last_time = 0;
    for (const auto& event : all) {
        INFO(Poco::Dynamic::Var(event).toString());
        CHECK(is_time(text_at(event, "ts")));
        CHECK(text_at(event, "service") == "test_app");
        CHECK(number_at(event, "generation") >= 1);
        CHECK_FALSE(text_at(event, "cause").empty());
        CHECK_FALSE(text_at(event, "level").empty());
        CHECK(number_at(event, "seq") == last_sequence + 1);
        CHECK(milliseconds_of(event) >= last_time);
        last_sequence = number_at(event, "seq");
        last_time = milliseconds_of(event);
    }
    for (std::size_t i = 0; i < told.size(); ++i) {
        INFO(names[i] << ", the event " << i);
        CHECK(number_at(told[i], "generation") == (i < 6 ? 1 : 2));
    }

    const auto port = number_at(first, "port");
    CHECK(number_at(told[1], "port") == port);
    CHECK(number_at(told[2], "port") == port);
    CHECK(number_at(told[2], "pid") == number_at(first, "pid"));
    CHECK(number_at(told[3], "startup_ms") == number_at(first, "startup_ms"));
    CHECK(number_at(told[3], "restarts") == 0);
    CHECK(number_at(told[3], "port") == port);
    CHECK(number_at(told[4], "signal") == 9);
    CHECK(number_at(told[4], "uptime_ms") >= 0);
    CHECK(number_at(told[5], "delay_ms") >= 200);
    CHECK(number_at(told[5], "delay_ms") <= 300);
    CHECK(number_at(told[6], "restarts") == 1);
    CHECK(text_at(told[6], "origin") == "automatic");
    CHECK(number_at(told[7], "pid") == number_at(second, "pid"));
    CHECK(number_at(told[8], "restarts") == 1);
    CHECK(number_at(told[8], "startup_ms") == number_at(second, "startup_ms"));
    CHECK(number_at(told[8], "port") == port);
    CHECK(text_at(told[9], "cause") == "SIGINT");
    CHECK(number_at(told[10], "signal") == 15);
    // What was measured from outside cannot be shorter.
    CHECK(number_at(told[3], "startup_ms") > 0);
    CHECK(number_at(told[3], "startup_ms") <=
          std::chrono::duration_cast<Milliseconds>(first_seen - bed.steward().started()).count());
}

TEST_CASE("rss_bytes, processes, threads and descriptors are those of the tree") {
    Bed bed(Arguments{"--metrics-interval", "50ms"}, test_app({"--children", "2", "--grandchild"}));
    bed.wait_healthy();
    const auto tree = descendants_of(bed.steward().guardian());
    REQUIRE(tree.size() == 4);
    const auto seen = bed.events("metrics").size();
    REQUIRE(wait_until([&] { return bed.events("metrics").size() > seen + 1; }));
    const Json sample = bed.events("metrics").back();
    const auto rss = static_cast<double>(rss_bytes_of(tree));
    CHECK(static_cast<double>(number_at(sample, "rss_bytes")) == Approx(rss).epsilon(0.1));
    CHECK(number_at(sample, "processes") == 4);
    CHECK(number_at(sample, "threads") == 4);
    CHECK(number_at(bed.status(), "metrics.processes") == 4);
    CHECK(static_cast<double>(number_at(bed.status(), "metrics.rss_bytes")) ==
          Approx(rss).epsilon(0.1));
}

TEST_CASE("rss_bytes of the web app is what /proc says") {
    Bed bed(Arguments{"--metrics-interval", "50ms"}, /*app=*/{});
    bed.wait_healthy();
    const auto seen = bed.events("metrics").size();
    REQUIRE(wait_until([&] { return bed.events("metrics").size() > seen + 1; }));
    const auto rss = static_cast<double>(rss_bytes_of(descendants_of(bed.steward().guardian())));
    REQUIRE(rss > 10e6);
    CHECK(static_cast<double>(number_at(bed.events("metrics").back(), "rss_bytes")) ==
          Approx(rss).epsilon(0.1));
}

}  // namespace steward::tests
