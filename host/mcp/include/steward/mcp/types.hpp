// What a server consists of: its name, its tools and resources, and the answers that handlers give.
//
// Thread rule: plain values, one owner at a time. ToolResult and ResourceContents hold text, not
// shared trees, so that they may be made on one thread and moved to another.
#pragma once

#include <Poco/Dynamic/Var.h>
#include <Poco/JSON/Object.h>

#include <chrono>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "steward/mcp/revisions.hpp"

namespace steward::mcp {

class Call;

struct ServerInfo {
    std::string name;
    std::string title;
    std::string version;
    std::string instructions;  // empty: none
};

// Who sent a request. For a legacy client it is what `initialize` said, for a modern one what this
// request said; name and version may be empty.
struct Client {
    Revision revision = Revision::k2025_11_25;
    std::string name;
    std::string version;
    Poco::JSON::Object::Ptr capabilities;  // never null
};

enum class CacheScope { kPrivate, kPublic };

// For how long, and for whom, a client may keep an answer (modern revisions only).
struct CachePolicy {
    std::chrono::milliseconds ttl{0};
    CacheScope scope = CacheScope::kPrivate;
};

// The answer of a tool: blocks of content and, perhaps, one structured object.
class ToolResult {
  public:
    // One block of text.
    [[nodiscard]] static ToolResult text(std::string_view text);
    // One block of text that tells the model what went wrong (isError).
    [[nodiscard]] static ToolResult error(std::string_view text);
    // A structured object, and the same JSON as a block of text for older revisions.
    [[nodiscard]] static ToolResult object(const Poco::JSON::Object& object);
    // The same from JSON that is at hand already; must be one valid object without a newline.
    [[nodiscard]] static ToolResult object_json(std::string json);

    ToolResult& add_text(std::string_view text);
    // Any other block (image, resource_link ...), as the revision of the client knows it.
    ToolResult& add_block(const Poco::JSON::Object& block);
    ToolResult& set_error(bool is_error) noexcept;

    [[nodiscard]] const std::string& content_json() const noexcept { return content_; }
    [[nodiscard]] const std::string& structured_json() const noexcept { return structured_; }
    [[nodiscard]] bool is_error() const noexcept { return is_error_; }

  private:
    std::string content_;     // the blocks, comma separated
    std::string structured_;  // an object, or empty
    bool is_error_ = false;
};

// One content of resources/read. `data` is text, or the bytes of a blob when `binary` is set.
struct ResourceContents {
    std::string uri;        // empty: the one that was asked for
    std::string mime_type;  // empty: the one of the registration
    std::string data;
    bool binary = false;
};

// A handler runs on the mcp thread and must not block. It answers through the Call, at once or
// later; see call.hpp. What it throws becomes the error -32603.
using Handler = std::function<void(std::shared_ptr<Call>)>;

struct ToolAnnotations {
    bool read_only = false;
    bool destructive = true;
    bool idempotent = false;
    bool open_world = false;
};

struct Tool {
    std::string name;  // 1 to 128 of [A-Za-z0-9_.-]
    std::string title;
    std::string description;
    Poco::JSON::Object::Ptr input_schema;   // null: an object without members
    Poco::JSON::Object::Ptr output_schema;  // null: none; with one, the answer must be an object
    ToolAnnotations annotations;
    Handler handler;
};

struct Resource {
    std::string uri;
    std::string name;
    std::string title;
    std::string description;
    std::string mime_type;
    CachePolicy cache;
    Handler handler;
};

struct ResourceTemplate {
    std::string uri_template;  // see uri_template.hpp
    std::string name;
    std::string title;
    std::string description;
    std::string mime_type;
    CachePolicy cache;
    Handler handler;
};

// Says what is wrong with `value` under `schema`, or nothing. Always called with the schema object
// of the registration, so a compiled form may be kept by its address.
using Validator = std::function<std::optional<std::string>(const Poco::JSON::Object::Ptr& schema,
                                                           const Poco::Dynamic::Var& value)>;

// A line that nobody waits for may be dropped when the client does not read. An answer may not, nor
// may what else the client relies on: a question to it, its withdrawal, the start of a subscription.
enum class LineKind { kAnswer, kNotification };

// Takes one JSON-RPC message without its newline. Must not block and must not call the server back.
using Sink = std::function<void(std::string line, LineKind kind)>;

struct Options {
    std::size_t max_output_line = 8U * 1024 * 1024;  // clients drop the connection at 10 MiB
    std::size_t max_depth = 512;
    std::size_t max_values = 250'000;
    std::size_t max_id_bytes = 256U * 1024;
    static constexpr std::size_t kMaxCalls = 4096;
    std::size_t max_calls = kMaxCalls;  // calls that wait for their answer; more are refused
    std::size_t max_batch = 1000;
    CachePolicy list_cache{std::chrono::seconds(5), CacheScope::kPrivate};

    // Capabilities that the registration alone does not tell.
    bool logging = false;        // Call::log()
    bool subscriptions = false;  // to single resources
    bool list_changed = false;   // the lists of tools, prompts and resources

    // Bounds on what clients may watch, over all subscriptions together.
    std::size_t max_subscribed_uris = 1024;
    std::size_t max_subscribed_uri_bytes = 8192;  // of one uri
    std::size_t max_listens = 64;                 // open subscriptions/listen requests
    // True while the client does not read: changes are then only remembered, until
    // Server::flush_updates(); what is sent is a kAnswer. Empty: they are always sent, as
    // kNotification, and may be lost.
    std::function<bool()> congested;

    // How long a client may take to come back with the input that it was asked for.
    std::chrono::seconds input_lifetime{600};
    std::function<std::chrono::steady_clock::time_point()> now = [] {
        return std::chrono::steady_clock::now();
    };
    // Runs a task on the mcp thread, from any thread. With it a Call may be dropped anywhere.
    std::function<void(std::function<void()>)> post;
};

// What the host is told. All are optional and run on the mcp thread, within receive(). They must
// not throw.
struct Hooks {
    // `initialize` was answered (the answer is in the sink already).
    std::function<void(const Client&)> on_legacy_initialize;
    // A modern request other than server/discover is about to be served: nothing about it was
    // refused (arguments that break a tool's schema give a result, so they are served).
    std::function<void(const Client&, std::string_view method)> on_modern_request;
    // A client wants to hear of changes: of a uri, or of a list, by the method that returns it
    // ("prompts/list"; of a legacy session that is not told, it hears of all lists).
    std::function<void(std::string_view uri_or_list)> on_watch;
    // One short line for the log about input that was refused, or a handler that failed.
    std::function<void(std::string_view text)> on_trouble;
};

}  // namespace steward::mcp
