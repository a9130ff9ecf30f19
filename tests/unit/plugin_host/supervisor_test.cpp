// Supervisor without a service: what is asked of it is answered all the same.
#include "catch.hpp"

#include "files.hpp"
#include "loop_thread.hpp"
#include "steward/core/supervisor.hpp"

using namespace steward::test;
using namespace std::chrono_literals;
namespace core = steward::core;

TEST_CASE("without a service the plugins are prepared and the end comes, once", "[supervisor]") {
    LoopThread files;
    LoopThread output;
    LoopThread thread;
    std::unique_ptr<core::Supervisor> supervisor = thread.run([&] {
        core::SupervisorOptions options;
        options.guardian_file = "/nowhere/app-guardian";
        options.host_version = "9.8.7";
        options.plugins = places();
        return std::make_unique<core::Supervisor>(thread.loop(), files.loop(), output.loop(),
                                                  options);
    });
    std::promise<bool> prepared;
    std::promise<std::string> ended;
    int second = 0;
    thread.run([&] {
        supervisor->prepare_plugins(
            [&](const core::Status& status) { prepared.set_value(static_cast<bool>(status)); });
        supervisor->exit("first", /*at_once=*/false,
                         [&](std::string left) { ended.set_value(std::move(left)); });
        supervisor->exit("second", /*at_once=*/true, [&](const std::string&) { ++second; });
    });
    auto is_prepared = prepared.get_future();
    auto has_ended = ended.get_future();
    REQUIRE(is_prepared.wait_for(10s) == std::future_status::ready);
    CHECK(is_prepared.get());
    REQUIRE(has_ended.wait_for(10s) == std::future_status::ready);
    CHECK(has_ended.get().empty());
    thread.run([&] { supervisor.reset(); });
    CHECK(second == 0);
}
