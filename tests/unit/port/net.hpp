// Small blocking sockets for the tests of the held port; every wait has an end.
#pragma once
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "socket_table.hpp"
#include "steward/core/unique_fd.hpp"

namespace steward::test {

enum class Option { kNone, kReuseAddress, kReusePort };
enum class Ends { kBound, kListening };

// A socket on that address; "::" takes IPv4 along. Nothing and errno if it cannot be bound.
core::UniqueFd server(const std::string& address, std::uint16_t port, Ends ends,
                      Option option = Option::kNone);
// A port that is free on every address, chosen by the kernel.
std::uint16_t free_port();
std::uint16_t port_of(int fd);

// A connection; nothing and errno if it is refused or not made within 5 s.
core::UniqueFd connect_to(const std::string& address, std::uint16_t port);
void send_all(int fd, const std::string& bytes);

struct Received {
    std::string bytes;
    bool reset = false;  // an error, not the end of the stream
    bool late = false;   // nothing came for 10 s
};
Received receive_all(int fd);

// GET / and everything that comes back.
Received get(const std::string& address, std::uint16_t port,
             const std::string& request = "GET / HTTP/1.1\r\n\r\n");

// Accepts one connection, waits for a request's head and answers with this text. False: none came
// within `wait_ms`.
bool serve_one(int listener, const std::string& text, int wait_ms = 5000);

bool is_nonblocking(int fd);
bool has_close_on_exec(int fd);
int option_of(int fd, int level, int option);
// How many connections may wait on a listening socket.
unsigned backlog_of(int fd);
// Are so many sockets of the port in that state, now or within 5 s? The kernel's answers take their
// time.
bool reaches(std::uint16_t port, int state, std::size_t count);
std::size_t open_descriptors();
std::string own_name();

}  // namespace steward::test
