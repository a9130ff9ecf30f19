// One request, from its arrival to its answer.
#pragma once

#include <Poco/JSON/Object.h>

#include <atomic>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "message.hpp"
#include "steward/mcp/prompts.hpp"
#include "steward/mcp/revisions.hpp"
#include "steward/mcp/types.hpp"
#include "steward/mcp/uri_template.hpp"

namespace steward::mcp {

// What resources/read needs of the registration to finish an answer.
struct ReadTarget {
    std::string mime_type;
    CachePolicy cache;
};

struct Request {
    enum class State { kOpen, kAnswered, kCancelled };

    std::string id;  // its JSON text: 7 or "7", the key of the calls in flight too
    std::string method;
    Poco::JSON::Object::Ptr params;  // null: none
    const Rules* rules = nullptr;
    std::shared_ptr<const Client> client;
    std::string progress_token;         // JSON text; empty: none was given
    std::optional<double> progress;     // the last one that was sent
    std::optional<LogLevel> log_level;  // modern: the least level that the client wants
    std::shared_ptr<Batch> batch;

    // Changed by the mcp thread alone, read by any.
    std::atomic<State> state{State::kOpen};
    std::function<void()> on_cancel;

    // What the handler sees.
    std::string target;
    Poco::JSON::Object::Ptr arguments;
    UriVariables variables;
    std::optional<ReadTarget> read;
    bool wants_structured = false;  // the tool has an output schema
    std::string position;           // prompts/list: where the page begins; empty: the first one
    CompletionRequest completion;

    // Modern: what the client brings back to a request that has asked for input.
    Poco::JSON::Object::Ptr input_responses;  // null: none
    std::optional<std::string> input_state;

    std::vector<std::string> questions;  // ids of requests to the client that are open
};

using RequestPtr = std::shared_ptr<Request>;

}  // namespace steward::mcp
