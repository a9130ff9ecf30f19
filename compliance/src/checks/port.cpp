// Port: proposals of ports.
#include <algorithm>
#include <array>
#include <numeric>
#include <set>
#include <string>
#include <vector>

#include "check.hpp"
#include "process_look.hpp"
#include "scene.hpp"
#include "strategies.hpp"
#include "trial.hpp"
#include "watch.h"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

std::string to_text(const PortQuestion& question) {
    return "attempt " + std::to_string(question.attempt) + ", wanted " +
           std::to_string(question.base) + " of " + std::to_string(question.first) + " to " +
           std::to_string(question.last) + ", " + std::to_string(question.excluded.size()) +
           " excluded, places for " + std::to_string(question.capacity);
}

std::string to_text(const Proposed& proposed) {
    std::string text = "status " + std::to_string(proposed.status) + ", count " +
                       std::to_string(proposed.count) + ", ports";
    const std::size_t shown = std::min<std::size_t>(proposed.ports.size(), 20);
    for (std::size_t i = 0; i < shown; ++i) {
        text += " " + std::to_string(proposed.ports[i]);
    }
    text += shown < proposed.ports.size() ? " …" : "";
    return text + (proposed.error.empty() ? "" : " (" + proposed.error + ")");
}

std::uint16_t port_in(Random& random, std::uint32_t first, std::uint32_t last) {
    return static_cast<std::uint16_t>(first + random.below(last - first + 1));
}

// A range of `ports` ports; the wanted one is in it.
PortQuestion random_question(Random& random, std::uint32_t ports) {
    PortQuestion question;
    question.first = port_in(random, 1, 65536 - ports);
    question.last = static_cast<std::uint16_t>(question.first + ports - 1);
    question.base = port_in(random, question.first, question.last);
    question.entropy = random.next();
    question.capacity = 1 + random.below(64);
    return question;
}

std::uint32_t random_width(Random& random) {
    return static_cast<std::uint32_t>(1 + random.below(random.one_in(8) ? 65'535 : 300));
}

// What every answer must keep to.
void require_valid(const PortQuestion& question, const Proposed& proposed) {
    const auto fault = [&](const std::string& what) {
        broken(to_text(question) + ": " + to_text(proposed) + "; " + what);
    };
    if (proposed.overrun) {
        fault("it wrote behind the last place");
    }
    if (proposed.status == STEWARD_E_EXHAUSTED) {
        if (proposed.count != 0) {
            fault("EXHAUSTED goes with count 0");
        }
        return;
    }
    if (proposed.status != STEWARD_OK) {
        fault("expected STEWARD_OK or EXHAUSTED");
    }
    if (proposed.count == 0) {
        fault("STEWARD_OK goes with a candidate; without any it is EXHAUSTED");
    }
    if (proposed.count > question.capacity) {
        fault("the count is above the capacity");
    }
    std::set<std::uint16_t> seen;
    for (const std::uint16_t port : proposed.ports) {
        if (port < question.first || port > question.last) {
            fault("port " + std::to_string(port) + " is outside the range");
        }
        if (std::binary_search(question.excluded.begin(), question.excluded.end(), port)) {
            fault("port " + std::to_string(port) + " is excluded");
        }
        if (!seen.insert(port).second) {
            fault("port " + std::to_string(port) + " is proposed twice");
        }
    }
}

void port_range(Trial& trial) {
    constexpr int kQuestions = 3000;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    Random& random = trial.random();
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (int i = 0; i < kQuestions; ++i) {
            auto question = random_question(random, random_width(random));
            // What other services hold; one port at least is left.
            const auto free = port_in(random, question.first, question.last);
            for (std::uint64_t taken = random.below(200); taken > 0; --taken) {
                const auto port = random.one_in(2) ? port_in(random, question.first, question.last)
                                                   : port_in(random, 1, 65'535);
                if (port != free) {
                    question.excluded.push_back(port);
                }
            }
            std::sort(question.excluded.begin(), question.excluded.end());
            question.excluded.erase(std::unique(question.excluded.begin(), question.excluded.end()),
                                    question.excluded.end());
            if (random.one_in(4)) {
                question.base = port_in(random, 1, 65'535);
            }
            const auto proposed = propose(instance, question);
            require_valid(question, proposed);
            require(proposed.status == STEWARD_OK || !question.excluded.empty(),
                    to_text(question) + ": " + to_text(proposed) +
                        "; expected a candidate, for nothing is excluded");
        }
    }
}

// Asks as a host does that finds everything taken: again and again, with what was proposed
// excluded.
void search(const Instance& instance, PortQuestion question) {
    const std::uint32_t ports = std::uint32_t(question.last) - question.first + 1;
    std::set<std::uint16_t> before;
    for (std::uint32_t attempt = 1; attempt <= ports + 1; ++attempt) {
        question.attempt = attempt;
        question.excluded.assign(before.begin(), before.end());
        const auto proposed = propose(instance, question);
        require_valid(question, proposed);
        if (proposed.status == STEWARD_E_EXHAUSTED) {
            require(!before.empty(), to_text(question) + ": " + to_text(proposed) +
                                         "; expected a candidate, for nothing is excluded");
            return;
        }
        before.insert(proposed.ports.begin(), proposed.ports.end());
    }
    broken("not EXHAUSTED after " + std::to_string(ports + 1) + " attempts in a range of " +
           std::to_string(ports) + " ports");
}

void port_exclusion(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    Random& random = trial.random();
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (const std::size_t capacity : {1U, 3U, 16U, 64U}) {
            for (const std::uint32_t ports : {2U, 17U, 100U}) {
                auto question = random_question(random, ports);
                question.capacity = capacity;
                search(instance, question);
            }
        }
    }
}

void port_exhausted(Trial& trial) {
    // What abi.h gives a decision; without an optimiser, several times that.
    constexpr auto kMost = 250ms;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const auto instance = session.create(*plugin);
        for (const std::uint32_t ports : {1U, 2U, 100U, 65'535U}) {
            auto question = random_question(trial.random(), ports);
            question.excluded.resize(ports);
            std::iota(question.excluded.begin(), question.excluded.end(), question.first);
            const auto begun = thread_cpu_time();
            const auto proposed = propose(instance, question);
            const auto used = thread_cpu_time() - begun;
            require(
                proposed.status == STEWARD_E_EXHAUSTED && proposed.count == 0 && !proposed.overrun,
                to_text(question) + ": " + to_text(proposed) + "; expected EXHAUSTED with count 0");
            require(
                used <= kMost,
                to_text(question) + ": it computed for " +
                    std::to_string(std::chrono::round<std::chrono::milliseconds>(used).count()) +
                    " ms; expected at most 250 ms");
        }
    }
}

void port_pure(Trial& trial) {
    constexpr int kQuestions = 300;
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    std::vector<std::string> answers;
    watch_reset();
    for (const auto* plugin : trial.plugins()) {
        const auto one = session.create(*plugin);
        const auto other = session.create(*plugin);
        std::vector<std::pair<PortQuestion, Proposed>> asked;
        for (int i = 0; i < kQuestions; ++i) {
            auto question = random_question(trial.random(), random_width(trial.random()));
            question.attempt = static_cast<std::uint32_t>(1 + trial.random().below(5));
            auto proposed = propose(one, question);
            answers.push_back(to_text(question) + ": " + to_text(proposed));
            asked.emplace_back(std::move(question), std::move(proposed));
        }
        // In another order, so that nothing may be left from the question before.
        for (auto row = asked.rbegin(); row != asked.rend(); ++row) {
            const auto& [question, first] = *row;
            for (const Instance* const instance : {&other, &one}) {
                const auto again = propose(*instance, question);
                require(again == first, to_text(question) + ": " + to_text(first) +
                                            ", and asked again" +
                                            (instance == &other ? " in another instance" : "") +
                                            ": " + to_text(again) + "; expected the same");
            }
        }
    }
    require(watch_count(WATCHED_SOCKET) == 0,
            "it called " + std::string(watch_name(WATCHED_SOCKET)) +
                "() while it proposed; binding is the host's work");
    const auto difference = first_difference(answers, trial.twin_answers(answers));
    require(difference.empty(),
            "asked here and in another process: " + difference + "; expected the same");
}

constexpr std::array kChecks{
    Check{74, "port-range", Level::kMust, STEWARD_IFACE_PORT,
          "candidates are in the range, not excluded, distinct, and not more than there are places "
          "for",
          "a port outside the range is one that the user has not allowed; writing behind the last "
          "place destroys the host's memory",
          "test each candidate against first, last and excluded before it is written, and stop at "
          "capacity; a wanted port outside the range is only a wish",
          10s, &port_range},
    Check{75, "port-exclusion", Level::kMust, STEWARD_IFACE_PORT,
          "in one search no port is proposed again once it is excluded, and the search ends",
          "the host excludes what it found taken; a strategy that proposes it again never finds a "
          "port, and the service never starts",
          "propose from what is not excluded, whatever the attempt", 10s, &port_exclusion},
    Check{76, "port-exhausted", Level::kMust, STEWARD_IFACE_PORT,
          "when the whole range is excluded the answer is EXHAUSTED with count 0, within 250 ms",
          "a loop that waits for a free port blocks the plugin's thread until the host gives the "
          "library up; an empty success hides that the range is full",
          "bound the search by the size of the range, and return STEWARD_E_EXHAUSTED when nothing "
          "was written",
          5s, &port_exhausted},
    Check{77, "port-pure", Level::kMust, STEWARD_IFACE_PORT,
          "the same question has the same candidates in any instance and process, and no socket is "
          "touched",
          "a proposal that depends on hidden state cannot be replayed or explained; a port that is "
          "probed by a plugin can be lost to another program meanwhile",
          "compute from the request alone; take randomness from its entropy", 10s, &port_pure},
};

}  // namespace

const std::span<const Check> kPortChecks{kChecks};

}  // namespace steward::compliance
