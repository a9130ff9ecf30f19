// Pipes, tail and followers.
#include "steward/core/app_output.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <csignal>
#include <optional>
#include <thread>

#include "catch.hpp"
#include "output_kit.hpp"

using namespace steward;
using core::OutputStream;
using core::UniqueFd;
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

// Does the reading end go away within 5 s?
bool loses_its_reader(int fd) {
    pollfd entry{fd, 0, 0};
    return poll(&entry, 1, 5000) == 1 && (entry.revents & POLLERR) != 0;
}

}  // namespace

TEST_CASE("the app's ends of the pipes block, are large and are not inherited by others",
          "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    const auto pipes = output.open(1);
    for (const int fd : {pipes.out.get(), pipes.err.get()}) {
        CHECK((fcntl(fd, F_GETFL) & O_NONBLOCK) == 0);
        CHECK((fcntl(fd, F_GETFD) & FD_CLOEXEC) != 0);
        CHECK(fcntl(fd, F_GETPIPE_SZ) >= 65536);
    }
}

TEST_CASE("opening without descriptors fails in words and leaves none behind", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    rlimit old{};
    getrlimit(RLIMIT_NOFILE, &old);
    const auto before = test::open_descriptors();
    // Room for one pipe and not for two, if nothing above is open.
    const UniqueFd next(dup(0));
    const rlimit few{static_cast<rlim_t>(next.get()) + 3, old.rlim_max};
    std::string text;
    output.core_thread.run([&] {
        setrlimit(RLIMIT_NOFILE, &few);
        const auto pipes = output.output.open(1);
        setrlimit(RLIMIT_NOFILE, &old);
        REQUIRE_FALSE(pipes);
        text = pipes.error().text;
    });
    CHECK(text == "the pipes for the app's output cannot be made: Too many open files");
    CHECK(test::open_descriptors() == before + 1);
}

TEST_CASE("the tail holds the most recent lines of all instances in order", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    CHECK(output.output.tail(10).empty());
    const auto before = std::chrono::system_clock::now();
    auto first = output.open(1);
    test::write_all(first.out.get(), "one\ntwo\n");
    REQUIRE(output.shows("two"));
    auto second = output.open(2);
    test::write_all(second.err.get(), "three\n");
    REQUIRE(output.shows("three"));
    const auto lines = output.output.tail(10);
    REQUIRE(lines.size() == 3);
    CHECK(lines[0].text == "one");
    CHECK(lines[0].sequence == 1);
    CHECK(lines[0].generation == 1);
    CHECK(lines[0].stream == OutputStream::kOut);
    CHECK_FALSE(lines[0].goes_on);
    CHECK(lines[2].text == "three");
    CHECK(lines[2].sequence == 3);
    CHECK(lines[2].generation == 2);
    CHECK(lines[2].stream == OutputStream::kErr);
    CHECK(lines[2].wall >= before - 1ms);
    CHECK(lines[2].wall <= std::chrono::system_clock::now());
    CHECK(output.output.tail(1).at(0).text == "three");
    CHECK(output.output.tail(0).empty());
    CHECK(output.output.lines_since(1, 1).at(0).text == "two");
    CHECK(output.output.lines_since(0, 10).size() == 3);
    CHECK(output.output.lines_since(3, 10).empty());
}

TEST_CASE("the tail is bounded and the numbers show what is missing", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.tail_bytes = 10000;
    Output output(options);
    std::string sent;
    for (int i = 1; i <= 5000; ++i) {
        sent += "line " + std::to_string(i) + "\n";
    }
    {
        auto pipes = output.open(1);
        test::write_all(pipes.out.get(), sent);
    }
    REQUIRE(output.shows("line 5000"));
    const auto lines = output.output.tail(100000);
    CHECK(lines.size() < 200);
    CHECK(lines.size() > 50);
    CHECK(lines.back().sequence == 5000);
    CHECK(lines.front().sequence == 5001 - lines.size());
    CHECK(output.output.lines_since(1, 3).front().sequence == lines.front().sequence);
}

TEST_CASE("the tail and the numbers are the same when much more than it holds is read at once",
          "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.tail_bytes = 10000;
    Output output(options);
    auto pipes = output.open(1);
    REQUIRE(fcntl(pipes.out.get(), F_GETPIPE_SZ) >= 1 << 20);
    std::string sent = "line 1\nbegun, ";
    test::write_all(pipes.out.get(), sent);
    REQUIRE(output.shows("line 1"));
    {
        const test::Held held(output.output_thread);
        std::string more = "line 2\n";
        for (int i = 3; i <= 40000; ++i) {
            more += "line " + std::to_string(i) + "\n";
        }
        test::write_all(pipes.out.get(), more + "begun");
        sent += more;
    }
    REQUIRE(output.shows("line 40000"));
    const auto lines = output.output.tail(100000);
    CHECK(lines.size() > 50);
    CHECK(lines.back().sequence == 40000);
    for (std::size_t i = 0; i < lines.size(); ++i) {
        const auto number = 40001 - lines.size() + i;
        REQUIRE(lines[i].sequence == number);
        REQUIRE(lines[i].text == "line " + std::to_string(number));
    }
    pipes = {};
    REQUIRE(output.settles(sent.size() + 5));
    CHECK(output.output.counters().kept_lines + output.output.counters().dropped_lines == 40001);
}

TEST_CASE("a prompt without a newline is shown after a second, and its rest later", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(1);
    const auto begin = Clock::now();
    test::write_all(pipes.out.get(), "Loading ... ");
    REQUIRE(output.shows("Loading ... "));
    const auto spent = Clock::now() - begin;
    CHECK(spent > 900ms);
    CHECK(spent < 2500ms);
    CHECK(output.output.tail(1).at(0).goes_on);
    test::write_all(pipes.out.get(), "done\n");
    REQUIRE(output.shows("done"));
    CHECK_FALSE(output.output.tail(1).at(0).goes_on);
}

TEST_CASE("lines that keep coming are not torn although each read ends within one", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    auto pipes = output.open(1);
    const auto end = Clock::now() + 1500ms;
    std::uint64_t count = 1;
    test::write_all(pipes.out.get(), "half of it, ");
    while (Clock::now() < end) {
        test::write_all(pipes.out.get(), "and the rest\nhalf of it, ");
        output.flush();
        ++count;
    }
    test::write_all(pipes.out.get(), "and the rest\n");
    output.flush();
    for (const auto& line : output.output.tail(1000)) {
        REQUIRE(line.text == "half of it, and the rest");
    }
    CHECK(output.output.counters().kept_lines == count);
}

TEST_CASE("a descendant that holds the pipes does not keep them open", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    const bool by_end = GENERATE(true, false);
    auto pipes = output.open(1);
    const UniqueFd of_the_descendant(dup(pipes.err.get()));
    pipes.out.reset();
    pipes.err.reset();
    const auto begin = Clock::now();
    std::optional<core::OutputCapture::Pipes> next;
    if (by_end) {
        output.core_thread.run([&] { output.output.end(1); });
    } else {
        next = output.open(2);
    }
    test::write_all(of_the_descendant.get(), "still there\n");
    REQUIRE(output.shows("still there"));
    test::write_all(of_the_descendant.get(), "and without end");
    REQUIRE(loses_its_reader(of_the_descendant.get()));
    const auto spent = Clock::now() - begin;
    CHECK(spent > 1900ms);
    CHECK(spent < 3500ms);
    CHECK(output.shows("and without end"));
    CHECK(output.last_line(1) == "and without end");
    if (next) {
        test::write_all(next->out.get(), "the next one is not touched\n");
        CHECK(output.shows("the next one is not touched"));
    }
}

TEST_CASE("many instances in a row leave no descriptors behind", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    {
        auto pipes = output.open(1);
        test::write_all(pipes.out.get(), "x\n");
    }
    REQUIRE(output.settles(2));
    output.flush();
    const auto before = test::open_descriptors();
    for (std::uint64_t generation = 2; generation <= 100; ++generation) {
        auto pipes = output.open(generation);
        test::write_all(pipes.out.get(), "x\n");
    }
    REQUIRE(output.settles(200));
    // Flushing meets the end of every pipe.
    output.flush();
    CHECK(test::open_descriptors() == before);
}

TEST_CASE("followers get every line once and in order", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    std::vector<core::OutputLine> followed;  // the output thread's
    const core::AppOutput* source = nullptr;
    options.on_lines = [&] {
        for (auto& line :
             source->lines_since(followed.empty() ? 0 : followed.back().sequence, SIZE_MAX)) {
            followed.push_back(std::move(line));
        }
    };
    Output output(options);
    source = &output.output;
    std::string sent;
    for (int i = 0; i < 1000; ++i) {
        sent += std::to_string(i) + "\n";
    }
    {
        auto pipes = output.open(1);
        test::write_all(pipes.out.get(), sent);
    }
    REQUIRE(output.settles(sent.size()));
    output.output_thread.stop();
    REQUIRE(followed.size() == 1000);
    for (std::size_t i = 0; i < followed.size(); ++i) {
        REQUIRE(followed[i].sequence == i + 1);
        REQUIRE(followed[i].text == std::to_string(i));
    }
}

TEST_CASE("the tail can be read from other threads while lines come in", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    std::atomic<bool> stop{false};
    std::atomic<int> wrong{0};
    std::vector<std::thread> readers;
    for (int i = 0; i < 2; ++i) {
        readers.emplace_back([&] {
            while (!stop) {
                const auto lines = output.output.tail(50);
                for (std::size_t k = 1; k < lines.size(); ++k) {
                    wrong += lines[k].sequence == lines[k - 1].sequence + 1 ? 0 : 1;
                }
                (void)output.output.counters();
            }
        });
    }
    std::string sent;
    for (int i = 0; i < 100000; ++i) {
        sent += std::to_string(i) + "\n";
    }
    {
        auto pipes = output.open(1);
        test::write_all(pipes.out.get(), sent);
    }
    CHECK(output.settles(sent.size()));
    stop = true;
    for (auto& reader : readers) {
        reader.join();
    }
    CHECK(wrong == 0);
}

TEST_CASE("flushing has its time limit too", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    std::promise<void> release;
    auto released = release.get_future().share();
    std::promise<void> held;
    output.log_thread.loop().post([released, &held] {
        held.set_value();
        released.wait();
    });
    held.get_future().wait();
    auto done = std::make_shared<std::promise<void>>();
    const auto begin = Clock::now();
    output.core_thread.run([&] { output.output.flush(50ms, [done] { done->set_value(); }); });
    done->get_future().get();
    CHECK(Clock::now() - begin < 400ms);
    release.set_value();
}
