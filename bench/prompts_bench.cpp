// How long a search over many prompts takes, and the loading of them: the prompt store alone, without the server around it.
//
//     prompts-bench [PROMPTS]        10,000 by default
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>
#include <vector>

#include "steward/prompts/store.hpp"

namespace {

using steward::prompts::PromptStore;
using Clock = std::chrono::steady_clock;
namespace fs = std::filesystem;

constexpr int kRounds = 200;
constexpr int kWords = 220;  // about 1.5 kB

double milliseconds(Clock::duration time) {
    return std::chrono::duration<double, std::milli>(time).count();
}

// Words as in a text: a few of them are most of it.
std::vector<std::string> make_words(std::mt19937& random) {
    std::uniform_int_distribution<int> letter('a', 'z');
    std::uniform_int_distribution<int> length(2, 10);
    std::vector<std::string> words;
    for (int i = 0; i < 5'000; ++i) {
        std::string& word = words.emplace_back();
        for (int n = length(random); n > 0; --n) {
            word += static_cast<char>(letter(random));
        }
    }
    return words;
}

void write_prompts(const fs::path& root, int count) {
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same prompts in each run
    const auto words = make_words(random);
    std::exponential_distribution<double> pick(1.0 / 600);
    const auto text = [&](int length) {
        std::string out;
        for (int i = 0; i < length; ++i) {
            out += i == 0 ? "" : " ";
            out += words.at(static_cast<std::size_t>(pick(random)) % words.size());
        }
        return out;
    };
    for (const char* category : {"analysis", "coding", "writing"}) {
        fs::create_directories(root / category);
    }
    for (int i = 0; i < count; ++i) {
        const char* category = i % 3 == 0 ? "analysis" : i % 3 == 1 ? "coding" : "writing";
        char updated_at[32];
        std::snprintf(updated_at, sizeof updated_at, "2026-%02d-%02dT%02d:%02d:%02d.%06d",
                      i % 12 + 1, i % 28 + 1, i % 24, i % 60, i % 59, i);
        std::ofstream(root / category / (std::to_string(i) + ".json"))
            << R"({"title":"Prompt )" << i << ' ' << text(4) << R"(","content":")" << text(kWords)
            << R"( {{name}}","description":")" << text(10) << R"(","tags":["one","two"],)"
            << R"("updated_at":")" << updated_at << "\"}";
    }
}

void measure(PromptStore& store, const char* what, const std::string& text, std::size_t limit) {
    std::vector<double> times;
    std::size_t total = 0;
    for (int i = 0; i < kRounds; ++i) {
        const auto begin = Clock::now();
        total = store.search({text, std::nullopt, limit}).total;
        times.push_back(milliseconds(Clock::now() - begin));
    }
    std::sort(times.begin(), times.end());
    std::printf("%-34s %6zu found   p50 %7.3f ms   p99 %7.3f ms   max %7.3f ms\n", what, total,
                times.at(kRounds / 2), times.at(kRounds * 99 / 100), times.back());
}

}  // namespace

int main(int argc, char** argv) {
    const int count = argc > 1 ? std::atoi(argv[1]) : 10'000;  // NOLINT(cert-err34-c)
    std::string name = (fs::temp_directory_path() / "prompts-bench-XXXXXX").string();
    if (count < 1 || mkdtemp(name.data()) == nullptr) {
        std::fprintf(stderr, "usage: prompts-bench [PROMPTS]\n");
        return 1;
    }
    const fs::path root = name;
    write_prompts(root, count);
    PromptStore store(root.string());
    const auto begin = Clock::now();
    const std::size_t loaded = store.count();
    std::printf("%zu prompts loaded in %.0f ms\n", loaded, milliseconds(Clock::now() - begin));

    const std::string content = store.search({}).prompts.at(loaded / 2)->content;
    measure(store, "a phrase of one prompt", content.substr(content.size() / 2, 24), 50);
    measure(store, "a word of some prompts", "prompt 77", 50);
    measure(store, "a word of one in every few", content.substr(0, content.find(' ', 4)), 50);
    measure(store, "three letters", "qxz", 50);
    measure(store, "one letter", "q", 50);
    measure(store, "in no prompt", "supervisor restart", 50);
    measure(store, "in all prompts, at their end", "{{name}}", 50);
    measure(store, "all prompts, the first 50", "*", 50);
    measure(store, "all prompts", "*", loaded);
    std::error_code ignored;
    fs::remove_all(root, ignored);
    return loaded == static_cast<std::size_t>(count) ? 0 : 1;
}
