// The 503 as text.
#include "unavailable_answer.hpp"

#include "catch.hpp"

using namespace steward::core;

namespace {

const PortAnswer kAnswer{"degraded", "5 restarts since the last <healthy> \"answer\" & more", 7};

std::string with_accept(const std::string& accept) {
    return "GET /prompts HTTP/1.1\r\nHost: x\r\nAccept: " + accept + "\r\n\r\n";
}

std::string body_of(const std::string& response) {
    return response.substr(response.find("\r\n\r\n") + 4);
}

std::string header_of(const std::string& response, const std::string& name) {
    const auto at = response.find("\r\n" + name + ": ");
    if (at == std::string::npos || at > response.find("\r\n\r\n")) {
        return "none";
    }
    const auto begin = at + name.size() + 4;
    return response.substr(begin, response.find("\r\n", begin) - begin);
}

}  // namespace

TEST_CASE("JSON is for those who would rather have it, and for the health check", "[port]") {
    struct Case {
        std::string request;
        bool json;
    };
    const auto given = GENERATE(
        Case{with_accept("application/json"), true},
        Case{with_accept("APPLICATION/JSON; charset=utf-8"), true},
        Case{with_accept("text/html, application/json;q=0.9"), false},
        Case{with_accept("text/html;q=0.8, application/json;q=0.9"), true},
        Case{with_accept("text/html;q=0.80,application/json;q=0.805"), true},
        Case{with_accept("application/json, text/plain, */*"), false},
        Case{with_accept("application/json, text/html;q=0"), true},
        Case{with_accept("application/*"), true},
        Case{with_accept("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"), false},
        Case{with_accept("*/*"), false}, Case{"GET / HTTP/1.1\r\n\r\n", false},
        Case{"GET /health HTTP/1.1\r\n\r\n", true},
        Case{"GET /health?full=1 HTTP/1.1\r\n\r\n", true},
        Case{"HEAD /health HTTP/1.1\r\n\r\n", true}, Case{"GET /healthy HTTP/1.1\r\n\r\n", false},
        Case{"GET / HTTP/1.1\naccept:application/json\n\n", true}, Case{"", false},
        Case{"\x16\x03\x01", false});
    CAPTURE(given.request);
    CHECK(answer_form(given.request).json == given.json);
}

TEST_CASE("only HEAD has no body", "[port]") {
    CHECK_FALSE(answer_form("HEAD / HTTP/1.1\r\n\r\n").body);
    CHECK(answer_form("GET / HTTP/1.1\r\n\r\n").body);
    CHECK(answer_form("POST / HTTP/1.1\r\n\r\n").body);
    const auto whole = unavailable_response(kAnswer, {false, true});
    const auto head = unavailable_response(kAnswer, {false, false});
    CHECK(body_of(head).empty());
    CHECK(whole.substr(0, head.size()) == head);
}

TEST_CASE("the answer says when to come again and must not be stored", "[port]") {
    const bool json = GENERATE(true, false);
    const auto response = unavailable_response(kAnswer, {json, true});
    CHECK(response.rfind("HTTP/1.1 503 Service Unavailable\r\n", 0) == 0);
    CHECK(header_of(response, "Retry-After") == "7");
    CHECK(header_of(response, "Connection") == "close");
    CHECK(header_of(response, "Cache-Control") == "no-store");
    CHECK(header_of(response, "Content-Type") ==
          (json ? "application/json" : "text/html; charset=utf-8"));
    CHECK(header_of(response, "Content-Length") == std::to_string(body_of(response).size()));
}

TEST_CASE("the JSON body holds state and cause", "[port]") {
    CHECK(body_of(unavailable_response(kAnswer, {true, true})) ==
          "{\"status\":\"unavailable\",\"state\":\"degraded\",\"cause\":\"5 restarts since the "
          "last <healthy> "
          "\\\"answer\\\" & more\",\"retry_after\":7}\n");
    PortAnswer odd{"stopped", "a\\b\n\x01\xff\tc", 1};
    CHECK(body_of(unavailable_response(odd, {true, true})) ==
          "{\"status\":\"unavailable\",\"state\":\"stopped\",\"cause\":"
          "\"a\\\\b\\\\x0a\\\\x01\\\\xff\\tc\",\"retry_after\":1}\n");
}

TEST_CASE("the page escapes state and cause and reloads itself", "[port]") {
    const auto page = body_of(unavailable_response(kAnswer, {false, true}));
    CHECK(page.find("<meta http-equiv=\"refresh\" content=\"7\">") != std::string::npos);
    CHECK(page.find("<strong>degraded</strong>") != std::string::npos);
    CHECK(page.find("5 restarts since the last &lt;healthy&gt; &quot;answer&quot; &amp; more") !=
          std::string::npos);
    CHECK(page.find("<healthy>") == std::string::npos);
}

TEST_CASE("times and causes out of all measure are bounded", "[port]") {
    const auto late = unavailable_response({"degraded", "x", 600}, {false, true});
    CHECK(header_of(late, "Retry-After") == "600");
    CHECK(late.find("content=\"10\"") != std::string::npos);
    CHECK(header_of(unavailable_response({"s", "x", -5}, {true, true}), "Retry-After") == "1");
    std::string cause;
    for (int i = 0; i < 5000; ++i) {
        cause += "\xc3\xa9";
    }
    const auto long_one = body_of(unavailable_response({"s", cause, 1}, {true, true}));
    CHECK(long_one.size() < 2200);
    CHECK(long_one.find("\\x") == std::string::npos);
}

TEST_CASE("a request's head ends with a blank line", "[port]") {
    CHECK(request_head_complete("GET / HTTP/1.1\r\nA: b\r\n\r\nrest"));
    CHECK(request_head_complete("GET / HTTP/1.1\n\n"));
    CHECK_FALSE(request_head_complete("GET / HTTP/1.1\r\nA: b\r\n"));
    CHECK_FALSE(request_head_complete(""));
}

TEST_CASE("a request is whole when it has no body and nothing follows", "[port]") {
    CHECK(is_whole_request("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    CHECK(is_whole_request("POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"));
    CHECK(is_whole_request("GET / HTTP/1.1\n\n"));
    CHECK_FALSE(is_whole_request("GET / HTTP/1.1\r\nHost: x\r\n"));
    CHECK_FALSE(is_whole_request("POST / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"));
    CHECK_FALSE(is_whole_request("POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n"));
    CHECK_FALSE(is_whole_request("GET / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n"));
    CHECK_FALSE(is_whole_request(""));
}
