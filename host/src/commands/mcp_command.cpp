#include "mcp_command.hpp"

#include <pthread.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstdio>
#include <map>
#include <memory>
#include <new>
#include <thread>
#include <utility>

#include <fmt/core.h>

#include "flask_tools.hpp"
#include "mcp_tools.hpp"
#include "mcp_updates.hpp"
#include "prompt_resources.hpp"
#include "prompt_worker.hpp"
#include "service_config.hpp"
#include "session.hpp"
#include "steward/core/schema.hpp"
#include "steward/mcp/server.hpp"
#include "steward/mcp/stdio_transport.hpp"
#include "steward/mcp/stdio_writer.hpp"

namespace steward::host {
namespace {

using Clock = mcp::StdioTransport::Clock;

// At the end answers are written as long as the client takes some of them within this time.
constexpr auto kNoProgress = std::chrono::milliseconds(250);
constexpr auto kSlice = std::chrono::milliseconds(20);
// So much is written from the mcp thread, after each round of its loop; a pipe takes no more at once.
constexpr std::size_t kHeldBytes = PIPE_BUF;
// From how many unanswered calls on nothing more is read. The rest of the way to max_calls is for a
// batch, and for what a client that hangs up has left in its pipe.
constexpr std::size_t kManyCalls = mcp::Options::kMaxCalls / 2;

// Tool arguments are checked against the very schema that tools/list shows, compiled once.
mcp::Validator make_validator() {
    auto compiled =
        std::make_shared<std::map<const void*, std::shared_ptr<core::SchemaValidator>>>();
    return [compiled](const Poco::JSON::Object::Ptr& schema,
                      const Poco::Dynamic::Var& value) -> std::optional<std::string> {
        auto& validator = (*compiled)[schema.get()];
        if (!validator) {
            auto made = core::SchemaValidator::compile(schema);
            if (!made) {
                return made.error().text;
            }
            validator = std::make_shared<core::SchemaValidator>(std::move(*made));
        }
        return validator->check(value, "argument");
    };
}

// The mcp thread's side of a session. Everything here belongs to that thread, the writer's
// callbacks excepted.
class McpServer {
  public:
    McpServer(Session& session, const Options& options, core::UniqueFd out);
    void run();
    void stop() { transport_.stop(); }

  private:
    mcp::StdioTransport::Options transport_options();
    mcp::StdioWriter::Options writer_options();
    mcp::Options server_options();
    mcp::Hooks hooks();
    PromptWorker::Options prompt_options(const Options& options);
    void client_is_there(const std::string& reason);
    void somebody_watches(std::string_view what);
    void heard_something();
    void answer(std::function<void()> task);
    void try_to_end();
    bool is_read(Clock::time_point now);

    Session& session_;
    const int out_;
    mcp::StdioTransport transport_;
    mcp::StdioWriter writer_;
    mcp::Server server_;
    const Bridge bridge_;
    McpUpdates updates_;
    std::unique_ptr<PromptWorker> prompts_;  // null: there is no prompt library
    mcp::StdioTransport::TimerId silence_ = 0;
    bool started_ = false;
    // The session is over and waits for the last answers.
    std::function<void()> ended_;
    Clock::time_point give_up_at_;
    Clock::time_point progress_at_;
    std::size_t last_left_ = 0;           // bytes that were not written yet
    std::atomic<bool> flush_due_{false};  // there was no memory to ask for it
};

McpServer::McpServer(Session& session, const Options& options, core::UniqueFd out)
    : session_(session),
      out_(out.release()),
      transport_(transport_options()),
      writer_(out_, writer_options()),
      server_(
          server_info(options), server_options(),
          [this](std::string line, mcp::LineKind kind) { writer_.enqueue(line, kind); },
          make_validator(), hooks()),
      bridge_{session_, [this](std::function<void()> task) { answer(std::move(task)); }},
      updates_(session_, transport_, server_) {
    if (needs_data_dir(options)) {
        prompts_ = std::make_unique<PromptWorker>(prompt_options(options));
    }
    register_tools(server_, bridge_, prompts_.get(), options,
                   {[this](std::chrono::nanoseconds delay, std::function<void()> task) {
                        return transport_.arm(Clock::now() + delay, std::move(task));
                    },
                    [this](std::uint64_t timer) { transport_.disarm(timer); }});
    // A client that says nothing at all has started this server to have the app.
    silence_ = transport_.arm(Clock::now() + defaults::kSilentStart, [this] {
        silence_ = 0;
        client_is_there("nothing was heard from the client for 1.5 s");
    });
    session_.on_end([this](core::Duration limit, const std::function<void()>& done) {
        transport_.post([this, limit, done] {
            server_.close_subscriptions();
            ended_ = done;
            progress_at_ = Clock::now();
            give_up_at_ = progress_at_ + limit;
            transport_.arm(give_up_at_, [this] { try_to_end(); });
            try_to_end();
        });
    });
}

void McpServer::run() {
    pthread_setname_np(pthread_self(), "mcp");
    transport_.run();
}

mcp::StdioTransport::Options McpServer::transport_options() {
    mcp::StdioTransport::Options options;
    options.input = STDIN_FILENO;
    options.output = out_;
    options.on_bytes = [this] { heard_something(); };
    options.on_line = [this](std::string_view line) { server_.receive(line); };
    options.on_oversize = [this](std::size_t limit) { server_.receive_oversize(limit); };
    options.on_lost = [this] { server_.receive_lost(); };
    options.on_eof = [this] {
        heard_something();
        session_.end("stdin was closed");
    };
    options.on_output_closed = [this] { session_.end("stdout was closed"); };
    // More calls than the server would take wait in the client's pipe. Their answers are tasks of
    // this transport, so it looks again after each of them.
    options.paused = [this] { return writer_.congested() || server_.pending() >= kManyCalls; };
    options.on_idle = [this] { writer_.send_held(); };
    options.on_trouble = [this](std::string_view what) {
        session_.log(core::Severity::kInfo, "mcp", std::string(what));
    };
    return options;
}

mcp::StdioWriter::Options McpServer::writer_options() {
    mcp::StdioWriter::Options options;
    options.held = kHeldBytes;
    options.on_error = [this](int) { session_.end("stdout was closed"); };
    options.on_drained = [this] { transport_.wake(); };
    options.on_caught_up = [this] {
        try {
            transport_.post([this] { server_.flush_updates(); });
        } catch (const std::bad_alloc&) {
            flush_due_ = true;  // With what the client says next.
        }
    };
    return options;
}

mcp::Options McpServer::server_options() {
    mcp::Options options;
    options.post = [this](std::function<void()> task) { transport_.post(std::move(task)); };
    options.logging = true;
    options.subscriptions = true;
    options.list_changed = true;
    // A change that comes while the last one is not yet read is told once it is.
    options.congested = [this] { return writer_.is_behind(); };
    return options;
}

mcp::Hooks McpServer::hooks() {
    mcp::Hooks hooks;
    hooks.on_legacy_initialize = [this](const mcp::Client& client) {
        client_is_there(the_client(client) + " connected");
    };
    hooks.on_modern_request = [this](const mcp::Client& client, std::string_view method) {
        client_is_there(fmt::format("{} asked for {}", the_client(client), method));
    };
    hooks.on_watch = [this](std::string_view what) { somebody_watches(what); };
    hooks.on_trouble = [this](std::string_view text) {
        session_.log(core::Severity::kInfo, "mcp", std::string(text));
    };
    return hooks;
}

PromptWorker::Options McpServer::prompt_options(const Options& options) {
    PromptWorker::Options prompts;
    prompts.data_dir = options.data_dir;
    prompts.to_owner = [this](std::function<void()> task) { answer(std::move(task)); };
    prompts.on_trouble = [this](const std::string& text) {
        session_.log(core::Severity::kWarning, "prompts", text);
    };
    prompts.on_change = [this](const prompts::Change& change) { updates_.prompts_changed(change); };
    return prompts;
}

void McpServer::somebody_watches(std::string_view what) {
    updates_.watch(what);
    if (prompts_ && (what == "prompts/list" || is_about_prompts(what))) {
        prompts_->watch();
    }
}

void McpServer::heard_something() {
    transport_.disarm(silence_);
    silence_ = 0;
    if (flush_due_.exchange(false)) {
        server_.flush_updates();
    }
}

// Any thread: runs a task, which may be the last that the end waits for.
void McpServer::answer(std::function<void()> task) {
    transport_.post([this, task = std::move(task)] {
        task();
        try_to_end();
    });
}

// A client that hangs up behind its requests gets the answers, if that does not take long.
void McpServer::try_to_end() {
    if (!ended_) {
        return;
    }
    const auto now = Clock::now();
    const std::size_t open = *bridge_.open + (prompts_ ? prompts_->unanswered() : 0);
    if (open > 0 && now < give_up_at_) {
        return;  // Each answer comes here again, and so does the timer.
    }
    if (!writer_.flush(now + kSlice) && is_read(now)) {
        transport_.arm(now, [this] { try_to_end(); });
        return;
    }
    std::exchange(ended_, {})();
}

// Whether the client still takes what is written.
bool McpServer::is_read(Clock::time_point now) {
    const std::size_t left = writer_.queued_bytes();
    if (left != last_left_) {
        last_left_ = left;
        progress_at_ = now;
    }
    return !writer_.failed() && now < give_up_at_ && now - progress_at_ < kNoProgress;
}

void McpServer::client_is_there(const std::string& reason) {
    if (!started_) {
        started_ = true;
        session_.post([session = &session_, reason] { session->start_for_client(reason); });
    }
}

}  // namespace

int mcp_command(const Options& options, core::UniqueFd out) {
    if (const auto wrong = check_options(options); !wrong) {
        fmt::print(stderr, "steward: {}\n", wrong.error().text);
        return 2;
    }
    Session::Setup setup;
    setup.options = options;
    setup.console = core::Severity::kWarning;
    setup.watch_parent = true;
    Session session(setup);
    if (options.strategies_given) {
        if (const auto wrong = session.prepare_plugins(); !wrong.empty()) {
            fmt::print(stderr, "steward: {}\n", wrong);
            std::fflush(stderr);
            _exit(2);
        }
    }
    McpServer server(session, options, std::move(out));
#ifdef STEWARD_SANITIZED
    std::thread thread([&server] { server.run(); });
    const int code = session.wait();
    session.halt();
    server.stop();
    thread.join();
    return code;
#else
    server.run();
    return session.wait();
#endif
}

}  // namespace steward::host
