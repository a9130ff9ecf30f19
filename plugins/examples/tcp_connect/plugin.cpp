// The plugin tcp_connect: strategy steward.health/1 by a TCP connection. See README.md.
#include <steward/sdk.hpp>

#include "checker.hpp"

namespace {

namespace sdk = steward::sdk;
using examples::tcp_connect::Checker;
using examples::tcp_connect::unescaped;

class TcpConnect {
  public:
    struct Settings {
        std::string send;
        std::string expect;
    };
    static constexpr std::array kFields{
        sdk::text("send", &Settings::send,
                  "What is sent once connected, with escapes: PING\\r\\n. Empty: nothing."),
        sdk::text("expect", &Settings::expect,
                  "What the service's answer must begin with, with escapes. Empty: the connection "
                  "is enough."),
    };
    static constexpr sdk::About kAbout{
        .name = "TCP health check",
        .vendor = "Steward examples",
        .version = STEWARD_PLUGIN_VERSION,
        .license = "MIT",
        .url = "",
        .summary = "Connects to the service's port and, if told to, looks at its greeting."};

    TcpConnect(sdk::Host host, const Settings& settings)
        : checker_(host, {unescaped("send", settings.send), unescaped("expect", settings.expect)}) {
    }

    void start(const sdk::HealthRequest& request, sdk::HealthDone done) {
        checker_.start(request, std::move(done));
    }
    void cancel(steward_token probe) noexcept { checker_.cancel(probe); }

  private:
    Checker checker_;
};

}  // namespace

STEWARD_PLUGIN(tcp_connect, TcpConnect)
