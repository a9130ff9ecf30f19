// How a health strategy of any vendor goes about its probes, found out by asking: so that a check
// can hold one that speaks HTTP to HTTP, and one that only connects to what every probe owes.
#pragma once
#include <string>

#include "session.hpp"
#include "steward/compliance/scripted_http_server.hpp"

namespace steward::compliance {

struct Manner {
    bool connects = false;     // to the address and port that it is given
    bool speaks_http = false;  // it reported the HTTP status of an answer
    // An answer that it takes for healthy with its defaults; what /health of the default service
    // answers if none of those tried was.
    bool content = false;  // there is such an answer
    int status = 200;
    std::string body;
    bool reads_body = false;  // it is not content with the same status and an empty body

    [[nodiscard]] Script good() const { return script::respond(status, body); }
};

// On a virtual clock. Throws Broken if a probe of a server that answers brings no report.
Manner manner_of(Session& session, const Instance& instance);

}  // namespace steward::compliance
