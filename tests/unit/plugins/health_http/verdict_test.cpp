#include "verdict.hpp"

#include <cerrno>
#include <steward/sdk/text.hpp>
#include <string>
#include <string_view>

#include "catch.hpp"

using namespace steward::health_http;

namespace {

Question question() {
    Question out;
    out.tokens = *JsonPointer::parse(out.pointer);
    return out;
}

Question question(std::int64_t status, std::string pointer, std::string expect) {
    return {"/health", status, pointer, std::move(expect), *JsonPointer::parse(pointer)};
}

std::string message(int status, std::string_view body, std::string_view type = "application/json") {
    return "HTTP/1.1 " + std::to_string(status) + " X\r\nContent-Type: " + std::string(type) +
           "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + std::string(body);
}

// What a whole answer leads to.
Outcome verdict(const Question& question, std::string_view bytes) {
    HttpAnswer answer;
    answer.put(bytes);
    const auto outcome = judge(question, answer);
    REQUIRE(outcome);
    CHECK(steward::sdk::is_utf8(outcome->detail));
    CHECK(outcome->detail.size() < 4096);
    CHECK(outcome->detail.find('\n') == std::string::npos);
    return *outcome;
}

void check_unhealthy(const Outcome& outcome, std::string_view detail) {
    CHECK(outcome.verdict == STEWARD_UNHEALTHY);
    CHECK(outcome.detail == detail);
}

}  // namespace

TEST_CASE("the expected status and value are healthy", "[health_http]") {
    const Outcome outcome = verdict(question(), message(200, R"({"status": "healthy"})"));
    CHECK(outcome.verdict == STEWARD_HEALTHY);
    CHECK(outcome.status == STEWARD_OK);
    CHECK(outcome.protocol_code == 200);
    CHECK(outcome.detail == "GET /health: 200, /status is \"healthy\"");
}

TEST_CASE("an unhealthy verdict says what came and what was expected", "[health_http]") {
    check_unhealthy(verdict(question(), message(500, "")), "GET /health: 500, expected 200");
    check_unhealthy(verdict(question(), message(301, "")), "GET /health: 301, expected 200");
    check_unhealthy(verdict(question(), message(200, R"({"status": "degraded"})")),
                    R"(GET /health: 200, but /status is "degraded", expected "healthy")");
    check_unhealthy(verdict(question(), message(200, R"({"state": "healthy"})")),
                    R"(GET /health: 200, but /status is missing, expected "healthy")");
    check_unhealthy(verdict(question(), message(200, R"({"status": {"a": 1}})")),
                    R"(GET /health: 200, but /status is an object, expected "healthy")");
    check_unhealthy(verdict(question(), message(200, R"({"status": null})")),
                    R"(GET /health: 200, but /status is null, expected "healthy")");
    check_unhealthy(verdict(question(), message(200, "<html>\n")),
                    R"(GET /health: 200, but the body is not JSON: "<html>\n")");
    check_unhealthy(verdict(question(), message(200, "")),
                    "GET /health: 200, but the body is empty, expected JSON with /status");
    check_unhealthy(verdict(question(), "SSH-2.0-x\r\n\r\n"),
                    R"(GET /health: the answer is not HTTP: "SSH-2.0-x\x0d\n\x0d\n")");
    check_unhealthy(verdict(question(), "HTTP/1.1 200 OK\r\nX: " + std::string(9000, 'x')),
                    "GET /health: the headers are larger than 8 KiB");
    check_unhealthy(verdict(question(), "HTTP/1.1 200 OK\r\nContent-Length: 70000\r\n\r\n"),
                    "GET /health: 200, but the body is larger than 64 KiB");
}

TEST_CASE("scalars are compared by the text that stands in the document", "[health_http]") {
    const auto is_healthy = [](const char* expect, const char* body) {
        return verdict(question(200, "/v", expect), message(200, body)).verdict == STEWARD_HEALTHY;
    };
    CHECK(is_healthy("true", R"({"v": true})"));
    CHECK(is_healthy("1", R"({"v": 1})"));
    CHECK_FALSE(is_healthy("1", R"({"v": 1.0})"));
    CHECK(is_healthy("null", R"({"v": null})"));
    CHECK(is_healthy("", R"({"v": ""})"));
    CHECK_FALSE(is_healthy("", R"({"v": []})"));
    CHECK_FALSE(is_healthy("", R"({})"));
}

TEST_CASE("without a pointer the status alone decides, whatever the body is", "[health_http]") {
    const Question status_only = question(200, "", "healthy");
    CHECK(verdict(status_only, message(200, "not json")).verdict == STEWARD_HEALTHY);
    CHECK(verdict(status_only, "HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n").verdict ==
          STEWARD_HEALTHY);
    CHECK(verdict(status_only, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
              .verdict == STEWARD_HEALTHY);
    CHECK(verdict(question(204, "", ""), "HTTP/1.1 204 No\r\n\r\n").verdict == STEWARD_HEALTHY);
    CHECK(verdict(status_only, message(404, "")).verdict == STEWARD_UNHEALTHY);
    // A page that is not JSON is not waited for.
    CHECK(verdict(status_only, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n<ht").verdict ==
          STEWARD_HEALTHY);
}

TEST_CASE("the identity that a JSON body claims is reported, right or wrong status",
          "[health_http]") {
    CHECK(verdict(question(), message(200, R"({"status": "healthy", "instance_id": "n1"})"))
              .instance_id == "n1");
    CHECK(verdict(question(), message(200, R"({"status": "ill", "instance": "n2"})")).instance_id ==
          "n2");
    CHECK(verdict(question(), message(503, R"({"instance": "n3"})")).instance_id == "n3");
    CHECK(verdict(question(200, "", ""), message(200, R"({"instance": "n4"})")).instance_id ==
          "n4");
    CHECK(verdict(question(), message(200, R"({"status": "healthy", "instance": 5})"))
              .instance_id.empty());
    CHECK(verdict(question(), message(503, "oops")).instance_id.empty());

    std::string id;
    for (int i = 0; i < 100; ++i) {
        id += "\u20ac";
    }
    const Outcome outcome = verdict(question(), message(503, "{\"instance\": \"" + id + "\"}"));
    CHECK(outcome.instance_id.size() == 126);
    CHECK(steward::sdk::is_utf8(outcome.instance_id));
}

TEST_CASE("a body that may name the instance is awaited, and nothing is lost if it does not come",
          "[health_http]") {
    const Question status_only = question(200, "", "");
    HttpAnswer answer;
    answer.put("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 50\r\n\r\n{");
    CHECK_FALSE(judge(status_only, answer));
    for (const Ending ending : {Ending::kClosed, Ending::kReset, Ending::kDeadline}) {
        const Outcome outcome = judge_ending(status_only, answer, ending, 2000);
        CHECK(outcome.verdict == STEWARD_HEALTHY);
        CHECK(outcome.status == STEWARD_OK);
    }
    const Outcome wrong = judge_ending(question(204, "/s", ""), answer, Ending::kDeadline, 2000);
    check_unhealthy(wrong, "GET /health: 200, expected 204");
}

TEST_CASE("an answer that ends early says where and how", "[health_http]") {
    const auto ending = [](const char* bytes, Ending how) {
        HttpAnswer answer;
        answer.put(bytes);
        Outcome outcome = judge_ending(question(), answer, how, 2000);
        CHECK(outcome.verdict == STEWARD_UNHEALTHY);
        CHECK(outcome.status == (how == Ending::kDeadline ? STEWARD_E_TIMEOUT : STEWARD_E_IO));
        return outcome.detail;
    };
    constexpr const char* kHead = "HTTP/1.1 200 OK\r\n";
    constexpr const char* kBody = "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{";
    CHECK(ending("", Ending::kDeadline) == "GET /health: no answer within 2000 ms");
    CHECK(ending(kHead, Ending::kDeadline) == "GET /health: no complete answer within 2000 ms");
    CHECK(ending(kBody, Ending::kDeadline) ==
          "GET /health: 200, but no complete body within 2000 ms");
    CHECK(ending("", Ending::kClosed) == "GET /health: connection closed before an answer");
    CHECK(ending(kHead, Ending::kClosed) == "GET /health: connection closed within the headers");
    CHECK(ending(kBody, Ending::kClosed) ==
          "GET /health: 200, but connection closed within the body");
    CHECK(ending("", Ending::kReset) == "GET /health: connection reset before an answer");
    CHECK(ending(kHead, Ending::kReset) == "GET /health: connection reset within the headers");
    CHECK(ending(kBody, Ending::kReset) ==
          "GET /health: 200, but connection reset within the body");
}

TEST_CASE("an errno speaks of the target or of the probe", "[health_http]") {
    for (const int error : {ECONNREFUSED, ECONNRESET, ETIMEDOUT, EHOSTUNREACH, EPIPE}) {
        INFO(error);
        CHECK(judge_errno(question(), error).verdict == STEWARD_UNHEALTHY);
    }
    CHECK(judge_errno(question(), ECONNREFUSED).detail == "GET /health: connection refused");
    for (const int error : {EMFILE, ENFILE, ENOMEM, ENOBUFS, EADDRNOTAVAIL, ENETUNREACH,
                            EAFNOSUPPORT, EACCES, EPERM, EINVAL, 99'999}) {
        INFO(error);
        const Outcome outcome = judge_errno(question(), error);
        CHECK(outcome.verdict == STEWARD_UNKNOWN);
        CHECK(outcome.status != STEWARD_OK);
        CHECK(outcome.detail.substr(0, 25) == "GET /health: not probed: ");
    }
    CHECK(judge_errno(question(), EMFILE).detail == "GET /health: not probed: Too many open files");
    CHECK(judge_errno(question(), ENOMEM).status == STEWARD_E_NOMEM);
}
