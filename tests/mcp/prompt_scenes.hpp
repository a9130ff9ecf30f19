// A server with a prompt library, for the tests of its tools and resources.
#pragma once

#include <string>

#include "scenes.hpp"

namespace steward::tests {

// A server whose app uses the data folder, spoken to; the app need not run.
class Library {
  public:
    // `real`: with a copy of the 533 prompts of tests/data/promptbin-data.
    explicit Library(bool real = false);
    StewardProcess* operator->() { return &steward_; }
    [[nodiscard]] const Sandbox& sandbox() const { return sandbox_; }
    // The answer to `initialize`.
    [[nodiscard]] const Json& info() const { return info_; }

    // The result of a tool that must succeed: its structured content.
    Json done(const std::string& tool, const std::string& arguments);
    // The text of one that must be refused.
    std::string refused(const std::string& tool, const std::string& arguments);
    // What a resource that is there holds.
    Json read(const std::string& uri);
    // The code of the error for one that is not.
    std::int64_t read_error(const std::string& uri);

  private:
    struct Data {
        Data(const Sandbox& sandbox, bool real);
    };
    Sandbox sandbox_;
    Data data_;
    StewardProcess steward_;
    Json info_;
};

}  // namespace steward::tests
