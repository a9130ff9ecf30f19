// What a supervisor is started with and cannot choose: limits, and a working directory that is gone.
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>

#include "bed.hpp"
#include "catch.hpp"

namespace steward::tests {
namespace {

namespace fs = std::filesystem;

// What this process starts while it lives may not make files larger than this.
class FileSizeLimit {
  public:
    explicit FileSizeLimit(rlim_t bytes) {
        REQUIRE(getrlimit(RLIMIT_FSIZE, &before_) == 0);
        const rlimit now{bytes, before_.rlim_max};
        REQUIRE(setrlimit(RLIMIT_FSIZE, &now) == 0);
    }
    ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }
    FileSizeLimit(const FileSizeLimit&) = delete;
    FileSizeLimit& operator=(const FileSizeLimit&) = delete;

  private:
    rlimit before_{};
};

// A working directory that does not exist any more.
class GoneDirectory {
  public:
    explicit GoneDirectory(const std::string& path) : before_(fs::current_path()) {
        fs::create_directory(path);
        fs::current_path(path);
        fs::remove(path);
    }
    ~GoneDirectory() { fs::current_path(before_); }
    GoneDirectory(const GoneDirectory&) = delete;
    GoneDirectory& operator=(const GoneDirectory&) = delete;

  private:
    fs::path before_;
};

}  // namespace

TEST_CASE("files that may not grow are an error of the log, not the end of the supervisor") {
    std::unique_ptr<Bed> bed;
    {
        const FileSizeLimit limit(64 * 1024);
        bed = std::make_unique<Bed>(Arguments{}, test_app({"--stdout-bytes", "1000000"}));
    }
    bed->wait_healthy();
    const Json first = bed->status();
    REQUIRE(::kill(static_cast<pid_t>(number_at(first, "pid")), SIGKILL) == 0);
    bed->wait_healthy(2);
    CHECK(bed->end().code == 0);
}

TEST_CASE("the app starts although the working directory is gone") {
    const Sandbox place;
    const GoneDirectory gone(place.file("gone"));
    Bed bed(Arguments{}, Arguments{});
    CHECK(text_at(bed.wait_healthy(), "state") == "running");
    CHECK(bed.end().code == 0);
}

TEST_CASE("a relative folder needs a working directory") {
    const Sandbox sandbox;
    const GoneDirectory gone(sandbox.file("gone"));
    const auto output = run_steward(sandbox, {"run", "--data-dir", "prompts"});
    CHECK(output.code == 2);
    CHECK(output.err ==
          "steward: --data-dir: prompts begins at the working directory, which cannot be used: "
          "No such file or directory; give a whole path\n");
}

TEST_CASE("what stdout does not take is an error of the command") {
    const Sandbox sandbox;
    const std::string command = GENERATE("--version", "--help", "plugins", "connect", "check");
    const auto output =
        run_program(sandbox, {"/bin/sh", "-c", steward_program() + " " + command + " > /dev/full"});
    INFO(command << ": " << output.err);
    CHECK(output.code == 1);
    CHECK(output.err == "steward: stdout cannot be written: No space left on device\n");
}

TEST_CASE("steward check misses its own programs, and says so") {
    const Sandbox sandbox;
    const std::string bin = sandbox.file("bin");
    fs::create_directory(bin);
    fs::copy(steward_program(), bin + "/steward");
    const auto output = run_program(sandbox, {bin + "/steward", "check"});
    CHECK(output.code == 2);
    for (const std::string name : {"app-guardian", "steward-plugin-probe"}) {
        CHECK_THAT(output.out, Catch::Contains("wrong  " + bin + "/" + name +
                                               ": cannot be executed; build or install Steward"));
    }
}

}  // namespace steward::tests
