#include <chrono>
#include <cstdio>
#include <optional>
#include <stdexcept>
#include <string>

#include "benches.hpp"
#include "mcp_client.hpp"
#include "prompt_files.hpp"
#include "steward/prompts/store.hpp"

namespace steward::bench {
namespace {

constexpr double kAimMs = 2;
constexpr std::int64_t kPatience = 60'000'000'000;
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
    Samples store;
    Samples server;
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

double ask_store(prompts::PromptStore& store, const Question& question, std::size_t& total) {
    prompts::Query query;
    query.text = question.text;
    query.limit = kResults;
    if (question.category != nullptr) {
        query.category = question.category;
    }
    const auto begin = now_ns();
    total = store.search(query).total;
    return ms_between(begin, now_ns());
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
    prompts::PromptStore store(place.data_dir());
    auto begin = now_ns();
    if (store.count() != kPrompts) {
        throw std::runtime_error("the store has not read all prompts");
    }
    report.number("load_ms", ms_between(begin, now_ns()));

    const auto port = free_port();
    McpClient server(
        place, place.steward_mcp(port, {"--health-interval", "60m", "--metrics-interval", "60m"}));
    server.send(initialize_line() + initialized_line());
    wait_for_health(port, server.started_at() + kPatience);
    begin = now_ns();
    ask_server(server, asked.front());
    report.number("first_search_ms", ms_between(begin, now_ns()));
    for (const auto& question : asked) {
        Found found;
        std::size_t total = 0;
        for (int round = -5; round < rounds; ++round) {
            const double alone = ask_store(store, question, total);
            const double whole = ask_server(server, question);
            if (round >= 0) {  // The first ones warm up.
                found.store.add(alone);
                found.server.add(whole);
            }
        }
        const std::string name = question.name;
        report.series("store, " + name, "ms", found.store);
        report.series("steward, " + name, "ms", found.server);
        report.number(name + ": found", static_cast<double>(total));
        report.row({"search_prompts of 10,000: " + name,
                    "ms",
                    found.store.median(),
                    std::nullopt,
                    found.server.median(),
                    {{kAimMs}}});
    }
    server.close();

    // The same with texts of 10 kB, for what grows with them.
    write_prompts(place.file("long"), kPrompts, kManyWords);
    prompts::PromptStore long_texts(place.file("long"));
    for (const auto& question : {asked.front(), asked.back()}) {
        Samples times;
        std::size_t total = 0;
        for (int round = -5; round < rounds / 3; ++round) {
            const double took = ask_store(long_texts, question, total);
            if (round >= 0) {
                times.add(took);
            }
        }
        report.series("store, 10 kB each, " + std::string(question.name), "ms", times);
    }
    report.finish();
    return report.rows();
}

}  // namespace steward::bench
