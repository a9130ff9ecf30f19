// How much CPU time a tree of processes has used, as a figure that never falls.
//
// The kernel keeps a process's time while it exists, and adds it to its parent when the parent
// waits for it. A sum over the living therefore falls when one dies whose parent is outside the
// tree, and counts twice what a parent inherits from a child that was counted before. So the
// differences to the last look are added up, process by process:
//   - a process that is new counts with all that it and its children have used;
//   - one that is known counts with what it has used since; and with what it has inherited since,
//   less what its vanished
//     descendants had been counted with already.
// What a short-lived orphan uses between its birth and its death, both after one look and before
// the next, is not seen.
//
// Bounded by the size of one tree. Owned by one thread.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "tree_walk.hpp"

namespace steward::metrics_proc {

class CpuAccount {
  public:
    // Takes a complete look at the tree; returns the clock ticks used since the account was opened.
    std::uint64_t update(const std::vector<Process>& processes);

    [[nodiscard]] std::uint64_t total_ticks() const noexcept { return total_; }
    [[nodiscard]] std::size_t known() const noexcept { return known_.size(); }

  private:
    struct Known {
        std::uint64_t start_ticks = 0;
        std::int32_t parent = 0;
        std::uint64_t own_ticks = 0;
        std::uint64_t children_ticks = 0;
        bool alive = false;
    };

    void credit_vanished(std::unordered_map<std::int32_t, std::uint64_t>& credit) const;

    std::unordered_map<std::int32_t, Known> known_;  // the last look, by pid
    std::uint64_t total_ = 0;
};

}  // namespace steward::metrics_proc
