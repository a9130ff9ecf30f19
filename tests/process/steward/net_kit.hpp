// Sockets and plain HTTP beyond what steward_process.hpp has: who sits on a port, and what went
// wrong with a request.
//
// Any thread. Every wait has an end; what went wrong with a request is told by its answer, not
// thrown.
#pragma once
#include <cstdint>
#include <memory>
#include <string>

#include "steward/core/unique_fd.hpp"
#include "steward_process.hpp"

namespace steward::tests {

enum class Ends { kBound, kListening };
enum class Reuse { kNo, kYes, kPort };  // SO_REUSEADDR, SO_REUSEPORT as well

// A socket of this process on that address; "::" takes IPv4 along. Throws std::runtime_error if it
// cannot be bound.
core::UniqueFd occupy(const std::string& address, std::uint16_t port, Ends ends,
                      Reuse reuse = Reuse::kNo);

// A connection; an empty descriptor and errno if it is refused or not made within 5 s.
core::UniqueFd connect_to(std::uint16_t port, const std::string& address = "127.0.0.1");

struct Answer {
    int status = 0;    // 0: none came
    std::string head;  // with the status line, in the case that was sent
    std::string body;
    std::string trouble;  // "", "refused", "reset", "ended early" or "late"

    // The value of a header, empty if it is not there.
    std::string header(const std::string& name) const;
};

// Sends GET; `headers` are whole lines with their CRLF.
void send_get(int fd, const std::string& path, const std::string& headers = {});
// One answer: up to its Content-Length, or to the end of the stream.
Answer read_answer(int fd, Milliseconds limit);

// A request on a connection of its own.
Answer fetch(std::uint16_t port, const std::string& path, const std::string& headers = {},
             Milliseconds limit = kPatience);

// Accepts connections until it is destroyed, and answers each first request with the same 200 and
// JSON body.
class AnsweringListener {
  public:
    AnsweringListener(core::UniqueFd listener, std::string body);
    ~AnsweringListener();
    AnsweringListener(const AnsweringListener&) = delete;
    AnsweringListener& operator=(const AnsweringListener&) = delete;

  private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace steward::tests
