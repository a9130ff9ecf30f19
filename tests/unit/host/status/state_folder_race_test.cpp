// Several servers that start, look and clean at the same time, in threads and in processes: a lock
// belongs to the open file, so both kinds compete alike.
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <set>
#include <thread>

#include "state_folder.hpp"
#include "status_bench.hpp"

using namespace steward;
using namespace steward::test;
using host::StateFolder;

TEST_CASE("servers that start while others look and clean all get a folder of their own") {
    const TempFolder temp;
    constexpr int kThreads = 6;
    constexpr int kEach = 20;
    std::vector<std::vector<StateFolder>> living(kThreads);
    std::atomic<int> failed = 0;
    std::atomic<int> lost = 0;
    std::atomic<bool> done = false;

    std::thread looker([&] {
        while (!done) {
            StateFolder::running(temp.path());
            StateFolder::remove_dead(temp.path());
        }
    });
    std::vector<std::thread> starters;
    for (int t = 0; t < kThreads; ++t) {
        starters.emplace_back([&, t] {
            for (int i = 0; i < kEach; ++i) {
                auto folder = StateFolder::create(temp.path());
                if (!folder) {
                    ++failed;
                    continue;
                }
                const auto servers = StateFolder::running(temp.path());
                lost += std::none_of(servers.begin(), servers.end(), [&](const auto& server) {
                    return server.folder == folder->path();
                });
                // Every other one dies at once, so that there is something to clean.
                if (i % 2 == 0) {
                    living[static_cast<std::size_t>(t)].push_back(std::move(*folder));
                }
            }
        });
    }
    for (auto& starter : starters) {
        starter.join();
    }
    done = true;
    looker.join();

    CHECK(failed == 0);
    CHECK(lost == 0);
    std::set<std::string> paths;
    for (const auto& some : living) {
        for (const auto& folder : some) {
            paths.insert(folder.path());
            CHECK(fs::exists(folder.path() + "/lock"));
        }
    }
    CHECK(paths.size() == kThreads * kEach / 2);
    CHECK(StateFolder::running(temp.path()).size() == kThreads * kEach / 2);
    StateFolder::remove_dead(temp.path());
    const auto entries =
        std::distance(fs::directory_iterator(temp.path()), fs::directory_iterator());
    CHECK(static_cast<std::size_t>(entries) == paths.size() + StateFolder::kKeptDead);
}

TEST_CASE("processes that start at the same time all get a folder of their own") {
    const TempFolder temp;
    constexpr int kProcesses = 4;
    constexpr int kEach = 15;
    int go[2];
    REQUIRE(::pipe(go) == 0);
    std::vector<pid_t> children;
    for (int p = 0; p < kProcesses; ++p) {
        const pid_t child = ::fork();
        if (child == 0) {
            ::close(go[1]);
            char nothing = 0;
            [[maybe_unused]] const ssize_t end = ::read(go[0], &nothing, 1);
            std::vector<StateFolder> living;
            int failed = 0;
            for (int i = 0; i < kEach; ++i) {
                auto folder = StateFolder::create(temp.path());
                failed += folder ? 0 : 1;
                if (folder) {
                    living.push_back(std::move(*folder));
                }
            }
            for (const auto& folder : living) {
                failed += fs::exists(folder.path() + "/lock") ? 0 : 1;
            }
            ::_exit(failed);
        }
        children.push_back(child);
    }
    ::close(go[0]);
    ::close(go[1]);
    for (const pid_t child : children) {
        int status = -1;
        REQUIRE(::waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status));
        CHECK(WEXITSTATUS(status) == 0);
    }
    CHECK(StateFolder::running(temp.path()).empty());
    StateFolder::remove_dead(temp.path());
    const auto entries =
        std::distance(fs::directory_iterator(temp.path()), fs::directory_iterator());
    CHECK(static_cast<std::size_t>(entries) == StateFolder::kKeptDead);
}
