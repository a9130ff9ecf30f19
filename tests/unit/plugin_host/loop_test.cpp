// The timers of Loop, which are also those of a plugin (steward/reactor.h).
#include "catch.hpp"

#include <limits>

#include "steward/core/loop.hpp"

using namespace std::chrono_literals;
using namespace steward::core;

TEST_CASE("a timer at the end of time does not fire, and one before its beginning does at once",
          "[loop]") {
    Loop loop;
    std::string fired;
    const TimerId never = loop.arm(TimePoint::max(), [&] { fired += "never "; });
    loop.arm(TimePoint::max() - 1s, [&] { fired += "never "; });
    loop.arm(TimePoint::min(), [&] { fired += "at once "; });
    loop.arm(loop.now() + 30ms, [&] {
        fired += "end";
        loop.stop();
    });
    loop.run();
    CHECK(fired == "at once end");
    loop.disarm(never);
}
