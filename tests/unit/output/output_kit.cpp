#include "output_kit.hpp"

#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <sstream>

#include "catch.hpp"
#include "utf8.hpp"

namespace steward::test {
namespace {

using Clock = std::chrono::steady_clock;

template <class Condition>
bool comes_true(std::chrono::seconds limit, Condition condition) {
    const auto end = Clock::now() + limit;
    while (!condition()) {
        if (Clock::now() > end) {
            return false;
        }
        std::this_thread::yield();
    }
    return true;
}

}  // namespace

TempFolder::TempFolder() {
    std::string pattern = std::filesystem::temp_directory_path() / "steward-output-XXXXXX";
    REQUIRE(mkdtemp(pattern.data()) != nullptr);
    path_ = pattern;
}

TempFolder::~TempFolder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
}

std::size_t open_descriptors() {
    const std::filesystem::directory_iterator all("/proc/self/fd");
    return static_cast<std::size_t>(std::distance(begin(all), end(all)));
}

std::string repeated(char c, std::size_t count) {
    return std::string(count, c);
}

std::string read_file(const std::string& path) {
    std::ifstream file(path, std::ios::binary);
    std::ostringstream out;
    out << file.rdbuf();
    return out.str();
}

std::vector<FileRecord> records_of(const std::string& content) {
    // Taken apart by hand: std::regex overflows its stack on long lines.
    static const std::regex time_form(
        "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{3}Z");
    std::vector<FileRecord> out;
    std::istringstream lines(content.substr(0, content.rfind('\n') + 1));
    std::string line;
    while (std::getline(lines, line)) {
        FileRecord record;
        const auto after_time = line.find(' ');
        const auto after_generation = line.find(' ', after_time + 1);
        const auto after_kind = line.find(' ', after_generation + 1);
        REQUIRE(after_kind != std::string::npos);
        record.time = line.substr(0, after_time);
        REQUIRE(std::regex_match(record.time, time_form));
        REQUIRE(line[after_time + 1] == '#');
        record.generation = std::stoull(line.substr(after_time + 2));
        record.kind = line.substr(after_generation + 1, after_kind - after_generation - 1);
        record.text = line.substr(after_kind + 1);
        out.push_back(std::move(record));
    }
    return out;
}

std::string rebuilt(const std::vector<FileRecord>& records, std::uint64_t generation,
                    const std::string& stream) {
    std::string out;
    for (const auto& record : records) {
        if (record.generation != generation) {
            continue;
        }
        if (record.kind == stream) {
            out += unescaped(record.text) + "\n";
        } else if (record.kind == stream + "+") {
            out += unescaped(record.text);
        }
    }
    return out;
}

Noted noted(const std::vector<FileRecord>& records) {
    Noted sum;
    for (const auto& record : records) {
        if (record.kind == "log") {
            // "12 lines (345 bytes) of …"
            sum.lines += std::stoull(record.text);
            sum.bytes += std::stoull(record.text.substr(record.text.find('(') + 1));
        }
    }
    return sum;
}

std::string all_files(const std::string& path) {
    std::string out = read_file(path);
    for (int i = 1; std::filesystem::exists(path + "." + std::to_string(i)); ++i) {
        out.insert(0, read_file(path + "." + std::to_string(i)));
    }
    return out;
}

Held::Held(LoopThread& thread) {
    auto held = std::make_shared<std::promise<void>>();
    auto is_held = held->get_future();
    thread.loop().post([held, go_on = go_on_.get_future().share()] {
        held->set_value();
        go_on.wait();
    });
    is_held.wait();
}

void Held::release() {
    if (!std::exchange(released_, true)) {
        go_on_.set_value();
    }
}

std::string unescaped(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        if (text[i] == '\\' && i + 3 < text.size() && text[i + 1] == 'x') {
            out += static_cast<char>(std::stoi(text.substr(i + 2, 2), nullptr, 16));
            i += 3;
        } else {
            out += text[i];
        }
    }
    return out;
}

bool is_utf8(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t length = core::utf8_sequence(text, at);
        if (length == 0) {
            return false;
        }
        at += length;
    }
    return true;
}

bool write_all(int fd, const std::string& bytes) {
    std::size_t done = 0;
    while (done < bytes.size()) {
        const ssize_t written = write(fd, bytes.data() + done, bytes.size() - done);
        if (written <= 0) {
            return false;
        }
        done += static_cast<std::size_t>(written);
    }
    return true;
}

Output::Output(core::OutputOptions options)
    : output(core_thread.loop(), output_thread.loop(), log_thread.loop(), std::move(options)) {}

Output::~Output() {
    output_thread.stop();
    log_thread.stop();
    core_thread.stop();
}

core::OutputCapture::Pipes Output::open(std::uint64_t generation) {
    return core_thread.run([&] {
        auto pipes = output.open(generation);
        REQUIRE(pipes);
        return std::move(*pipes);
    });
}

std::string Output::last_line(std::uint64_t generation) {
    return last_lines(generation).last;
}

core::LastLines Output::last_lines(std::uint64_t generation) {
    auto answer = std::make_shared<std::promise<core::LastLines>>();
    core_thread.run([&] {
        output.last_lines(generation,
                          [answer](const core::LastLines& lines) { answer->set_value(lines); });
    });
    return answer->get_future().get();
}

void Output::flush() {
    auto done = std::make_shared<std::promise<void>>();
    core_thread.run([&] { output.flush(std::chrono::seconds(20), [done] { done->set_value(); }); });
    done->get_future().get();
}

bool Output::settles(std::uint64_t bytes) {
    return comes_true(std::chrono::seconds(20), [&] {
        const auto counters = output.counters();
        return counters.kept_bytes + counters.dropped_bytes == bytes && counters.waiting_bytes == 0;
    });
}

bool Output::reads(std::uint64_t bytes) {
    const bool come =
        comes_true(std::chrono::seconds(20), [&] { return output.counters().read_bytes == bytes; });
    // They are counted first; what is made of them is done in the same task.
    output_thread.run([] {});
    return come;
}

bool Output::shows(const std::string& text) {
    return comes_true(std::chrono::seconds(10), [&] {
        for (const auto& line : output.tail(1000)) {
            if (line.text == text) {
                return true;
            }
        }
        return false;
    });
}

}  // namespace steward::test
