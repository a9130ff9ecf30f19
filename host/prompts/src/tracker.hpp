// Keeps an Index as the disk is: reads all files once, later what events name or signatures show.
//
// A folder that can be watched is read again where events say so; all others, and those of file
// systems that other machines write to, are compared with what was seen: the folder at each use,
// its files one by one from time to time. Whether a folder is still the one that was watched is
// asked at each use in any case, because a change of a link or a parent tells nobody.
//
// Thread rule: the caller's mutex.
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "disk.hpp"
#include "index.hpp"
#include "steward/prompts/watch_source.hpp"

namespace steward::prompts {

class Tracker {
  public:
    Tracker(std::string root, Index& index, const StoreOptions& options);

    [[nodiscard]] bool is_loaded() const noexcept { return loaded_; }
    // Brings the index up to date; the first time it loads everything.
    void sync();
    // Looks at a file that was just written or removed by this program.
    void recheck(const std::string& category, const std::string& id);
    // Looks at the files of one id, where no event would tell that they changed.
    void recheck_unwatched(const std::string& id);

    [[nodiscard]] std::vector<std::string> categories() const;
    [[nodiscard]] int watch_fd() const noexcept;
    [[nodiscard]] bool is_watched() const noexcept;

  private:
    using Clock = std::chrono::steady_clock;
    struct File {
        Signature signature;
        bool settled = false;
    };
    struct Folder {
        Signature status;  // before it was read last
        bool settled = false;
        int watch = -1;
        bool watched = false;
        bool dirty = false;  // read it anew
        std::map<std::string, File> files;
        std::set<std::string> dirty_files;
        std::set<std::string> links;  // files that lead elsewhere: they change without an event
        bool has_unsettled = false;
        Clock::time_point read_at{};
    };

    void load();
    void take_events();
    void sync_root();
    void read_categories();
    void watch_for_root();
    void sync_folder_named(const std::string& name);
    void watch_folder(const std::string& name, Folder& folder);
    void read_folder(const std::string& name, Folder& folder, const Signature& status);
    void check_file(const std::string& category, Folder& folder, const std::string& file);
    void forget_file(const std::string& category, Folder& folder, const std::string& file);
    void forget_folder(std::string name);
    void unwatch(int watch);
    [[nodiscard]] std::string path_of(const std::string& name) const { return root_ + "/" + name; }

    const std::string root_;
    Index& index_;
    const StoreOptions& options_;
    std::unique_ptr<WatchSource> source_;
    bool loaded_ = false;
    std::optional<Signature> root_status_;  // nothing while it is no folder
    bool root_settled_ = false;
    int root_watch_ = -1;  // of the root, or of the nearest folder above it while it is missing
    bool root_watched_ = false;
    bool root_dirty_ = false;
    bool unwatched_ = false;
    std::map<std::string, Folder> folders_;  // the categories
    std::vector<std::string> loose_links_;   // names of categories that lead nowhere yet
};

}  // namespace steward::prompts
