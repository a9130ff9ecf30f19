#include <poll.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

#include "phases.hpp"

namespace steward::bench {
namespace {

constexpr double kLookMs = 1000;
// Of steward alone, after the rounds with all: for a median of what takes milliseconds.
constexpr int kMoreOfSteward = 25;

// An app, its child, and that one's child in a session of its own.
class Family {
  public:
    Family(const Workplace& place, Who who, const std::string& name)
        : supervised_(place, who, name, {{"family"}, {"--health", "none"}}) {
        follow(supervised_.app().who);
        follow(supervised_.reports().next().who);
        follow(supervised_.reports().next().who);
    }

    [[nodiscard]] Who who() const { return supervised_.who(); }
    void kill_supervisor() {
        killed_ = now_ns();
        if (kill(supervised_.supervisor(), SIGKILL) != 0) {
            fail("kill");
        }
    }
    // Waits until all are gone or the time to look has come; milliseconds since the kill.
    [[nodiscard]] double until_gone() const {
        const auto deadline = killed_ + static_cast<std::int64_t>(kLookMs * 1e6);
        for (const auto& pidfd : members_) {
            const auto left = std::max<std::int64_t>(0, (deadline - now_ns()) / 1'000'000);
            pollfd gone{pidfd.get(), POLLIN, 0};
            poll(&gone, 1, static_cast<int>(left));
        }
        return ms_between(killed_, now_ns());
    }
    [[nodiscard]] int alive() const {
        return static_cast<int>(
            std::count_if(members_.begin(), members_.end(), [](const Fd& pidfd) {
                pollfd gone{pidfd.get(), POLLIN, 0};
                return poll(&gone, 1, 0) == 0;
            }));
    }

  private:
    void follow(pid_t pid) {
        members_.emplace_back(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
        if (members_.back().get() < 0) {
            fail("pidfd_open");
        }
    }

    Supervised supervised_;
    std::vector<Fd> members_;
    std::int64_t killed_ = 0;
};

}  // namespace

std::vector<Contest> orphans(const Workplace& place, int rounds) {
    Contest left{"left",
                 "SIGKILL of the supervisor → of three processes of the app alive 1 s later (one "
                 "has a session of its own)",
                 "processes"};
    left.at_most = 0;
    Contest gone{"gone", "SIGKILL of the supervisor → last process of the app gone", "ms"};
    int serial = 0;
    const auto name = [&serial] { return "family-" + std::to_string(++serial); };
    for (int round = 0; round < rounds; ++round) {
        const Phase phase;
        std::vector<std::unique_ptr<Family>> families;
        for (const Who who : kEverybody) {
            families.push_back(std::make_unique<Family>(place, who, name()));
        }
        for (auto& family : families) {
            family->kill_supervisor();
            const double took = family->until_gone();
            const int alive = family->alive();
            left.samples[family->who()].add(alive);
            if (alive == 0) {
                gone.samples[family->who()].add(took);
            } else {
                gone.remarks[family->who()] = "never";
            }
        }
    }
    const int more = rounds > 1 ? kMoreOfSteward : 0;
    for (int i = 0; i < more; ++i) {
        const Phase phase;
        Family family(place, Who::kSteward, name());
        family.kill_supervisor();
        const double took = family.until_gone();
        if (family.alive() == 0) {
            gone.samples[Who::kSteward].add(took);
        }
        left.samples[Who::kSteward].add(family.alive());
    }
    return {left, gone};
}

}  // namespace steward::bench
