#include "load.hpp"

#include <poll.h>

#include <stdexcept>

#include "net_kit.hpp"
#include "proc_kit.hpp"

namespace steward::tests {
namespace {

Resources resources_of(pid_t pid) {
    return {descriptors_of(pid).size(), threads_of(pid)};
}

}  // namespace

Load::Load(std::uint16_t port, const std::string& path) {
    for (auto& results : results_) {
        threads_.emplace_back([this, port, path, &results] {
            while (!stop_) {
                const Answer answer = fetch(port, path);
                ++results[answer.trouble.empty() ? std::to_string(answer.status) : answer.trouble];
                const timespec pause{0, 2'000'000};
                ppoll(nullptr, 0, &pause, nullptr);
            }
        });
    }
}

Load::~Load() {
    (void)finish();
}

std::map<std::string, int> Load::finish() {
    stop_ = true;
    for (auto& thread : threads_) {
        thread.join();
    }
    threads_.clear();
    std::map<std::string, int> sum;
    for (const auto& results : results_) {
        for (const auto& [end, count] : results) {
            sum[end] += count;
        }
    }
    return sum;
}

Resources settled_resources(pid_t pid) {
    Resources last = resources_of(pid);
    const auto until = Clock::now() + kPatience;
    while (!stays(Milliseconds(200), [&] { return resources_of(pid) == last; })) {
        if (Clock::now() >= until) {
            throw std::runtime_error("descriptors and threads of process " + std::to_string(pid) +
                                     " do not settle");
        }
        last = resources_of(pid);
    }
    return last;
}

}  // namespace steward::tests
