// The prompts in memory: which file is the prompt of its id, the order of lists, search, and what
// has changed since the last look. Nothing here touches the disk.
//
// Thread rule: the caller's mutex.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "grams.hpp"
#include "steward/prompts/store.hpp"

namespace steward::prompts {

class Index {
  public:
    struct News {
        Change change;
        std::vector<std::string> troubles;
    };

    // What lies in `<category>/<id>.json`, in place of what was known of it.
    void put(PromptPtr prompt);
    void put_broken(const std::string& category, const std::string& file, std::string reason);
    void remove(const std::string& category, const std::string& file);

    // Between these, lists are out of date: many files take less time together.
    void begin_bulk();
    void end_bulk();

    [[nodiscard]] std::size_t count() const noexcept { return order_.size(); }
    [[nodiscard]] PromptPtr by_id(std::string_view id) const;
    // The broken file of an id in the first of these categories that has one.
    [[nodiscard]] std::optional<Broken> broken_with_id(const std::vector<std::string>& categories,
                                                       std::string_view id) const;
    [[nodiscard]] PromptPtr by_slug(std::string_view slug) const;
    [[nodiscard]] Listing search(const Query& query);
    [[nodiscard]] std::vector<std::string> tags() const;
    [[nodiscard]] std::vector<std::string> suggestions(std::string_view name,
                                                       std::size_t count) const;

    [[nodiscard]] News take_news();

  private:
    // One file.
    struct Row {
        PromptPtr prompt;
        // Where its text is: title, description, tags, content, lower-cased, kSeparator between.
        std::shared_ptr<const std::string> texts;
        std::size_t begin = 0;
        std::size_t size = 0;
        GramTable::Slot slot = 0;
        [[nodiscard]] std::string_view text() const noexcept {
            return std::string_view(*texts).substr(begin, size);
        }
    };
    using RowPtr = std::unique_ptr<Row>;
    // A prompt's place in lists.
    struct Place {
        explicit Place(const Row& of)
            : instant(of.prompt->instant), row(&of), slot(of.slot), text(of.text()) {}
        std::int64_t instant;
        const Row* row;
        // Copies, so that a search reads the rows that it finds only.
        GramTable::Slot slot;
        std::string_view text;
        [[nodiscard]] bool is_before(const Place& other) const noexcept;
    };
    struct Family {
        std::vector<RowPtr> rows;  // all files with this id
        const Row* prompt = nullptr;
    };

    RowPtr make_row(PromptPtr prompt);
    void take_row(const std::string& category, const std::string& id);
    void select(const std::string& id, const PromptPtr& before);
    void place(const Row& row);
    void displace(const Row& row);
    void note_change(const PromptPtr& before, const PromptPtr& after);
    void set_broken(const std::string& file, std::string reason);
    void clear_broken(const std::string& file);

    std::unordered_map<std::string, Family> families_;  // by id
    GramTable grams_;                                   // of all rows
    std::vector<Place> order_;                          // the newest first
    std::map<std::string, std::string> broken_;         // file to reason
    std::shared_ptr<const std::vector<Broken>> broken_list_;
    std::set<std::string> changed_ids_;
    std::set<std::string> changed_slugs_;
    bool list_changed_ = false;
    std::set<std::string> doubtful_;           // files that became broken or good
    std::map<std::string, std::string> told_;  // the faults that were told
    std::shared_ptr<std::string> bulk_;        // texts of many files; null: the lists are right
};

}  // namespace steward::prompts
