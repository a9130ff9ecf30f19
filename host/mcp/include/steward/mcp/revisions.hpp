// The differences between the protocol revisions, all of them, and nothing else.
//
// Two eras exist. The legacy revisions begin with `initialize` and keep the negotiated revision for
// the rest of the process; a modern revision is stateless and is named by every message in
// params._meta. Which era a message belongs to is decided per message. The rest of the library asks
// `rules_of(revision)` and never compares revisions itself.
//
// Thread rule: everything here is immutable; any thread.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace steward::mcp {

enum class Revision { k2024_11_05, k2025_03_26, k2025_06_18, k2025_11_25, k2026_07_28 };

// What one revision allows and demands.
struct Rules {
    Revision revision;
    std::string_view name;        // as it is written on the wire
    bool modern;                  // stateless, named by each message
    bool batches;                 // arrays of messages are accepted
    bool tool_annotations;        // tools/list carries `annotations`
    bool titles;                  // `title` of tools, resources, prompts and programs
    bool structured_content;      // `outputSchema` and `structuredContent`
    bool completions;             // the capability `completions`; completion itself is older
    bool completion_context;      // completion/complete says which arguments are settled
    bool progress_message;        // `message` of a progress notification
    bool server_requests;         // the server may send requests to the client
    bool elicitation;             // the client may be asked to ask its user
    bool unsolicited_changes;     // list_changed goes out without having been asked for
    bool caching;                 // `ttlMs` and `cacheScope` on lists and on resources/read
    bool server_info_in_results;  // `_meta["io.modelcontextprotocol/serverInfo"]`
    // Members that open every result, and those that open the question for more input; empty:
    // none, and there is no such question.
    std::string_view result_head;
    std::string_view input_required_head;
    // Error codes of an unknown resource, and of a capability that the client has not declared.
    int resource_not_found;
    int missing_capability;
};

// Keys of params._meta and result._meta.
inline constexpr std::string_view kMetaProtocolVersion = "io.modelcontextprotocol/protocolVersion";
inline constexpr std::string_view kMetaClientCapabilities =
    "io.modelcontextprotocol/clientCapabilities";
inline constexpr std::string_view kMetaClientInfo = "io.modelcontextprotocol/clientInfo";
inline constexpr std::string_view kMetaLogLevel = "io.modelcontextprotocol/logLevel";
inline constexpr std::string_view kMetaServerInfo = "io.modelcontextprotocol/serverInfo";
inline constexpr std::string_view kMetaSubscriptionId = "io.modelcontextprotocol/subscriptionId";

[[nodiscard]] const Rules& rules_of(Revision revision) noexcept;

// The revision of that name when it opens with `initialize`; nothing for a modern or unknown name.
[[nodiscard]] std::optional<Revision> legacy_revision(std::string_view name) noexcept;
// The stateless revision of that name; nothing for a legacy or unknown name.
[[nodiscard]] std::optional<Revision> modern_revision(std::string_view name) noexcept;

// What `initialize` answers: the requested revision when it is a legacy one, else the newest legacy
// one. Never a modern name: clients of that era refuse it.
[[nodiscard]] Revision negotiate(std::string_view requested) noexcept;

// The stateless revisions, newest first: `supportedVersions` of server/discover and
// `data.supported` of the error -32022.
[[nodiscard]] std::vector<std::string_view> modern_names();

// True when a client of that era may send the request `method` at all. Methods that the protocol
// does not know are refused, whether or not the server has a handler.
[[nodiscard]] bool method_exists(bool modern, std::string_view method) noexcept;

// True for the modern methods that may be sent again with `inputResponses` and `requestState`.
[[nodiscard]] bool may_require_input(std::string_view method) noexcept;

// The capability that a client must have declared to be asked `method` ("elicitation" for
// elicitation/create); empty when clients of that revision cannot be asked.
[[nodiscard]] std::string_view capability_for(const Rules& rules, std::string_view method) noexcept;

// The eight log levels, the same ones in every revision, the least important first.
enum class LogLevel { kDebug, kInfo, kNotice, kWarning, kError, kCritical, kAlert, kEmergency };
[[nodiscard]] std::optional<LogLevel> log_level(std::string_view name) noexcept;
[[nodiscard]] std::string_view name_of(LogLevel level) noexcept;

}  // namespace steward::mcp
