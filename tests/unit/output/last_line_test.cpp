// The last line of stderr, which may say why an app ended.
#include <atomic>
#include <functional>
#include <future>
#include <thread>

#include "catch.hpp"
#include "output_kit.hpp"

using namespace steward;
using test::Output;
using test::TempFolder;
using namespace std::chrono_literals;
using Clock = std::chrono::steady_clock;

namespace {

core::OutputOptions in_folder(const TempFolder& folder) {
    core::OutputOptions options;
    options.folder = folder.path();
    return options;
}

}  // namespace

TEST_CASE("what an app wrote just before it ended is its last line", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    for (std::uint64_t generation = 1; generation <= 200; ++generation) {
        const std::string text = "ImportError: attempt " + std::to_string(generation);
        auto pipes = output.open(generation);
        test::write_all(pipes.out.get(), "not this one\n");
        test::write_all(pipes.err.get(), "Traceback (most recent call last):\n  File \"app.py\"\n" +
                                             text + (generation % 2 == 0 ? "\n" : "") +
                                             (generation % 3 == 0 ? "\n \n" : ""));
        if (generation % 5 != 0) {
            pipes.err.reset();
        }
        REQUIRE(output.last_line(generation) == text);
    }
}

TEST_CASE("the last ten lines of stderr are had, and not more than 2 KiB of them", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(1);
    std::string expected;
    for (int i = 1; i <= 30; ++i) {
        const std::string line = "frame " + std::to_string(i);
        // Blank lines do not count, nor what stdout says.
        test::write_all(pipes.err.get(), line + "\n \n\n");
        test::write_all(pipes.out.get(), "out\n");
        expected += i > 20 ? (expected.empty() ? "" : "\n") + line : "";
    }
    CHECK(output.last_lines(1).tail == expected);
    CHECK(output.last_lines(1).last == "frame 30");
    // However much comes on stdout meanwhile.
    test::write_all(pipes.out.get(), test::repeated('o', 3000000) + "\n");
    CHECK(output.last_lines(1).tail == expected);
    test::write_all(pipes.err.get(), "not ended");
    CHECK(output.last_lines(1).tail == expected.substr(expected.find('\n') + 1) + "\nnot ended");
    for (int i = 0; i < 10; ++i) {
        test::write_all(pipes.err.get(), "\n" + test::repeated(static_cast<char>('a' + i), 1000));
    }
    const auto tail = output.last_lines(1).tail;
    CHECK(tail.size() <= core::LastLines::kMaxBytes);
    CHECK(tail.size() > core::LastLines::kMaxBytes - 301);
    CHECK(tail.substr(tail.rfind('\n') + 1) == test::repeated('j', 300));
}

TEST_CASE("the last lines are had while the disk holds the log thread", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(1);
    const test::Held stuck(output.log_thread);
    test::write_all(pipes.err.get(), "Traceback\nValueError: the last word\n");
    CHECK(output.last_lines(1).tail == "Traceback\nValueError: the last word");
}

TEST_CASE("an instance without a line has none", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    CHECK(output.last_line(1) == "");
    auto pipes = output.open(1);
    test::write_all(pipes.out.get(), "stdout does not count\n");
    CHECK(output.last_line(1) == "");
    CHECK(output.last_line(2) == "");
}

TEST_CASE("the last line is short and well-formed", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(1);
    test::write_all(pipes.err.get(), "\xff\xfe binary \x1b[31m\n");
    CHECK(output.last_line(1) == "\\xff\\xfe binary \\x1b[31m");
    test::write_all(pipes.err.get(),
                    "E" + test::repeated('\x02', 200) + test::repeated('x', 100000) + "\n");
    const auto line = output.last_line(1);
    CHECK(line.size() <= 300);
    CHECK(line.rfind("E\\x02", 0) == 0);
    CHECK(test::is_utf8(line));
}

TEST_CASE("the answer comes once and within 100 ms while the output thread is held up",
          "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(1);
    test::write_all(pipes.err.get(), "read before\n");
    REQUIRE(output.shows("read before"));
    std::promise<void> release;
    auto released = release.get_future().share();
    std::promise<void> held;
    output.output_thread.loop().post([released, &held] {
        held.set_value();
        released.wait();
    });
    held.get_future().wait();
    test::write_all(pipes.err.get(), "not read any more\n");

    auto answers = std::make_shared<std::atomic<int>>(0);
    auto first = std::make_shared<std::promise<std::string>>();
    const auto begin = Clock::now();
    output.core_thread.run([&] {
        output.output.last_lines(1, [answers, first](const core::LastLines& lines) {
            if (++*answers == 1) {
                first->set_value(lines.last);
            }
        });
        // Never from inside the call.
        CHECK(answers->load() == 0);
    });
    CHECK(first->get_future().get() == "read before");
    const auto spent = Clock::now() - begin;
    CHECK(spent >= 95ms);
    CHECK(spent < 400ms);
    release.set_value();
    CHECK(output.last_line(1) == "not read any more");
    CHECK(answers->load() == 1);
}

TEST_CASE("a descendant that writes on and on does not hold the answer up", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.max_file_bytes = 1000000;
    Output output(options);
    auto pipes = output.open(1);
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        const std::string lines = "noise\nnoise\nnoise\n";
        while (!stop && test::write_all(pipes.err.get(), lines)) {
        }
    });
    REQUIRE(output.shows("noise"));
    for (int i = 0; i < 20; ++i) {
        const auto begin = Clock::now();
        const auto line = output.last_line(1);
        CHECK(Clock::now() - begin < 400ms);
        CHECK((line == "noise" || line.size() < 5));
    }
    stop = true;
    writer.join();
}

TEST_CASE("an answer that is outstanding at the end is never given", "[output]") {
    const TempFolder folder;
    std::atomic<int> answers{0};
    test::LoopThread core_thread;
    test::LoopThread output_thread;
    test::LoopThread log_thread;
    auto output = std::make_unique<core::AppOutput>(core_thread.loop(), output_thread.loop(),
                                                    log_thread.loop(), in_folder(folder));
    core_thread.run([&] {
        output->last_lines(1, [&answers](const core::LastLines&) { ++answers; });
        core_thread.loop().stop();
    });
    core_thread.stop();
    output_thread.stop();
    log_thread.stop();
    output.reset();
    CHECK(answers == 0);
}

namespace {

// Asks for a line, does the deed, and says what came of it and how long that took.
struct Awaited {
    bool came = false;
    Clock::duration took{};
};
Awaited await(Output& output, std::uint64_t generation, std::chrono::milliseconds limit,
              const std::function<void()>& deed) {
    std::promise<bool> answer;
    const auto begin = Clock::now();
    output.core_thread.loop().post([&] {
        output.output.await_line(generation, "call first", limit,
                                 [&answer](bool came) { answer.set_value(came); });
        deed();
    });
    const bool came = answer.get_future().get();
    return {came, Clock::now() - begin};
}

}  // namespace

TEST_CASE("an awaited line is answered when it has come with all that follows it", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(3);
    test::write_all(pipes.err.get(), "Thread 0 (most recent call first):\n");
    REQUIRE(output.shows("Thread 0 (most recent call first):"));
    SECTION("later than the question") {
        CHECK_FALSE(await(output, 3, 100ms, [] {}).came);
    }
    SECTION("on stderr of that instance") {
        CHECK_FALSE(await(output, 4, 100ms, [&] {
                        test::write_all(pipes.err.get(), "Thread 1 (most recent call first):\n");
                    }).came);
        CHECK_FALSE(await(output, 3, 100ms, [&] {
                        test::write_all(pipes.out.get(), "Thread 1 (most recent call first):\n");
                    }).came);
    }
    SECTION("whatever comes before it") {
        const auto awaited = await(output, 3, 10s, [&] {
            test::write_all(pipes.err.get(), "something else\n");
            test::write_all(pipes.err.get(), "Thread 1 (most recent call first):\n  File x\n");
        });
        CHECK(awaited.came);
        CHECK(awaited.took < 5s);
        CHECK(output.output.tail(1).at(0).text == "  File x");
    }
    SECTION("although more than the tail holds is read with it") {
        const auto awaited = await(output, 3, 10s, [&] {
            const test::Held held(output.output_thread);
            test::write_all(pipes.err.get(), "Thread 1 (most recent call first):\n");
            for (int i = 0; i < 900; ++i) {
                test::write_all(pipes.err.get(), test::repeated('x', 999) + "\n");
            }
        });
        CHECK(awaited.came);
        CHECK(awaited.took < 5s);
    }
    SECTION("by the limit at the latest, however much follows") {
        std::atomic<bool> stop{false};
        std::thread writer;
        const auto awaited = await(output, 3, 300ms, [&] {
            writer = std::thread([&] {
                test::write_all(pipes.err.get(), "Thread 1 (most recent call first):\n");
                while (!stop) {
                    test::write_all(pipes.err.get(), "  File x\n");
                    std::this_thread::sleep_for(1ms);
                }
            });
        });
        stop = true;
        writer.join();
        CHECK(awaited.came);
        CHECK(awaited.took < 5s);
    }
}
