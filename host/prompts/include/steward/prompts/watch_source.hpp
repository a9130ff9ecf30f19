// Where the store learns that something changed in a folder: inotify, or what a test puts there.
//
// Thread rule: used by one thread at a time.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace steward::prompts {

struct WatchEvent {
    int watch = -1;
    bool lost = false;    // events were lost: anything may have changed (`watch` says nothing)
    bool itself = false;  // the watched folder itself was moved, removed or changed
    std::string name;     // else what changed in it
};

class WatchSource {
  public:
    WatchSource() = default;
    WatchSource(const WatchSource&) = delete;
    WatchSource& operator=(const WatchSource&) = delete;
    virtual ~WatchSource() = default;

    // Readable while there are events.
    [[nodiscard]] virtual int fd() const noexcept = 0;
    // Watches a folder; the number that its events carry, or -1 when that is not possible. A folder
    // that is watched already, by whatever name, keeps its number.
    [[nodiscard]] virtual int add(const std::string& folder) = 0;
    virtual void remove(int watch) = 0;
    // All events up to now, without waiting.
    [[nodiscard]] virtual std::vector<WatchEvent> drain() = 0;
};

// Null when the system has no inotify instance left.
[[nodiscard]] std::unique_ptr<WatchSource> make_inotify();

}  // namespace steward::prompts
