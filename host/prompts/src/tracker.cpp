#include "tracker.hpp"

#include <algorithm>
#include <utility>

#include "prompt_file.hpp"

namespace steward::prompts {

Tracker::Tracker(std::string root, Index& index, const StoreOptions& options)
    : root_(std::move(root)), index_(index), options_(options) {}

void Tracker::sync() {
    if (!loaded_) {
        load();
        return;
    }
    do {
        unwatched_ = false;
        take_events();
        sync_root();
        for (const auto& name : categories()) {
            sync_folder_named(name);
        }
    } while (unwatched_);  // the end of a watch is an event too
}

void Tracker::load() {
    source_ = options_.make_watch ? options_.make_watch() : nullptr;
    index_.begin_bulk();
    sync_root();
    index_.end_bulk();
    loaded_ = true;
}

void Tracker::take_events() {
    if (source_ == nullptr) {
        return;
    }
    for (const auto& event : source_->drain()) {
        if (event.lost) {
            root_dirty_ = true;
            for (auto& [name, folder] : folders_) {
                folder.dirty = true;
            }
            continue;
        }
        if (event.watch == root_watch_) {
            root_dirty_ = root_dirty_ || event.itself || is_category(event.name);
        }
        for (auto& [name, folder] : folders_) {
            if (folder.watch != event.watch) {
                continue;
            }
            if (event.itself) {
                folder.dirty = true;
            } else if (is_prompt_file(event.name)) {
                folder.dirty_files.insert(event.name);
            }
        }
    }
}

void Tracker::sync_root() {
    const auto status = folder_signature(root_);
    const bool was_there = root_status_.has_value();
    if (!status) {
        if (was_there) {
            root_status_.reset();
            while (!folders_.empty()) {
                forget_folder(folders_.begin()->first);
            }
            loose_links_.clear();
        }
        if (was_there || root_dirty_ || root_watch_ < 0) {
            watch_for_root();
        }
        root_dirty_ = false;
        if (source_ != nullptr && folder_signature(root_)) {
            sync_root();  // it appeared before the watch did
        }
        return;
    }
    if (!was_there || !status->is_same_place(*root_status_) || root_dirty_) {
        const int old = root_watch_;
        root_watch_ = source_ != nullptr ? source_->add(root_) : -1;
        if (old >= 0 && old != root_watch_) {
            unwatch(old);
        }
        root_watched_ = root_watch_ >= 0 && !is_remote(root_);
        read_categories();
        return;
    }
    const bool differs = !root_watched_ && (!root_settled_ || *status != *root_status_);
    if (differs || std::any_of(loose_links_.begin(), loose_links_.end(), [this](const auto& name) {
            return static_cast<bool>(folder_signature(path_of(name)));
        })) {
        read_categories();
    }
}

void Tracker::read_categories() {
    const std::int64_t now = clock_ns();
    const auto status = folder_signature(root_);
    root_dirty_ = false;
    loose_links_.clear();
    root_status_ = status ? std::optional(*status) : std::nullopt;
    root_settled_ = status && status->is_settled(now);
    const auto names = names_in(root_);
    std::set<std::string> found;
    for (const auto& name : names ? *names : std::vector<std::string>()) {
        if (!is_category(name)) {
            continue;
        }
        if (folder_signature(path_of(name))) {
            found.insert(name);
        } else if (exists(path_of(name)) && !status_of(path_of(name))) {
            loose_links_.push_back(name);
        }
    }
    for (const auto& name : categories()) {
        if (!found.contains(name)) {
            forget_folder(name);
        }
    }
    for (const auto& name : found) {
        if (folders_.try_emplace(name).second) {
            folders_[name].dirty = true;
            sync_folder_named(name);
        }
    }
}

// A missing data folder appears in the nearest folder above it that is there.
void Tracker::watch_for_root() {
    if (source_ == nullptr) {
        return;
    }
    std::string below = root_;  // is looked for again once the watch is there
    int last = -1;
    do {
        last = root_watch_;
        const int old = std::exchange(root_watch_, -1);
        std::string above = root_;
        while (root_watch_ < 0 && above.size() > 1) {
            below = above;
            const std::size_t slash = above.find_last_of('/');
            above = slash == std::string::npos ? "." : slash == 0 ? "/" : above.substr(0, slash);
            root_watch_ = source_->add(above);
        }
        root_watched_ = root_watch_ >= 0 && !is_remote(above);
        if (old >= 0 && old != root_watch_) {
            unwatch(old);
        }
    } while (root_watch_ >= 0 && root_watch_ != last && below != root_ && folder_signature(below));
}

void Tracker::sync_folder_named(const std::string& name) {
    const auto found = folders_.find(name);
    if (found == folders_.end()) {
        return;
    }
    Folder& folder = found->second;
    const auto status = folder_signature(path_of(name));
    if (!status) {
        forget_folder(name);
        root_dirty_ = true;  // it may be a link that leads nowhere now
        return;
    }
    if (folder.dirty || !status->is_same_place(folder.status)) {
        watch_folder(name, folder);
        // Only what is there after the watch is sure to have been seen or to be told.
        const auto again = folder_signature(path_of(name));
        read_folder(name, folder, again ? *again : *status);
        return;
    }
    const bool due =
        !folder.watched && (*status != folder.status || !folder.settled || folder.has_unsettled ||
                            Clock::now() - folder.read_at >= options_.poll_interval);
    if (due) {
        read_folder(name, folder, *status);
        return;
    }
    for (const auto& file : std::exchange(folder.dirty_files, {})) {
        check_file(name, folder, file);
    }
    const std::set<std::string> links = folder.links;
    for (const auto& file : links) {
        check_file(name, folder, file);
    }
}

void Tracker::watch_folder(const std::string& name, Folder& folder) {
    const int old = folder.watch;
    folder.watch = source_ != nullptr ? source_->add(path_of(name)) : -1;
    folder.watched = folder.watch >= 0 && !is_remote(path_of(name));
    if (old >= 0 && old != folder.watch) {
        unwatch(old);
    }
}

void Tracker::read_folder(const std::string& name, Folder& folder, const Signature& status) {
    const std::int64_t now = clock_ns();
    folder.status = status;
    folder.settled = status.is_settled(now);
    folder.dirty = false;
    folder.has_unsettled = false;
    folder.read_at = Clock::now();
    std::set<std::string> files = std::exchange(folder.dirty_files, {});
    if (auto names = names_in(path_of(name))) {
        files.insert(std::make_move_iterator(names->begin()),
                     std::make_move_iterator(names->end()));
    }
    for (const auto& [file, state] : folder.files) {
        files.insert(file);
    }
    for (const auto& file : files) {
        if (is_prompt_file(file)) {
            check_file(name, folder, file);
        }
    }
}

void Tracker::check_file(const std::string& category, Folder& folder, const std::string& file) {
    const std::string path = path_of(category) + "/" + file;
    const std::int64_t now = clock_ns();
    const auto status = status_of(path);
    if (!status && status.error() == std::errc::no_such_file_or_directory) {
        forget_file(category, folder, file);
        if (exists(path)) {
            folder.links.insert(file);  // it may lead somewhere later
        } else {
            folder.links.erase(file);
        }
        return;
    }
    File& state = folder.files[file];
    if (status && state.settled && status->signature == state.signature) {
        return;
    }
    state.settled = false;
    if (!status || status->is_link) {
        folder.links.insert(file);
    } else {
        folder.links.erase(file);
    }
    const std::string id = file.substr(0, file.size() - kFileEnding.size());
    if (!is_prompt_id(id)) {
        state.settled = true;
        state.signature = status ? status->signature : Signature();
        index_.put_broken(category, file,
                          "has a name that is no id (letters, digits, _ and - only)");
        return;
    }
    auto data = read_file(path, kMaxFileBytes);
    if (!data) {
        if (data.error() == std::errc::no_such_file_or_directory) {
            forget_file(category, folder, file);
            return;
        }
        const bool irregular = data.error() == std::errc::invalid_argument;
        index_.put_broken(
            category, file,
            "can't be read: " + (irregular ? "not a regular file" : reason_of(data.error())));
        return;
    }
    state.signature = data->signature;
    state.settled = data->signature.is_settled(now);
    folder.has_unsettled = folder.has_unsettled || !state.settled;
    auto prompt = parse_prompt(data->data, id, category);
    if (!prompt) {
        index_.put_broken(category, file, prompt.error().reason);
        return;
    }
    index_.put(std::make_shared<const Prompt>(*std::move(prompt)));
}

void Tracker::forget_file(const std::string& category, Folder& folder, const std::string& file) {
    if (folder.files.erase(file) > 0) {
        index_.remove(category, file);
    }
}

// The name may be part of what is erased, hence the copy.
void Tracker::forget_folder(std::string name) {  // NOLINT(performance-unnecessary-value-param)
    const auto found = folders_.find(name);
    if (found == folders_.end()) {
        return;
    }
    for (const auto& [file, state] : found->second.files) {
        index_.remove(name, file);
    }
    const int watch = found->second.watch;
    folders_.erase(found);
    if (watch >= 0) {
        unwatch(watch);
    }
}

// Unless another name leads to the same folder.
void Tracker::unwatch(int watch) {
    const bool used = watch == root_watch_ ||
                      std::any_of(folders_.begin(), folders_.end(), [watch](const auto& folder) {
                          return folder.second.watch == watch;
                      });
    if (!used && source_ != nullptr) {
        source_->remove(watch);
        unwatched_ = true;
    }
}

void Tracker::recheck(const std::string& category, const std::string& id) {
    const auto folder = folders_.find(category);
    if (folder == folders_.end()) {
        root_dirty_ = true;
    } else {
        folder->second.dirty_files.insert(file_of(id));
    }
    sync();
}

void Tracker::recheck_unwatched(const std::string& id) {
    for (auto& [name, folder] : folders_) {
        if (!folder.watched && folder.files.contains(file_of(id))) {
            check_file(name, folder, file_of(id));
        }
    }
}

std::vector<std::string> Tracker::categories() const {
    std::vector<std::string> names;
    names.reserve(folders_.size());
    for (const auto& [name, folder] : folders_) {
        names.push_back(name);
    }
    return names;
}

int Tracker::watch_fd() const noexcept {
    return source_ != nullptr ? source_->fd() : -1;
}

bool Tracker::is_watched() const noexcept {
    return loaded_ && root_watched_ &&
           std::all_of(folders_.begin(), folders_.end(),
                       [](const auto& folder) { return folder.second.watched; });
}

}  // namespace steward::prompts
