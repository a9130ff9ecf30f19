#include "peer.hpp"

#include <algorithm>
#include <exception>
#include <fstream>
#include <utility>

#include "message_fault.hpp"
#include "steward/mcp/json.hpp"

namespace steward::tests {
namespace {

constexpr const char* kModernMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"hostile","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

}  // namespace

std::string legacy(const std::string& id, const std::string& method, const std::string& params) {
    return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":")" + method + "\"" +
           (params.empty() ? "" : ",\"params\":" + params) + "}";
}

std::string modern(const std::string& id, const std::string& method, const std::string& members) {
    return legacy(id, method, "{" + members + (members.empty() ? "" : ",") + kModernMeta + "}");
}

std::string initialize(const std::string& version, const std::string& id) {
    return legacy(id, "initialize",
                  R"({"protocolVersion":")" + version +
                      R"(","capabilities":{},"clientInfo":{"name":"hostile","version":"1"}})");
}

std::string cancelled(const std::string& id) {
    return R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":)" + id +
           "}}";
}

std::string repeated(std::string_view text, int times) {
    std::string out;
    for (int i = 0; i < times; ++i) {
        out += text;
    }
    return out;
}

StewardStart light_app(std::vector<std::string> options) {
    options.insert(options.end(), {"--data-dir", "{data_dir}"});
    StewardStart start;
    start.app = test_app(std::move(options));
    return start;
}

Peer::Peer(StewardStart start) : steward_(sandbox_, std::move(start)) {}

Peer::~Peer() {
    if (std::uncaught_exceptions() == 0) {
        check_lines();
    }
}

void Peer::check_lines() const {
    for (const auto& line : steward_.lines()) {
        INFO(mcp::excerpt(line));
        CHECK(fault_of_line(line).empty());
    }
    const auto& errors = steward_.error_output();
    INFO(mcp::excerpt(errors, 1000));
    CHECK(static_cast<std::size_t>(std::count(errors.begin(), errors.end(), '\n')) <= sent_);
    CHECK(errors.size() <= sent_ * 300);
}

void Peer::open(const std::string& version) {
    CHECK(text_at(served(initialize(version)), "protocolVersion") == version);
    ignored(R"({"jsonrpc":"2.0","method":"notifications/initialized"})");
}

pid_t Peer::wait_app() {
    sandbox_.wait_event("service.healthy");
    return static_cast<pid_t>(number_at(
        served(legacy("1", "tools/call", R"({"name":"flask_status"})")), "structuredContent.pid"));
}

std::vector<std::string> Peer::say(std::string_view line, std::size_t count) {
    return say_raw(std::string(line) + "\n", count);
}

std::vector<std::string> Peer::say_raw(std::string_view bytes, std::size_t count) {
    sent_ += static_cast<std::size_t>(std::count(bytes.begin(), bytes.end(), '\n')) + 1;
    const std::string id = "\"alive-" + std::to_string(++pings_) + "\"";
    const std::string pong = R"({"jsonrpc":"2.0","id":)" + id + R"(,"result":{}})";
    steward_.send_raw(bytes);
    steward_.send(legacy(id, "ping"));
    std::vector<std::string> others;
    bool alive = false;
    wait_until([&] {
        steward_.pump();
        for (; seen_ < steward_.lines().size(); ++seen_) {
            const auto& line = steward_.lines()[seen_];
            if (line == pong) {
                alive = true;
            } else {
                others.push_back(line);
            }
        }
        return (alive && others.size() >= count) || !steward_.lives();
    });
    INFO(mcp::excerpt(bytes));
    REQUIRE(steward_.lives());
    REQUIRE(alive);
    return others;
}

void Peer::refused(std::string_view line, const std::string& id, int code) {
    INFO(mcp::excerpt(line));
    const auto answers = say(line, 1);
    REQUIRE(answers.size() == 1);
    INFO(mcp::excerpt(answers.front()));
    const std::string head =
        R"({"jsonrpc":"2.0",)" + (id.empty() ? "" : R"("id":)" + id + ",") + R"("error":{"code":)";
    CHECK(answers.front().rfind(head + std::to_string(code) + ",", 0) == 0);
    CHECK(answers.front().size() < id.size() + 1000);
}

void Peer::ignored(std::string_view line) {
    INFO(mcp::excerpt(line));
    const auto answers = say(line, 0);
    INFO((answers.empty() ? "" : mcp::excerpt(answers.front())));
    CHECK(answers.empty());
}

Json Peer::served(std::string_view line) {
    INFO(mcp::excerpt(line));
    const auto answers = say(line, 1);
    REQUIRE(answers.size() == 1);
    INFO(mcp::excerpt(answers.front()));
    const auto result = parse_json(answers.front())->getObject("result");
    REQUIRE_FALSE(result.isNull());
    return result;
}

long Peer::peak_kib() const {
    std::ifstream file("/proc/" + std::to_string(steward_.pid()) + "/status");
    std::string word;
    while (file >> word) {
        if (word == "VmHWM:") {
            long kib = 0;
            file >> kib;
            return kib;
        }
    }
    return -1;
}

}  // namespace steward::tests
