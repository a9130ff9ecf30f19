#include "harness.hpp"

#include <Poco/JSON/Array.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <utility>

#include "message_fault.hpp"
#include "steward/core/schema.hpp"

namespace steward::fuzz {
namespace {

using Poco::JSON::Array;
using Poco::JSON::Object;

// Small limits, so that short inputs reach them.
constexpr std::size_t kMaxDepth = 100;
constexpr std::size_t kMaxValues = 2000;
constexpr std::size_t kMaxLine = 4U * 1024;
constexpr std::size_t kMaxOutputLine = 48U * 1024;

// As the product checks arguments, but for the compiled form, which is kept by its text: the schemas
// of each session are new objects.
std::optional<std::string> validate(const Object::Ptr& schema, const Poco::Dynamic::Var& value) {
    static auto* const compiled = new std::map<std::string, core::SchemaValidator>;
    auto text = mcp::to_json(*schema);
    auto found = compiled->find(text);
    if (found == compiled->end()) {
        auto made = core::SchemaValidator::compile(schema);
        if (!made) {
            violated("a schema is none: " + made.error().text, text);
        }
        found = compiled->emplace(std::move(text), std::move(*made)).first;
    }
    return found->second.check(value);
}

std::string id_text(const Poco::Dynamic::Var& id) {
    std::string text;
    mcp::append_json(text, id);
    return text;
}

bool is_id(const Poco::Dynamic::Var* id) {
    return id != nullptr && (mcp::as_integer(id) || mcp::as_string(id) != nullptr);
}

}  // namespace

void violated(const std::string& what, std::string_view line) {
    std::fprintf(stderr, "violated: %s\n%.*s\n", what.c_str(), static_cast<int>(line.size()),
                 line.data());
    std::abort();
}

Harness::Harness(bool with_product) : lines_(kMaxLine), reader_({kMaxDepth, kMaxValues}) {
    options_.max_output_line = kMaxOutputLine;
    options_.max_depth = kMaxDepth;
    options_.max_values = kMaxValues;
    options_.max_id_bytes = 64;
    options_.max_calls = 8;
    options_.max_batch = 10;
    options_.max_subscribed_uris = 4;
    options_.max_subscribed_uri_bytes = 100;
    options_.max_listens = 3;
    options_.logging = true;
    options_.subscriptions = true;
    options_.list_changed = true;
    options_.congested = [this] { return full_; };
    options_.now = [this] { return now_; };
    options_.post = [this](std::function<void()> task) { later(std::move(task)); };
    mcp::Hooks hooks;
    const auto check_text = [](std::string_view text) {
        if (text.size() > 2000 || !mcp::is_valid_utf8(text)) {
            violated("a line for the log is too long or not UTF-8", text);
        }
    };
    hooks.on_trouble = check_text;
    hooks.on_legacy_initialize = [](const mcp::Client& client) {
        if (client.capabilities.isNull()) {
            violated("a client without capabilities", client.name);
        }
    };
    hooks.on_modern_request = [](const mcp::Client& client, std::string_view method) {
        if (client.capabilities.isNull() || method == "server/discover") {
            violated("no use of the server", method);
        }
    };
    hooks.on_watch = check_text;
    server_ = std::make_unique<mcp::Server>(
        mcp::ServerInfo{"fuzz", "The \"Fuzz\"", "1", "be kind"}, options_,
        [this](const std::string& line, mcp::LineKind) { check(line); }, validate, hooks);
    if (with_product) {
        register_product(*this);
    } else {
        register_prompts(*this);
    }
    register_tools(*this);
}

Harness::~Harness() = default;

void Harness::run(std::string_view bytes, std::size_t chunk) {
    for (std::size_t at = 0; at < bytes.size(); at += chunk) {
        lines_.append(bytes.substr(at, chunk));
        deliver();
    }
    lines_.finish();
    deliver();
    if (!server_) {
        return;
    }
    run_tasks();
    kept_.clear();  // each is answered with an error
    run_tasks();
    for (const auto& id : std::exchange(asked_, {})) {
        server_->receive(R"({"jsonrpc":"2.0","id":)" + id + R"(,"error":{"code":1,"message":""}})");
    }
    run_tasks();
    if (server_->pending() != 0 || !timers_.empty()) {
        violated("calls are in flight that nobody has", std::to_string(server_->pending()));
    }
    server_->close_subscriptions();
}

void Harness::deliver() {
    for (;;) {
        const auto event = lines_.next();
        switch (event.kind) {
            case mcp::LineReader::Kind::kNone:
                return;
            case mcp::LineReader::Kind::kLine:
                receive(event.text);
                break;
            case mcp::LineReader::Kind::kOversize:
                if (server_) {
                    server_->receive_oversize(kMaxLine);
                }
                break;
            case mcp::LineReader::Kind::kLost:
                if (server_) {
                    server_->receive_lost();
                }
                break;
        }
    }
}

void Harness::receive(std::string_view line) {
    if (!server_) {
        return;
    }
    if (!line.empty() && line.front() == '!') {
        happen(line.substr(1));
        return;
    }
    count_requests(line);
    server_->receive(line);
    run_tasks();
}

// What may happen between two lines.
void Harness::happen(std::string_view what) {
    if (what == "answer") {
        answer_kept();
    } else if (what == "drop" && !kept_.empty()) {
        kept_.pop_front();
    } else if (what == "time") {
        pass_time();
    } else if (what == "full") {
        full_ = true;
    } else if (what == "empty") {
        full_ = false;
        server_->flush_updates();
    } else if (what.substr(0, 7) == "update ") {
        server_->resource_updated(std::string(what.substr(7)));
    } else if (what == "lists") {
        server_->tools_changed();
        server_->prompts_changed();
        server_->resources_changed();
    } else if (what.substr(0, 6) == "retry ") {
        retry(what.substr(6));
    } else if (what == "end") {
        tasks_.clear();
        server_.reset();  // the calls that are kept answer nobody any more
        kept_.clear();
    }
    if (server_) {
        run_tasks();
    }
}

void Harness::pass_time() {
    now_ += std::chrono::seconds(601);
    for (const auto& [timer, task] : std::exchange(timers_, {})) {
        task();
    }
}

std::uint64_t Harness::arm(std::function<void()> task) {
    timers_.emplace(++last_timer_, std::move(task));
    return last_timer_;
}

void Harness::answer_kept() {
    if (kept_.empty()) {
        return;
    }
    const auto call = kept_.front();
    kept_.pop_front();
    call->progress(1, 2, "half");
    call->log(mcp::LogLevel::kWarning, "fuzz", R"({"almost":true})");
    call->reply(mcp::ToolResult::text("late"));
    call->reply(mcp::ToolResult::text("twice"));
    call->progress(2);
}

// The last request again, with what it asked for: nobody else can know the state, whose key is new
// in each process.
void Harness::retry(std::string_view responses) {
    Poco::Dynamic::Var read;
    if (last_.isNull() || reader_.parse(responses, read) != mcp::JsonStatus::kOk) {
        return;
    }
    auto params = mcp::as_object(mcp::find_member(*last_, "params"));
    if (params.isNull()) {
        return;
    }
    params->set("requestState", request_state_);
    params->set("inputResponses", read);
    const auto line = mcp::to_json(*last_);
    count_requests(line);
    server_->receive(line);
}

void Harness::run_tasks() {
    while (!tasks_.empty()) {
        const auto task = std::move(tasks_.front());
        tasks_.pop_front();
        task();
    }
}

void Harness::count_requests(std::string_view line) {
    Poco::Dynamic::Var value;
    if (reader_.parse(line, value) != mcp::JsonStatus::kOk) {
        return;
    }
    if (value.type() == typeid(Array::Ptr)) {
        for (const auto& message : *value.extract<Array::Ptr>()) {
            count_request(message);
        }
    } else {
        count_request(value);
    }
}

void Harness::count_request(const Poco::Dynamic::Var& message) {
    const auto object = mcp::as_object(&message);
    if (object.isNull()) {
        return;
    }
    const auto* const id = mcp::find_member(*object, "id");
    if (is_id(id)) {
        ++open_[id_text(*id)];
        last_ = object;
    }
}

void Harness::check(std::string_view line) {
    if (line.size() > kMaxOutputLine || line.find('\n') != std::string_view::npos) {
        violated("the line is too long, or more than one", line.substr(0, 1000));
    }
    // Answers may hold more than messages of clients may.
    static auto* const reader = new mcp::JsonReader({512, 1'000'000});
    Poco::Dynamic::Var value;
    if (reader->parse(line, value) != mcp::JsonStatus::kOk) {
        violated("no strict JSON text in UTF-8", line);
    }
    if (value.type() != typeid(Array::Ptr)) {
        check_message(value, line);
        return;
    }
    const auto batch = value.extract<Array::Ptr>();
    if (batch->empty()) {
        violated("an empty batch", line);
    }
    for (const auto& message : *batch) {
        check_message(message, line);
    }
}

void Harness::check_message(const Poco::Dynamic::Var& message, std::string_view line) {
    if (const auto fault = tests::fault_of_message(message); !fault.empty()) {
        violated(fault, line);
    }
    const auto object = mcp::as_object(&message);
    const auto* const id = mcp::find_member(*object, "id");
    if (id == nullptr) {
        return;
    }
    if (object->has("method")) {
        asked_.push_back(id_text(*id));
        return;
    }
    if (--open_[id_text(*id)] < 0) {
        violated("an answer that nobody waits for", line);
    }
    const auto result = mcp::as_object(mcp::find_member(*object, "result"));
    if (!result.isNull()) {
        if (const auto* const state = mcp::as_string(mcp::find_member(*result, "requestState"))) {
            request_state_ = *state;
        }
    }
}

}  // namespace steward::fuzz
