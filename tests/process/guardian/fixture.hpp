// What the guardian's tests have in common.
#pragma once

#include <unistd.h>

#include <filesystem>
#include <string>

#include "catch.hpp"
#include "guardian_driver.hpp"

namespace steward::test {

// A folder that is removed with everything in it.
class TemporaryFolder {
  public:
    TemporaryFolder() {
        std::string name = (std::filesystem::temp_directory_path() / "guardian-XXXXXX").string();
        if (mkdtemp(name.data()) == nullptr) {
            throw std::runtime_error("mkdtemp failed");
        }
        path_ = std::filesystem::canonical(name).string();
    }
    ~TemporaryFolder() {
        std::error_code ignored;
        std::filesystem::remove_all(path_, ignored);
    }
    TemporaryFolder(const TemporaryFolder&) = delete;
    TemporaryFolder& operator=(const TemporaryFolder&) = delete;
    [[nodiscard]] const std::string& path() const { return path_; }
    [[nodiscard]] std::string file(const std::string& name) const { return path_ + '/' + name; }

  private:
    std::string path_;
};

// An environment entry that only this app and its descendants have; `what` tells several apart.
inline std::string nonce(const std::string& what) {
    static int count = 0;
    return "STEWARD_INSTANCE=" + std::to_string(getpid()) + '-' + what + '-' +
           std::to_string(++count);
}

// A request that starts test_app with these options.
inline SpawnRequest run_app(std::vector<std::string> options, std::uint64_t generation = 1) {
    SpawnRequest request;
    request.generation = generation;
    request.argv = std::move(options);
    request.argv.insert(request.argv.begin(), STEWARD_TEST_APP);
    request.env = {nonce("app")};
    return request;
}

// Starts test_app and waits until it says that it is ready.
inline Received start_ready(Guardian& guardian, SpawnRequest request) {
    Pipe output = make_pipe();
    request.argv.push_back("--ready");
    request.out = output.write.get();
    Received started = guardian.start(request);
    REQUIRE(wait_for_line(output.read.get(), "ready"));
    return started;
}

inline bool nothing_left(const SpawnRequest& request) {
    return processes_with_env(request.env.at(0)).empty();
}

}  // namespace steward::test
