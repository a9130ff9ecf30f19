#include <optional>
#include <stdexcept>
#include <string>
#include <vector>

#include "benches.hpp"
#include "mcp_client.hpp"
#include "prompt_files.hpp"
#include "steward/prompts/store.hpp"

namespace steward::bench {
namespace {

constexpr double kAimMs = 2;
constexpr std::int64_t kPatience = 60'000'000'000;
constexpr int kWarmUps = 5;
constexpr int kPrompts = 10'000;
constexpr int kWords = 220;           // about 1.5 kB
constexpr int kManyWords = 1'500;     // about 10 kB
constexpr std::size_t kResults = 20;  // what search_prompts returns unless it is told otherwise

struct Question {
    const char* name;
    std::string text;
    const char* category = nullptr;
};

struct Found {
    Samples times;
    double total = 0;
};

std::string call_line(int id, const Question& question) {
    std::string line = R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
                       R"(,"method":"tools/call","params":{"name":"search_prompts","arguments":)"
                       R"({"query":")" +
                       question.text + '"';
    if (question.category != nullptr) {
        line += std::string(R"(,"category":")") + question.category + '"';
    }
    return line + "}}}\n";
}

double ask_server(McpClient& server, const Question& question) {
    const auto begin = now_ns();
    server.send(call_line(1, question));
    const auto answer = server.receive_with("\"id\":1,", begin + kPatience);
    const double took = ms_between(begin, now_ns());
    if (answer.find("\"truncated\":false") == std::string::npos) {
        throw std::runtime_error("not the expected answer: " + answer.substr(0, 300));
    }
    return took;
}

// For each question.
std::vector<Found> measure_store(const std::string& folder, const std::vector<Question>& asked,
                                 int rounds) {
    prompts::PromptStore store(folder);
    if (store.count() != kPrompts) {
        throw std::runtime_error("the store has not read all prompts");
    }
    std::vector<Found> found;
    for (const auto& question : asked) {
        prompts::Query query;
        query.text = question.text;
        query.limit = kResults;
        if (question.category != nullptr) {
            query.category = question.category;
        }
        Found& here = found.emplace_back();
        for (int round = -kWarmUps; round < rounds; ++round) {
            const auto begin = now_ns();
            here.total = static_cast<double>(store.search(query).total);
            if (round >= 0) {
                here.times.add(ms_between(begin, now_ns()));
            }
        }
    }
    return found;
}

std::vector<Question> questions(const std::string& frequent) {
    return {{"a frequent word", frequent},
            {"a rare word", kRareWord},
            {"in no prompt", kInNone},
            {"*", "*"},
            {"a tag", kTag},
            {"a category", "*", kCategory},
            {"one letter", "q"},
            {"at the end of all", kAtTheEnd}};
}

}  // namespace

std::vector<Row> search(const Workplace& place, const Settings& settings) {
    Report report("search");
    const int rounds = settings.rounds_or(300);
    const auto asked = questions(write_prompts(place.data_dir(), kPrompts, kWords));
    // One after the other: two copies of all texts would take each other's place in the caches.
    std::vector<Samples> alone;
    for (const auto& [times, total] : measure_store(place.data_dir(), asked, rounds)) {
        alone.push_back(times);
        report.series("store, " + std::string(asked[alone.size() - 1].name), "ms", times);
        report.number(std::string(asked[alone.size() - 1].name) + ": found", total);
    }
    const auto port = free_port();
    McpClient server(
        place, place.steward_mcp(port, {"--health-interval", "60m", "--metrics-interval", "60m"}));
    server.send(initialize_line() + initialized_line());
    wait_for_health(port, server.started_at() + kPatience);
    const auto begin = now_ns();
    ask_server(server, asked.front());
    report.number("first_search_ms", ms_between(begin, now_ns()));
    for (std::size_t i = 0; i < asked.size(); ++i) {
        Samples times;
        for (int round = -kWarmUps; round < rounds; ++round) {
            const double took = ask_server(server, asked[i]);
            if (round >= 0) {
                times.add(took);
            }
        }
        report.series("steward, " + std::string(asked[i].name), "ms", times);
        report.row({"search_prompts of 10,000: " + std::string(asked[i].name),
                    "ms",
                    alone[i].median(),
                    std::nullopt,
                    times.median(),
                    {{kAimMs}}});
    }
    server.close();

    // The same with texts of 10 kB, for what grows with them.
    write_prompts(place.file("long"), kPrompts, kManyWords);
    for (const auto& question : {asked.front(), asked.back()}) {
        const auto found = measure_store(place.file("long"), {question}, rounds / 3 + 1);
        report.series("store, 10 kB each, " + std::string(question.name), "ms",
                      found.front().times);
    }
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
