// What is behind Server: takes messages apart, decides their era, finds the method, keeps the calls
// in flight. engine.cpp has the envelope, engine_calls.cpp the life of a call, and the other
// engine_*.cpp the methods, by subject.
//
// Thread rule: the mcp thread.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_map>
#include <utility>
#include <vector>

#include "catalog.hpp"
#include "message.hpp"
#include "request.hpp"
#include "request_state.hpp"
#include "steward/mcp/call.hpp"
#include "steward/mcp/json.hpp"
#include "steward/mcp/prompts.hpp"
#include "steward/mcp/types.hpp"
#include "subscriptions.hpp"

namespace steward::mcp {

class Engine : public std::enable_shared_from_this<Engine> {
  public:
    Engine(ServerInfo info, Options options, Sink sink, Validator validator, Hooks hooks);

    [[nodiscard]] Catalog& catalog() noexcept { return catalog_; }
    void set_prompt_source(PromptSource source) { prompt_source_ = std::move(source); }
    void set_completer(Handler completer) { completer_ = std::move(completer); }

    void receive(std::string_view line);
    void receive_oversize(std::size_t limit);
    // An exception came out of receive(): the message is given up.
    void receive_failed(std::string_view what);
    // The same for a change: somebody was not told.
    void change_failed(std::string_view what);
    [[nodiscard]] std::size_t pending() const noexcept { return calls_.size(); }

    // The answers of calls; they do nothing once the request is answered or cancelled.
    void answer_tool(Request& request, const ToolResult& result);
    void answer_read(Request& request, const std::vector<ResourceContents>& contents,
                     const std::optional<CachePolicy>& cache);
    void answer_prompts(Request& request, const std::vector<PromptInfo>& prompts,
                        const std::optional<std::string>& next);
    void answer_prompt(Request& request, const PromptResult& result);
    void answer_completion(Request& request, const std::vector<std::string>& values,
                           std::optional<std::size_t> total, bool has_more);
    void answer_not_found(Request& request);
    void require_input(Request& request, const std::vector<InputRequest>& inputs,
                       std::string_view state);
    [[nodiscard]] bool require_capabilities(Request& request,
                                            const Poco::JSON::Object::Ptr& required);
    void fail(Request& request, int code, std::string_view message,
              const Poco::JSON::Object::Ptr& data = {});
    // The last reference to a call is gone.
    void drop(Request& request);

    // What calls send before their answer; nothing once they are answered or cancelled.
    void progress(Request& request, double progress, std::optional<double> total,
                  std::string_view message);
    void log(const Request& request, LogLevel level, std::string_view logger,
             std::string_view data_json);
    [[nodiscard]] bool ask_client(const RequestPtr& request, std::string_view method,
                                  const Poco::JSON::Object::Ptr& params,
                                  std::function<void(const ClientReply&)> on_reply);

    // Changes, for those who have subscribed.
    void resource_updated(const std::string& uri);
    void resources_updated_if(const std::function<bool(std::string_view uri)>& affected);
    void list_changed(ListKind kind);
    void flush_updates();
    void close_subscriptions();

    [[nodiscard]] bool on_owner_thread() const noexcept;
    [[nodiscard]] const Options& options() const noexcept { return options_; }

  private:
    struct Envelope;
    struct Method {
        std::string_view name;
        bool needs_session;  // legacy: only after `initialize`
        bool (Engine::*available)() const;
        void (Engine::*handle)(const RequestPtr&);
    };
    // A request of ours that the client has not answered yet.
    struct Question {
        RequestPtr request;  // the call that asks
        std::function<void(const ClientReply&)> on_reply;
    };
    static std::span<const Method> methods() noexcept;
    [[nodiscard]] const Method* find_method(const Request& request) const;

    // The envelope.
    void receive_batch(const Poco::JSON::Array& array);
    void receive_message(const Poco::Dynamic::Var& message, const std::shared_ptr<Batch>& batch);
    void receive_request(const RequestPtr& request, const Poco::Dynamic::Var* params);
    void receive_notification(const std::string& method, const Poco::Dynamic::Var* params);
    void receive_response(const Poco::Dynamic::Var* id, const Poco::Dynamic::Var* result,
                          const Poco::Dynamic::Var* error);
    [[nodiscard]] bool read_params(Request& request, const Poco::Dynamic::Var* params);
    [[nodiscard]] bool read_modern_meta(Request& request, const Poco::JSON::Object& meta,
                                        const std::string& version);
    // Reads what a modern client brings back. False: the request is answered.
    [[nodiscard]] bool read_inputs(Request& request);
    void dispatch(const RequestPtr& request);
    void cancel(const std::string& id);
    void refuse(std::string_view id, int code, std::string_view message, Batch* batch);
    void refuse_status(JsonStatus status);
    [[nodiscard]] std::optional<std::string> read_id(const Poco::Dynamic::Var& id) const;

    // The methods.
    void on_initialize(const RequestPtr& request);
    void on_discover(const RequestPtr& request);
    void on_ping(const RequestPtr& request);
    void on_tools_list(const RequestPtr& request);
    void on_tools_call(const RequestPtr& request);
    void on_resources_list(const RequestPtr& request);
    void on_templates_list(const RequestPtr& request);
    void on_resources_read(const RequestPtr& request);
    void on_prompts_list(const RequestPtr& request);
    void on_prompts_get(const RequestPtr& request);
    void on_complete(const RequestPtr& request);
    void on_set_level(const RequestPtr& request);
    void on_subscribe(const RequestPtr& request);
    void on_unsubscribe(const RequestPtr& request);
    void on_listen(const RequestPtr& request);
    [[nodiscard]] bool always() const noexcept { return true; }
    [[nodiscard]] bool has_tools() const noexcept { return catalog_.has_tools(); }
    [[nodiscard]] bool has_resources() const noexcept { return catalog_.has_resources(); }
    [[nodiscard]] bool has_prompts() const noexcept {
        return catalog_.has_prompts() || prompt_source_.list;
    }
    [[nodiscard]] bool has_completer() const noexcept { return completer_ != nullptr; }
    [[nodiscard]] bool has_logging() const noexcept { return options_.logging; }
    [[nodiscard]] bool has_subscriptions() const noexcept {
        return options_.subscriptions && has_resources();
    }
    [[nodiscard]] bool has_listen() const noexcept {
        return options_.subscriptions || options_.list_changed;
    }
    [[nodiscard]] ListFlags changing_lists() const noexcept;
    [[nodiscard]] std::string capabilities(const Rules& rules) const;
    [[nodiscard]] std::string server_info(const Rules& rules) const;
    // Tells the host of a modern request that nothing about it is refused any more. Not for
    // server/discover, which is no use of the server yet.
    void serving(const Request& request) const;
    // Nothing when the list may be given; else the request has been answered with an error.
    void fail_cursor(Request& request, const Poco::Dynamic::Var& cursor);
    [[nodiscard]] bool refuse_cursor(Request& request);
    void run_handler(const RequestPtr& request, const Handler& handler);
    // The uri of the request when it names a resource that can be watched; else it is answered.
    [[nodiscard]] const std::string* watched_uri(Request& request);
    void tell_watched(const ListFlags& lists, const std::vector<std::string>& uris) const;
    [[nodiscard]] bool is_watchable(const std::string& uri) const;
    void withdraw_questions(Request& request, std::string_view reason);
    // `required` may be null.
    void fail_capability(Request& request, const Poco::JSON::Object::Ptr& required);

    // True when the request was open and now is answered: the caller sends the answer.
    [[nodiscard]] bool close(Request& request);
    void send(Request& request, std::string line);
    void finish_result(Request& request, ResultWriter&& writer,
                       const std::optional<CachePolicy>& cache = std::nullopt);
    void trouble(std::string_view text) const;

    ServerInfo info_;
    Options options_;
    Validator validator_;
    Hooks hooks_;
    Outgoing outgoing_;
    JsonReader reader_;
    Catalog catalog_;
    PromptSource prompt_source_;  // may be empty
    Handler completer_;           // may be empty
    Subscriptions subscriptions_;
    RequestState request_state_;
    std::string modern_server_info_;
    std::shared_ptr<const Client> session_;  // what `initialize` settled; null before it
    std::shared_ptr<const Client> nobody_;   // a legacy client before `initialize`
    LogLevel session_log_level_ = LogLevel::kInfo;
    std::unordered_map<std::string, Question> questions_;  // by our id
    std::uint64_t last_question_ = 0;
    std::unordered_map<std::string, RequestPtr> calls_;  // in flight, by id
    std::thread::id owner_;                              // set by the first message
};

}  // namespace steward::mcp
