// A data folder of its own for each test, and what tests of the store look at it with.
#pragma once

#include <Poco/JSON/Object.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

#include "steward/mcp/json.hpp"
#include "steward/prompts/store.hpp"

namespace steward::prompts::test {

namespace fs = std::filesystem;

class Folder {
  public:
    Folder() {
        std::string name = (fs::temp_directory_path() / "steward-prompts-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("no temporary folder");
        }
        path_ = name;
    }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;
    ~Folder() {
        std::error_code ignored;
        fs::remove_all(path_, ignored);
    }

    [[nodiscard]] const fs::path& path() const { return path_; }
    [[nodiscard]] std::string data() const { return (path_ / "data").string(); }
    [[nodiscard]] fs::path file(const std::string& name) const { return path_ / "data" / name; }

    // Writes a file as another program does that knows nothing of locks: whole, by rename.
    void put(const std::string& name, const std::string& text) const {
        const fs::path target = file(name);
        fs::create_directories(target.parent_path());
        const fs::path temporary = target.parent_path() / ".other.tmp";
        std::ofstream(temporary, std::ios::binary) << text;
        fs::rename(temporary, target);
    }

  private:
    fs::path path_;
};

inline std::string read_text(const fs::path& path) {
    std::ostringstream text;
    text << std::ifstream(path, std::ios::binary).rdbuf();
    return text.str();
}

inline Poco::Dynamic::Var parse(const std::string& text) {
    mcp::JsonReader reader;
    Poco::Dynamic::Var value;
    if (reader.parse(text, value) != mcp::JsonStatus::kOk) {
        throw std::runtime_error("is not JSON: " + text.substr(0, 200));
    }
    return value;
}

inline Poco::JSON::Object::Ptr object(const std::string& text) {
    return parse(text).extract<Poco::JSON::Object::Ptr>();
}

// A prompt's file with these texts, changed on the given day of 2026-01.
inline std::string prompt_text(const std::string& title, const std::string& content, int day = 1) {
    std::string out = R"({"title":)";
    mcp::append_json_string(out, title);
    out += R"(,"content":)";
    mcp::append_json_string(out, content);
    out += R"(,"updated_at":"2026-01-)" + std::string(day < 10 ? "0" : "") + std::to_string(day) +
           R"(T00:00:00.000000"})";
    return out;
}

}  // namespace steward::prompts::test
