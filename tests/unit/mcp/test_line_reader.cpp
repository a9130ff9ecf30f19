#include "catch.hpp"
#include "steward/mcp/line_reader.hpp"

using steward::mcp::LineReader;

namespace {

void drain(LineReader& reader, std::vector<std::string>& out) {
    for (auto event = reader.next(); event.kind != LineReader::Kind::kNone; event = reader.next()) {
        out.push_back(event.kind == LineReader::Kind::kOversize ? "<oversize>"
                      : event.kind == LineReader::Kind::kLost   ? "<lost>"
                                                                : std::string(event.text));
    }
}

std::vector<std::string> read(const std::vector<std::string>& chunks, std::size_t limit = 100,
                              bool finish = false) {
    LineReader reader(limit);
    std::vector<std::string> out;
    for (const auto& chunk : chunks) {
        reader.append(chunk);
        drain(reader, out);
    }
    if (finish) {
        reader.finish();
        drain(reader, out);
    }
    return out;
}

using Lines = std::vector<std::string>;

}  // namespace

TEST_CASE("lines come out the same at every split of the stream", "[mcp][lines]") {
    const std::string text =
        "\xEF\xBB\xBF{\"a\":\"\xE2\x82\xAC\"}\r\n\nxy\r\r\n\xEF\xBB\xBF\r\nlast\n";
    const Lines expected = {"{\"a\":\"\xE2\x82\xAC\"}", "", "xy\r", "", "last"};
    for (std::size_t first = 0; first <= text.size(); ++first) {
        for (std::size_t second = first; second <= text.size(); ++second) {
            const auto lines = read(
                {text.substr(0, first), text.substr(first, second - first), text.substr(second)});
            REQUIRE(lines == expected);
        }
    }
}

TEST_CASE("a line without newline is delivered at the end alone", "[mcp][lines]") {
    CHECK(read({"a\nb"}) == Lines{"a"});
    CHECK(read({"a\nb"}, 100, /*finish=*/true) == Lines{"a", "b"});
    CHECK(read({"a\n"}, 100, /*finish=*/true) == Lines{"a"});
    CHECK(read({}, 100, /*finish=*/true).empty());
}

TEST_CASE("an oversize line is reported once and skipped", "[mcp][lines]") {
    CHECK(read({"12345\n123456\n12\n"}, 5) == Lines{"12345", "<oversize>", "12"});
    CHECK(read({"123", "456", "789", "\nok\n"}, 5) == Lines{"<oversize>", "ok"});
    CHECK(read({"123456789"}, 5, /*finish=*/true) == Lines{"<oversize>"});
    CHECK(read({"123456", "\n123456\n", "x\n"}, 5) == Lines{"<oversize>", "<oversize>", "x"});
    const std::string text = "1234567890\nok\n";
    for (std::size_t cut = 0; cut <= text.size(); ++cut) {
        REQUIRE(read({text.substr(0, cut), text.substr(cut)}, 5) == Lines{"<oversize>", "ok"});
    }
}

TEST_CASE("memory stays within the limit and is given back", "[mcp][lines]") {
    constexpr std::size_t kLimit = 1U << 20U;
    LineReader reader(kLimit);
    const std::string chunk(64U * 1024, 'x');
    std::vector<std::string> out;
    std::size_t most = 0;
    for (int i = 0; i < 256; ++i) {  // 16 MiB without a newline
        reader.append(chunk);
        drain(reader, out);
        most = std::max(most, reader.allocated_bytes());
    }
    CHECK(out == Lines{"<oversize>"});
    CHECK(most <= 2 * (kLimit + chunk.size()));
    reader.append("\nnext\n");
    drain(reader, out);
    CHECK(out == Lines{"<oversize>", "next"});
    reader.append("x");
    CHECK(reader.allocated_bytes() < 512U * 1024);
    CHECK(reader.buffered_bytes() == 1);
}

TEST_CASE("a line that there is no memory for is lost, and the next one is whole", "[mcp][lines]") {
    LineReader reader(1000);
    Lines out;
    const auto take = [&] {
        drain(reader, out);
        return std::exchange(out, {});
    };
    reader.append("before\nbegun " + std::string(200, 'x'));
    CHECK(take() == Lines{"before"});
    reader.lose("more of it");
    CHECK(take() == Lines{"<lost>"});
    reader.append("still more\nnext\n");
    CHECK(take() == Lines{"next"});

    SECTION("what follows in the same bytes is kept where there is room") {
        reader.append("begun");
        CHECK(take().empty());
        reader.lose("end\nwhole\nbegun again, ");
        CHECK(take() == Lines{"<lost>", "whole"});
        reader.append("ended\n");
        CHECK(take() == Lines{"begun again, ended"});
    }
    SECTION("of what has not begun before the first line is lost") {
        LineReader fresh(1000);
        fresh.lose("one\ntwo\nthr");
        fresh.append("ee\nfour\n");
        drain(fresh, out);
        CHECK(out == Lines{"<lost>", "two", "three", "four"});
    }
    SECTION("what there is no room for is lost up to the last newline, and told once") {
        LineReader fresh(1000);
        fresh.lose("one\n" + std::string(500, 'x') + "\nthr");
        fresh.append("ee\nfour\n");
        drain(fresh, out);
        CHECK(out == Lines{"<lost>", "four"});
    }
    SECTION("bytes that end with their line leave nothing to throw away") {
        reader.lose("one\n");
        CHECK(take() == Lines{"<lost>"});
        reader.append("two\n");
        CHECK(take() == Lines{"two"});
    }
    SECTION("a line that was too long already stays so") {
        reader.append(std::string(2000, 'y'));
        CHECK(take() == Lines{"<oversize>"});
        reader.lose("yyy");
        reader.lose("yyy");
        reader.append("y\nnext\n");
        CHECK(take() == Lines{"next"});
    }
}
