#include "trial.hpp"

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "helper_process.hpp"
#include "write_all.hpp"

namespace steward::compliance {
namespace {

// The number of answers, then each as its length and its bytes, which may be any.
std::string packed(const std::vector<std::string>& answers) {
    std::string text = std::to_string(answers.size()) + '\n';
    for (const std::string& answer : answers) {
        text += std::to_string(answer.size()) + '\n' + answer;
    }
    return text;
}

// Nothing if the end is missing.
std::optional<std::vector<std::string>> unpacked(const std::string& text) {
    std::size_t at = 0;
    const auto number = [&]() -> std::optional<std::size_t> {
        const auto end = text.find('\n', at);
        if (end == std::string::npos) {
            return std::nullopt;
        }
        const auto value = std::strtoull(text.c_str() + at, nullptr, 10);
        at = end + 1;
        return value;
    };
    std::vector<std::string> answers;
    const auto count = number();
    while (count && answers.size() < *count) {
        const auto length = number();
        if (!length || text.size() - at < *length) {
            return std::nullopt;
        }
        answers.push_back(text.substr(at, *length));
        at += *length;
    }
    return count ? std::optional(std::move(answers)) : std::nullopt;
}

}  // namespace

const Library& Trial::library() {
    if (!library_) {
        library_.emplace(file_);
    }
    return *library_;
}

std::vector<const steward_plugin*> Trial::plugins() {
    auto all = library().plugins();
    std::erase_if(all, [this](const steward_plugin* plugin) {
        return !check_.interface.empty() && !offers(*plugin, check_.interface);
    });
    if (all.empty()) {
        skip("no plugin in it offers " + std::string(check_.interface));
    }
    return all;
}

std::vector<std::string> Trial::twin_answers(const std::vector<std::string>& answers) {
    if (is_twin_) {
        write_all(kHelperFd, packed(answers));
        _exit(0);  // No destructor of a plugin's runs.
    }
    HelperProcess twin({"check", std::string(check_.id), file_, std::to_string(seed_),
                        std::to_string(getpid()), "twin"});
    // The time for that is the check's.
    const std::string text = twin.read_all(HelperProcess::kForEver);
    const int status = twin.wait_end();
    auto others = unpacked(text);
    if (!others) {
        broken("asked the same in another process, that one ended " +
               (WIFSIGNALED(status) ? "by signal " + std::to_string(WTERMSIG(status))
                                    : "with exit status " + std::to_string(WEXITSTATUS(status))) +
               " before it had answered; expected the same answers");
    }
    return std::move(*others);
}

}  // namespace steward::compliance
