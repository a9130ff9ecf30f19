// Settings: damaged ones.
#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>
#include <set>
#include <steward/sdk/text.hpp>
#include <string_view>

#include "check.hpp"
#include "process_look.hpp"
#include "settings.hpp"
#include "settings_rules.hpp"
#include "trial.hpp"

namespace steward::compliance {
namespace {

using namespace std::string_view_literals;

constexpr int kMutations = 5000;
constexpr auto kMostTime = std::chrono::seconds(1);

constexpr std::array kTokens{
    "{"sv,
    "}"sv,
    "["sv,
    "]"sv,
    "\""sv,
    ":"sv,
    ","sv,
    "\\"sv,
    "\\u0000"sv,
    "\\ud800"sv,
    "\\udc00"sv,
    "\\ud83d\\ude00"sv,
    "\\u"sv,
    "null"sv,
    "true"sv,
    "fals"sv,
    "-"sv,
    "-0"sv,
    "1e308"sv,
    "1e999"sv,
    "1e-999"sv,
    "0.1"sv,
    "9007199254740993"sv,
    "99999999999999999999999999999999"sv,
    "NaN"sv,
    "//"sv,
    "/*"sv,
    "\0"sv,
    "\n"sv,
    "\x7f"sv,
    "\xff"sv,
    "\xc0\x80"sv,
    "\xed\xa0\x80"sv,
    "\xf4\x90\x80\x80"sv,
    "\xe2\x82"sv,
    "\xef\xbb\xbf"sv,
};

std::vector<std::string> seeds_of(const SettingsSchema& schema) {
    std::vector<std::string> seeds{"{}", schema.defaults()};
    for (const auto& [name, property] : schema.properties()) {
        for (const char* const bound : {"minimum", "maximum"}) {
            if (property->has(bound)) {
                seeds.push_back(schema.with(name, property->get(bound)));
            }
        }
        seeds.push_back(schema.with_text(name, "\"\""));
        seeds.push_back(schema.with_text(name, "-1.5e-7"));
    }
    return seeds;
}

class Mutator {
  public:
    Mutator(Random& random, std::vector<std::string> seeds)
        : random_(random), seeds_(std::move(seeds)) {}

    std::string next() {
        constexpr std::uint64_t kMostSteps = 6;
        if (random_.one_in(16)) {
            return noise();
        }
        std::string text = seed();
        for (auto steps = 1 + random_.below(kMostSteps); steps > 0; --steps) {
            step(text);
        }
        return text;
    }

  private:
    const std::string& seed() { return seeds_[random_.below(seeds_.size())]; }
    std::size_t place(const std::string& text) { return random_.below(text.size() + 1); }
    std::string tail(const std::string& text) { return text.substr(place(text)); }
    char byte() { return static_cast<char>(random_.below(256)); }

    std::string noise() {
        std::string text(random_.below(200), ' ');
        std::generate(text.begin(), text.end(), [this] { return byte(); });
        return text;
    }

    void step(std::string& text) {
        const std::size_t at = place(text);
        const std::size_t length = 1 + random_.below(16);
        switch (random_.below(7)) {
            case 0:
                text.insert(at, kTokens[random_.below(kTokens.size())]);
                return;
            case 1:
                text.replace(at, std::min(length, text.size() - at),
                             kTokens[random_.below(kTokens.size())]);
                return;
            case 2:
                text.erase(at, length);
                return;
            case 3:
                text.insert(place(text), text.substr(at, length));
                return;
            case 4:
                text.insert(at, 1, byte());
                return;
            case 5:
                if (at < text.size()) {
                    text[at] = static_cast<char>(static_cast<unsigned char>(text[at]) ^
                                                 (1U << random_.below(8)));
                }
                return;
            default:
                text.replace(at, std::string::npos, tail(seed()));
                return;
        }
    }

    Random& random_;
    std::vector<std::string> seeds_;
};

std::string repeated(std::string_view text, int count) {
    std::string out;
    out.reserve(text.size() * static_cast<std::size_t>(count));
    for (int i = 0; i < count; ++i) {
        out += text;
    }
    return out;
}

// Deep ones and large ones, also as the value of a known setting of each type.
std::vector<std::string> giants(const SettingsSchema& schema) {
    constexpr int kDepth = 10'000;
    constexpr std::size_t kMegabyte = std::size_t{1} << 20U;
    const std::string digits(kMegabyte, '9');
    const std::string letters = '"' + std::string(kMegabyte, 'a') + '"';
    const std::string deep = repeated("[", kDepth) + repeated("]", kDepth);
    std::vector<std::string> configs{
        repeated("[", kDepth),
        deep,
        repeated("{\"a\":", kDepth),
        repeated("{\"a\":", kDepth) + "1" + repeated("}", kDepth),
        std::string(kMegabyte, ' '),
        std::string(kMegabyte, '\0'),
        std::string(kMegabyte, '\xff'),
        "{" + letters + ":1}",
        "{" + repeated("\"a\":1,", kDepth) + "\"a\":1}",
        std::string(kMegabyte, ' ') + schema.defaults(),
        schema.with_text("no_such_setting", letters),
    };
    std::set<std::string> types;
    for (const auto& [name, property] : schema.properties()) {
        if (!types.insert(property->optValue<std::string>("type", "")).second) {
            continue;
        }
        for (const std::string& value :
             {deep, digits, "0." + digits, "1e" + digits, "-" + digits, letters}) {
            configs.push_back(schema.with_text(name, value));
        }
    }
    return configs;
}

void feed(Session& session, const steward_plugin& plugin, const std::string& config,
          const std::string& which) {
    // Without a byte behind it that happens to be a NUL, where a sanitizer can see that.
    const std::vector<char> exact(config.begin(), config.end());
    const auto begun = thread_cpu_time();
    const auto created = session.try_create(plugin, std::string_view(exact.data(), exact.size()));
    const auto took = thread_cpu_time() - begun;
    const std::string what = id_of(plugin) + ": " + which + " (" + std::to_string(config.size()) +
                             " bytes, " + sdk::printable(config, 160) + ")";
    require(created.status == STEWARD_OK || created.status == STEWARD_E_INVALID,
            what + ": create gives status " + std::to_string(created.status) + " (" +
                created.error + "); expected STEWARD_OK or STEWARD_E_INVALID");
    require(created.error_terminated, what + ": the error text has no NUL at its end");
    require(
        took < kMostTime,
        what + ": create took " +
            std::to_string(std::chrono::duration_cast<std::chrono::milliseconds>(took).count()) +
            " ms of CPU time; expected less than 1 s");
}

}  // namespace

void config_fuzz(Trial& trial) {
    FakePluginHost host(FakePluginHost::Clock::kVirtual);
    Session session(trial.library(), host);
    for (const auto* plugin : trial.plugins()) {
        const SettingsSchema schema(*plugin);
        Mutator mutator(trial.random(), seeds_of(schema));
        for (int i = 0; i < kMutations; ++i) {
            feed(session, *plugin, mutator.next(), "damaged settings " + std::to_string(i));
        }
        for (const std::string& config : giants(schema)) {
            feed(session, *plugin, config, "large settings");
        }
    }
}

}  // namespace steward::compliance
