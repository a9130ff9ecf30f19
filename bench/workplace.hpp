// Where the measured programs are, and the private folder they work in.
#pragma once
#include <string>
#include <vector>

#include "process.hpp"

namespace steward::bench {

// Finds the programs next to this one (BUILD/bench, BUILD/bin); the folder is made under TMPDIR and
// removed at the end.
class Workplace {
  public:
    Workplace();
    ~Workplace();
    Workplace(const Workplace&) = delete;
    Workplace& operator=(const Workplace&) = delete;

    [[nodiscard]] std::string steward() const { return build_ + "/bin/steward"; }
    [[nodiscard]] std::string app(const std::string& name) const {
        return build_ + "/bench/" + name;
    }
    // In the build folder, and in bench/.
    [[nodiscard]] std::string built(const std::string& name) const { return build_ + "/" + name; }
    [[nodiscard]] static std::string source(const std::string& name) {
        return STEWARD_BENCH_SOURCES "/" + name;
    }
    // steward's.
    [[nodiscard]] std::string data_dir() const { return file("data"); }
    [[nodiscard]] std::string file(const std::string& name) const { return folder_ + "/" + name; }
    // Where what is started writes its standard error.
    [[nodiscard]] int log() const { return log_.get(); }
    // The end of that, for somebody who wants to know what went wrong.
    [[nodiscard]] std::string log_end() const;
    // The environment of everything that is started: what an AI tool passes on, with folders of its
    // own, and Python's byte code kept out of the source folder.
    [[nodiscard]] const std::vector<std::string>& env() const { return env_; }
    // `steward mcp` with a data folder and the port given; `more` follows.
    [[nodiscard]] std::vector<std::string> steward_mcp(
        std::uint16_t port, const std::vector<std::string>& more = {}) const;
    // What steward starts, and its environment, as it is without steward.
    [[nodiscard]] Plan bare_flask(const Listener& listener) const;

  private:
    std::string build_;
    std::string folder_;
    std::vector<std::string> env_;
    Fd log_;
};

}  // namespace steward::bench
