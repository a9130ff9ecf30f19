// The file: its form, its rotation.
#include <sys/stat.h>

#include <filesystem>

#include "catch.hpp"
#include "output_kit.hpp"

using namespace steward;
using test::Output;
using test::TempFolder;

namespace {

core::OutputOptions in_folder(const TempFolder& folder) {
    core::OutputOptions options;
    options.folder = folder.path() + "/state/server";
    return options;
}

mode_t mode_of(const std::string& path) {
    struct stat info {};
    REQUIRE(stat(path.c_str(), &info) == 0);
    return info.st_mode & 0777U;
}

std::string numbered_lines(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
        out += "line " + std::to_string(i) + test::repeated('.', static_cast<std::size_t>(i % 97)) +
               "\n";
    }
    return out;
}

// The files' contents, oldest first.
std::vector<std::string> contents(const std::string& path) {
    std::vector<std::string> out{test::read_file(path)};
    for (int i = 1; std::filesystem::exists(path + "." + std::to_string(i)); ++i) {
        out.insert(out.begin(), test::read_file(path + "." + std::to_string(i)));
    }
    return out;
}

}  // namespace

TEST_CASE("the folder and the file are made at the first open, for the user alone", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    CHECK_FALSE(std::filesystem::exists(folder.path() + "/state"));
    auto pipes = output.open(1);
    test::write_all(pipes.out.get(), "hello\n");
    REQUIRE(output.settles(6));
    CHECK(output.output.path() == folder.path() + "/state/server/app.log");
    CHECK(mode_of(folder.path() + "/state") == 0700);
    CHECK(mode_of(folder.path() + "/state/server") == 0700);
    CHECK(mode_of(output.output.path()) == 0600);
}

TEST_CASE("each line stands in the file with its time, generation and stream", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    {
        auto pipes = output.open(7);
        test::write_all(pipes.err.get(), "to stderr\n");
        REQUIRE(output.settles(10));
        test::write_all(pipes.out.get(), "to stdout\nwithout end");
    }
    REQUIRE(output.settles(31));
    const auto records = test::records_of(test::read_file(output.output.path()));
    REQUIRE(records.size() == 3);
    CHECK(records[0].kind == "err");
    CHECK(records[0].generation == 7);
    CHECK(records[0].text == "to stderr");
    CHECK(records[1].kind == "out");
    CHECK(records[1].text == "to stdout");
    CHECK(records[2].kind == "out+");
    CHECK(records[2].text == "without end");
}

TEST_CASE("rotation loses nothing, divides no line and keeps the files to their size", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.max_file_bytes = 100000;
    options.files = 100;
    Output output(options);
    const std::string sent = numbered_lines(30000);
    {
        auto pipes = output.open(1);
        REQUIRE(test::write_all(pipes.out.get(), sent));
    }
    REQUIRE(output.settles(sent.size()));
    CHECK(output.output.counters().kept_lines == 30000);
    CHECK(output.output.counters().dropped_lines == 0);
    std::string together;
    const auto files = contents(output.output.path());
    CHECK(files.size() > 10);
    for (const auto& content : files) {
        CHECK(content.size() <= 100000);
        CHECK(content.back() == '\n');
        together += content;
    }
    CHECK((test::rebuilt(test::records_of(together), 1, "out") == sent));
}

TEST_CASE("only so many files are kept, the most recent ones", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.max_file_bytes = 50000;
    const unsigned count = GENERATE(1U, 2U, 3U);
    options.files = count;
    Output output(options);
    const std::string sent = numbered_lines(10000);
    {
        auto pipes = output.open(1);
        REQUIRE(test::write_all(pipes.out.get(), sent));
    }
    REQUIRE(output.settles(sent.size()));
    const auto files = contents(output.output.path());
    CHECK(files.size() == count);
    std::string together;
    for (const auto& content : files) {
        together += content;
    }
    const auto rebuilt = test::rebuilt(test::records_of(together), 1, "out");
    CHECK(rebuilt.size() > (count - 1) * 20000);
    CHECK((rebuilt == sent.substr(sent.size() - rebuilt.size())));
    CHECK_FALSE(std::filesystem::exists(output.output.path() + ".new"));
}

TEST_CASE("a line longer than a file gets one for itself", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.max_file_bytes = 1000;
    options.files = 10;
    Output output(options);
    const std::string sent = "before\n" + test::repeated('x', 5000) + "\nafter\n";
    {
        auto pipes = output.open(1);
        REQUIRE(test::write_all(pipes.out.get(), sent));
    }
    REQUIRE(output.settles(sent.size()));
    CHECK(contents(output.output.path()).size() == 3);
}

TEST_CASE("any bytes are kept as text and can be had back", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    std::string sent;
    std::uint32_t seed = 1;
    for (int i = 0; i < 100000; ++i) {
        seed = seed * 1664525U + 1013904223U;
        const char c = static_cast<char>(seed >> 24U);
        // A backslash would look like the beginning of an escape.
        sent += c == '\\' ? '/' : c;
    }
    {
        auto pipes = output.open(1);
        REQUIRE(test::write_all(pipes.err.get(), sent));
    }
    REQUIRE(output.settles(sent.size()));
    const auto content = test::read_file(output.output.path());
    CHECK(test::is_utf8(content));
    CHECK((test::rebuilt(test::records_of(content), 1, "err") == sent));
    for (const auto& line : output.output.tail(100000)) {
        CHECK(test::is_utf8(line.text));
    }
}

TEST_CASE("a line of a megabyte is kept in pieces", "[output]") {
    const TempFolder folder;
    Output output(in_folder(folder));
    const std::string sent = test::repeated('m', 1000000) + "\nnext\n";
    {
        auto pipes = output.open(1);
        REQUIRE(test::write_all(pipes.out.get(), sent));
    }
    REQUIRE(output.settles(sent.size()));
    const auto records = test::records_of(test::read_file(output.output.path()));
    CHECK((test::rebuilt(records, 1, "out") == sent));
    REQUIRE(records.size() == 17);
    for (std::size_t i = 0; i < 15; ++i) {
        CHECK(records[i].kind == "out+");
        CHECK(records[i].text.size() == 65536);
    }
    CHECK(records[15].kind == "out");
    CHECK(output.output.tail(100).back().text == "next");
}

TEST_CASE("a file that was deleted is made again at the next rotation", "[output]") {
    const TempFolder folder;
    auto options = in_folder(folder);
    options.max_file_bytes = 1000;
    Output output(options);
    auto pipes = output.open(1);
    const std::string line = test::repeated('a', 599) + "\n";
    test::write_all(pipes.out.get(), line);
    REQUIRE(output.settles(600));
    std::filesystem::remove_all(folder.path() + "/state");
    test::write_all(pipes.out.get(), line);
    REQUIRE(output.settles(1200));
    CHECK(test::rebuilt(test::records_of(test::read_file(output.output.path())), 1, "out") == line);
}
