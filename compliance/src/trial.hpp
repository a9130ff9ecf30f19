// Trial: what one check is given, in the child process that is its own.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "check.hpp"
#include "library.hpp"
#include "session.hpp"
#include "steward/compliance/fake_plugin_host.hpp"
#include "steward/compliance/random.hpp"

namespace steward::compliance {

class Trial {
  public:
    Trial(const Check& check, std::string file, std::uint64_t seed)
        : check_(check), file_(std::move(file)), random_(seed), seed_(seed) {}

    // Absolute path of the plugin file. A check that needs the file itself, or a library of its
    // own, does not call library().
    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    [[nodiscard]] Random& random() noexcept { return random_; }

    // The library, loaded at the first call. Throws Unusable.
    const Library& library();
    // Its plugins that offer the interface of the check. Throws Skipped if there is none.
    std::vector<const steward_plugin*> plugins();

  private:
    const Check& check_;
    std::string file_;
    Random random_;
    std::uint64_t seed_;
    std::optional<Library> library_;
};

}  // namespace steward::compliance
