// The prompt store: prompts as files below one data folder, shared with other programs. The rules
// are in tests/data/prompt_store/README.md; the web application keeps to them too.
//
// Readers take no lock. Writers hold an exclusive flock on `<data-dir>/.lock`, write a temporary
// file, fsync and rename it, and keep the old file in `<data-dir>/.history/`.
//
// The first reading call loads all prompts into memory; before that nothing is opened, made or
// watched. Every later one first takes in what other programs have changed.
//
// Thread rule: any thread. A write may wait for another program for 2 s and then for the disk, and
// holds no mutex meanwhile: reading goes on. Reading calls wait for each other, at most for as long
// as changed files take to read. Callbacks run at the end of the call that found the news, on its
// thread, with no mutex held.
#pragma once

#include <Poco/JSON/Object.h>

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "steward/prompts/prompt.hpp"
#include "steward/prompts/result.hpp"
#include "steward/prompts/watch_source.hpp"

namespace steward::prompts {

class Index;
class Tracker;
struct Changes;

// A file that is skipped: its path below the data folder, and why.
struct Broken {
    std::string file;
    std::string reason;
};

struct Query {
    std::string_view text = {};  // a substring in any case; "", "*" and "**" match all
    std::optional<std::string_view> category = {};
    std::size_t limit = SIZE_MAX;
};

struct Listing {
    std::vector<PromptPtr> prompts;                     // at most Query::limit, the newest first
    std::size_t total = 0;                              // how many match
    std::shared_ptr<const std::vector<Broken>> broken;  // all there are, by name; never null
};

// What has changed; ids and slugs in byte order, each once.
struct Change {
    std::vector<std::string> ids;    // of prompts that were added, changed or removed
    std::vector<std::string> slugs;  // their slugs, before and after
    bool list_changed = false;       // one came, went, or has another title, description, category,
                                     // tags or variables

    [[nodiscard]] bool is_empty() const noexcept { return ids.empty() && !list_changed; }
};

struct StoreOptions {
    std::function<void(const Change&)> on_change;
    // A file that is newly broken, once: its name and the reason.
    std::function<void(const std::string&)> on_trouble;

    // For tests, and for file systems that are unlike others.
    std::function<std::chrono::system_clock::time_point()> now = std::chrono::system_clock::now;
    std::chrono::milliseconds lock_timeout{2000};
    // Null: no folder can be watched.
    std::function<std::unique_ptr<WatchSource>()> make_watch = make_inotify;
    // How often the files of a folder that cannot be watched are looked at one by one. New, removed
    // and replaced ones are seen at once there too.
    std::chrono::milliseconds poll_interval{1000};
};

// The refusal of a change of `current` that was based on `expected`, an updated_at; nothing when it is
// that or was not given.
[[nodiscard]] std::optional<StoreError> conflict_with(const PromptPtr& current,
                                                      const std::optional<std::string>& expected);

class PromptStore {
  public:
    explicit PromptStore(std::string root, StoreOptions options = {});
    PromptStore(const PromptStore&) = delete;
    PromptStore& operator=(const PromptStore&) = delete;
    ~PromptStore();

    // Makes the data folder, and the first categories if there is none. All categories.
    Result<std::vector<std::string>> ensure();

    // ---- reading
    [[nodiscard]] std::vector<std::string> categories();  // in byte order
    [[nodiscard]] std::size_t count();
    [[nodiscard]] Listing search(const Query& query);
    [[nodiscard]] std::vector<std::string> tags();  // of all prompts, each once, in byte order
    Result<PromptPtr> get(std::string_view id);
    // By id, or by the slug of the title: the newest of several.
    Result<PromptPtr> find(std::string_view name);
    // Slugs and ids that are like a name which was not found, the likeliest first.
    [[nodiscard]] std::vector<std::string> suggestions(std::string_view name,
                                                       std::size_t count = 5);

    // ---- writing
    // `values` are title, content and category, and may be description, tags and favourite.
    Result<PromptPtr> create(const Poco::JSON::Object& values);
    // Changes the given members and keeps all others. With `expected`, the updated_at that the
    // changes were based on, a prompt that has been changed since is left alone (kConflict).
    Result<PromptPtr> update(std::string_view id, const Poco::JSON::Object& changes,
                             const std::optional<std::string>& expected = std::nullopt);
    // The prompt as it was; it stays in the history. With `version`, version_of() what somebody has
    // seen, another one is left alone (kConflict).
    Result<PromptPtr> remove(std::string_view id,
                             const std::optional<std::string>& expected = std::nullopt,
                             const std::optional<std::string>& version = std::nullopt);

    // ---- news
    // Readable when something may have changed: call refresh() then. -1 before the first reading
    // call, and where nothing can be watched. It stays the same once it is there.
    [[nodiscard]] int watch_fd();
    // Whether watch_fd() tells everything; else refresh() must be called from time to time too.
    [[nodiscard]] bool is_watched();
    // Takes in what has changed and reports it. Does nothing before the first reading call.
    void refresh();

  private:
    template <class Read>
    auto reading(Read read);
    Result<PromptPtr> read_from_disk(std::string_view id);
    template <class Write>
    Result<PromptPtr> writing(Write write);
    Result<PromptPtr> write_new(const Changes& changes);
    Result<PromptPtr> write_changed(const Prompt& old, const Changes& changes);
    Result<PromptPtr> write_file(const Prompt& prompt);
    [[nodiscard]] std::string later_than(const std::string& old) const;
    void written(const Prompt& now, const std::string& old_category);
    void tell(const Change& change, const std::vector<std::string>& troubles) const;

    const std::string root_;
    const StoreOptions options_;
    std::mutex mutex_;  // guards the two below
    std::unique_ptr<Index> index_;
    std::unique_ptr<Tracker> tracker_;
};

}  // namespace steward::prompts
