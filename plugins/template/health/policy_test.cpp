// The judgement on answers; no network.
#include "policy.hpp"

#include <cstdio>

namespace {

int failures = 0;

void expect(const char* what, bool ok) {
    if (!ok) {
        std::printf("not so: %s\n", what);
        ++failures;
    }
}

policy::Outcome judged(std::string_view head, int ms = 5, std::int64_t slow_ms = 0) {
    policy::Settings settings;
    settings.slow_ms = slow_ms;
    return policy::judge(settings, head, std::chrono::milliseconds(ms));
}

bool refused(const char* path) {
    try {
        policy::check_path(path);
    } catch (const policy::sdk::SettingsError&) {
        return true;
    }
    return false;
}

}  // namespace

int main() {
    constexpr const char* kGood = "HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n";
    expect("200 to 299 are healthy",
           judged(kGood).verdict == STEWARD_HEALTHY && judged(kGood).code == 204);
    expect("the detail says what was asked, and what came",
           judged(kGood).detail == "GET /health: 204 after 5 ms");
    expect("an error is not", judged("HTTP/1.1 500 Oh\r\n\r\n").verdict == STEWARD_UNHEALTHY);
    expect("nor is a redirect", judged("HTTP/1.0 301 There\r\n\r\n").verdict == STEWARD_UNHEALTHY);
    expect("nor is silence", judged("").verdict == STEWARD_UNHEALTHY);
    expect("nor is another protocol", judged("SSH-2.0-x\r\n\r\n").verdict == STEWARD_UNHEALTHY &&
                                          judged("HTTP/1.1 2x0 \r\n\r\n").code == 0);
    expect("nor is half a head", judged("HTTP/1.1 200 OK\r\nServ").verdict == STEWARD_UNHEALTHY);
    expect("a slow answer is healthy without a limit",
           judged(kGood, 900).verdict == STEWARD_HEALTHY);
    expect("and unhealthy beyond it",
           judged(kGood, 900, 500).verdict == STEWARD_UNHEALTHY &&
               judged(kGood, 900, 500).detail ==
                   "GET /health: 204 after 900 ms, expected within 500 ms" &&
               judged(kGood, 500, 500).verdict == STEWARD_HEALTHY);
    expect("a head is read to its end, but not for ever",
           !policy::is_whole("HTTP/1.1 200 OK\r\n") && policy::is_whole(kGood) &&
               policy::is_whole(std::string(policy::kMostHead + 1, 'x')));
    expect("a path that would break the request is refused",
           refused("") && refused("health") && refused("/a b") && refused("/a\r\nX: y") &&
               !refused("/health?full=1"));
    return failures == 0 ? 0 : 1;
}
