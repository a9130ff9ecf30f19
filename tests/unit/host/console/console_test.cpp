#include "console.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <csignal>

#include "catch.hpp"
#include "steward/core/unique_fd.hpp"

using steward::core::UniqueFd;
using steward::host::Console;

namespace {

struct Pipe {
    UniqueFd reader;
    UniqueFd writer;
    Pipe() {
        int fds[2];
        REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
        reader.reset(fds[0]);
        writer.reset(fds[1]);
    }
    // Until `text` has come.
    std::string read_until(const std::string& text) const {
        std::string all;
        char buffer[65536];
        while (all.find(text) == std::string::npos) {
            const auto got = read(reader.get(), buffer, sizeof buffer);
            REQUIRE(got > 0);
            all.append(buffer, static_cast<std::size_t>(got));
        }
        return all;
    }
};

std::chrono::steady_clock::time_point in_ms(int ms) {
    return std::chrono::steady_clock::now() + std::chrono::milliseconds(ms);
}

std::size_t count(const std::string& text, const std::string& part) {
    std::size_t found = 0;
    for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) {
        ++found;
    }
    return found;
}

}  // namespace

TEST_CASE("lines arrive, and a flush waits for them", "[console]") {
    const Pipe pipe;
    Console console(pipe.writer.get(), "err");
    console.line("one");
    console.line("two\nthree");
    console.flush(in_ms(10'000));
    CHECK(pipe.read_until("three\n") == "one\ntwo\nthree\n");
}

TEST_CASE("while nobody reads nobody waits, and then it is told how much was dropped",
          "[console]") {
    const Pipe pipe;
    Console console(pipe.writer.get(), "err");
    const std::string line(1000, 'x');
    constexpr int kLines = 2000;
    const auto began = std::chrono::steady_clock::now();
    for (int i = 0; i < kLines; ++i) {
        console.line(line);
    }
    console.flush(in_ms(20));
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));

    const auto text = pipe.read_until("were dropped");
    const auto shown = count(text, line + "\n");
    CHECK(shown * line.size() > Console::kQueuedBytes / 2);
    const auto told = text.rfind('\n', text.find(" lines were dropped")) + 1;
    CHECK(std::stoul(text.substr(told)) + shown == kLines);

    console.line("and on it goes");
    pipe.read_until("and on it goes\n");
}

TEST_CASE("a descriptor that nobody can read swallows everything", "[console]") {
    signal(SIGPIPE, SIG_IGN);
    Pipe pipe;
    const bool never_open = GENERATE(false, true);
    pipe.reader.reset();
    Console console(never_open ? -1 : pipe.writer.get(), "err");
    console.line("one");
    console.flush(in_ms(10'000));
    console.line("two");
    console.flush(in_ms(10'000));
}

TEST_CASE("a console that is stuck does not hold up its end", "[console]") {
    const Pipe pipe;
    const auto began = std::chrono::steady_clock::now();
    {
        Console console(pipe.writer.get(), "err");
        console.line(std::string(200'000, 'x'));
    }
    CHECK(std::chrono::steady_clock::now() - began < std::chrono::seconds(1));
}
