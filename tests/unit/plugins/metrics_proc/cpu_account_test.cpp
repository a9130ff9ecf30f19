#include "cpu_account.hpp"

#include "catch.hpp"

using namespace steward::metrics_proc;

namespace {

Process process(std::int32_t pid, std::int32_t parent, std::uint64_t own,
                std::uint64_t children = 0, std::uint64_t start = 0) {
    Process out;
    out.pid = pid;
    out.stat.parent = parent;
    out.stat.own_ticks = own;
    out.stat.children_ticks = children;
    out.stat.start_ticks = start;
    return out;
}

}  // namespace

TEST_CASE("the first look counts all that the tree has used", "[metrics_proc]") {
    CpuAccount account;
    CHECK(account.update({process(10, 1, 100, 20), process(11, 10, 7)}) == 127);
}

TEST_CASE("later looks count what was used since", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 1, 100), process(11, 10, 7)});
    CHECK(account.update({process(10, 1, 130), process(11, 10, 9)}) == 139);
    CHECK(account.update({process(10, 1, 130), process(11, 10, 9)}) == 139);
}

TEST_CASE("a child that its parent waits for is not counted twice", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 1, 100), process(11, 10, 50)});
    // It used 5 more before its end; the parent inherits 55.
    CHECK(account.update({process(10, 1, 100, 55)}) == 155);
}

TEST_CASE("a child that was born and waited for between two looks is counted", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 1, 100)});
    CHECK(account.update({process(10, 1, 100, 30)}) == 130);
}

TEST_CASE("a branch that vanishes as a whole is credited to its ancestor", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 1, 100), process(11, 10, 20), process(12, 11, 30)});
    CHECK(account.update({process(10, 1, 100, 52)}) == 152);
}

TEST_CASE("the total never falls, whoever waits for the dead", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 1, 100), process(11, 1, 50)});
    // 11's parent is outside the tree: nobody in it inherits.
    CHECK(account.update({process(10, 1, 101)}) == 151);
    CHECK(account.update({}) == 151);
    CHECK(account.update({process(10, 1, 90)}) == 241);
}

TEST_CASE("a pid that is used again is another process", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 1, 100, 0, 5)});
    CHECK(account.update({process(10, 1, 3, 0, 6)}) == 103);
}

TEST_CASE("parents that form a ring end no look", "[metrics_proc]") {
    CpuAccount account;
    account.update({process(10, 11, 1), process(11, 10, 1), process(12, 12, 1)});
    CHECK(account.update({process(13, 1, 1)}) == 4);
}

TEST_CASE("the memory of an account is that of one look", "[metrics_proc]") {
    CpuAccount account;
    for (std::int32_t pid = 1; pid <= 1000; ++pid) {
        account.update({process(pid, 1, 1), process(pid + 5000, 1, 1)});
    }
    CHECK(account.known() == 2);
    CHECK(account.total_ticks() == 2000);
}
