// Crashes of the app, each answered by a restart: nothing piles up, and no client is refused.
#include <csignal>
#include <cstdio>
#include <memory>

#include "apps.hpp"
#include "bed.hpp"
#include "load.hpp"
#include "loops.hpp"
#include "net_kit.hpp"
#include "proc_kit.hpp"
#include "tree_watch.hpp"

namespace steward::faults {
namespace {

using tests::Arguments;
using tests::Bed;
using tests::Json;
using tests::number_at;
using tests::Resources;
using tests::operator+;

constexpr Milliseconds kRestarted{10'000 * kSlower};
constexpr long kMoreMemoryKib = 1024;

// One session whose app crashes again and again.
class Crashing {
  public:
    Crashing(const Options& options, std::uint64_t seed)
        : options_(options),
          random_(seed),
          bed_(endless_restarts() + Arguments{"--health-interval", "1s"},
               options.flask ? Arguments{} : tests::test_app()),
          status_(bed_.wait_healthy(1, kRestarted)),
          port_(number_at(status_, "port")) {}

    // The instance serves for a random while.
    void serve() { let_pass(instant(random_, Milliseconds(20))); }

    // One crash, and the restart that answers it. Returns how long that took.
    Clock::duration crash() {
        const auto from = Clock::now();
        const auto generation = number_at(status_, "generation");
        const auto pid = static_cast<pid_t>(number_at(status_, "pid"));
        const auto end = tests::pidfd_of(pid);
        // By itself with an exit code, or by a signal.
        constexpr int kSignals[] = {SIGKILL, SIGSEGV, SIGABRT, SIGTERM};
        const auto way = random_.below(5);
        if (way == 4 && !options_.flask) {
            (void)tests::fetch(port(), "/exit/3");
        } else {
            send_signal(end, kSignals[way % 4]);
        }
        require(tests::ends_within(end, kGone), "the app did not end");
        status_ = bed_.wait_healthy(generation + 1, kRestarted);
        require(number_at(status_, "generation") == generation + 1,
                "the app was started twice: generation " +
                    std::to_string(number_at(status_, "generation")) + " after " +
                    std::to_string(generation));
        require(number_at(status_, "port") == port_, "the port has changed");
        return Clock::now() - from;
    }

    void end() {
        require(bed_.end(kGone).code == 0, "steward did not end well");
        require(bed_.nothing_left(kGone), "something is left");
        require(!reported(), bed_.steward().error_output());
    }

    [[nodiscard]] std::uint16_t port() const { return static_cast<std::uint16_t>(port_); }
    [[nodiscard]] std::int64_t restarts() const { return number_at(status_, "restarts"); }
    [[nodiscard]] pid_t steward() { return bed_.steward().pid(); }
    [[nodiscard]] pid_t guardian() { return bed_.steward().guardian(); }

  private:
    bool reported() { return has_report(bed_.steward().error_output()); }

    const Options& options_;
    Random random_;
    Bed bed_;
    Json status_;
    std::int64_t port_;
};

// PSS, but with the pages of files counted whole: a share would change with every other process
// that begins or ends to use the same libraries.
long memory_kib(pid_t pid) {
    const auto value = [pid](const char* key) { return number_in(pid, "smaps_rollup", key); };
    return value("Pss") - value("Pss_File") + value("Rss") - value("Anonymous");
}

// One of the two processes that nothing may pile up in.
struct Watched {
    std::string name;
    pid_t pid;
    Resources resources{};
    long memory = 0;

    void check_resources() const {
        const auto now = tests::settled_resources(pid);
        require(now == resources, name + " had " + std::to_string(resources.descriptors) +
                                      " descriptors and " + std::to_string(resources.threads) +
                                      " threads, now " + std::to_string(now.descriptors) + " and " +
                                      std::to_string(now.threads));
    }
    void check_memory() const {
        const long now = memory_kib(pid);
        std::printf(
            "  %-10s %zu descriptors, %zu threads, %ld KiB after the first tenth, %ld KiB "
            "at the end (PSS %ld KiB)\n",
            name.c_str(), resources.descriptors, resources.threads, memory, now,
            number_in(pid, "smaps_rollup", "Pss"));
        require(kSanitized || now - memory <= kMoreMemoryKib,
                name + " has grown by " + std::to_string(now - memory) + " KiB");
    }
};

void crash_session(Loop& loop, const Options& options) {
    Crashing app(options, loop.seed());
    app.crash();  // Brings what is made when it is first needed.
    Watched watched[] = {{"steward", app.steward()}, {"guardian", app.guardian()}};
    for (auto& one : watched) {
        one.resources = tests::settled_resources(one.pid);
    }
    const auto tenth = options.count / 10;
    bool measured = false;
    while (loop.more()) {
        loop.figure("ms from a crash to healthy again", app.crash());
        loop.add();
        if (!measured && loop.done() >= tenth) {
            measured = true;
            for (auto& one : watched) {
                one.memory = memory_kib(one.pid);
            }
        }
    }
    require(app.restarts() == static_cast<std::int64_t>(loop.done()) + 1,
            std::to_string(app.restarts()) + " restarts after " + std::to_string(loop.done() + 1) +
                " crashes");
    require(app.guardian() == watched[1].pid, "there is another guardian");
    for (const auto& one : watched) {
        one.check_resources();
        if (measured) {
            one.check_memory();
        }
    }
    app.end();
}

// "200: 12345, ended early: 17"; and what the promise says of them.
std::string told(const std::map<std::string, int>& ends) {
    std::string text;
    for (const auto& [end, count] : ends) {
        text += (text.empty() ? "" : ", ") + end + ": " + std::to_string(count);
    }
    return text;
}

std::string load_session(Loop& loop, const Options& options) {
    Crashing app(options, loop.seed());
    tests::Load load(app.port(), options.flask ? "/health" : "/pid");
    while (loop.more()) {
        app.serve();
        loop.figure("ms from a crash to healthy again", app.crash());
        loop.add();
    }
    auto ends = load.finish();
    const std::string all = told(ends);
    require(ends.count("200") == 1, "no request was answered: " + all);
    const int answered = ends.extract("200").mapped();
    int lost = 0;
    for (const char* end : {"reset", "ended early"}) {
        lost += ends.count(end) == 0 ? 0 : ends.extract(end).mapped();
    }
    require(ends.empty(), "a connection was not served: " + all);
    require(lost <= static_cast<int>(loop.done()) * tests::Load::kClients,
            "more connections were lost than the dead instances can have accepted: " + all);
    app.end();
    return "0 refused, " + std::to_string(answered) + " answered, " + std::to_string(lost) +
           " lost that a dead instance had accepted";
}

}  // namespace

int crash_loop(const Options& options) {
    Loop loop("crash", options);
    try {
        crash_session(loop, options);
    } catch (const std::exception& error) {
        loop.failed(error.what());
    }
    return loop.end("nothing piles up");
}

int crash_load_loop(const Options& options) {
    Loop loop("crash-load", options);
    std::string rest = "the load was not counted";
    try {
        rest = load_session(loop, options);
    } catch (const std::exception& error) {
        loop.failed(error.what());
    }
    return loop.end(rest);
}

}  // namespace steward::faults
