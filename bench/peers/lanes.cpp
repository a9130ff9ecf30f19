#include "lanes.hpp"

#include <poll.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <stdexcept>
#include <string>

namespace steward::bench {
namespace {

constexpr std::int64_t kPatience = 60'000'000'000;

struct Blow {
    Lane* lane = nullptr;
    std::int64_t due = 0;
    std::int64_t struck = 0;  // 0: not yet
    bool replaced = false;
    bool known = false;
    // monit's app is this process's child, for want of an init; until it is reaped, monit sees a
    // zombie and starts no other.
    pid_t orphan = -1;
    Fd orphan_end = Fd();
    [[nodiscard]] bool over() const { return struck != 0 && replaced && known; }
};

void deliver(Blow& blow, bool knowledge) {
    auto& supervised = *blow.lane->supervised;
    blow.known = !knowledge || supervised.knowledge() == nullptr;
    if (!blow.known) {
        supervised.knowledge()->forget();
    }
    if (supervised.who() == Who::kMonit) {
        blow.orphan = supervised.app().who;
        blow.orphan_end.reset(static_cast<int>(syscall(SYS_pidfd_open, blow.orphan, 0)));
    }
    blow.struck = now_ns();
    if (kill(supervised.app().who, blow.lane->signal) != 0) {
        fail(std::string("the app of ") + name_of(supervised.who()));
    }
}

// How long nothing is due, in whole milliseconds, rounded up.
int pause_of(const std::vector<Blow>& blows, std::int64_t now) {
    std::int64_t next = now + 1'000'000'000;
    for (const auto& blow : blows) {
        next = blow.struck == 0 ? std::min(next, blow.due) : next;
    }
    return static_cast<int>(std::max<std::int64_t>(0, next - now + 999'999) / 1'000'000);
}

void look_at(Blow& blow, const std::function<void(Lane&, std::int64_t)>& replaced) {
    auto& supervised = *blow.lane->supervised;
    if (blow.orphan > 0 && waitpid(blow.orphan, nullptr, WNOHANG) != 0) {
        blow.orphan = -1;
    }
    if (!blow.known && supervised.knowledge()->noted()) {
        blow.known = true;
        blow.lane->known_ms = ms_between(blow.struck, now_ns());
    }
    if (!blow.replaced && supervised.take_start()) {
        blow.replaced = true;
        blow.lane->replaced_ms = ms_between(blow.struck, supervised.app().when);
        if (replaced) {
            replaced(*blow.lane, blow.struck);
        }
    }
}

}  // namespace

void strike(const std::vector<Lane*>& lanes, double spread_ms, bool knowledge,
            std::minstd_rand& random, const std::function<void(Lane&, std::int64_t)>& replaced) {
    std::uniform_real_distribution<double> offset_ms(0, spread_ms);
    std::vector<Blow> blows;
    for (auto* lane : lanes) {
        const auto lived =
            lane->supervised->app().when + static_cast<std::int64_t>(lane->life_ms * 1e6);
        lane->known_ms = -1;
        blows.push_back(
            {lane, std::max(now_ns(), lived) + static_cast<std::int64_t>(offset_ms(random) * 1e6)});
    }
    const auto deadline = now_ns() + kPatience;
    while (!std::all_of(blows.begin(), blows.end(), [](const Blow& blow) { return blow.over(); })) {
        if (now_ns() > deadline) {
            for (const auto& blow : blows) {
                if (!blow.over()) {
                    throw std::runtime_error(std::string(name_of(blow.lane->supervised->who())) +
                                             (blow.replaced
                                                  ? " has not noted the failure of its app"
                                                  : " has not replaced its app"));
                }
            }
        }
        std::vector<pollfd> fds;
        for (auto& blow : blows) {
            if (blow.struck == 0 && now_ns() >= blow.due) {
                deliver(blow, knowledge);
            }
            if (blow.struck != 0 && !blow.replaced) {
                fds.push_back({blow.lane->supervised->reports().fd(), POLLIN, 0});
            }
            if (blow.orphan > 0) {
                fds.push_back({blow.orphan_end.get(), POLLIN, 0});
            }
            if (blow.struck != 0 && !blow.known) {
                fds.push_back({blow.lane->supervised->knowledge()->fd(), POLLIN, 0});
            }
        }
        poll(fds.data(), fds.size(), pause_of(blows, now_ns()));
        for (auto& blow : blows) {
            if (blow.struck != 0) {
                look_at(blow, replaced);
            }
        }
    }
}

}  // namespace steward::bench
