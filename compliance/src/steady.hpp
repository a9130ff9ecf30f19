// Does something that is done again and again leave a little behind each time?
#pragma once
#include <functional>
#include <string>

namespace steward::compliance {

// Runs `round` for a warm-up and then `rounds` times, in three stretches of equal length. Returns
// what has become more: descriptors, threads, blocks or memory (these two only if they grew in each
// stretch, so that a cache may fill); empty if nothing has. Memory is not looked at in a build with
// sanitizers.
std::string growth(int rounds, const std::function<void()>& round);

}  // namespace steward::compliance
