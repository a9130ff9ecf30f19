// The program `fault_loops`: injects one kind of fault again and again into the real program, until
// a promise is broken; see README.md.
#include <sys/resource.h>

#include <charconv>
#include <cstdio>
#include <string_view>

#include "loops.hpp"

namespace {

using namespace steward::faults;

constexpr const char* kUsage =
    "usage: fault_loops LOOP [--count N] [--seconds N] [--at-least N] [--seed S] [--app flask]\n"
    "  kill          SIGKILL of steward or of the guardian at random instants\n"
    "  crash         crashes of the app, one after the other: descriptors, threads and memory "
    "stay\n"
    "  crash-load    the same under load that opens a connection per request: none is refused\n"
    "  eof           EOF on stdin at random instants\n"
    "  stop          stop of fork bombs, daemons, apps deaf to SIGTERM and held pipes\n"
    "  --count N     how many faults (100)\n"
    "  --seconds N   none after this time\n"
    "  --at-least N  fail when fewer than this were injected in that time\n"
    "  --seed S      of the first round (1); a failure prints the one that repeats it\n"
    "  --app flask   the Flask app, not the one in C\n";

struct Command {
    std::string_view name;
    int (*run)(const Options&);
};
constexpr Command kCommands[] = {{"kill", kill_loop},
                                 {"crash", crash_loop},
                                 {"crash-load", crash_load_loop},
                                 {"eof", eof_loop},
                                 {"stop", stop_loop}};

bool number(std::string_view text, std::uint64_t& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc() && end == text.data() + text.size();
}

bool parse(int argc, char** argv, Options& options) {
    for (int i = 2; i < argc; i += 2) {
        const std::string_view name = argv[i];
        const std::string_view text = i + 1 < argc ? argv[i + 1] : "";
        std::uint64_t value = 0;
        if (name == "--app" && (text == "flask" || text == "c")) {
            options.flask = text == "flask";
        } else if (!number(text, value)) {
            return false;
        } else if (name == "--count") {
            options.count = value;
        } else if (name == "--seconds") {
            options.seconds = value;
        } else if (name == "--at-least") {
            options.at_least = value;
        } else if (name == "--seed") {
            options.seed = value;
        } else {
            return false;
        }
    }
    return true;
}

}  // namespace

int main(int argc, char** argv) {
    Options options;
    const std::string_view name = argc > 1 ? argv[1] : "";
    const rlimit no_core{0, 0};
    setrlimit(RLIMIT_CORE, &no_core);  // Inherited by the apps that abort.
    for (const auto& command : kCommands) {
        if (command.name == name && parse(argc, argv, options)) {
            return command.run(options);
        }
    }
    std::fputs(kUsage, stderr);
    return 2;
}
