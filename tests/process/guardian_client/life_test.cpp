// GuardianClient while its guardian is well: start, end, errors, and that nothing adds up.
#include <sys/stat.h>
#include <sys/wait.h>

#include <filesystem>
#include <fstream>

#include "client_bed.hpp"

using namespace steward::test;

TEST_CASE("an app is started below the guardian and ended by SIGTERM") {
    ClientBed bed;
    CHECK(bed.guardian() == 0);
    const auto pid = bed.start();
    const auto guardian = bed.guardian();
    CHECK(guardian > 0);
    CHECK(process_state(guardian) != '-');
    // A fresh process has no environment for a moment.
    CHECK(wait_until([&] { return processes_with_env(bed.nonce) == std::vector<pid_t>{pid}; }, 2s));
    const std::string tree = bed.loop.run([&] { return bed.client->describe_tree(); });
    CHECK(tree.find(std::to_string(pid) + " (test_app, state ") == 0);

    bed.terminate();
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.last("exited").exited.signaled);
    CHECK(bed.last("exited").exited.code == SIGTERM);
    CHECK(bed.last("exited").exited.note.empty());
    CHECK(bed.nothing_left());
    CHECK(bed.loop.run([&] { return bed.client->describe_tree(); }).empty());
    // The guardian stays for the next instance.
    CHECK(bed.start() != pid);
    CHECK(bed.guardian() == guardian);
    bed.kill();
    REQUIRE(bed.wait_for("empty", 4));
}

TEST_CASE("the exit status of the app is told as it was") {
    struct Row {
        std::vector<std::string> options;
        bool signaled;
        int code;
    };
    const std::vector<Row> rows{
        {{"--exit-code", "0"}, false, 0},     {{"--exit-code", "3"}, false, 3},
        {{"--exit-code", "255"}, false, 255}, {{"--signal", "11"}, true, SIGSEGV},
        {{"--signal", "9"}, true, SIGKILL},   {{"--crash-after-ms", "0"}, true, SIGABRT}};
    ClientBed bed;
    for (const auto& row : rows) {
        const auto known = bed.told().size();
        bed.spawn(row.options);
        REQUIRE(bed.wait_for("empty", known));
        CAPTURE(row.options);
        CHECK(bed.story(known) == kLife);
        CHECK(bed.last("exited").exited.signaled == row.signaled);
        CHECK(bed.last("exited").exited.code == row.code);
    }
}

TEST_CASE("a command that cannot be executed is named with its reason") {
    const std::string folder = (std::filesystem::temp_directory_path() / "client-XXXXXX").string();
    std::string name = folder;
    REQUIRE(mkdtemp(name.data()) != nullptr);
    std::ofstream(name + "/text") << "no program";
    std::filesystem::permissions(name + "/text", std::filesystem::perms(0755));
    std::ofstream(name + "/script") << "#!/nowhere/interpreter\n";
    std::filesystem::permissions(name + "/script", std::filesystem::perms(0755));
    std::ofstream(name + "/data") << "data";

    struct Row {
        std::string command;
        std::string directory;
        std::string cause;
        int sys_errno;
    };
    const std::vector<Row> rows{
        {"/nowhere/app", "", "/nowhere/app: cannot be executed: No such file or directory", ENOENT},
        {"no-such-command", "", "no-such-command: cannot be executed: No such file or directory",
         ENOENT},
        {name + "/text", "", name + "/text: cannot be executed: Exec format error", ENOEXEC},
        {name + "/script", "", name + "/script: cannot be executed: No such file or directory",
         ENOENT},
        {name + "/data", "", name + "/data: cannot be executed: Permission denied", EACCES},
        {name, "", name + ": cannot be executed: Permission denied", EACCES},
        {STEWARD_TEST_APP, "/nowhere/folder",
         "/nowhere/folder: cannot be the working directory: No such file or directory", ENOENT},
    };
    ClientBed bed;
    for (const auto& row : rows) {
        const auto known = bed.told().size();
        auto request = bed.request({row.command});
        request.directory = row.directory;
        bed.spawn_request(std::move(request));
        REQUIRE(bed.wait_for_end(known));
        CHECK(bed.story(known) == kFailure);
        const auto failed = bed.last("spawn_failed").failed;
        CHECK(failed.cause == row.cause);
        CHECK(failed.sys_errno == row.sys_errno);
        CHECK_FALSE(failed.retryable);
        CHECK(bed.nothing_left());
    }
    // And after all that the guardian still starts what can be started.
    bed.start();
    bed.kill();
    REQUIRE(bed.wait_for("empty"));
    std::filesystem::remove_all(name);
}

TEST_CASE("an order that the guardian refuses is a failed start that may be tried again") {
    ClientBed bed;
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty"));
    auto request = bed.request({STEWARD_TEST_APP});
    request.generation = 1;  // Has been.
    const auto known = bed.told().size();
    bed.spawn_request(std::move(request));
    REQUIRE(bed.wait_for_end(known));
    CHECK(bed.story(known) == kFailure);
    CHECK(bed.last("spawn_failed").failed.retryable);
    CHECK(bed.last("spawn_failed").failed.cause == "app-guardian refused the start (reason 6)");
    CHECK(bed.nothing_left());
}

TEST_CASE("a guardian of another version is named as such, and no start is tried again") {
    ClientBed bed(STEWARD_TEST_OTHER_GUARDIAN);
    for (int i = 0; i < 2; ++i) {
        const auto known = bed.told().size();
        const auto begin = std::chrono::steady_clock::now();
        bed.spawn({});
        REQUIRE(bed.wait_for_end(known));
        CHECK(bed.story(known) == kFailure);
        const auto failed = bed.last("spawn_failed").failed;
        CHECK(failed.cause == "app-guardian is of another version: install both from one build");
        CHECK_FALSE(failed.retryable);
        CHECK(since(begin) < 1500ms);
        REQUIRE(wait_until([&] { return bed.guardian() == 0; }, 5s));
    }
    CHECK(bed.nothing_left());
}

TEST_CASE("a guardian that cannot be started is nothing that another try would mend") {
    ClientBed bed("/nowhere/app-guardian");
    bed.spawn({});
    REQUIRE(bed.wait_for_end(0));
    CHECK(bed.story() == kFailure);
    const auto failed = bed.last("spawn_failed").failed;
    CHECK(failed.cause ==
          "cannot start /nowhere/app-guardian: No such file or directory; install steward again, "
          "whole");
    CHECK_FALSE(failed.retryable);
    CHECK(bed.guardian() == 0);
}

TEST_CASE("SIGKILL ends a tree that ignores SIGTERM and has left the app's session") {
    ClientBed bed;
    bed.start({"--ignore-term", "--grandchild", "--children", "3"});
    REQUIRE(wait_until([&] { return processes_with_env(bed.nonce).size() >= 5; }, 10s));
    bed.terminate();
    CHECK_FALSE(bed.wait_for("exited", 0, 100ms));
    bed.kill();
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.last("exited").exited.code == SIGKILL);
    CHECK(bed.nothing_left());
}

TEST_CASE("an app whose descendants outlive it is exited long before it is empty") {
    ClientBed bed;
    bed.start({"--grandchild", "--crash-after-ms", "100", "--crash-code", "4"});
    REQUIRE(bed.wait_for("exited"));
    CHECK(bed.last("exited").exited.code == 4);
    CHECK_FALSE(bed.wait_for("empty", 0, 100ms));
    bed.kill();
    REQUIRE(bed.wait_for("empty"));
    CHECK(bed.story() == kLife);
    CHECK(bed.nothing_left());
}

TEST_CASE("a closed client has let its guardian go within 60 ms") {
    for (int i = 0; i < 20; ++i) {
        ClientBed bed;
        bed.start({"--exit-code", "0"});
        REQUIRE(bed.wait_for("empty"));
        const auto guardian = bed.guardian();
        CHECK(bed.close() <= 60ms);
        CHECK(process_state(guardian) == '-');
        CHECK(bed.guardian() == 0);
    }
}

TEST_CASE("closing while the app runs ends the app") {
    ClientBed bed;
    bed.start({"--grandchild", "--ignore-term"});
    const std::string nonce = bed.nonce;
    CHECK(bed.close() <= 100ms);
    CHECK(wait_until([&] { return bed.nothing_left(); }, 2s));
}

TEST_CASE("closing a client that has no guardian calls back") {
    ClientBed bed;
    CHECK(bed.close() < 60ms);
    CHECK(bed.close() < 60ms);
}

TEST_CASE("300 starts leave no descriptor and no zombie behind") {
    ClientBed bed;
    bed.start({"--exit-code", "0"});
    REQUIRE(bed.wait_for("empty"));
    const auto guardian = bed.guardian();
    const auto before = open_descriptors();
    for (int i = 0; i < 300; ++i) {
        const auto known = bed.told().size();
        bed.spawn({"--exit-code", std::to_string(i % 256)});
        REQUIRE(bed.wait_for("empty", known));
        REQUIRE(bed.story(known) == kLife);
        REQUIRE(bed.last("exited").exited.code == i % 256);
    }
    CHECK(open_descriptors() == before);
    CHECK(bed.guardian() == guardian);
    CHECK(bed.nothing_left());
}
