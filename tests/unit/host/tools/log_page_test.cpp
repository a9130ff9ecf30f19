// Pages of the app's output.
#include "log_page.hpp"

#include <Poco/JSON/Array.h>

#include "catch.hpp"
#include "mcp_bridge.hpp"
#include "steward/mcp/json.hpp"

using namespace steward;
using namespace steward::host;
using core::OutputLine;
using core::OutputStream;
using Poco::JSON::Object;

namespace {

constexpr std::int64_t kStart = 1795342953'000'000;  // 2026-11-22T10:22:33Z

// Lines 1 to `count`, one each second; every third is of standard error.
std::vector<OutputLine> lines(std::size_t count, const std::string& text = "line ") {
    std::vector<OutputLine> out;
    for (std::size_t i = 1; i <= count; ++i) {
        OutputLine line;
        line.sequence = i;
        line.wall = core::WallTime(
            std::chrono::microseconds(kStart + static_cast<std::int64_t>(i) * 1'000'000));
        line.generation = 1;
        line.stream = i % 3 == 0 ? OutputStream::kErr : OutputStream::kOut;
        line.text = text + std::to_string(i);
        out.push_back(line);
    }
    return out;
}

Object::Ptr parse(const std::string& json) {
    mcp::JsonReader reader;
    Poco::Dynamic::Var value;
    REQUIRE(reader.parse(json, value) == mcp::JsonStatus::kOk);
    return value.extract<Object::Ptr>();
}

LogQuery query_of(const std::string& arguments) {
    const auto query = log_query(*parse(arguments));
    REQUIRE(query);
    return *query;
}

// The numbers of the lines, and "|" with next_before.
std::string shown(const Object::Ptr& page) {
    std::string out;
    for (const auto& line : *page->getArray("lines")) {
        out += (out.empty() ? "" : " ") + line.extract<Object::Ptr>()->getValue<std::string>("seq");
    }
    return out + "|" +
           (page->get("next_before").isEmpty() ? "" : page->getValue<std::string>("next_before"));
}

std::string page(const std::vector<OutputLine>& all, const std::string& arguments) {
    return shown(parse(log_page(all, query_of(arguments), Carrier::kTool)));
}

}  // namespace

TEST_CASE("a page has the newest lines that fit, the newest last", "[log_page]") {
    const auto all = lines(10);
    CHECK(page(all, "{}") == "1 2 3 4 5 6 7 8 9 10|");
    CHECK(page(all, R"({"lines":3})") == "8 9 10|8");
    CHECK(page(all, R"({"lines":3,"before":8})") == "5 6 7|5");
    CHECK(page(all, R"({"lines":4,"before":5})") == "1 2 3 4|");
    CHECK(page(all, R"({"before":1})") == "|");
    CHECK(page(all, R"({"since":7})") == "8 9 10|");
    CHECK(page(all, R"({"since":7,"lines":2})") == "9 10|9");
    CHECK(page(all, R"({"since":99})") == "|");
    CHECK(page(all, R"({"level":"warning"})") == "3 6 9|");
    CHECK(page(all, R"({"level":"warning","lines":1})") == "9|9");
    CHECK(page(all, R"({"level":"info","lines":1})") == "10|10");
    CHECK(page(all, R"({"contains":"INE 1"})") == "1 10|");
    CHECK(page(all, R"({"contains":"INE 1","lines":1})") == "10|10");
    CHECK(page(all, R"({"contains":"no such"})") == "|");
    CHECK(page(all, R"({"since":"2026-11-22T10:22:41Z"})") == "8 9 10|");
    CHECK(page(all, R"({"since":"2026-11-22T12:22:41.5+02:00"})") == "9 10|");
    CHECK(page({}, "{}") == "|");
}

TEST_CASE("a line that names a lower level is no warning", "[log_page]") {
    auto all = lines(9);
    all[2].text = "2026-11-22 10:22:36,787 INFO promptbin: Serving";
    all[5].text = "DEBUG: details";
    all[8].text = "2026-11-22 10:22:42,787 WARNING promptbin: " + std::string(80, '-') + "INFO";
    CHECK(page(all, R"({"level":"warning"})") == "9|");
}

TEST_CASE("going back by next_before shows each line once", "[log_page]") {
    const auto all = lines(1000);
    std::size_t seen = 0;
    std::string arguments = R"({"lines":64,"level":"warning"})";
    for (;;) {
        const auto one = parse(log_page(all, query_of(arguments), Carrier::kTool));
        seen += one->getArray("lines")->size();
        if (one->get("next_before").isEmpty()) {
            break;
        }
        arguments = R"({"lines":64,"level":"warning","before":)" +
                    one->getValue<std::string>("next_before") + "}";
    }
    CHECK(seen == 333);
}

TEST_CASE("a page is cut at a mebibyte, as a tool's message counts it", "[log_page]") {
    const auto all = lines(100, std::string(30'000, '\\'));
    const auto json = log_page(all, query_of("{}"), Carrier::kTool);
    const auto out = parse(json);
    CHECK(out->getValue<bool>("truncated"));
    std::string escaped;
    mcp::append_json_string(escaped, json);
    CHECK(json.size() + escaped.size() < kMaxListBytes + 200);
    CHECK(json.size() + escaped.size() > kMaxListBytes / 2);
    const auto count = out->getArray("lines")->size();
    CHECK(out->getValue<std::size_t>("next_before") == 100 - count + 1);
}

TEST_CASE("a time is read as clients write it", "[log_page]") {
    const auto micros = [](const std::string& text) -> std::int64_t {
        const auto time = parse_iso_time(text);
        return time ? time->time_since_epoch().count() : -1;
    };
    CHECK(micros("2026-11-22T10:22:33Z") == kStart);
    CHECK(micros("2026-11-22T10:22:33") == kStart);
    CHECK(micros("2026-11-22T10:22:33.25Z") == kStart + 250'000);
    CHECK(micros("2026-11-22T10:22:33.123456789Z") == kStart + 123'456);
    CHECK(micros("2026-11-22T05:22:33-0500") == kStart);
    CHECK(micros("1970-01-01T00:00:00Z") == 0);
    for (const char* text :
         {"", "yesterday", "2026-11-22", "2026-11-22 10:22:33", "2026-13-22T10:22:33Z",
          "2026-11-22T24:22:33Z", "2026-11-22T10:22:33ZZ", "2026-11-22T10:22:33+1",
          "2026-11-22T10:22:33*01:00", "2026-11-22T10:22:33+25:00", "-1"}) {
        INFO(text);
        CHECK_FALSE(parse_iso_time(text));
    }
    const auto wrong = log_query(*parse(R"({"since":"yesterday"})"));
    REQUIRE_FALSE(wrong);
    CHECK_THAT(wrong.error().text, Catch::Contains("since") && Catch::Contains("\"yesterday\""));
}
