// plugin_name as a plugin of Steward: what the service's processes have in memory, by kind.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <optional>
#include <string>

#include <steward/sdk.hpp>
#include <steward/sdk/proc_tree.hpp>

#include "policy.hpp"

namespace {

namespace sdk = steward::sdk;

constexpr std::size_t kMostProcesses = 65'536;

[[noreturn]] void fail(int error) {
    throw sdk::Failure(error == ENOMEM ? STEWARD_E_NOMEM : STEWARD_E_IO,
                       "the service's processes cannot be looked at", error);
}

// A file of /proc; nothing if the process has gone meanwhile. Throws Failure if it cannot be opened
// for want of something: a number that is too small would be worse than none.
std::optional<std::string> read_file(const std::string& path) {
    // CLOEXEC: what a plugin opens must not reach the programs that the host starts.
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            fail(errno);
        }
        return std::nullopt;
    }
    std::array<char, 8192> buffer{};  // A status file has about 1.5 kB.
    const ssize_t size = ::read(fd, buffer.data(), buffer.size());
    (void)::close(fd);
    return size < 0 ? std::nullopt
                    : std::optional(std::string(buffer.data(), static_cast<std::size_t>(size)));
}

// The member sample() makes it a metrics strategy. The host makes one object per service, and calls
// it on one thread of this library's own.
class Plugin {
  public:
    struct Settings {};
    static constexpr std::array<sdk::Field<Settings>, 0> kFields{};
    static constexpr sdk::About kAbout{
        .name = "plugin_name",
        .vendor = "Example",
        .version = STEWARD_PLUGIN_VERSION,  // of project() in CMakeLists.txt
        .license = "MIT",
        .url = "",
        .summary = "What the service's processes have in memory, by kind."};

    Plugin(sdk::Host host, const Settings& /*settings*/) : host_(host) {}

    steward_status sample(const sdk::MetricsRequest& request, const sdk::MetricsEmitter& emit) {
        const std::string root(request.proc_root);
        // The clock is the host's: tests run it by hand.
        const auto in_time = [&] { return host_.now() < request.deadline; };
        const auto tree =
            sdk::descendants_within(root, request.tree_pid, {.processes = kMostProcesses}, in_time);
        if (tree.error != 0) {
            fail(tree.error);
        }
        policy::Memory sum;
        int processes = 0;
        bool late = tree.truncated && !in_time();
        // Processes come and go while they are counted; one that has gone is left out.
        for (const int pid : tree.pids) {
            late = late || !in_time();
            if (late) {
                break;
            }
            const auto status = read_file(root + "/" + std::to_string(pid) + "/status");
            if (status && !policy::has_ended(*status)) {
                sum += policy::memory_of(*status);
                ++processes;
            }
        }
        if (processes > 0) {
            report(sum, processes, emit);
        } else if (!late) {
            return STEWARD_E_GONE;
        }
        return late ? STEWARD_E_TIMEOUT : STEWARD_OK;  // What was emitted counts all the same.
    }

  private:
    static void report(const policy::Memory& sum, int processes, const sdk::MetricsEmitter& emit) {
        const sdk::Metric memory{"memory_bytes", "Memory of all processes, by kind", "bytes"};
        emit.gauge(memory, sum.anonymous, {{"kind", "anonymous"}});
        emit.gauge(memory, sum.file, {{"kind", "file"}});
        emit.gauge(memory, sum.shared, {{"kind", "shared"}});
        emit.gauge(memory, sum.swap, {{"kind", "swap"}});
        // Two that `steward status` shows.
        emit.gauge({"rss_bytes", "Resident memory", "bytes"}, sum.resident());
        emit.gauge({"processes", "Processes", ""}, processes);
    }

    sdk::Host host_;
};

}  // namespace

STEWARD_PLUGIN(plugin_name, Plugin)
