#include "workplace.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string_view>

namespace steward::bench {
namespace fs = std::filesystem;

Workplace::Workplace() {
    build_ = fs::read_symlink("/proc/self/exe").parent_path().parent_path().string();
    for (const auto& program : {steward(), app("echo"), app("respawner"), app("start_reporter")}) {
        if (access(program.c_str(), X_OK) != 0) {
            fail(program + " (build the target steward-bench)");
        }
    }
    std::string pattern = (fs::temp_directory_path() / "steward-bench-XXXXXX").string();
    if (mkdtemp(pattern.data()) == nullptr) {
        fail(pattern);
    }
    folder_ = pattern;
    fs::create_directory(file("home"));
    log_.reset(open(file("stderr").c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
    const char* const path = std::getenv("PATH");
    env_ = {std::string("PATH=") + (path != nullptr ? path : "/usr/bin:/bin"),
            "HOME=" + file("home"),
            "USER=bench",
            "LANG=C.UTF-8",
            "XDG_STATE_HOME=" + file("state"),
            "XDG_CACHE_HOME=" + file("cache"),
            "PYTHONPYCACHEPREFIX=" + file("pycache")};
}

Workplace::~Workplace() {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
}

std::string Workplace::log_end() const {
    constexpr std::size_t kBytes = 1000;
    std::ifstream in(file("stderr"));
    const std::string all((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
    return all.size() > kBytes ? all.substr(all.size() - kBytes) : all;
}

std::vector<std::string> Workplace::steward_mcp(std::uint16_t port,
                                                const std::vector<std::string>& more) const {
    std::vector<std::string> argv = {
        steward(),    "mcp",      "--port", std::to_string(port), "--port-tries", "1",
        "--data-dir", data_dir(), "--env",  "PYTHONPYCACHEPREFIX"};
    argv.insert(argv.end(), more.begin(), more.end());
    return argv;
}

Plan Workplace::bare_flask(const Listener& listener) const {
    Plan plan;
    plan.argv = {STEWARD_BENCH_PYTHON,
                 build_ + "/share/steward/flask_app/app.py",
                 "--mode",
                 "mcp-managed",
                 "--host",
                 "127.0.0.1",
                 "--port",
                 std::to_string(listener.port),
                 "--log-level",
                 "info",
                 "--data-dir",
                 file("bare-data"),
                 "--listen-fd",
                 "3",
                 "--instance-id",
                 "0123456789abcdef0123456789abcdef"};
    plan.env = env_;
    plan.env.emplace_back("PYTHONUTF8=1");
    plan.env.emplace_back("PYTHONUNBUFFERED=1");
    plan.err = log_.get();
    plan.listener = listener.socket.get();
    return plan;
}

}  // namespace steward::bench
