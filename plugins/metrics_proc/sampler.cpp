#include "sampler.hpp"

#include <unistd.h>

#include <algorithm>
#include <chrono>

namespace steward::metrics_proc {
namespace {

// The kernel counts in steps of 10 ms: over a shorter time than this a share would be noise.
constexpr sdk::Duration kShortest = std::chrono::milliseconds(100);

double seconds_of(sdk::Duration duration) {
    return std::chrono::duration<double>(duration).count();
}

void add_up(const Tree& tree, double page_bytes, Sample& out) {
    double descriptors = 0;
    bool counted = true;
    for (const Process& process : tree.processes) {
        if (process.is_zombie()) {
            continue;
        }
        out.processes += 1;
        out.threads += static_cast<double>(process.stat.threads);
        out.rss_bytes += static_cast<double>(process.resident_pages) * page_bytes;
        counted = counted && process.descriptors.has_value();
        descriptors += static_cast<double>(process.descriptors.value_or(0));
    }
    if (counted) {
        out.descriptors = descriptors;
    }
}

}  // namespace

Units Units::of_this_machine() {
    return {static_cast<double>(::sysconf(_SC_PAGESIZE)),
            static_cast<double>(::sysconf(_SC_CLK_TCK))};
}

Sample Sampler::sample(const std::string& proc_root, std::int32_t tree_pid, sdk::TimePoint now,
                       const std::function<bool()>& late) {
    const Tree tree = walk_tree(proc_root, tree_pid, late);
    Sample out;
    out.seen = tree.processes.size();
    if (tree.processes.empty()) {
        out.kind = tree.late ? Sample::Kind::kLate : Sample::Kind::kGone;
        return out;
    }
    add_up(tree, units_.page_bytes, out);
    out.kind = tree.late       ? Sample::Kind::kLate
               : tree.too_many ? Sample::Kind::kTooMany
                               : Sample::Kind::kComplete;
    if (out.kind == Sample::Kind::kComplete) {
        if (proc_root != proc_root_ || tree_pid != tree_pid_) {
            proc_root_ = proc_root;
            tree_pid_ = tree_pid;
            account_ = CpuAccount{};
            base_.reset();
            last_percent_.reset();
        }
        account(tree, now, out);
    }
    return out;
}

void Sampler::account(const Tree& tree, sdk::TimePoint now, Sample& out) {
    const double seconds =
        static_cast<double>(account_.update(tree.processes)) / units_.ticks_per_second;
    out.cpu_seconds = seconds;
    if (!base_) {
        last_percent_ = percent_since_start(tree, seconds);
        base_ = Base{now, seconds};
    } else if (now - base_->at >= kShortest) {
        last_percent_ = 100.0 * (seconds - base_->seconds) / seconds_of(now - base_->at);
        base_ = Base{now, seconds};
    }
    out.cpu_percent = last_percent_;
}

std::optional<double> Sampler::percent_since_start(const Tree& tree, double seconds) const {
    const auto uptime = read_uptime(proc_root_);
    if (!uptime) {
        return std::nullopt;
    }
    const auto older = [](const Process& a, const Process& b) {
        return a.stat.start_ticks < b.stat.start_ticks;
    };
    const auto oldest = std::min_element(tree.processes.begin(), tree.processes.end(), older);
    const double started = static_cast<double>(oldest->stat.start_ticks) / units_.ticks_per_second;
    const double age = std::max(*uptime - started, seconds_of(kShortest));
    return 100.0 * seconds / age;
}

}  // namespace steward::metrics_proc
