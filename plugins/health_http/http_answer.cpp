#include "http_answer.hpp"

#include <algorithm>
#include <boost/beast/http/basic_parser.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <cstdint>

namespace steward::health_http {
namespace {

namespace http = boost::beast::http;
using ErrorCode = boost::beast::error_code;
using Text = boost::beast::string_view;

constexpr std::size_t kFirstBytes = 96;
constexpr std::string_view kVersionStart = "HTTP/1.";
constexpr int kInterimLimit = 8;

bool is_json_type(Text value) {
    constexpr std::string_view kJson = "json";
    const std::string_view type(value.data(), std::min(value.size(), value.find(';')));
    const auto same = [](char a, char b) { return (a | 0x20) == b; };
    return std::search(type.begin(), type.end(), kJson.begin(), kJson.end(), same) != type.end();
}

}  // namespace

// What Beast calls back. It keeps the body and one fact of the headers; the limits are
// HttpAnswer's.
class HttpAnswer::Parser final : public http::basic_parser<false> {
  public:
    Parser() {
        body_limit(boost::none);
        header_limit(static_cast<std::uint32_t>(kHeaderLimit));
    }

    int code = 0;
    bool json_type = false;
    std::string body;

  private:
    void on_request_impl(http::verb, Text, Text, int, ErrorCode&) override {}
    void on_response_impl(int status, Text, int, ErrorCode&) override { code = status; }
    void on_field_impl(http::field name, Text, Text value, ErrorCode&) override {
        if (name == http::field::content_type) {
            json_type = is_json_type(value);
        }
    }
    void on_header_impl(ErrorCode&) override {}
    void on_body_init_impl(const boost::optional<std::uint64_t>&, ErrorCode&) override {}
    std::size_t on_body_impl(Text part, ErrorCode& error) override { return append(part, error); }
    void on_chunk_header_impl(std::uint64_t, Text, ErrorCode&) override {}
    std::size_t on_chunk_body_impl(std::uint64_t, Text part, ErrorCode& error) override {
        return append(part, error);
    }
    void on_finish_impl(ErrorCode&) override {}

    std::size_t append(Text part, ErrorCode& error) {
        const std::size_t room = kBodyLimit - body.size();
        body.append(part.data(), std::min(room, part.size()));
        if (part.size() > room) {
            error = http::error::body_limit;
        }
        return part.size();
    }
};

HttpAnswer::HttpAnswer() : parser_(std::make_unique<Parser>()) {}
HttpAnswer::~HttpAnswer() = default;

AnswerState HttpAnswer::put(std::string_view bytes) {
    if (state_ != AnswerState::kHeaders && state_ != AnswerState::kBody) {
        return state_;
    }
    first_bytes_ += bytes.substr(0, kFirstBytes - first_bytes_.size());
    // Beast would wait for a whole line. Few bytes tell enough, and a wrong protocol's server may
    // send no more.
    if (kVersionStart.substr(0, first_bytes_.size()) !=
        first_bytes_.substr(0, kVersionStart.size())) {
        return state_ = AnswerState::kNotHttp;
    }
    pending_ += bytes;
    wire_bytes_ += bytes.size();
    while (state_ == AnswerState::kHeaders && !pending_.empty()) {
        const std::size_t before = pending_.size();
        put_headers();
        if (pending_.size() == before) {
            break;
        }
    }
    if (state_ == AnswerState::kBody) {
        put_body();
    }
    return state_;
}

// One step through the headers; takes nothing from pending_ when more bytes are needed.
void HttpAnswer::put_headers() {
    ErrorCode error;
    const std::size_t taken = parser_->put({pending_.data(), pending_.size()}, error);
    pending_.erase(0, taken);
    const std::size_t header_bytes = wire_bytes_ - pending_.size();
    if (error == http::error::header_limit || header_bytes > kHeaderLimit ||
        (error == http::error::need_more && wire_bytes_ > kHeaderLimit)) {
        state_ = AnswerState::kHeadersTooLarge;
    } else if (error && error != http::error::need_more) {
        state_ = AnswerState::kNotHttp;
    } else if (parser_->is_header_done()) {
        const int code = parser_->code;
        if (code >= 100 && code < 200 && code != 101) {
            const bool too_many = ++interim_answers_ > kInterimLimit;
            parser_ = std::make_unique<Parser>();
            state_ = too_many ? AnswerState::kNotHttp : AnswerState::kHeaders;
            return;
        }
        const auto length = parser_->content_length();
        wire_bytes_ = pending_.size();
        state_ = parser_->is_done()               ? AnswerState::kComplete
                 : length && *length > kBodyLimit ? AnswerState::kBodyTooLarge
                                                  : AnswerState::kBody;
    }
}

void HttpAnswer::put_body() {
    parser_->eager(true);
    while (!pending_.empty() && !parser_->is_done()) {
        ErrorCode error;
        const std::size_t taken = parser_->put({pending_.data(), pending_.size()}, error);
        pending_.erase(0, taken);
        if (error == http::error::need_more || (!error && taken == 0)) {
            break;
        }
        if (error) {
            state_ = error == http::error::body_limit ? AnswerState::kBodyTooLarge
                                                      : AnswerState::kBodyBroken;
            return;
        }
    }
    if (parser_->is_done()) {
        state_ = AnswerState::kComplete;
    } else if (wire_bytes_ > kWireLimit) {
        state_ = AnswerState::kBodyTooLarge;
    }
}

AnswerState HttpAnswer::put_end() {
    if (state_ == AnswerState::kBody && parser_->need_eof()) {
        ErrorCode error;
        parser_->put_eof(error);
        state_ = error ? AnswerState::kBodyBroken : AnswerState::kComplete;
    }
    return state_;
}

AnswerState HttpAnswer::state() const noexcept {
    return state_;
}
bool HttpAnswer::begun() const noexcept {
    return !first_bytes_.empty();
}
bool HttpAnswer::says_json() const noexcept {
    return parser_->json_type;
}
std::string_view HttpAnswer::body() const noexcept {
    return parser_->body;
}
std::string_view HttpAnswer::first_bytes() const noexcept {
    return first_bytes_;
}

int HttpAnswer::status() const noexcept {
    const bool headers_done = state_ == AnswerState::kBody || state_ == AnswerState::kComplete ||
                              state_ == AnswerState::kBodyTooLarge ||
                              state_ == AnswerState::kBodyBroken;
    return headers_done ? parser_->code : 0;
}

}  // namespace steward::health_http
