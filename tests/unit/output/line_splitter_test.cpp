// Bytes into lines, and text made fit for logs.
#include "line_splitter.hpp"

#include <utility>

#include "catch.hpp"
#include "output_kit.hpp"
#include "utf8.hpp"

using namespace steward::core;

namespace {

using Pieces = std::vector<std::pair<std::string, bool>>;

struct Collector {
    Pieces pieces;
    LineSplitter::Piece piece() {
        return [this](std::string_view text, bool goes_on) { pieces.emplace_back(text, goes_on); };
    }
};

std::string escaped(std::string_view text) {
    std::string out;
    append_escaped(out, text);
    return out;
}

}  // namespace

TEST_CASE("lines come out the same however the bytes are divided", "[output]") {
    const std::string bytes =
        "first\n\nthird \xc3\xa9\r\n" + steward::test::repeated('x', 70000) + "\nlast without end";
    const std::size_t portion = GENERATE(1U, 2U, 3U, 7U, 4096U, 65536U, 1000000U);
    LineSplitter splitter;
    Collector got;
    for (std::size_t at = 0; at < bytes.size(); at += portion) {
        splitter.feed(std::string_view(bytes).substr(at, portion), got.piece());
    }
    CHECK(splitter.has_partial());
    splitter.flush(/*at_end=*/true, got.piece());
    CHECK_FALSE(splitter.has_partial());
    const Pieces expected = {{"first", false},
                             {"", false},
                             {"third \xc3\xa9\r", false},
                             {steward::test::repeated('x', 65536), true},
                             {steward::test::repeated('x', 70000 - 65536), false},
                             {"last without end", true}};
    CHECK((got.pieces == expected));
}

TEST_CASE("the last lines are the same whether many come at once or each alone", "[output]") {
    std::string bytes = "begun ";
    for (int i = 0; i < 40; ++i) {
        bytes += "line " + std::to_string(i) + (i % 3 == 0 ? "\n\n \t\n" : "\n");
    }
    bytes += std::string(GENERATE(0U, 1U, 30U), '\n') + GENERATE("", "begun");
    LineSplitter at_once;
    LineSplitter divided;
    Collector got;
    at_once.feed(std::string_view(bytes).substr(0, 3), got.piece());
    at_once.feed(std::string_view(bytes).substr(3), got.piece());
    for (const char& byte : bytes) {
        divided.feed({&byte, 1}, got.piece());
    }
    CHECK(at_once.last_line() == divided.last_line());
    CHECK(at_once.last_lines(4096) == divided.last_lines(4096));
    CHECK(at_once.last_lines(4096).find("line 31\n") != std::string::npos);
}

TEST_CASE("what will come out is known before", "[output]") {
    LineSplitter splitter;
    Collector got;
    CHECK(splitter.whole_bytes("none ends") == 0);
    splitter.feed("begun", got.piece());
    CHECK(splitter.whole_bytes(", ended\nanother\nbegun") == 5 + 8 + 8);
}

TEST_CASE("newlines are counted", "[output]") {
    const std::size_t size = GENERATE(0U, 1U, 63U, 64U, 65U, 1000U);
    CHECK(count_newlines(std::string(size, '\n')) == size);
    std::string text(size, 'x');
    std::size_t expected = 0;
    for (std::size_t at = 0; at < size; at += 7, ++expected) {
        text[at] = '\n';
    }
    CHECK(count_newlines(text) == expected);
}

TEST_CASE("one byte to be escaped is found wherever it stands", "[output]") {
    const std::size_t size = GENERATE(1U, 7U, 8U, 15U, 16U, 17U, 31U, 32U, 33U, 99U);
    for (std::size_t at = 0; at < size; ++at) {
        for (const auto& [byte, expected] :
             {std::pair('\x1f', "\\x1f"), std::pair('\x7f', "\\x7f"), std::pair('\x80', "\\x80"),
              std::pair('\xff', "\\xff"), std::pair('\0', "\\x00"), std::pair('\t', "\t"),
              std::pair(' ', " "), std::pair('~', "~")}) {
            std::string text = steward::test::repeated('x', size);
            text[at] = byte;
            const std::string rest = steward::test::repeated('x', size - at - 1);
            REQUIRE(escaped(text) == steward::test::repeated('x', at) + expected + rest);
        }
    }
}

TEST_CASE("a line of exactly the largest size is one piece, whole when its end comes with it",
          "[output]") {
    LineSplitter splitter;
    Collector got;
    splitter.feed(steward::test::repeated('y', LineSplitter::kMaxPiece) + "\n", got.piece());
    REQUIRE(got.pieces.size() == 1);
    CHECK_FALSE(got.pieces[0].second);
    CHECK(got.pieces[0].first.size() == LineSplitter::kMaxPiece);
}

TEST_CASE("a long line is not divided within a character", "[output]") {
    LineSplitter splitter;
    Collector got;
    std::string line = "a";
    for (int i = 0; i < 50000; ++i) {
        line += "\xe2\x82\xac";
    }
    splitter.feed(line + "\n", got.piece());
    std::string together;
    for (const auto& [text, goes_on] : got.pieces) {
        CHECK(escaped(text) == text);
        CHECK(text.size() <= LineSplitter::kMaxPiece);
        together += text;
    }
    CHECK(together == line);
    CHECK(got.pieces.size() == 3);
}

TEST_CASE("bytes that are no characters are divided all the same", "[output]") {
    LineSplitter splitter;
    Collector got;
    splitter.feed(steward::test::repeated('\xe2', 200000), got.piece());
    splitter.flush(/*at_end=*/true, got.piece());
    std::size_t total = 0;
    for (const auto& entry : got.pieces) {
        total += entry.first.size();
    }
    CHECK(total == 200000);
}

TEST_CASE("an unfinished character waits for its rest, except at the end", "[output]") {
    LineSplitter splitter;
    Collector got;
    splitter.feed("caf\xc3", got.piece());
    splitter.flush(/*at_end=*/false, got.piece());
    REQUIRE((got.pieces == Pieces{{"caf", true}}));
    splitter.feed("\xa9\n", got.piece());
    CHECK((got.pieces.back() == std::pair<std::string, bool>{"\xc3\xa9", false}));
    splitter.feed("\xc3", got.piece());
    splitter.flush(/*at_end=*/true, got.piece());
    CHECK((got.pieces.back() == std::pair<std::string, bool>{"\xc3", true}));
}

TEST_CASE("the last line is the last one that is not blank, ended or not", "[output]") {
    LineSplitter splitter;
    Collector ignored;
    CHECK(splitter.last_line() == "");
    splitter.feed(
        "Traceback (most recent call last):\n  File \"x\"\nImportError: no 'flask'\n\n  \t\r\n",
        ignored.piece());
    CHECK(splitter.last_line() == "ImportError: no 'flask'");
    splitter.feed("   ", ignored.piece());
    CHECK(splitter.last_line() == "ImportError: no 'flask'");
    splitter.feed("now ", ignored.piece());
    splitter.flush(/*at_end=*/false, ignored.piece());
    splitter.feed("this\r", ignored.piece());
    CHECK(splitter.last_line() == "   now this");
    splitter.feed(steward::test::repeated('z', 299) + "\xc3\xa9" +
                      steward::test::repeated('z', 100000) + "\n",
                  ignored.piece());
    CHECK(splitter.last_line().rfind("   now this\\x0dzzz", 0) == 0);
    splitter.feed(steward::test::repeated('z', 299) + "\xc3\xa9" +
                      steward::test::repeated('z', 100000) + "\n",
                  ignored.piece());
    CHECK(splitter.last_line() == steward::test::repeated('z', 299));
    splitter.feed(steward::test::repeated('\x01', 400) + "\n", ignored.piece());
    CHECK(splitter.last_line().size() <= 300);
}

TEST_CASE("what is no text is escaped byte by byte", "[output]") {
    CHECK(escaped("plain \t text \\ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80") ==
          "plain \t text \\ \xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80");
    CHECK(escaped(std::string_view("\0\x1b[31m\x7f\r", 8)) == "\\x00\\x1b[31m\\x7f\\x0d");
    CHECK(escaped("\xff\xfe") == "\\xff\\xfe");
    CHECK(escaped("\xc0\x80") == "\\xc0\\x80");                    // overlong
    CHECK(escaped("\xe0\x80\x80") == "\\xe0\\x80\\x80");           // overlong
    CHECK(escaped("\xed\xa0\x80") == "\\xed\\xa0\\x80");           // a surrogate
    CHECK(escaped("\xf4\x90\x80\x80") == "\\xf4\\x90\\x80\\x80");  // above the last character
    CHECK(escaped("\xe2\x82") == "\\xe2\\x82");
    CHECK(escaped("\xe2\x82x") == "\\xe2\\x82x");
}

TEST_CASE("text is cut between characters", "[output]") {
    CHECK(utf8_cut("a\xc3\xa9z", 4) == "a\xc3\xa9z");
    CHECK(utf8_cut("a\xc3\xa9z", 3) == "a\xc3\xa9");
    CHECK(utf8_cut("a\xc3\xa9z", 2) == "a");
    CHECK(utf8_cut("\xf0\x9f\x98\x80", 3) == "");
    CHECK(utf8_unfinished("x\xf0\x9f\x98") == 3);
    CHECK(utf8_unfinished("x\xf0\x9f\x98\x80") == 0);
    CHECK(utf8_unfinished("\x80\x80\x80\x80") == 0);
    CHECK(utf8_unfinished("") == 0);
}
