// Builds JSON-RPC messages and hands them to the sink: one place that knows their form, the limit
// of a line, and how the answers of a batch are put together.
//
// Thread rule: the mcp thread.
#pragma once

#include <Poco/JSON/Object.h>

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "steward/mcp/revisions.hpp"
#include "steward/mcp/types.hpp"

namespace steward::mcp {

// The answers of one array of messages; sent when none is open any more.
struct Batch {
    std::size_t open = 0;
    std::string answers;  // comma separated
};

// Writes one result, member by member, into a finished line.
class ResultWriter {
  public:
    // `id` is the JSON text of the request's id.
    ResultWriter(std::string_view id, const Rules& rules, std::size_t expected_bytes = 256);
    // The same for the question for more input.
    [[nodiscard]] static ResultWriter input_required(std::string_view id, const Rules& rules);

    // Starts the member `key` (plain ASCII); its value is to be appended to the returned string.
    std::string& member(std::string_view key);
    void string_member(std::string_view key, std::string_view value);

    // The line. `cache` is written when the revision knows caching, `server_info` (an object) when
    // it wants it in each result, `subscription` (the JSON text of an id) when it is not empty.
    [[nodiscard]] std::string finish(const std::optional<CachePolicy>& cache,
                                     std::string_view server_info,
                                     std::string_view subscription = {}) &&;

  private:
    ResultWriter(std::string_view id, const Rules& rules, std::string_view head,
                 std::size_t expected_bytes);

    const Rules& rules_;
    std::string line_;
    bool empty_ = true;
};

[[nodiscard]] std::string error_line(std::string_view id, int code, std::string_view message,
                                     const Poco::JSON::Object::Ptr& data);

class Outgoing {
  public:
    Outgoing(Sink sink, std::size_t max_line) : sink_(std::move(sink)), max_line_(max_line) {}

    // Sends the answer with that id, or the error -32603 when it is longer than a line may be.
    // An empty id stands for an error without one. `batch` may be null.
    void answer(std::string_view id, std::string line, Batch* batch);
    // `params` is an object in JSON, or empty. One that must not be lost is sent as kAnswer.
    void notification(std::string_view method, std::string_view params,
                      LineKind kind = LineKind::kNotification);
    // A request of the server's own. False, and nothing is sent, when it is longer than a line.
    [[nodiscard]] bool request(std::string_view id, std::string_view method,
                               std::string_view params);

    // Marks one request of the batch as done.
    void close_one(Batch& batch);

  private:
    void flush(Batch& batch);

    Sink sink_;
    std::size_t max_line_;
};

}  // namespace steward::mcp
