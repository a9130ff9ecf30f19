// The policy, asked for ports; no socket.
#include "policy.hpp"

#include <cstdio>
#include <vector>

namespace {

int failures = 0;

void expect(const char* what, bool ok) {
    if (!ok) {
        std::printf("not so: %s\n", what);
        ++failures;
    }
}

using Ports = std::vector<std::uint16_t>;

Ports proposed(std::uint16_t base, std::uint16_t first, std::uint16_t last,
               const Ports& excluded = {}, const Ports& avoid = {}, std::size_t most = 16) {
    policy::sdk::PortRequest request;
    request.base = base;
    request.first = first;
    request.last = last;
    request.excluded = excluded;
    Ports out(most);
    out.resize(policy::propose(request, avoid, out));
    return out;
}

bool refused(const char* text) {
    try {
        (void)policy::parse_ports(text);
    } catch (const policy::sdk::SettingsError&) {
        return true;
    }
    return false;
}

}  // namespace

int main() {
    expect("the wanted port comes first, then those above it, then those below",
           proposed(5001, 5000, 5003) == Ports{5001, 5002, 5003, 5000});
    expect("what browsers refuse comes last",
           proposed(5059, 5059, 5062) == Ports{5059, 5062, 5060, 5061});
    expect("but first if it is wanted", proposed(6000, 6000, 6001) == Ports{6000, 6001});
    expect("what is to be avoided comes last",
           proposed(8000, 8000, 8002, {}, {8001}) == Ports{8000, 8002, 8001});
    expect("what is excluded never comes", proposed(5000, 5000, 5002, {5000, 5001}) == Ports{5002});
    expect("nothing is left", proposed(5000, 5000, 5001, {5000, 5001}).empty());
    expect("no more than asked for", proposed(5000, 5000, 5099, {}, {}, 2) == Ports{5000, 5001});
    expect("the last port is no overflow", proposed(65535, 65534, 65535) == Ports{65535, 65534});
    expect("ports are read", policy::parse_ports("8080,8000") == Ports{8000, 8080});
    expect("what is none is refused",
           refused("x") && refused("0") && refused("70000") && refused("80,,81") && refused("1 "));
    return failures == 0 ? 0 : 1;
}
