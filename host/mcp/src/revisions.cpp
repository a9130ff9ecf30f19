#include "steward/mcp/revisions.hpp"

#include <algorithm>
#include <array>

#include "steward/mcp/errors.hpp"

namespace steward::mcp {
namespace {

constexpr int kLegacyResourceNotFound = -32002;

// Oldest first.
constexpr std::array<Rules, 5> kRules = {{
    {.revision = Revision::k2024_11_05,
     .name = "2024-11-05",
     .modern = false,
     .batches = false,  // JSON-RPC allows them, this revision's schema does not
     .tool_annotations = false,
     .titles = false,
     .structured_content = false,
     .completions = false,
     .completion_context = false,
     .progress_message = false,
     .server_requests = true,
     .elicitation = false,
     .unsolicited_changes = true,
     .caching = false,
     .server_info_in_results = false,
     .result_head = "",
     .input_required_head = "",
     .resource_not_found = kLegacyResourceNotFound,
     .missing_capability = kInvalidRequest},
    {.revision = Revision::k2025_03_26,
     .name = "2025-03-26",
     .modern = false,
     .batches = true,
     .tool_annotations = true,
     .titles = false,
     .structured_content = false,
     .completions = true,
     .completion_context = false,
     .progress_message = true,
     .server_requests = true,
     .elicitation = false,
     .unsolicited_changes = true,
     .caching = false,
     .server_info_in_results = false,
     .result_head = "",
     .input_required_head = "",
     .resource_not_found = kLegacyResourceNotFound,
     .missing_capability = kInvalidRequest},
    {.revision = Revision::k2025_06_18,
     .name = "2025-06-18",
     .modern = false,
     .batches = false,
     .tool_annotations = true,
     .titles = true,
     .structured_content = true,
     .completions = true,
     .completion_context = true,
     .progress_message = true,
     .server_requests = true,
     .elicitation = true,
     .unsolicited_changes = true,
     .caching = false,
     .server_info_in_results = false,
     .result_head = "",
     .input_required_head = "",
     .resource_not_found = kLegacyResourceNotFound,
     .missing_capability = kInvalidRequest},
    {.revision = Revision::k2025_11_25,
     .name = "2025-11-25",
     .modern = false,
     .batches = false,
     .tool_annotations = true,
     .titles = true,
     .structured_content = true,
     .completions = true,
     .completion_context = true,
     .progress_message = true,
     .server_requests = true,
     .elicitation = true,
     .unsolicited_changes = true,
     .caching = false,
     .server_info_in_results = false,
     .result_head = "",
     .input_required_head = "",
     .resource_not_found = kLegacyResourceNotFound,
     .missing_capability = kInvalidRequest},
    {.revision = Revision::k2026_07_28,
     .name = "2026-07-28",
     .modern = true,
     .batches = false,
     .tool_annotations = true,
     .titles = true,
     .structured_content = true,
     .completions = true,
     .completion_context = true,
     .progress_message = true,
     .server_requests = false,
     .elicitation = true,
     .unsolicited_changes = false,
     .caching = true,
     .server_info_in_results = true,
     .result_head = R"("resultType":"complete")",
     .input_required_head = R"("resultType":"input_required")",
     .resource_not_found = kInvalidParams,
     .missing_capability = kMissingCapability},
}};

struct MethodEras {
    std::string_view method;
    bool legacy;
    bool modern;
};

constexpr std::array<MethodEras, 15> kMethods = {{
    {"initialize", true, false},
    {"ping", true, false},
    {"server/discover", false, true},
    {"tools/list", true, true},
    {"tools/call", true, true},
    {"resources/list", true, true},
    {"resources/templates/list", true, true},
    {"resources/read", true, true},
    {"resources/subscribe", true, false},
    {"resources/unsubscribe", true, false},
    {"subscriptions/listen", false, true},
    {"prompts/list", true, true},
    {"prompts/get", true, true},
    {"completion/complete", true, true},
    {"logging/setLevel", true, false},
}};

// In the order of LogLevel.
constexpr std::array<std::string_view, 8> kLogLevels = {"debug", "info",     "notice", "warning",
                                                        "error", "critical", "alert",  "emergency"};

std::optional<Revision> find_revision(std::string_view name, bool modern) noexcept {
    for (const Rules& rules : kRules) {
        if (rules.modern == modern && rules.name == name) {
            return rules.revision;
        }
    }
    return std::nullopt;
}

}  // namespace

const Rules& rules_of(Revision revision) noexcept {
    for (const Rules& rules : kRules) {
        if (rules.revision == revision) {
            return rules;
        }
    }
    return kRules.back();
}

std::optional<Revision> legacy_revision(std::string_view name) noexcept {
    return find_revision(name, /*modern=*/false);
}

std::optional<Revision> modern_revision(std::string_view name) noexcept {
    return find_revision(name, /*modern=*/true);
}

Revision negotiate(std::string_view requested) noexcept {
    Revision newest = Revision::k2024_11_05;
    for (const Rules& rules : kRules) {
        if (!rules.modern) {
            newest = rules.revision;
        }
    }
    return legacy_revision(requested).value_or(newest);
}

std::vector<std::string_view> modern_names() {
    std::vector<std::string_view> names;
    for (auto rules = kRules.rbegin(); rules != kRules.rend(); ++rules) {
        if (rules->modern) {
            names.push_back(rules->name);
        }
    }
    return names;
}

bool method_exists(bool modern, std::string_view method) noexcept {
    const auto* const found =
        std::find_if(kMethods.begin(), kMethods.end(),
                     [&](const MethodEras& eras) { return eras.method == method; });
    return found != kMethods.end() && (modern ? found->modern : found->legacy);
}

bool may_require_input(std::string_view method) noexcept {
    return method == "tools/call" || method == "resources/read" || method == "prompts/get";
}

std::string_view capability_for(const Rules& rules, std::string_view method) noexcept {
    if (method == "elicitation/create") {
        return rules.elicitation ? "elicitation" : "";
    }
    if (method == "sampling/createMessage") {
        return "sampling";
    }
    return method == "roots/list" ? "roots" : "";
}

std::optional<LogLevel> log_level(std::string_view name) noexcept {
    const auto* const found = std::find(kLogLevels.begin(), kLogLevels.end(), name);
    if (found == kLogLevels.end()) {
        return std::nullopt;
    }
    return static_cast<LogLevel>(found - kLogLevels.begin());
}

std::string_view name_of(LogLevel level) noexcept {
    return kLogLevels.at(static_cast<std::size_t>(level));
}

}  // namespace steward::mcp
