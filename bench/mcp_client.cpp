#include "mcp_client.hpp"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <csignal>
#include <stdexcept>

namespace steward::bench {
namespace {

constexpr const char* kMeta =
    R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
    R"("io.modelcontextprotocol/clientInfo":{"name":"bench","version":"1"},)"
    R"("io.modelcontextprotocol/clientCapabilities":{}})";

}  // namespace

std::string initialize_line() {
    return R"({"jsonrpc":"2.0","id":0,"method":"initialize","params":{"protocolVersion":"2025-11-25",)"
           R"("capabilities":{},"clientInfo":{"name":"bench","version":"1"}}})"
           "\n";
}

std::string initialized_line() {
    return "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n";
}

std::string discover_line() {
    return std::string(R"({"jsonrpc":"2.0","id":0,"method":"server/discover","params":{)") + kMeta +
           "}}\n";
}

std::string status_call_line(int id) {
    return R"({"jsonrpc":"2.0","id":)" + std::to_string(id) +
           R"(,"method":"tools/call","params":{"name":"flask_status","arguments":{}}})"
           "\n";
}

McpClient::McpClient(const Workplace& place, const std::vector<std::string>& argv) {
    auto input = make_pipe();
    auto output = make_pipe();
    Plan plan;
    plan.argv = argv;
    plan.env = place.env();
    plan.in = input.read.get();
    plan.out = output.write.get();
    plan.err = place.log();
    started_at_ = now_ns();
    process_ = Process(plan);
    in_ = std::move(input.write);
    out_ = std::move(output.read);
    // The other ends are other open files: the server's stay blocking.
    fcntl(in_.get(), F_SETFL, O_NONBLOCK);
    fcntl(out_.get(), F_SETFL, O_NONBLOCK);
}

void McpClient::send(const std::string& text) {
    for (std::size_t at = 0; at < text.size();) {
        const ssize_t count = write(in_.get(), text.data() + at, text.size() - at);
        if (count > 0) {
            at += static_cast<std::size_t>(count);
        } else if (errno == EAGAIN) {
            pollfd ready{in_.get(), POLLOUT, 0};
            poll(&ready, 1, 1000);
        } else if (errno != EINTR) {
            fail("writing to the server");
        }
    }
}

void McpClient::read_some(std::int64_t deadline) {
    char bytes[64 * 1024];
    for (;;) {
        const ssize_t count = read(out_.get(), bytes, sizeof bytes);
        if (count > 0) {
            unread_.append(bytes, static_cast<std::size_t>(count));
            return;
        }
        if (count == 0) {
            throw std::runtime_error("the server has closed its output");
        }
        if (errno == EAGAIN) {
            const auto left = (deadline - now_ns()) / 1'000'000;
            if (left <= 0) {
                throw std::runtime_error("the server has not answered in time");
            }
            pollfd ready{out_.get(), POLLIN, 0};
            poll(&ready, 1, static_cast<int>(left));
        } else if (errno != EINTR) {
            fail("reading from the server");
        }
    }
}

std::string McpClient::receive(std::int64_t deadline) {
    std::size_t end = unread_.find('\n');
    while (end == std::string::npos) {
        read_some(deadline);
        end = unread_.find('\n');
    }
    std::string line = unread_.substr(0, end);
    unread_.erase(0, end + 1);
    return line;
}

std::string McpClient::receive_with(const std::string& text, std::int64_t deadline) {
    for (;;) {
        auto line = receive(deadline);
        if (line.find(text) != std::string::npos) {
            return line;
        }
    }
}

int McpClient::take_answers(std::size_t shortest) {
    int lines = 0;
    std::size_t begin = 0;
    for (std::size_t end = 0; (end = unread_.find('\n', begin)) != std::string::npos;
         begin = end + 1) {
        if (unread_.compare(begin, 26, "{\"jsonrpc\":\"2.0\",\"method\":") == 0) {
            continue;  // A notification.
        }
        if (end - begin < shortest) {
            throw std::runtime_error("not the expected answer: " +
                                     unread_.substr(begin, end - begin));
        }
        ++lines;
    }
    unread_.erase(0, begin);
    return lines;
}

double McpClient::pump_status_calls(int count, int window, std::size_t shortest,
                                    std::int64_t deadline) {
    const auto begin = now_ns();
    int sent = 0;
    int answered = 0;
    while (answered < count) {
        if (sent < count && sent - answered < window) {
            std::string lines;
            const int until = std::min(count, answered + window);
            for (; sent < until; ++sent) {
                lines += status_call_line(sent + 1);
            }
            send(lines);
        }
        read_some(deadline);
        answered += take_answers(shortest);
    }
    return ms_between(begin, now_ns()) / 1000;
}

std::optional<double> McpClient::close() {
    const auto begin = now_ns();
    in_.reset();
    const bool in_time = process_.wait(begin + 3'000'000'000);
    const double took = ms_between(begin, now_ns());
    process_ = Process();
    return in_time ? std::optional<double>(took) : std::nullopt;
}

}  // namespace steward::bench
