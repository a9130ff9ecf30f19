// A program that holds the lock of the prompts for ever delays prompts, and nothing else.
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "prompt_scenes.hpp"

using namespace steward::tests;

TEST_CASE("a stuck lock holder delays prompts, never supervision", "[mcp][prompts]") {
    Library library(/*real=*/true);
    library->wait_state("running");
    const int lock =
        open((library.sandbox().data_dir() + "/.lock").c_str(), O_CREAT | O_RDWR | O_CLOEXEC, 0600);
    REQUIRE(lock >= 0);
    REQUIRE(flock(lock, LOCK_EX) == 0);

    const auto asked = Clock::now();
    const int create = library->request_tool("create_prompt",
                                             R"({"title":"T","content":"C","category":"coding"})");
    int answered = 0;
    double slowest = 0;
    while (ms_since(asked) < 1500) {
        const auto start = Clock::now();
        CHECK(text_at(library->status(), "state") == "running");
        slowest = std::max(slowest, ms_since(start));
        ++answered;
        library->pump(Milliseconds(20));
    }
    CHECK(answered > 10);
    CHECK(slowest < 100);
    const auto result = library->answer(create)->getObject("result");
    CHECK(ms_since(asked) > 1900);
    CHECK(ms_since(asked) < 3000);
    CHECK(result->has("isError"));
    CHECK(holds(text_at(result, "content.0.text"), "another program is writing"));
    CHECK(holds(text_at(result, "content.0.text"), library.sandbox().data_dir()));

    // The end of the session does not wait for a writer either.
    library->request_tool("create_prompt", R"({"title":"T","content":"C","category":"coding"})");
    library->status();
    const auto ended = Clock::now();
    library->close_stdin();
    const auto end = library->wait_exit();
    CHECK(end.code == 0);
#ifndef STEWARD_SANITIZED
    CHECK(ms_since(ended, end.at) < 1000);
#endif
    close(lock);
}
