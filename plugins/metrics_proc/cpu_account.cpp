#include "cpu_account.hpp"

#include <algorithm>

namespace steward::metrics_proc {
namespace {

std::uint64_t rise(std::uint64_t before, std::uint64_t now) {
    return now > before ? now - before : 0;
}

}  // namespace

std::uint64_t CpuAccount::update(const std::vector<Process>& processes) {
    for (const Process& process : processes) {
        const auto before = known_.find(process.pid);
        if (before != known_.end() && before->second.start_ticks == process.stat.start_ticks) {
            before->second.alive = true;
        }
    }
    std::unordered_map<std::int32_t, std::uint64_t> credit;
    credit_vanished(credit);
    std::unordered_map<std::int32_t, Known> now;
    for (const Process& process : processes) {
        const ProcStat& stat = process.stat;
        const auto before = known_.find(process.pid);
        if (before == known_.end() || !before->second.alive) {
            total_ += stat.own_ticks + stat.children_ticks;
        } else {
            const std::uint64_t inherited =
                rise(before->second.children_ticks, stat.children_ticks);
            const auto counted = credit.find(process.pid);
            total_ += rise(before->second.own_ticks, stat.own_ticks) +
                      rise(counted == credit.end() ? 0 : counted->second, inherited);
        }
        now[process.pid] = {stat.start_ticks, stat.parent, stat.own_ticks, stat.children_ticks,
                            false};
    }
    known_ = std::move(now);
    return total_;
}

// What each living process may have inherited from descendants that have vanished since, and that
// is in the total already.
void CpuAccount::credit_vanished(std::unordered_map<std::int32_t, std::uint64_t>& credit) const {
    for (const auto& [pid, process] : known_) {
        if (process.alive) {
            continue;
        }
        auto ancestor = known_.find(process.parent);
        // At most as many steps as there are processes, were the parents ever to form a ring.
        for (std::size_t steps = 0;
             ancestor != known_.end() && !ancestor->second.alive && steps < known_.size();
             ++steps) {
            ancestor = known_.find(ancestor->second.parent);
        }
        if (ancestor != known_.end() && ancestor->second.alive) {
            credit[ancestor->first] += process.own_ticks + process.children_ticks;
        }
    }
}

}  // namespace steward::metrics_proc
