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
    // `is_twin`: its check was asked to by twin_answers() of another process.
    Trial(const Check& check, std::string file, std::uint64_t seed, bool is_twin = false)
        : check_(check), file_(std::move(file)), random_(seed), seed_(seed), is_twin_(is_twin) {}

    // Absolute path of the plugin file. A check that needs the file itself, or a library of its
    // own, does not call library().
    [[nodiscard]] const std::string& file() const noexcept { return file_; }
    [[nodiscard]] std::uint64_t seed() const noexcept { return seed_; }
    [[nodiscard]] Random& random() noexcept { return random_; }

    // The library, loaded at the first call. Throws Unusable.
    const Library& library();
    // Its plugins that offer the interface of the check. Throws Skipped if there is none.
    std::vector<const steward_plugin*> plugins();

    // For checks that compare two processes: what the same check, in a twin with the same file and
    // seed but addresses of its own, calls this with. The twin itself does not return from it.
    // Throws Broken if the twin ends before.
    std::vector<std::string> twin_answers(const std::vector<std::string>& answers);
    // Is this the twin? It need not do what is not in its answers.
    [[nodiscard]] bool is_twin() const noexcept { return is_twin_; }

  private:
    const Check& check_;
    std::string file_;
    Random random_;
    std::uint64_t seed_;
    bool is_twin_;
    std::optional<Library> library_;
};

}  // namespace steward::compliance
