// One HTTP answer, as its bytes come in. Pure; any thread.
//
// The request is HTTP/1.0, so the body ends with its Content-Length or with the connection, and is
// never chunked. Head and body are bounded.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

namespace examples::app_metrics {

inline constexpr std::size_t kHeadLimit = 16U * 1024U;
inline constexpr std::size_t kBodyLimit = 256U * 1024U;

class HttpResponse {
  public:
    // Takes bytes; true when the answer is complete. Throws sdk::Failure UNSUPPORTED for what is
    // not HTTP or has another coding, EXHAUSTED for what is beyond a limit.
    bool put(std::string_view bytes);
    // The connection has ended; true when the answer is complete.
    [[nodiscard]] bool put_end();

    [[nodiscard]] int status() const noexcept { return status_; }
    [[nodiscard]] const std::string& body() const noexcept { return body_; }
    // Is the body to be read as OpenMetrics, which is stricter than Prometheus' text?
    [[nodiscard]] bool open_metrics() const noexcept { return open_metrics_; }

  private:
    void read_head(std::string_view head);
    void read_header(std::string_view line);
    bool take_body(std::string_view bytes);

    std::string head_;
    std::string body_;
    int status_ = 0;  // 0: the head is not complete
    bool open_metrics_ = false;
    std::optional<std::size_t> length_;
};

}  // namespace examples::app_metrics
