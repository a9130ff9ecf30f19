// `steward doctor`: it tries what it says, leaves nothing, and names what does not hold.
#include <algorithm>
#include <filesystem>
#include <sstream>

#include "bed.hpp"
#include "catch.hpp"

namespace steward::tests {
namespace {

std::vector<std::string> lines_of(const std::string& text) {
    std::vector<std::string> out;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) {
        out.push_back(line);
    }
    return out;
}

// The line about a guarantee.
std::string about(const Output& output, const std::string& guarantee) {
    for (const auto& line : lines_of(output.out)) {
        if (line.find(guarantee + ":") != std::string::npos) {
            return line;
        }
    }
    return {};
}

// Under a limit or in other surroundings, which a line of shell sets.
Output doctor(const Sandbox& sandbox, const std::string& before) {
    return run_program(sandbox,
                       {"/bin/sh", "-c",
                        before + "TMPDIR='" + sandbox.path() + "' exec '" + steward_program() +
                            "' doctor --data-dir '" + sandbox.data_dir() + "'"});
}

}  // namespace

TEST_CASE("doctor ends a supervisor in both ways, and nothing is left", "[doctor]") {
    const Sandbox sandbox;
    const auto output = doctor(sandbox, "");
    INFO(output.out << output.err);
    CHECK_THAT(about(output, "a supervisor that is killed (SIGKILL) leaves nothing"),
               Catch::StartsWith("holds   ") && Catch::Contains("were gone after "));
    CHECK_THAT(about(output, "a supervisor that is told to end (SIGTERM) leaves nothing"),
               Catch::StartsWith("holds   ") && Catch::Contains("were gone after "));
    const auto lines = lines_of(output.out);
    CHECK(lines.size() == 10);
    bool all = true;
    for (const auto& line : lines) {
        CHECK((line.rfind("holds   ", 0) == 0 || line.rfind("FAILS   ", 0) == 0));
        all = all && line.rfind("holds   ", 0) == 0;
    }
    CHECK(output.code == (all ? 0 : 2));
    for (const auto& entry : std::filesystem::directory_iterator(sandbox.path())) {
        CHECK(entry.path().filename().string().find("steward-doctor") == std::string::npos);
    }
    CHECK_FALSE(std::filesystem::exists(sandbox.state()));
    CHECK_FALSE(std::filesystem::exists(sandbox.data_dir()));
}

TEST_CASE("a doctor that is killed takes along what it has started", "[doctor]") {
    const Sandbox sandbox;
    const auto output =
        run_program(sandbox, {"/bin/sh", "-c",
                              "TMPDIR='" + sandbox.path() + "' '" + steward_program() +
                                  "' doctor --data-dir '" + sandbox.data_dir() + "' & doctor=$!; " +
                                  "until grep -qs STEWARD_DOCTOR= $(grep -ls '" + sandbox.path() +
                                  "/steward-doctor' /proc/[0-9]*/environ) /dev/null; do :; done; "
                                  "kill -9 $doctor"});
    CHECK(output.code == 0);
    CHECK(wait_until([&] { return sandbox.processes().empty(); }, Milliseconds(1000)));
}

TEST_CASE("doctor names what does not hold, why, and what to do", "[doctor]") {
    const Sandbox sandbox;
    sandbox.write("file", "");
    const auto few = doctor(sandbox, "ulimit -n 100; ");
    CHECK(few.code == 2);
    CHECK_THAT(about(few, "there is room for what a session opens"),
               Catch::StartsWith("FAILS   ") &&
                   Catch::Contains("only 100 open files are allowed") &&
                   Catch::Contains("ulimit -n"));
    const auto log = doctor(sandbox, "XDG_STATE_HOME='" + sandbox.file("file") + "' ");
    CHECK(log.code == 2);
    CHECK_THAT(about(log, "what happened can be read later"),
               Catch::StartsWith("FAILS   ") && Catch::Contains(sandbox.file("file")));
}

TEST_CASE("doctor without a guardian says that nothing could be tried", "[doctor]") {
    const Sandbox sandbox;
    const std::string bin = sandbox.file("bin");
    std::filesystem::create_directory(bin);
    std::filesystem::copy_file(steward_program(), bin + "/steward");
    const auto output =
        run_program(sandbox, {bin + "/steward", "doctor", "--data-dir", sandbox.data_dir()});
    CHECK(output.code == 2);
    CHECK_THAT(
        about(output, "a supervisor that is killed (SIGKILL) leaves nothing"),
        Catch::StartsWith("FAILS   ") && Catch::Contains(bin + "/app-guardian cannot be executed"));
}

}  // namespace steward::tests
