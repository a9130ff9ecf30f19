#include "check.hpp"

#include <array>
#include <utility>

namespace steward::compliance {

std::string_view to_string(Level level) {
    switch (level) {
        case Level::kMust:
            return "MUST";
        case Level::kShould:
            return "SHOULD";
        case Level::kNote:
            return "NOTE";
    }
    return "";
}

std::span<const Group> catalogue() {
    static const std::array groups{
        Group{"Load and ABI", kLoadChecks},
        Group{"Descriptor", kDescriptorChecks},
        Group{"Settings", kConfigChecks},
        Group{"Lifecycle", kLifecycleChecks},
        Group{"Determinism and time", kDeterminismChecks},
        Group{"Threads and calls", kThreadChecks},
        Group{"Cancellation", kCancellationChecks},
        Group{"Resources", kResourceChecks},
        Group{"Errors", kErrorChecks},
        Group{"Unload and reload", kUnloadChecks},
        Group{"Health", kHealthChecks},
        Group{"Restart", kRestartChecks},
        Group{"Port", kPortChecks},
        Group{"Metrics", kMetricsChecks},
    };
    return groups;
}

const Check* find_check(std::string_view id) {
    for (const Group& group : catalogue()) {
        for (const Check& check : group.checks) {
            if (check.id == id) {
                return &check;
            }
        }
    }
    return nullptr;
}

std::string_view group_of(const Check& check) {
    for (const Group& group : catalogue()) {
        for (const Check& candidate : group.checks) {
            if (&candidate == &check) {
                return group.name;
            }
        }
    }
    return "";
}

void broken(std::string text) {
    throw Broken{std::move(text)};
}

void skip(std::string reason) {
    throw Skipped{std::move(reason)};
}

void require(bool kept, const std::string& otherwise) {
    if (!kept) {
        broken(otherwise);
    }
}

}  // namespace steward::compliance
