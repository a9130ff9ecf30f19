// From what the processes of a tree show to the figures of a service.
//
// One sampler per instance of the plugin; it remembers the last complete look at one tree, and
// starts anew when it is asked about another. [plugin]
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <steward/sdk/host.hpp>
#include <string>

#include "cpu_account.hpp"

namespace steward::metrics_proc {

// What the kernel counts in; the seam of the unit tests.
struct Units {
    double page_bytes = 4096;
    double ticks_per_second = 100;

    [[nodiscard]] static Units of_this_machine();
};

struct Sample {
    enum class Kind { kComplete, kLate, kTooMany, kGone };
    Kind kind = Kind::kGone;
    std::size_t seen = 0;  // processes looked at, zombies included
    // Left out (nothing) when they could only be wrong: the CPU figures of an incomplete look, the
    // descriptors of a process that does not let us count them, the share of a first look when the
    // time since boot is unknown.
    std::optional<double> cpu_percent;
    std::optional<double> cpu_seconds;
    double rss_bytes = 0;
    double threads = 0;
    std::optional<double> descriptors;
    double processes = 0;
};

class Sampler {
  public:
    explicit Sampler(Units units) : units_(units) {}

    // Looks at the descendants of `tree_pid`. Throws what walk_tree throws; the memory of the last
    // look is unchanged then.
    Sample sample(const std::string& proc_root, std::int32_t tree_pid, sdk::TimePoint now,
                  const std::function<bool()>& late);

  private:
    struct Base {
        sdk::TimePoint at;
        double seconds = 0;
    };

    void account(const Tree& tree, sdk::TimePoint now, Sample& out);
    [[nodiscard]] std::optional<double> percent_since_start(const Tree& tree, double seconds) const;

    Units units_;
    std::string proc_root_;
    std::int32_t tree_pid_ = 0;
    CpuAccount account_;
    std::optional<Base> base_;  // where the current share is counted from
    std::optional<double> last_percent_;
};

}  // namespace steward::metrics_proc
