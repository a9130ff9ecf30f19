#include "index.hpp"

#include <algorithm>
#include <array>
#include <unordered_set>
#include <utility>

#include "contains.hpp"
#include "prompt_file.hpp"
#include "text.hpp"

namespace steward::prompts {
namespace {

constexpr char kSeparator = '\xFF';  // never part of UTF-8
constexpr const char* kDuplicate = "has the id of a newer prompt in another category";
constexpr std::size_t kMaxNameBytes = 128;  // longer names are compared up to here

std::string file_name(const Prompt& prompt) {
    return prompt.category + "/" + file_of(prompt.id);
}

// How many characters have to be put in, left out or replaced; `limit` when it is that or more.
std::size_t distance(std::string_view a, std::string_view b, std::size_t limit) {
    if (std::max(a.size(), b.size()) - std::min(a.size(), b.size()) >= limit) {
        return limit;
    }
    std::array<std::size_t, kMaxNameBytes + 1> row{};
    for (std::size_t j = 0; j <= b.size(); ++j) {
        row.at(j) = j;
    }
    for (std::size_t i = 1; i <= a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i);
        std::size_t least = i;
        for (std::size_t j = 1; j <= b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i - 1] == b[j - 1] ? 0 : 1);
            diagonal = row.at(j);
            row.at(j) = std::min({replaced, row.at(j) + 1, row.at(j - 1) + 1});
            least = std::min(least, row.at(j));
        }
        if (least >= limit) {
            return limit;
        }
    }
    return std::min(row.at(b.size()), limit);
}

std::string wanted_text(const Query& query) {
    std::string text = lower(trimmed(query.text));
    return text == "*" || text == "**" ? std::string() : text;
}

// The less the likelier; nothing when two names have nothing in common.
std::optional<std::size_t> unlikeness(std::string_view name, std::string_view candidate) {
    const std::size_t limit = std::max<std::size_t>(2, name.size() / 3) + 1;
    const std::size_t edits = distance(name, candidate.substr(0, kMaxNameBytes), limit);
    if (edits < limit) {
        return edits;
    }
    if (candidate.starts_with(name) || name.starts_with(candidate)) {
        return limit + 1;
    }
    if (candidate.find(name) != std::string_view::npos ||
        name.find(candidate) != std::string_view::npos) {
        return limit + 2;
    }
    return std::nullopt;
}

}  // namespace

bool Index::Place::is_before(const Place& other) const noexcept {
    if (instant != other.instant) {
        return instant > other.instant;
    }
    return row->prompt->id > other.row->prompt->id;
}

Index::RowPtr Index::make_row(PromptPtr prompt) {
    auto row = std::make_unique<Row>();
    const auto texts = bulk_ ? bulk_ : std::make_shared<std::string>();
    std::string& text = *texts;
    if (!bulk_) {
        text.reserve(prompt->title.size() + prompt->description.size() + prompt->content.size() +
                     64);
    }
    row->begin = text.size();
    append_lower(text, prompt->title);
    text += kSeparator;
    append_lower(text, prompt->description);
    text += kSeparator;
    for (const auto& tag : prompt->tags) {
        append_lower(text, tag);
        text += kSeparator;
    }
    append_lower(text, prompt->content);
    row->texts = texts;
    row->size = text.size() - row->begin;
    row->slot = grams_.add(row->text());
    row->prompt = std::move(prompt);
    return row;
}

void Index::put(PromptPtr prompt) {
    const std::string id = prompt->id;
    const std::string category = prompt->category;
    const std::string file = file_name(*prompt);
    Family& family = families_[id];
    const PromptPtr before = family.prompt == nullptr ? nullptr : family.prompt->prompt;
    for (const auto& row : family.rows) {
        if (row->prompt->category == category && *row->prompt == *prompt) {
            return;
        }
    }
    take_row(category, id);
    clear_broken(file);
    families_[id].rows.push_back(make_row(std::move(prompt)));
    select(id, before);
}

void Index::put_broken(const std::string& category, const std::string& file, std::string reason) {
    remove(category, file);
    set_broken(category + "/" + file, std::move(reason));
}

void Index::remove(const std::string& category, const std::string& file) {
    const std::string id = file.substr(0, file.size() - kFileEnding.size());
    clear_broken(category + "/" + file);
    const auto family = families_.find(id);
    if (family == families_.end()) {
        return;
    }
    const PromptPtr before =
        family->second.prompt == nullptr ? nullptr : family->second.prompt->prompt;
    take_row(category, id);
    select(id, before);
}

void Index::take_row(const std::string& category, const std::string& id) {
    Family& family = families_[id];
    const auto found = std::find_if(family.rows.begin(), family.rows.end(), [&](const RowPtr& row) {
        return row->prompt->category == category;
    });
    if (found == family.rows.end()) {
        return;
    }
    if (family.prompt == found->get()) {
        displace(**found);
        family.prompt = nullptr;
    }
    grams_.remove((*found)->slot);
    family.rows.erase(found);
}

// Of several files with one id the newest is the prompt, at a tie the first category's.
void Index::select(const std::string& id, const PromptPtr& before) {
    Family& family = families_[id];
    const Row* best = nullptr;
    for (const auto& row : family.rows) {
        const bool newer = best == nullptr || row->prompt->instant > best->prompt->instant ||
                           (row->prompt->instant == best->prompt->instant &&
                            row->prompt->category < best->prompt->category);
        best = newer ? row.get() : best;
    }
    if (family.prompt != best) {
        if (family.prompt != nullptr) {
            displace(*family.prompt);
        }
        if (best != nullptr) {
            place(*best);
        }
        family.prompt = best;
    }
    for (const auto& row : family.rows) {
        if (row.get() == best) {
            clear_broken(file_name(*row->prompt));
        } else {
            set_broken(file_name(*row->prompt), kDuplicate);
        }
    }
    note_change(before, best == nullptr ? nullptr : best->prompt);
    if (family.rows.empty()) {
        families_.erase(id);
    }
}

void Index::place(const Row& row) {
    if (bulk_) {
        return;
    }
    const Place place(row);
    order_.insert(std::lower_bound(order_.begin(), order_.end(), place,
                                   [](const Place& a, const Place& b) { return a.is_before(b); }),
                  place);
}

void Index::displace(const Row& row) {
    if (bulk_) {
        return;
    }
    const Place place(row);
    const auto found =
        std::lower_bound(order_.begin(), order_.end(), place,
                         [](const Place& a, const Place& b) { return a.is_before(b); });
    if (found != order_.end() && found->row == &row) {
        order_.erase(found);
    }
}

void Index::begin_bulk() {
    bulk_ = std::make_shared<std::string>();
}

void Index::end_bulk() {
    bulk_.reset();
    std::vector<Row*> rows;
    std::size_t bytes = 0;
    for (const auto& [id, family] : families_) {
        for (const auto& row : family.rows) {
            rows.push_back(row.get());
            bytes += row->size;
        }
    }
    std::sort(rows.begin(), rows.end(),
              [](const Row* a, const Row* b) { return Place(*a).is_before(Place(*b)); });
    // A search reads the texts in this order: one behind another they take half the time.
    const auto texts = std::make_shared<std::string>();
    texts->reserve(bytes);
    order_.clear();
    order_.reserve(families_.size());
    for (Row* const row : rows) {
        const std::size_t begin = texts->size();
        *texts += row->text();
        row->texts = texts;
        row->begin = begin;
        if (const auto family = families_.find(row->prompt->id); family->second.prompt == row) {
            order_.emplace_back(*row);
        }
    }
}

void Index::note_change(const PromptPtr& before, const PromptPtr& after) {
    if (before == after || (before != nullptr && after != nullptr && *before == *after)) {
        return;
    }
    for (const auto& version : {before, after}) {
        if (version != nullptr) {
            changed_ids_.insert(version->id);
            changed_slugs_.insert(version->slug);
        }
    }
    list_changed_ = list_changed_ || before == nullptr || after == nullptr ||
                    before->title != after->title || before->category != after->category ||
                    before->description != after->description || before->tags != after->tags ||
                    before->variables != after->variables;
}

void Index::set_broken(const std::string& file, std::string reason) {
    const auto [known, is_new] = broken_.try_emplace(file);
    if (!is_new && known->second == reason) {
        return;
    }
    doubtful_.insert(file);
    known->second = std::move(reason);
    broken_list_.reset();
}

void Index::clear_broken(const std::string& file) {
    if (broken_.erase(file) > 0) {
        doubtful_.insert(file);
        broken_list_.reset();
    }
}

PromptPtr Index::by_id(std::string_view id) const {
    const auto family = families_.find(std::string(id));
    if (family == families_.end() || family->second.prompt == nullptr) {
        return nullptr;
    }
    return family->second.prompt->prompt;
}

std::optional<Broken> Index::broken_with_id(const std::vector<std::string>& categories,
                                            std::string_view id) const {
    for (const auto& category : categories) {
        const auto found = broken_.find(category + "/" + file_of(id));
        if (found != broken_.end()) {
            return Broken{found->first, found->second};
        }
    }
    return std::nullopt;
}

PromptPtr Index::by_slug(std::string_view slug) const {
    for (const auto& place : order_) {
        if (place.row->prompt->slug == slug) {
            return place.row->prompt;
        }
    }
    return nullptr;
}

Listing Index::search(const Query& query) {
    const std::string text = wanted_text(query);
    const auto candidates = grams_.candidates(text);
    Listing listing;
    for (const auto& place : order_) {
        if ((candidates[place.slot / 64] >> (place.slot % 64) & 1U) == 0) {
            continue;
        }
        if (!contains(place.text, text) ||
            (query.category && place.row->prompt->category != *query.category)) {
            continue;
        }
        if (listing.total++ < query.limit) {
            listing.prompts.push_back(place.row->prompt);
        }
    }
    if (broken_list_ == nullptr) {
        std::vector<Broken> broken;
        broken.reserve(broken_.size());
        for (const auto& [file, reason] : broken_) {
            broken.push_back({file, reason});
        }
        broken_list_ = std::make_shared<const std::vector<Broken>>(std::move(broken));
    }
    listing.broken = broken_list_;
    return listing;
}

std::vector<std::string> Index::tags() const {
    std::set<std::string> tags;
    for (const auto& place : order_) {
        tags.insert(place.row->prompt->tags.begin(), place.row->prompt->tags.end());
    }
    return {tags.begin(), tags.end()};
}

std::vector<std::string> Index::suggestions(std::string_view name, std::size_t count) const {
    const std::string as_slug = slug_of(name.substr(0, kMaxNameBytes));
    const std::string wanted = as_slug.substr(0, kMaxNameBytes);
    if (wanted.empty()) {
        return {};
    }
    std::vector<std::pair<std::size_t, std::string_view>> found;
    std::unordered_set<std::string_view> seen;
    for (const auto& place : order_) {
        const Prompt& prompt = *place.row->prompt;
        for (const std::string* candidate : {&prompt.slug, &prompt.id}) {
            const auto score = unlikeness(wanted, *candidate);
            if (score && seen.insert(*candidate).second) {
                found.emplace_back(*score, *candidate);
                break;  // one name for one prompt
            }
        }
    }
    std::stable_sort(found.begin(), found.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    std::vector<std::string> names;
    for (const auto& [score, candidate] : found) {
        if (names.size() == count) {
            break;
        }
        names.emplace_back(candidate);
    }
    return names;
}

Index::News Index::take_news() {
    News news;
    news.change.ids.assign(changed_ids_.begin(), changed_ids_.end());
    news.change.slugs.assign(changed_slugs_.begin(), changed_slugs_.end());
    news.change.list_changed = std::exchange(list_changed_, false);
    changed_ids_.clear();
    changed_slugs_.clear();
    // Only what is left counts: a file that moves may be there twice for a moment.
    for (const auto& file : std::exchange(doubtful_, {})) {
        const auto fault = broken_.find(file);
        if (fault == broken_.end()) {
            told_.erase(file);
        } else if (std::string& told = told_[file]; told != fault->second) {
            told = fault->second;
            news.troubles.push_back(file + " " + told);
        }
    }
    return news;
}

}  // namespace steward::prompts
