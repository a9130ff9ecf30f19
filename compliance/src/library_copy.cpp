#include "library_copy.hpp"

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <system_error>

#include "check.hpp"
#include "scratch.hpp"

namespace steward::compliance {
namespace {

namespace fs = std::filesystem;

class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::error_code error;
        std::string pattern = temporary_folder() + "/steward-compliance-XXXXXX";
        if (!error && mkdtemp(pattern.data()) == nullptr) {
            error = std::error_code(errno, std::generic_category());
        }
        if (error) {
            skip("there is no folder for a copy of it: " + pattern + ": " + error.message());
        }
        path_ = pattern;
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const fs::path& path() const noexcept { return path_; }

  private:
    fs::path path_;
};

}  // namespace

Library load_copy(const std::string& file) {
    const TemporaryFolder folder;
    const fs::path copy = folder.path() / fs::path(file).filename();
    std::error_code error;
    if (!fs::copy_file(file, copy, error)) {
        skip("it cannot be copied to " + copy.string() + ": " + error.message());
    }
    try {
        return Library(copy.string());
    } catch (const Unusable& e) {
        skip("a copy of it does not load (does it need files beside it?): " + e.reason);
    }
}

}  // namespace steward::compliance
