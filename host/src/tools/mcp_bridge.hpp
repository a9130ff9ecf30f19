// What all tools and resources share: the way from the mcp thread to the session's loop and back,
// and the words for the service.
#pragma once
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include "defaults.hpp"
#include "session.hpp"
#include "steward/mcp/server.hpp"

namespace steward::host {

using CallPtr = std::shared_ptr<mcp::Call>;
using ToMcp = std::function<void(std::function<void()>)>;

inline constexpr const char* kJson = "application/json";
// Clients drop the connection at 10 MiB; this much is for a list that grows.
inline constexpr std::size_t kMaxListBytes = 1024 * 1024;
inline constexpr mcp::ToolAnnotations kReadOnly{/*read_only=*/true, /*destructive=*/false,
                                                /*idempotent=*/true, /*open_world=*/false};

// Asks the loop's thread for something and answers the call on the mcp thread.
struct Bridge {
    Session& session;
    ToMcp to_mcp;
    // How many questions have not been answered yet; the mcp thread's.
    std::shared_ptr<std::size_t> open = std::make_shared<std::size_t>(0);

    // `ask` runs on the loop's thread; what it passes on reaches `answer` on the mcp thread.
    template <class Value>
    void ask(std::function<void(std::function<void(Value)>)> ask,
             std::function<void(Value)> answer) const {
        ++*open;
        session.post(
            [ask = std::move(ask), answer = std::move(answer), to_mcp = to_mcp, open = open] {
                ask([answer, to_mcp, open](Value value) {
                    to_mcp([answer, open, value = std::move(value)] {
                        --*open;
                        answer(value);
                    });
                });
            });
    }
};

// The timers of the mcp thread; they belong to it.
struct Timers {
    std::function<std::uint64_t(std::chrono::nanoseconds delay, std::function<void()>)> arm;
    std::function<void(std::uint64_t)> disarm;  // unknown and finished ones are ignored
};

// Answers resources/read with one JSON text.
inline void reply_json(const CallPtr& call, std::string json) {
    mcp::ResourceContents contents;
    contents.data = std::move(json);
    call->reply_resource(std::move(contents));
}

// How the texts speak of the service.
struct Words {
    explicit Words(const std::string& service)
        : title(service == defaults::kServiceName ? "PromptBin" : service),
          app(service == defaults::kServiceName ? "the PromptBin web app" : "the app " + service) {}
    std::string title;
    std::string app;
};

}  // namespace steward::host
