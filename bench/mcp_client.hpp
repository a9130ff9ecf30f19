// A client of a line-based server on pipes. One thread.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "workplace.hpp"

namespace steward::bench {

// Requests, each a line with its newline.
std::string initialize_line();
std::string initialized_line();
std::string discover_line();
std::string status_call_line(int id);

// A started server. What goes wrong is a std::runtime_error.
class McpClient {
  public:
    McpClient(const Workplace& place, const std::vector<std::string>& argv);

    [[nodiscard]] pid_t pid() const { return process_.pid(); }
    // When the start was asked for.
    [[nodiscard]] std::int64_t started_at() const { return started_at_; }
    void send(const std::string& text);
    // The next line, without its newline.
    std::string receive(std::int64_t deadline);
    // Reads on until a line contains `text`, and returns that line: notifications in between are
    // dropped.
    std::string receive_with(const std::string& text, std::int64_t deadline);
    // Calls flask_status `count` times with `window` calls on their way all the time; returns the
    // seconds it took. A line shorter than `shortest` is a refusal and ends it with an error.
    double pump_status_calls(int count, int window, std::size_t shortest, std::int64_t deadline);
    // Closes stdin and waits for the end; returns the milliseconds, or nothing if it took longer
    // than 3 s (the process is killed then).
    std::optional<double> close();

  private:
    // Reads what is there into `unread_`; throws at the end of the stream or at `deadline`.
    void read_some(std::int64_t deadline);
    // Drops the complete lines of `unread_`; returns how many there were.
    int take_answers(std::size_t shortest);

    std::int64_t started_at_ = 0;
    Fd in_;
    Fd out_;
    std::string unread_;
    Process process_;
};

}  // namespace steward::bench
