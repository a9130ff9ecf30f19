#include "http_answer.hpp"

#include <random>
#include <string>
#include <string_view>
#include <vector>

#include "catch.hpp"

using namespace steward::health_http;

namespace {

constexpr std::string_view kPlain =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\n\r\n{\"a\":1}";
constexpr std::string_view kChunked =
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\n{\"a\r\n4\r\n\":1}\r\n0\r\nT: "
    "1\r\n\r\n";
constexpr std::string_view kToEnd = "HTTP/1.0 200 OK\r\n\r\n{\"a\":1}";

}  // namespace

TEST_CASE("an answer is the same however its bytes are cut", "[health_http]") {
    const auto bytes = GENERATE(kPlain, kChunked, kToEnd);
    const auto size = GENERATE(std::size_t{1}, std::size_t{2}, std::size_t{7}, std::size_t{1000});
    INFO(size << " bytes a time: " << bytes);
    HttpAnswer answer;
    for (std::size_t at = 0; at < bytes.size(); at += size) {
        answer.put(bytes.substr(at, size));
    }
    CHECK(answer.put_end() == AnswerState::kComplete);
    CHECK(answer.status() == 200);
    CHECK(answer.body() == "{\"a\":1}");
}

TEST_CASE("the status is known as soon as the headers are complete", "[health_http]") {
    HttpAnswer answer;
    CHECK_FALSE(answer.begun());
    CHECK(answer.put("HTTP/1.1 503 No\r\nContent-Length: 9\r\n") == AnswerState::kHeaders);
    CHECK(answer.begun());
    CHECK(answer.status() == 0);
    CHECK(answer.put("\r\n123") == AnswerState::kBody);
    CHECK(answer.status() == 503);
    CHECK(answer.body() == "123");
    CHECK(answer.put_end() == AnswerState::kBody);
}

TEST_CASE("an answer without a body is complete with its headers", "[health_http]") {
    const auto head = GENERATE("HTTP/1.1 204 No Content\r\n\r\n",
                               "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
                               "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    HttpAnswer answer;
    CHECK(answer.put(head) == AnswerState::kComplete);
    CHECK(answer.body().empty());
}

TEST_CASE("informational answers are skipped, but not for ever", "[health_http]") {
    HttpAnswer answer;
    answer.put("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n");
    CHECK(answer.state() == AnswerState::kHeaders);
    CHECK(answer.status() == 0);
    answer.put(kPlain);
    CHECK(answer.state() == AnswerState::kComplete);
    CHECK(answer.status() == 200);

    HttpAnswer endless;
    for (int i = 0; i < 20 && endless.state() == AnswerState::kHeaders; ++i) {
        endless.put("HTTP/1.1 102 Processing\r\n\r\n");
    }
    CHECK(endless.state() == AnswerState::kNotHttp);
}

TEST_CASE("what is not HTTP/1 is recognised", "[health_http]") {
    const auto bytes =
        GENERATE(as<std::string>{}, "SSH-2.0-OpenSSH_9.2\r\n", "HTTP/2 200\r\n\r\n",
                 "HTTP/1.1 abc OK\r\n\r\n", "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
                 std::string("\x15\x03\x03\x00\x02\x02\x46", 7), "GET / HTTP/1.1\r\n\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
                 "HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n");
    INFO(bytes);
    HttpAnswer answer;
    CHECK(answer.put(bytes + "more\r\n\r\n") == AnswerState::kNotHttp);
    CHECK(answer.status() == 0);
    CHECK(answer.first_bytes().substr(0, 3) == bytes.substr(0, 3));
}

TEST_CASE("a wrong protocol is recognised by its first bytes, a right one not refused",
          "[health_http]") {
    HttpAnswer answer;
    CHECK(answer.put("S") == AnswerState::kNotHttp);
    HttpAnswer whole;
    for (const char c : std::string_view("HTTP/1.1")) {
        CHECK(whole.put({&c, 1}) == AnswerState::kHeaders);
    }
    HttpAnswer two;
    CHECK(two.put("HTTP/2") == AnswerState::kNotHttp);
}

TEST_CASE("headers beyond 8 KiB are refused, in one line or in many", "[health_http]") {
    const auto line = GENERATE(as<std::string>{}, std::string(4096, 'x'), "X-A: b\r\n");
    HttpAnswer answer;
    answer.put("HTTP/1.1 200 OK\r\n");
    if (line[0] == 'x') {
        answer.put("X: ");
    }
    std::size_t sent = 0;
    while (answer.state() == AnswerState::kHeaders && sent < 10 * kHeaderLimit) {
        answer.put(line);
        sent += line.size();
    }
    CHECK(answer.state() == AnswerState::kHeadersTooLarge);
    CHECK(sent <= kHeaderLimit + 4096);
}

TEST_CASE("a body of exactly 64 KiB is taken and one byte more is refused", "[health_http]") {
    const bool chunked = GENERATE(false, true);
    const auto message = [&](std::size_t size) {
        const std::string body(size, ' ');
        char hex[20];
        std::snprintf(hex, sizeof hex, "%zx", size);
        return chunked ? "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" +
                             std::string(hex) + "\r\n" + body + "\r\n0\r\n\r\n"
                       : "HTTP/1.0 200 OK\r\n\r\n" + body;
    };
    HttpAnswer exact;
    exact.put(message(kBodyLimit));
    CHECK(exact.put_end() == AnswerState::kComplete);
    CHECK(exact.body().size() == kBodyLimit);
    HttpAnswer beyond;
    CHECK(beyond.put(message(kBodyLimit + 1)) == AnswerState::kBodyTooLarge);
    CHECK(beyond.status() == 200);
    CHECK(beyond.body().size() <= kBodyLimit);
}

TEST_CASE("a length beyond the limit is refused before any of the body is there", "[health_http]") {
    HttpAnswer answer;
    CHECK(answer.put("HTTP/1.1 200 OK\r\nContent-Length: 65537\r\n\r\n") ==
          AnswerState::kBodyTooLarge);
    CHECK(answer.status() == 200);
}

TEST_CASE("a body chopped into too many chunks is not read to its end", "[health_http]") {
    HttpAnswer answer;
    answer.put("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    std::size_t sent = 0;
    const std::string chunk = "1;" + std::string(100, 'e') + "\r\n \r\n";
    while (answer.state() == AnswerState::kBody && sent < 10 * kWireLimit) {
        answer.put(chunk);
        sent += chunk.size();
    }
    CHECK(answer.state() == AnswerState::kBodyTooLarge);
    CHECK(sent <= kWireLimit + chunk.size());
}

TEST_CASE("broken chunked coding is told from a broken answer", "[health_http]") {
    HttpAnswer answer;
    CHECK(answer.put("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n") ==
          AnswerState::kBodyBroken);
    CHECK(answer.status() == 200);
}

TEST_CASE("JSON is recognised by its content type", "[health_http]") {
    const auto says_json = [](std::string_view type) {
        HttpAnswer answer;
        answer.put("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nContent-Type: " + std::string(type) +
                   "\r\n\r\n");
        return answer.says_json();
    };
    CHECK(says_json("application/json"));
    CHECK(says_json("Application/Problem+JSON; charset=utf-8"));
    CHECK_FALSE(says_json("text/html"));
    CHECK_FALSE(says_json("text/plain; name=json"));
}

TEST_CASE("ten thousand mutated answers keep within the limits", "[health_http]") {
    std::mt19937 random(62);
    const auto below = [&](std::size_t n) { return random() % n; };
    const std::vector<std::string_view> seeds{kPlain, kChunked, kToEnd};
    std::size_t complete = 0;
    for (int round = 0; round < 10'000; ++round) {
        std::string bytes(seeds[below(seeds.size())]);
        for (std::size_t edits = below(5); edits-- > 0;) {
            bytes[below(bytes.size())] = static_cast<char>(below(256));
        }
        HttpAnswer answer;
        for (std::size_t at = 0; at < bytes.size();) {
            const std::size_t size = 1 + below(40);
            answer.put(std::string_view(bytes).substr(at, size));
            at += size;
        }
        complete += answer.put_end() == AnswerState::kComplete ? 1U : 0U;
        if (answer.body().size() > bytes.size()) {
            FAIL(bytes);
        }
    }
    CHECK(complete > 1'000);
    CHECK(complete < 10'000);
}
