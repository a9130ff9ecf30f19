// One HTTP/1 answer, read from bytes as they come in.
//
// The only file behind which Boost.Beast's parser stands. It knows no socket, no clock and no
// verdict. Bounded: at most kHeaderLimit bytes of headers and kBodyLimit of body are kept, and no
// more than kWireLimit bytes are looked at after the headers. Owned by one probe; no thread rule of
// its own.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>

namespace steward::health_http {

inline constexpr std::size_t kHeaderLimit = 8U * 1024U;
inline constexpr std::size_t kBodyLimit = 64U * 1024U;
// With what chunked coding adds; a body that is chopped finer than this is not read to its end.
inline constexpr std::size_t kWireLimit = 4U * kBodyLimit;

enum class AnswerState {
    kHeaders,   // the headers are not complete
    kBody,      // the headers are complete, the body is not
    kComplete,  // headers and body are there
    kNotHttp,   // what came is not HTTP/1
    kHeadersTooLarge,
    kBodyTooLarge,  // the headers are complete; the body is, or would be, larger than kBodyLimit
    kBodyBroken     // the headers are complete; the body's coding is wrong
};

class HttpAnswer {
  public:
    HttpAnswer();
    ~HttpAnswer();
    HttpAnswer(const HttpAnswer&) = delete;
    HttpAnswer& operator=(const HttpAnswer&) = delete;

    // Takes the next bytes. In a state other than kHeaders and kBody they are ignored.
    // Informational answers (1xx) before the answer are skipped. Throws std::bad_alloc only.
    AnswerState put(std::string_view bytes);

    // The other side has closed: a body that only the end delimits is complete now; anything else
    // keeps its state.
    AnswerState put_end();

    [[nodiscard]] AnswerState state() const noexcept;
    // Has any byte come?
    [[nodiscard]] bool begun() const noexcept;
    // The status code, 0 until the headers are complete.
    [[nodiscard]] int status() const noexcept;
    // Does the Content-Type say JSON (application/json, application/problem+json …)?
    [[nodiscard]] bool says_json() const noexcept;
    // The body as far as it has come.
    [[nodiscard]] std::string_view body() const noexcept;
    // The first bytes that came, for a text about an answer that is not HTTP.
    [[nodiscard]] std::string_view first_bytes() const noexcept;

  private:
    class Parser;

    void put_headers();
    void put_body();

    std::unique_ptr<Parser> parser_;
    std::string pending_;      // received, not yet taken by the parser
    std::string first_bytes_;  // a copy of the beginning
    std::size_t wire_bytes_ = 0;
    int interim_answers_ = 0;
    AnswerState state_ = AnswerState::kHeaders;
};

}  // namespace steward::health_http
