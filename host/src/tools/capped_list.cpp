#include "capped_list.hpp"

#include <algorithm>
#include <utility>

namespace steward::host {
namespace {

template <class Iterator>
std::string joined(Iterator first, Iterator last) {
    std::string out = "[";
    for (auto it = first; it != last; ++it) {
        out += it == first ? "" : ",";
        out += *it;
    }
    return out + "]";
}

}  // namespace

bool CappedList::add(std::string json) {
    const auto doubled = static_cast<std::size_t>(
        std::count_if(json.begin(), json.end(), [](char c) { return c == '"' || c == '\\'; }));
    const std::size_t forms = carrier_ == Carrier::kTool ? 2 : 1;
    const std::size_t bytes = forms * (json.size() + 1) + doubled;
    if (cut_ || bytes > left_) {
        cut_ = true;
        return false;
    }
    left_ -= bytes;
    items_.push_back(std::move(json));
    return true;
}

std::string CappedList::json() const {
    return joined(items_.begin(), items_.end());
}

std::string CappedList::json_reversed() const {
    return joined(items_.rbegin(), items_.rend());
}

}  // namespace steward::host
