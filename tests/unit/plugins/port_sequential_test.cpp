// port_sequential: the pure policy, and the same through its C interface.
#include "../../../plugins/port_sequential/policy.hpp"

#include <algorithm>
#include <numeric>

#include "catch.hpp"
#include "plain_host.hpp"

extern "C" const steward_entry steward_plugin_entry_port_sequential;

namespace {

namespace sdk = steward::sdk;
namespace test = steward::test;
using Ports = std::vector<std::uint16_t>;

Ports propose(std::uint16_t base, std::uint16_t first, std::uint16_t last,
              const Ports& excluded = {}, std::size_t capacity = 70'000) {
    Ports out(capacity);
    const std::size_t count =
        steward::port_sequential::propose({1, "127.0.0.1", base, first, last, excluded, 0}, out);
    out.resize(count);
    return out;
}

}  // namespace

TEST_CASE("ports come in turn from the wanted one and wrap at the end", "[port_sequential]") {
    CHECK(propose(5000, 5000, 5004) == Ports{5000, 5001, 5002, 5003, 5004});
    CHECK(propose(5003, 5000, 5004) == Ports{5003, 5004, 5000, 5001, 5002});
    CHECK(propose(5004, 5004, 5004) == Ports{5004});
}

TEST_CASE("a wanted port outside the range is none", "[port_sequential]") {
    CHECK(propose(0, 5000, 5002) == Ports{5000, 5001, 5002});
    CHECK(propose(4999, 5000, 5002) == Ports{5000, 5001, 5002});
    CHECK(propose(5003, 5000, 5002) == Ports{5000, 5001, 5002});
}

TEST_CASE("excluded ports are never proposed", "[port_sequential]") {
    CHECK(propose(5000, 5000, 5004, {5000, 5003}) == Ports{5001, 5002, 5004});
    CHECK(propose(5002, 5000, 5004, {4000, 5000, 5001, 5002, 5003, 5004, 6000}).empty());
}

TEST_CASE("no more candidates than asked for", "[port_sequential]") {
    CHECK(propose(5000, 5000, 5099, {}, 3) == Ports{5000, 5001, 5002});
    CHECK(propose(5000, 5000, 5099, {5000}, 1) == Ports{5001});
}

TEST_CASE("the whole range of ports is walked once, without port 0", "[port_sequential]") {
    const Ports all = propose(60'000, 0, 65'535);
    REQUIRE(all.size() == 65'535);
    CHECK(all.front() == 60'000);
    CHECK(all.back() == 59'999);
    Ports sorted = all;
    std::sort(sorted.begin(), sorted.end());
    Ports expected(65'535);
    std::iota(expected.begin(), expected.end(), std::uint16_t{1});
    CHECK(sorted == expected);
}

TEST_CASE("a range that ends before it begins is refused", "[port_sequential]") {
    CHECK_THROWS_WITH(propose(5000, 5001, 5000),
                      "range: the first port 5001 must be <= the last port 5000");
}

TEST_CASE("port_sequential answers through the C interface", "[port_sequential][abi]") {
    const steward_plugin* plugin = steward_plugin_entry_port_sequential.get_plugin(0);
    const auto* port = static_cast<const steward_port*>(plugin->get_interface(STEWARD_IFACE_PORT));
    REQUIRE(port != nullptr);
    const test::Instance instance(plugin, "{}");
    REQUIRE(instance.status() == STEWARD_OK);

    const Ports excluded{5000};
    steward_port_request request{};
    request.size = sizeof request;
    request.attempt = 2;
    request.base = 5000;
    request.first = 5000;
    request.last = 5001;
    request.excluded = excluded.data();
    request.excluded_count = excluded.size();
    std::uint16_t out[4] = {};
    std::size_t count = 99;
    steward_error error = test::empty_error();
    CHECK(port->propose(instance.get(), &request, out, 4, &count, &error) == STEWARD_OK);
    CHECK(count == 1);
    CHECK(out[0] == 5001);

    request.last = 5000;
    CHECK(port->propose(instance.get(), &request, out, 4, &count, &error) == STEWARD_E_EXHAUSTED);
    CHECK(count == 0);
    CHECK(std::string(error.text) == "no port is left in 5000 to 5000");

    request.first = 5001;
    CHECK(port->propose(instance.get(), &request, out, 4, &count, &error) == STEWARD_E_INVALID);
    CHECK(port->propose(instance.get(), &request, out, 0, &count, &error) == STEWARD_E_INVALID);
}

TEST_CASE("port_sequential has no settings and says so", "[port_sequential][abi]") {
    const steward_plugin* plugin = steward_plugin_entry_port_sequential.get_plugin(0);
    test::Collector schema;
    const steward_sink sink = schema.sink();
    CHECK(plugin->config_schema(&sink) == STEWARD_OK);
    CHECK(schema.text == R"({"type":"object","additionalProperties":false,"properties":{}})");
    const test::Instance instance(plugin, R"({"step":2})");
    CHECK(instance.error() == "step: is not a setting (there are none)");
}
