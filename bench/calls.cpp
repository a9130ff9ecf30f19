#include <algorithm>

#include "benches.hpp"
#include "mcp_client.hpp"

namespace steward::bench {
namespace {

constexpr std::int64_t kPatience = 30'000'000'000;
constexpr int kWindow = 256;

double measure_call(McpClient& server, int id) {
    const auto begin = now_ns();
    server.send(status_call_line(id));
    server.receive(begin + kPatience);
    return ms_between(begin, now_ns());
}

}  // namespace

std::vector<Row> calls(const Workplace& place, const Settings& settings) {
    Report report("calls");
    const int rounds = settings.rounds_or(3000);
    const int batch = std::min(rounds * 10, 10'000);

    const auto port = free_port();
    // No periodic work in between: its notifications would be counted with the answers.
    McpClient steward(
        place, place.steward_mcp(port, {"--health-interval", "60m", "--metrics-interval", "60m"}));
    steward.send(initialize_line() + initialized_line());
    wait_for_health(port, steward.started_at() + kPatience);
    sleep_ms(1200);  // The first metrics sample comes a second after the start.
    steward.send(status_call_line(9999));
    const auto answer = steward.receive_with("\"id\":9999", now_ns() + kPatience);
    // Its answers are as long as steward's.
    McpClient echo(place, {place.app("echo"), std::to_string(answer.size() + 1)});

    Samples echo_ms;
    Samples steward_ms;
    for (int round = -std::min(100, rounds); round < rounds; ++round) {
        const double bare = measure_call(echo, 1000 + round);
        const double took = measure_call(steward, 1000 + round);
        if (round >= 0) {  // The first ones warm up.
            echo_ms.add(bare);
            steward_ms.add(took);
        }
    }
    Samples echo_rate;
    Samples steward_rate;
    for (int round = -1; round < 7; ++round) {
        for (const bool echo_turn : {round % 2 == 0, round % 2 != 0}) {
            auto& server = echo_turn ? echo : steward;
            const double took =
                server.pump_status_calls(batch, kWindow, answer.size() / 2, now_ns() + kPatience);
            if (round >= 0) {
                (echo_turn ? echo_rate : steward_rate).add(batch / took);
            }
        }
    }
    steward.close();
    echo.close();

    report.number("answer_bytes", static_cast<double>(answer.size()));
    report.series("echo, one at a time", "ms", echo_ms);
    report.series("steward, one at a time", "ms", steward_ms);
    report.series("echo, pipelined", "1/s", echo_rate);
    report.series("steward, pipelined", "1/s", steward_rate);
    report.row({"tools/call flask_status, one at a time", "ms", echo_ms.median(),
                steward_ms.median(), std::nullopt});
    report.row({"tools/call flask_status, pipelined", "1/s", echo_rate.median(),
                steward_rate.median(), std::nullopt});
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
