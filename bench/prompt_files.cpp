#include "prompt_files.hpp"

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <random>
#include <vector>

namespace steward::bench {
namespace {

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

}  // namespace

std::string write_prompts(const std::string& root, int count, int words) {
    const std::filesystem::path folder = root;
    std::mt19937 random(1);  // NOLINT(cert-msc51-cpp): the same prompts in each run
    const auto vocabulary = make_words(random);
    std::exponential_distribution<double> pick(1.0 / 600);
    const auto text = [&](int length) {
        std::string out;
        for (int i = 0; i < length; ++i) {
            out += i == 0 ? "" : " ";
            out += vocabulary.at(static_cast<std::size_t>(pick(random)) % vocabulary.size());
        }
        return out;
    };
    for (const char* category : {"analysis", "coding", "writing"}) {
        std::filesystem::create_directories(folder / category);
    }
    for (int i = 0; i < count; ++i) {
        const char* category = i % 3 == 0 ? "analysis" : i % 3 == 1 ? "coding" : "writing";
        char updated_at[32];
        std::snprintf(updated_at, sizeof updated_at, "2026-%02d-%02dT%02d:%02d:%02d.%06d",
                      i % 12 + 1, i % 28 + 1, i % 24, i % 60, i % 59, i);
        std::ofstream(folder / category / (std::to_string(i) + ".json"))
            << R"({"title":"Prompt )" << i << ' ' << text(4) << R"(","content":")" << text(words)
            << (i % 1000 == 500 ? " " : "") << (i % 1000 == 500 ? kRareWord : "") << ' '
            << kAtTheEnd << R"(","description":")" << text(10) << R"(","tags":["one","tag-)"
            << i % 10 << R"("],"updated_at":")" << updated_at << "\"}";
    }
    return vocabulary.at(40);
}

}  // namespace steward::bench
