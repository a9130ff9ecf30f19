#include "mcp_updates.hpp"

#include <iterator>
#include <tuple>
#include <utility>

#include "prompt_resources.hpp"
#include "resource_uris.hpp"

namespace steward::host {
namespace {

constexpr auto kLeastInterval = std::chrono::milliseconds(100);

// In the order of McpUpdates::Topic.
struct Resource {
    const char* uri;
    bool at_once;
};
constexpr Resource kResources[] = {
    {kStatusUri, /*at_once=*/true},
    {kEventsUri, /*at_once=*/false},
    {kLogUri, /*at_once=*/false},
    {kPluginsUri, /*at_once=*/true},
};

bool is_about_plugins(core::EventName name) {
    return name == core::EventName::kPluginQuarantined || name == core::EventName::kPluginSwapped;
}

auto exit_of(const core::ServiceStatus& status) {
    return status.last_exit
               ? std::optional(std::tuple(status.last_exit->signaled, status.last_exit->code,
                                          status.last_exit->at))
               : std::nullopt;
}

}  // namespace

bool is_same_status(const core::ServiceStatus& a, const core::ServiceStatus& b) {
    const auto seen = [](const core::ServiceStatus& s) {
        return std::tie(s.state, s.since, s.cause, s.healthy, s.port, s.url, s.pid, s.restarts,
                        s.startup_ms, s.generation, s.instance_id, s.plugins);
    };
    return seen(a) == seen(b) && exit_of(a) == exit_of(b) &&
           a.next_restart_ms.has_value() == b.next_restart_ms.has_value();
}

McpUpdates::McpUpdates(Session& session, mcp::StdioTransport& transport, mcp::Server& server)
    : session_(session), transport_(transport), server_(server) {
    static_assert(std::size(kResources) == kTopics);
    session_.post([this] { listen(); });
    session_.on_change([this] { look_at_status(); });
    session_.on_output([this] { note(Topic::kLog); });
}

// ---- the loop's thread

void McpUpdates::listen() {
    session_.supervisor().events().subscribe([this](const core::Event& event) {
        // A sample comes all the time and is no event to somebody who watches.
        if (event.name != core::EventName::kMetrics) {
            note(Topic::kEvents);
        }
        if (is_about_plugins(event.name)) {
            note(Topic::kPlugins);
        }
    });
}

void McpUpdates::look_at_status() {
    if (!state(Topic::kStatus).watched) {
        return;
    }
    auto now = session_.service().status();
    if (!last_ || !is_same_status(*last_, now)) {
        last_ = std::move(now);
        note(Topic::kStatus);
    }
}

void McpUpdates::note(Topic topic) {
    if (!state(topic).watched) {
        return;
    }
    state(topic).news = true;
    if (!posted_.exchange(true)) {
        try {
            transport_.post([this] { tell(); });
        } catch (...) {
            posted_ = false;  // What comes next tries again.
            throw;
        }
    }
}

// ---- the mcp thread

void McpUpdates::watch(std::string_view uri) {
    for (std::size_t i = 0; i < kTopics; ++i) {
        if (uri == kResources[i].uri) {
            states_.at(i).watched = true;
        }
    }
    if (uri == kStatusUri) {
        // What it is now is no news.
        session_.post([this] {
            if (!last_) {
                last_ = session_.service().status();
            }
        });
    }
}

void McpUpdates::tell() {
    posted_ = false;
    for (std::size_t i = 0; i < kTopics; ++i) {
        if (states_.at(i).news.exchange(false)) {
            tell(static_cast<Topic>(i));
        }
    }
}

void McpUpdates::tell(Topic topic) {
    auto& state = this->state(topic);
    const auto& resource = kResources[static_cast<std::size_t>(topic)];
    if (state.waiting) {
        return;
    }
    const auto now = Clock::now();
    if (resource.at_once || now - state.told >= kLeastInterval) {
        state.told = now;
        server_.resource_updated(resource.uri);
        return;
    }
    transport_.arm(state.told + kLeastInterval, [this, &state, &resource] {
        state.waiting = false;
        state.told = Clock::now();
        server_.resource_updated(resource.uri);
    });
    state.waiting = true;
}

void McpUpdates::prompts_changed(const prompts::Change& change) {
    server_.resources_updated_if(
        [&change](std::string_view uri) { return is_affected(uri, change); });
    if (change.list_changed) {
        server_.prompts_changed();
    }
}

}  // namespace steward::host
