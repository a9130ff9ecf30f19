// port_pool: the pure policy, and the same through its C interface.
#include "../../../../plugins/examples/port_pool/policy.hpp"

#include "../plain_host.hpp"
#include "catch.hpp"

extern "C" const steward_entry steward_plugin_entry_port_pool;

namespace {

namespace sdk = steward::sdk;
namespace test = steward::test;
using examples::port_pool::Pool;
using Ports = std::vector<std::uint16_t>;

Ports propose(const std::string& pool, sdk::PortRequest request, std::size_t capacity = 70'000) {
    Ports out(capacity);
    out.resize(Pool::parse(pool).propose(request, out));
    return out;
}

sdk::PortRequest request(std::uint16_t base, std::uint16_t first, std::uint16_t last,
                         std::span<const std::uint16_t> excluded = {}) {
    return {1, "127.0.0.1", base, first, last, excluded, 0};
}

}  // namespace

TEST_CASE("the pool is proposed as it was written", "[port_pool]") {
    CHECK(propose("8100-8102,9000", request(8000, 8000, 9999)) == Ports{8100, 8101, 8102, 9000});
    CHECK(propose(" 9000 , 8100 - 8101 ", request(8000, 8000, 9999)) == Ports{9000, 8100, 8101});
    CHECK(propose("65534-65535", request(1, 1, 65535)) == Ports{65534, 65535});
}

TEST_CASE("the wanted port comes first if the pool has it", "[port_pool]") {
    CHECK(propose("8100-8102", request(8101, 8100, 8199)) == Ports{8101, 8100, 8102});
    CHECK(propose("8100-8102", request(8103, 8100, 8199)) == Ports{8100, 8101, 8102});
}

TEST_CASE("ports outside the host's range and excluded ones are left out", "[port_pool]") {
    const Ports excluded{8101, 9000};
    CHECK(propose("8100-8103,9000", request(8100, 8100, 8102, excluded)) == Ports{8100, 8102});
    CHECK(propose("8100-8103", request(8101, 8100, 8103, excluded)) == Ports{8100, 8102, 8103});
}

TEST_CASE("no more candidates than asked for", "[port_pool]") {
    CHECK(propose("1-65535", request(5000, 5000, 5099), 3) == Ports{5000, 5001, 5002});
}

TEST_CASE("by default every port of the host's range is in the pool", "[port_pool]") {
    const test::Instance instance(steward_plugin_entry_port_pool.get_plugin(0), "{}");
    CHECK(instance.status() == STEWARD_OK);
    const Ports all = propose("1-65535", request(60'000, 1, 65'535));
    CHECK(all.size() == 65'535);
    CHECK(all.front() == 60'000);
    CHECK(all.back() == 65'535);
}

TEST_CASE("a pool that is used up is exhausted", "[port_pool][abi]") {
    const steward_plugin* plugin = steward_plugin_entry_port_pool.get_plugin(0);
    const auto* port = static_cast<const steward_port*>(plugin->get_interface(STEWARD_IFACE_PORT));
    REQUIRE(port != nullptr);
    const test::Instance instance(plugin, R"({"ports":"8100-8101,9000"})");
    REQUIRE(instance.status() == STEWARD_OK);

    const Ports excluded{8100, 9000};
    steward_port_request ask{};
    ask.size = sizeof ask;
    ask.attempt = 2;
    ask.base = 8100;
    ask.first = 8100;
    ask.last = 9099;
    ask.excluded = excluded.data();
    ask.excluded_count = excluded.size();
    std::uint16_t out[4] = {};
    std::size_t count = 99;
    steward_error error = test::empty_error();
    CHECK(port->propose(instance.get(), &ask, out, 4, &count, &error) == STEWARD_OK);
    CHECK(count == 1);
    CHECK(out[0] == 8101);

    ask.first = ask.last = 8100;
    count = 99;
    CHECK(port->propose(instance.get(), &ask, out, 4, &count, &error) == STEWARD_E_EXHAUSTED);
    CHECK(count == 0);
    CHECK(std::string(error.text) == "no port of the pool 8100-8101,9000 is left in 8100 to 8100");

    ask.first = 8101;
    CHECK(port->propose(instance.get(), &ask, out, 4, &count, &error) == STEWARD_E_INVALID);
}

TEST_CASE("a pool that cannot be meant is refused by name", "[port_pool][abi]") {
    using Row = std::pair<std::string, std::string>;
    const std::string form =
        "ports: must be ports from 1 to 65535 and ranges of them, such as 8100-8110,9000";
    const auto [text, problem] = GENERATE_COPY(values<Row>({
        {"", form + " (got \"\")"},
        {"0", form + " (got \"0\")"},
        {"65536", form + " (got \"65536\")"},
        {"8100,", form + " (got \"\")"},
        {"8100-", form + " (got \"8100-\")"},
        {"81 00", form + " (got \"81 00\")"},
        {"+5", form + " (got \"+5\")"},
        {"1-2-3", form + " (got \"1-2-3\")"},
        {"99999999999999999999", form + " (got \"99999999999999999999\")"},
        {"8110-8100", "ports: a range must not end before it begins (got \"8110-8100\")"},
        {"8100-8110,8110", "ports: must not list a port twice (got \"8110\")"},
    }));
    const test::Instance instance(steward_plugin_entry_port_pool.get_plugin(0),
                                  R"({"ports":")" + text + R"("})");
    CHECK(instance.status() == STEWARD_E_INVALID);
    CHECK(instance.error() == problem);
}
