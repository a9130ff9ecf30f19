#include "mcp_updates.hpp"

#include <tuple>
#include <utility>

#include "prompt_resources.hpp"
#include "resource_uris.hpp"

namespace steward::host {
namespace {

constexpr auto kLeastInterval = std::chrono::milliseconds(100);

constexpr unsigned kStatus = 1;
constexpr unsigned kEvents = 2;
constexpr unsigned kLog = 4;
constexpr unsigned kPlugins = 8;

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
    : session_(session),
      transport_(transport),
      server_(server),
      topics_{{kStatus, {kStatusUri, /*at_once=*/true}},
              {kEvents, {kEventsUri, /*at_once=*/false}},
              {kLog, {kLogUri, /*at_once=*/false}},
              {kPlugins, {kPluginsUri, /*at_once=*/true}}} {
    session_.post([this] { listen(); });
    session_.on_change([this] { look_at_status(); });
    session_.on_output([this] { note(kLog); });
}

// ---- the loop's thread

void McpUpdates::listen() {
    session_.supervisor().events().subscribe([this](const core::Event& event) {
        // A sample comes all the time and is no event to somebody who watches.
        if (event.name != core::EventName::kMetrics) {
            note(is_about_plugins(event.name) ? kEvents | kPlugins : kEvents);
        }
    });
}

void McpUpdates::look_at_status() {
    if ((watched_ & kStatus) == 0) {
        return;
    }
    auto now = session_.service().status();
    if (!last_ || !is_same_status(*last_, now)) {
        last_ = std::move(now);
        note(kStatus);
    }
}

void McpUpdates::note(Bits topics) {
    const Bits wanted = topics & watched_;
    if (wanted == 0) {
        return;
    }
    news_ |= wanted;
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
    for (const auto& [bit, topic] : topics_) {
        if (uri == topic.uri) {
            watched_ |= bit;
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
    const Bits news = news_.exchange(0);
    for (auto& [bit, topic] : topics_) {
        if ((news & bit) != 0) {
            tell(topic);
        }
    }
}

void McpUpdates::tell(Topic& topic) {
    const auto now = Clock::now();
    if (topic.waiting) {
        return;
    }
    if (topic.at_once || now - topic.told >= kLeastInterval) {
        topic.told = now;
        server_.resource_updated(topic.uri);
        return;
    }
    topic.waiting = true;
    transport_.arm(topic.told + kLeastInterval, [this, &topic] {
        topic.waiting = false;
        topic.told = Clock::now();
        server_.resource_updated(topic.uri);
    });
}

void McpUpdates::prompts_changed(const prompts::Change& change) {
    server_.resources_updated_if(
        [&change](std::string_view uri) { return is_affected(uri, change); });
    if (change.list_changed) {
        server_.prompts_changed();
    }
}

}  // namespace steward::host
