#include "metrics_rules.hpp"

#include <algorithm>
#include <cmath>
#include <iterator>
#include <sstream>
#include <utility>
#include <vector>

#include "check.hpp"

namespace steward::compliance {
namespace {

bool is_name(const std::string& name) {
    const auto is_first = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
    return !name.empty() && name.size() <= 128 && is_first(name[0]) &&
           std::all_of(name.begin(), name.end(),
                       [&](char c) { return is_first(c) || (c >= '0' && c <= '9'); });
}

std::string series_of(const Metric& metric) {
    auto labels = metric.labels;
    std::sort(labels.begin(), labels.end());
    std::string text = metric.name;
    for (const auto& [name, value] : labels) {
        text += "{" + name + "=" + value + "}";
    }
    return text;
}

}  // namespace

std::string to_text(const Sampled& sampled) {
    std::ostringstream out;
    out.precision(17);
    out << "status " << sampled.status;
    for (const Metric& metric : sampled.metrics) {
        out << ", " << series_of(metric) << ' ' << metric.value;
    }
    out << (sampled.error.empty() ? "" : " (" + sampled.error + ")");
    return out.str();
}

void require_valid(const std::string& asked, const Sampled& sampled) {
    const auto fault = [&](const std::string& what) {
        broken(asked + ": " + to_text(sampled) + "; " + what);
    };
    if (sampled.status < STEWARD_OK || sampled.status > STEWARD_E_INTERNAL) {
        fault("the status is none of abi.h");
    }
    std::set<std::string> seen;
    for (const Metric& metric : sampled.metrics) {
        const std::string series = series_of(metric);
        if (!is_name(metric.name)) {
            fault("the name \"" + metric.name + "\" is not [a-z_][a-z0-9_]*, at most 128 bytes");
        }
        if (metric.kind != STEWARD_GAUGE && metric.kind != STEWARD_COUNTER) {
            fault("the kind of " + series + " is " + std::to_string(metric.kind) +
                  "; expected gauge (0) or counter (1)");
        }
        if (!std::isfinite(metric.value)) {
            fault("the value of " + series + " is not finite");
        }
        if (metric.kind == STEWARD_COUNTER && metric.value < 0) {
            fault("the counter " + series + " is negative");
        }
        if (!metric.unit.empty() && metric.unit != "bytes" && metric.unit != "seconds" &&
            metric.unit != "percent") {
            fault("the unit of " + series + " is \"" + metric.unit +
                  "\"; expected bytes, seconds, percent or none");
        }
        if (!seen.insert(series).second) {
            fault(series + " is emitted twice");
        }
    }
}

Sampled sample_tree(FakePluginHost& host, const Instance& instance, const std::string& proc_root,
                    int tree_pid, int app_pid, std::chrono::nanoseconds limit) {
    MetricsQuestion question;
    question.tree_pid = tree_pid;
    question.app_pid = app_pid;
    question.proc_root = proc_root;
    question.now = host.now();
    question.deadline = question.now + limit.count();
    return sample(instance, question);
}

std::set<std::string> known_names(Session& session, const steward_plugin& plugin,
                                  const ProcPicture& picture) {
    picture.clear();
    picture.put({.pid = 100, .children = {{200}}});
    picture.put({.pid = 200, .parent = 100, .pages = 10, .descriptors = 3});
    picture.set_uptime(20);
    const auto instance = session.create(plugin);
    std::set<std::string> found;
    Sampled sampled;
    for (int i = 0; i < 2; ++i) {
        sampled = sample_tree(session.host(), instance, picture.root(), 100, 200);
        require_valid("a service of one process", sampled);
        for (const char* const name : {"processes", "threads", "fds", "rss_bytes", "cpu_percent"}) {
            if (sampled.value(name)) {
                found.insert(name);
            }
        }
        session.host().advance(std::chrono::seconds(1));
        picture.set_uptime(21);
    }
    if (found.empty()) {
        skip(
            "it emits none of processes, threads, fds, rss_bytes, cpu_percent for a service of "
            "one process (" +
            to_text(sampled) + ")");
    }
    return found;
}

}  // namespace steward::compliance
