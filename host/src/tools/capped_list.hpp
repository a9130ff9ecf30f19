// A JSON array that stops growing before the message that carries it gets too long.
//
// In a message the text of a resource is written as a JSON string, so quotes and backslashes count
// twice; the result of a tool is there in both forms.
#pragma once
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace steward::host {

enum class Carrier { kResource, kTool };

class CappedList {
  public:
    CappedList(Carrier carrier, std::size_t max_bytes) : carrier_(carrier), left_(max_bytes) {}

    // Adds one JSON value. False: there is no room for it, and from now on for none.
    bool add(std::string json);

    [[nodiscard]] bool is_cut() const noexcept { return cut_; }
    [[nodiscard]] std::size_t size() const noexcept { return items_.size(); }
    [[nodiscard]] std::string json() const;
    // The same with the last one first.
    [[nodiscard]] std::string json_reversed() const;

  private:
    const Carrier carrier_;
    std::size_t left_;
    bool cut_ = false;
    std::vector<std::string> items_;
};

}  // namespace steward::host
