// Unload and reload: a library goes, comes again, and is there twice.
#include <algorithm>
#include <array>
#include <chrono>
#include <deque>
#include <optional>

#include "check.hpp"
#include "library_copy.hpp"
#include "process_look.hpp"
#include "scene.hpp"
#include "settings.hpp"
#include "steady.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::chrono_literals;

void require_unloadable(const Library& library) {
#ifdef STEWARD_SANITIZED
    (void)library;
    skip("a build with sanitizers unmaps no library");
#else
    if (!library.unloadable()) {
        skip("it does not claim STEWARD_CAP_UNLOADABLE");
    }
#endif
}

void unload_unmaps(Trial& trial) {
    Library library(trial.file());
    require_unloadable(library);
    require(is_mapped(trial.file()), "the harness does not find the library in its own maps");
    Scene scene(library.plugins());
    {
        FakePluginHost host(FakePluginHost::Clock::kReal);
        live_through(library, host, scene);
    }
    library.unload();
    require(!is_mapped(trial.file()),
            "after deinit and dlclose the library is still mapped; expected that nothing pins it");
}

void reload_1000(Trial& trial) {
    constexpr int kMostRounds = 1000;
    constexpr int kFirstRounds = 10;
    constexpr auto kTime = 5s;
    Library kept(trial.file());
    require_unloadable(kept);
    Scene scene(kept.plugins());
    kept.unload();
    const auto round = [&] {
        Library library(trial.file());
        FakePluginHost host(FakePluginHost::Clock::kReal);
        live_through(library, host, scene);
        library.unload();
    };
    // One that is slow to load is loaded less often.
    const auto begun = std::chrono::steady_clock::now();
    for (int i = 0; i < kFirstRounds; ++i) {
        round();
    }
    const auto taken = std::chrono::steady_clock::now() - begun;
    const int rounds =
        static_cast<int>(std::clamp<std::int64_t>(kTime * kFirstRounds / taken, 60, kMostRounds));
    const auto left = growth(rounds, round);
    require(left.empty(), "loaded, used and unloaded " + std::to_string(rounds) +
                              " times: " + left + "; expected everything as before");
}

// ---- two-copies

// One of the copies, in a session with an instance of each plugin.
class Copy {
  public:
    Copy(const Library& library, std::uint64_t seed)
        : library_(library), seed_(seed), scene_(library.plugins()) {}

    void begin() {
        hosts_.emplace_back(FakePluginHost::Clock::kReal);
        session_.emplace(library_, hosts_.back());
        for (const auto* plugin : library_.plugins()) {
            instances_.push_back(session_->create(*plugin));
        }
    }
    std::vector<std::string> ask() {
        std::vector<std::string> lines;
        for (const auto& instance : instances_) {
            const auto more = scene_.answers(hosts_.back(), instance, seed_, 20);
            lines.insert(lines.end(), more.begin(), more.end());
        }
        return lines;
    }
    void end() {
        instances_.clear();
        session_->end();
        session_.reset();
    }

  private:
    const Library& library_;
    std::uint64_t seed_;
    Scene scene_;
    std::deque<FakePluginHost> hosts_;  // the earlier ones stay
    std::optional<Session> session_;
    std::vector<Instance> instances_;
};

void two_copies(Trial& trial) {
    const Library& one = trial.library();
    const Library other = load_copy(trial.file());
    require(&one.entry() != &other.entry(),
            "a copy of the library has the entry of the first one; expected data of its own");
    Copy a(one, trial.seed());
    Copy b(other, trial.seed() + 1);
    a.begin();
    const auto of_a = a.ask();
    a.end();
    b.begin();
    const auto of_b = b.ask();
    b.end();

    const auto require_same = [](Copy& copy, const std::vector<std::string>& alone,
                                 const std::string& when) {
        const auto difference = first_difference(alone, copy.ask());
        require(difference.empty(), "alone, and " + when + ": " + difference +
                                        "; expected that two copies share nothing");
    };
    a.begin();
    b.begin();
    for (int i = 0; i < 3; ++i) {
        require_same(a, of_a, "while the other copy is at work");
        require_same(b, of_b, "while the other copy is at work");
    }
    a.end();
    require_same(b, of_b, "after deinit of the other copy");
    a.begin();
    require_same(b, of_b, "after another init of the other copy");
    require_same(a, of_a, "in another session, while the other copy is at work");
    b.end();
    require_same(a, of_a, "after deinit of the other copy");
    a.end();
}

constexpr std::array kChecks{
    Check{58, "unload-unmaps", Level::kMust, "",
          "a library with STEWARD_CAP_UNLOADABLE is no longer mapped after deinit and dlclose",
          "an upgraded plugin file is not loaded as long as the old one is pinned: the old code "
          "goes on under the new one's name",
          "link with steward_add_plugin(): STB_GNU_UNIQUE symbols, -z nodelete, thread_local "
          "objects with destructors and libraries that hold this one all pin it",
          10s, &unload_unmaps},
    Check{59, "reload-1000", Level::kMust, "",
          "a library with STEWARD_CAP_UNLOADABLE, loaded, used and unloaded up to 1000 times, "
          "leaves no "
          "descriptor, thread or memory behind",
          "upgrades of plugins in a supervisor that runs for years add up",
          "free in deinit what init and static variables hold; register nothing with atexit() or "
          "with another library that outlives this one",
          30s, &reload_1000},
    Check{60, "two-copies", Level::kMust, "",
          "the same file loaded twice, from two folders: state and answers are independent",
          "the old and the new file of an upgrade are in the process at once for a while",
          "keep no state in the process (environment, C library) and export nothing but the entry",
          20s, &two_copies},
};

}  // namespace

const std::span<const Check> kUnloadChecks{kChecks};

}  // namespace steward::compliance
