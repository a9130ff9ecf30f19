// OsLinux: clocks, entropy, /proc and inotify for real.
#pragma once
#include "steward/core/os.hpp"
#include "steward/core/scheduler.hpp"

namespace steward::core {

class OsLinux final : public Os {
  public:
    explicit OsLinux(Scheduler& scheduler);
    ~OsLinux() override;
    OsLinux(const OsLinux&) = delete;
    OsLinux& operator=(const OsLinux&) = delete;

    WallTime wall() override;
    // Of the zone that TZ or /etc/localtime named when the object was made.
    std::chrono::seconds utc_offset(WallTime at) override;
    std::uint64_t entropy() override;
    Duration slept() override;
    bool runs(std::int32_t pid) override;
    // A quarter of a millisecond for an app of ten threads; of a larger tree than 256 processes
    // or 1024 threads only so many are looked at, and it is told (truncated).
    AppLook look(const LookQuestion& question) override;
    int check_file(const std::string& file) override;
    std::optional<std::uint64_t> oom_kills() override;
    void watch_folder(const std::string& folder,
                      std::function<void(std::string name)> changed) override;

  private:
    void read_changes();
    void end_watch();

    Scheduler& scheduler_;
    UniqueFd inotify_;
    std::string awaited_;  // the one name that counts, where the folder itself is missing
    std::function<void(std::string)> changed_;
    std::uint64_t watch_ = 0;  // counts up with each end of a watch
};

}  // namespace steward::core
