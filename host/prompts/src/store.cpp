#include "steward/prompts/store.hpp"

#include <sys/random.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <type_traits>
#include <utility>

#include "disk.hpp"
#include "index.hpp"
#include "prompt_file.hpp"
#include "steward/mcp/json.hpp"
#include "text.hpp"
#include "tracker.hpp"
#include "write.hpp"

namespace steward::prompts {
namespace {

StoreError failure(ErrorCode code, std::string text) {
    return {code, std::move(text), nullptr, nullptr};
}

StoreError not_found(std::string_view id) {
    return failure(ErrorCode::kNotFound, "no prompt has the id " + quoted(id, 128));
}

StoreError broken(const std::string& file, const std::string& reason) {
    return failure(ErrorCode::kBroken, file + " " + reason + " (correct the file by hand)");
}

StoreError cannot_write(const std::string& root, const std::error_code& error) {
    const bool full = error == std::errc::no_space_on_device ||
                      error == std::error_code(EDQUOT, std::generic_category());
    return failure(ErrorCode::kIo,
                   "can't write in " + root + ": " + reason_of(error) +
                       (full ? " (free some space)" : " (make it a folder you can write)"));
}

std::optional<StoreError> check_expected(const PromptPtr& current,
                                         const std::optional<std::string>& expected,
                                         const Poco::JSON::Object* changes) {
    if (!expected || *expected == current->updated_at) {
        return std::nullopt;
    }
    Poco::JSON::Object::Ptr yours;
    if (changes != nullptr) {
        yours = new Poco::JSON::Object(*changes);
        yours->set("updated_at", *expected);
    }
    return StoreError{ErrorCode::kConflict,
                      current->id + " has been changed since " + quoted(*expected, 64) +
                          ": it is now " + quoted(current->updated_at, 64) +
                          " (read it again and repeat the change)",
                      current, yours};
}

// The date and time of format_date, without anything between the digits, and eight random ones.
std::string random_id(const std::string& date) {
    std::uint32_t number = 0;
    while (getrandom(&number, sizeof number, 0) != sizeof number) {
    }
    std::array<char, 16> digits{};
    std::snprintf(digits.data(), digits.size(), "%08x", number);
    std::string id = date.substr(0, 4) + date.substr(5, 2) + date.substr(8, 2) + "_" +
                     date.substr(11, 2) + date.substr(14, 2) + date.substr(17, 2) + "_";
    return id + digits.data();
}

}  // namespace

const char* name_of(ErrorCode code) noexcept {
    switch (code) {
        case ErrorCode::kNotFound:
            return "not_found";
        case ErrorCode::kBroken:
            return "broken";
        case ErrorCode::kInvalid:
            return "invalid";
        case ErrorCode::kTooLarge:
            return "too_large";
        case ErrorCode::kConflict:
            return "conflict";
        case ErrorCode::kBusy:
            return "busy";
        case ErrorCode::kIo:
            return "io";
    }
    return "";
}

std::optional<StoreError> conflict_with(const PromptPtr& current,
                                        const std::optional<std::string>& expected) {
    return check_expected(current, expected, nullptr);
}

PromptStore::PromptStore(std::string root, StoreOptions options)
    : root_(std::move(root)),
      options_(std::move(options)),
      index_(std::make_unique<Index>()),
      tracker_(std::make_unique<Tracker>(root_, *index_, options_)) {}

PromptStore::~PromptStore() = default;

// ---- reading

// Calls `read` with an index that is up to date.
template <class Read>
auto PromptStore::reading(Read read) {
    std::unique_lock lock(mutex_);
    const bool was_loaded = tracker_->is_loaded();
    tracker_->sync();
    auto result = read();
    Index::News news = index_->take_news();
    lock.unlock();
    tell(was_loaded ? news.change : Change(), news.troubles);
    return result;
}

void PromptStore::tell(const Change& change, const std::vector<std::string>& troubles) const {
    if (options_.on_trouble) {
        for (const auto& trouble : troubles) {
            options_.on_trouble(trouble);
        }
    }
    if (options_.on_change && !change.is_empty()) {
        options_.on_change(change);
    }
}

std::vector<std::string> PromptStore::categories() {
    return reading([this] { return tracker_->categories(); });
}

std::size_t PromptStore::count() {
    return reading([this] { return index_->count(); });
}

Listing PromptStore::search(const Query& query) {
    return reading([&] { return index_->search(query); });
}

std::vector<std::string> PromptStore::tags() {
    return reading([this] { return index_->tags(); });
}

Result<PromptPtr> PromptStore::get(std::string_view id) {
    if (!is_prompt_id(id)) {
        return not_found(id);
    }
    return reading([&]() -> Result<PromptPtr> {
        tracker_->recheck_unwatched(std::string(id));
        if (auto prompt = index_->by_id(id)) {
            return prompt;
        }
        if (const auto fault = index_->broken_with_id(tracker_->categories(), id)) {
            return broken(fault->file, fault->reason);
        }
        return not_found(id);
    });
}

Result<PromptPtr> PromptStore::find(std::string_view name) {
    auto by_id = get(name);
    if (by_id || by_id.error().code != ErrorCode::kNotFound) {
        return by_id;
    }
    return reading([&]() -> Result<PromptPtr> {
        if (auto prompt = index_->by_slug(name)) {
            return prompt;
        }
        return failure(ErrorCode::kNotFound, "no prompt has the id or name " + quoted(name, 128));
    });
}

std::vector<std::string> PromptStore::suggestions(std::string_view name, std::size_t count) {
    return reading([&] { return index_->suggestions(name, count); });
}

int PromptStore::watch_fd() {
    const std::lock_guard lock(mutex_);
    return tracker_->watch_fd();
}

bool PromptStore::is_watched() {
    const std::lock_guard lock(mutex_);
    return tracker_->is_watched();
}

void PromptStore::refresh() {
    {
        const std::lock_guard lock(mutex_);
        if (!tracker_->is_loaded()) {
            return;
        }
    }
    reading([] { return 0; });
}

// ---- writing

Result<std::vector<std::string>> PromptStore::ensure() {
    std::error_code error = make_folders(root_);
    if (!error && access(root_.c_str(), R_OK | W_OK | X_OK) != 0) {
        error = last_error();
    }
    auto names = categories_in(root_);
    if (!error && !names) {
        error = names.error();
    }
    if (!error && names->empty()) {
        for (const char* name : {"analysis", "coding", "writing"}) {
            error = error ? error : make_folder(root_ + "/" + name);
            names->emplace_back(name);
        }
    }
    if (error) {
        return failure(ErrorCode::kIo, "data folder " + root_ + ": " + reason_of(error) +
                                           " (make it a folder you can write, or name another)");
    }
    return *std::move(names);
}

// One prompt as it is on the disk now. The newest wins if several categories have its id.
Result<PromptPtr> PromptStore::read_from_disk(std::string_view id) {
    if (!is_prompt_id(id)) {
        return not_found(id);
    }
    const auto categories = categories_in(root_);
    PromptPtr found;
    std::optional<StoreError> fault;
    for (const auto& category : categories ? *categories : std::vector<std::string>()) {
        const std::string file = category + "/" + file_of(id);
        const auto data = read_file(root_ + "/" + file, kMaxFileBytes);
        if (!data) {
            if (data.error() != std::errc::no_such_file_or_directory && !fault) {
                fault = broken(file, "can't be read: " + reason_of(data.error()));
            }
            continue;
        }
        auto prompt = parse_prompt(data->data, id, category);
        if (!prompt) {
            fault = fault ? fault : broken(file, prompt.error().reason);
        } else if (found == nullptr || prompt->instant > found->instant) {
            found = std::make_shared<const Prompt>(*std::move(prompt));
        }
    }
    if (found != nullptr) {
        return found;
    }
    return fault ? *std::move(fault) : not_found(id);
}

// Calls `write` with the lock of the data folder held.
template <class Write>
Result<PromptPtr> PromptStore::writing(Write write) {
    if (const auto error = make_folders(root_)) {
        return cannot_write(root_, error);
    }
    const auto lock = FolderLock::take(root_ + "/.lock", options_.lock_timeout);
    if (!lock) {
        return cannot_write(root_, lock.error());
    }
    if (!*lock) {
        return failure(ErrorCode::kBusy, "another program is writing in " + root_ + " (try again)");
    }
    return write();
}

Result<PromptPtr> PromptStore::create(const Poco::JSON::Object& values) {
    const auto changes = checked_changes(values);
    if (!changes) {
        return changes.error();
    }
    for (const char* name : {"title", "content", "category"}) {
        if (!values.has(name)) {
            return failure(ErrorCode::kInvalid, std::string(name) + ": is missing");
        }
    }
    auto made = writing([&] { return write_new(*changes); });
    if (made) {
        written(**made, (*made)->category);
    }
    return made;
}

Result<PromptPtr> PromptStore::write_new(const Changes& changes) {
    const std::string now = format_date(options_.now());
    const auto categories = categories_in(root_);
    if (!categories) {
        return cannot_write(root_, categories.error());
    }
    std::string id;
    do {
        id = random_id(now);
    } while (std::any_of(categories->begin(), categories->end(), [&](const std::string& category) {
        return exists(root_ + "/" + category + "/" + file_of(id));
    }));
    return write_file(new_prompt(id, changes, now));
}

// Writes a prompt's file in its category; returns it as it is read back.
Result<PromptPtr> PromptStore::write_file(const Prompt& prompt) {
    const std::string data = serialise(prompt);
    if (data.size() > kMaxFileBytes) {
        return failure(ErrorCode::kTooLarge, file_of(prompt.id) + ": would be larger than " +
                                                 std::to_string(kMaxFileBytes) +
                                                 " bytes (shorten the prompt)");
    }
    auto stored = parse_prompt(data, prompt.id, prompt.category);
    if (!stored) {
        return broken(file_of(prompt.id), stored.error().reason);
    }
    const std::string folder = root_ + "/" + prompt.category;
    const bool is_new = !folder_signature(folder);
    std::error_code error = make_folder(folder);
    if (!error) {
        remove_stale(folder);
        error = replace_file(folder, prompt.id, data);
    }
    if (error && is_new) {
        static_cast<void>(rmdir(folder.c_str()));  // Only what is empty goes.
    }
    if (error) {
        return cannot_write(root_, error);
    }
    return std::make_shared<const Prompt>(*std::move(stored));
}

// Now, but never the same text twice: updated_at is what tells two versions apart.
std::string PromptStore::later_than(const std::string& old) const {
    const auto now = options_.now();
    std::string date = format_date(now);
    return date == old ? format_date(now + std::chrono::microseconds(1)) : date;
}

Result<PromptPtr> PromptStore::update(std::string_view id, const Poco::JSON::Object& changes,
                                      const std::optional<std::string>& expected) {
    const auto checked = checked_changes(changes);
    if (!checked) {
        return checked.error();
    }
    std::string old_category;
    auto made = writing([&]() -> Result<PromptPtr> {
        const auto old = read_from_disk(id);
        if (!old) {
            return old.error();
        }
        if (auto conflict = check_expected(*old, expected, &changes)) {
            return *std::move(conflict);
        }
        old_category = (*old)->category;
        return write_changed(**old, *checked);
    });
    if (made) {
        written(**made, old_category);
    }
    return made;
}

Result<PromptPtr> PromptStore::write_changed(const Prompt& old, const Changes& changes) {
    Prompt prompt = old;
    apply(changes, prompt);
    set_updated_at(prompt, later_than(old.updated_at));
    const std::string from = root_ + "/" + old.category + "/" + file_of(old.id);
    const std::string to = root_ + "/" + prompt.category + "/" + file_of(old.id);
    const bool moves = prompt.category != old.category;
    if (moves && exists(to)) {
        return failure(ErrorCode::kInvalid,
                       "category: " + prompt.category + " has a " + file_of(old.id) + " already");
    }
    if (const auto error = keep_version(root_, old)) {
        return cannot_write(root_, error);
    }
    // The move comes first: whenever this is cut short there is exactly one file.
    if (moves) {
        const auto error = make_folder(root_ + "/" + prompt.category);
        if (error || std::rename(from.c_str(), to.c_str()) != 0) {
            return cannot_write(root_, error ? error : last_error());
        }
    }
    auto stored = write_file(prompt);
    if (!stored && moves) {
        static_cast<void>(std::rename(to.c_str(), from.c_str()));
    }
    return stored;
}

Result<PromptPtr> PromptStore::remove(std::string_view id,
                                      const std::optional<std::string>& expected,
                                      const std::optional<std::string>& version) {
    auto removed = writing([&]() -> Result<PromptPtr> {
        auto old = read_from_disk(id);
        if (!old) {
            return old;
        }
        if (auto conflict = check_expected(*old, expected, nullptr)) {
            return *std::move(conflict);
        }
        if (version && *version != version_of(**old)) {
            return StoreError{
                ErrorCode::kConflict,
                (*old)->id +
                    " has been changed since it was shown (read it again, then delete "
                    "it)",
                *old, nullptr};
        }
        std::error_code error = keep_version(root_, **old);
        const std::string folder = root_ + "/" + (*old)->category;
        if (!error && unlink((folder + "/" + file_of(id)).c_str()) != 0) {
            error = last_error();
        }
        error = error ? error : sync_folder(folder);
        if (error) {
            return cannot_write(root_, error);
        }
        return old;
    });
    if (removed) {
        written(**removed, (*removed)->category);
    }
    return removed;
}

// Takes an own change into the index at once.
void PromptStore::written(const Prompt& now, const std::string& old_category) {
    std::unique_lock lock(mutex_);
    Index::News news;
    if (tracker_->is_loaded()) {
        tracker_->recheck(old_category, now.id);
        if (now.category != old_category) {
            tracker_->recheck(now.category, now.id);
        }
        news = index_->take_news();
    } else {
        news.change = {{now.id}, {now.slug}, true};
    }
    lock.unlock();
    tell(news.change, news.troubles);
}

}  // namespace steward::prompts
