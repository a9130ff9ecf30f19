#include "scenes.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>

namespace steward::tests {
namespace {

const std::string kScript = "app/app.py";
const std::string kProgram = "app/program";

StewardStart with_script(const Sandbox& sandbox, const std::string& text) {
    StewardStart start;
    start.app = {STEWARD_TEST_PYTHON, sandbox.write(kScript, text),
                 "--listen-fd",       "{fd}",
                 "--instance-id",     "{instance}"};
    return start;
}

}  // namespace

double ms_since(Clock::time_point start, Clock::time_point end) {
    return std::chrono::duration<double, std::milli>(end - start).count();
}

std::set<std::string> names(const Json& result, const std::string& list,
                            const std::string& member) {
    std::set<std::string> out;
    REQUIRE_FALSE(result.isNull());
    const auto array = result->getArray(list);
    REQUIRE_FALSE(array.isNull());
    for (unsigned i = 0; i < array->size(); ++i) {
        out.insert(text_at(array->getObject(i), member));
    }
    return out;
}

bool holds(const std::string& text, const std::string& part) {
    return text.find(part) != std::string::npos;
}

StewardStart with_app(std::vector<std::string> options) {
    StewardStart start;
    start.app = test_app(std::move(options));
    return start;
}

StewardStart as_flask_app(const Sandbox& sandbox, const std::vector<std::string>& options) {
    std::string text = "#!/bin/sh\nshift\nexec " + test_app_program() + " \"$@\"";
    for (const auto& option : options) {
        text += " '" + option + "'";
    }
    StewardStart start;
    start.args = {"--python", sandbox.write("interpreter", text + "\n", /*executable=*/true)};
    return start;
}

Condition no_interpreter(const Sandbox&) {
    StewardStart start;
    start.args = {"--python", "/nonexistent/python3"};
    return {"there is no interpreter", start, "misconfigured", "/nonexistent/python3"};
}

Condition no_flask(const Sandbox& sandbox) {
    StewardStart start;
    start.args = {"--python",
                  sandbox.write("interpreter",
                                "#!/bin/sh\nexec " STEWARD_TEST_PYTHON " -I -S \"$@\"\n", true)};
    return {"Flask is not installed", start, "misconfigured", "flask"};
}

Condition missing_module(const Sandbox& sandbox) {
    return {"a module is missing", with_script(sandbox, "import no_such_module_anywhere\n"),
            "misconfigured", "no_such_module_anywhere"};
}

Condition syntax_error(const Sandbox& sandbox) {
    return {"the app has a syntax error", with_script(sandbox, "def broken(:\n"), "misconfigured",
            "SyntaxError"};
}

Condition missing_program(const Sandbox& sandbox) {
    sandbox.write("app/README", "The program is not here yet.\n");
    StewardStart start;
    start.app = {sandbox.file(kProgram), "--listen-fd", "{fd}", "--instance-id", "{instance}"};
    return {"the program is missing", start, "misconfigured", sandbox.file(kProgram)};
}

Condition slow_to_answer(const Sandbox&) {
    return {"the app answers after a minute", with_app({"--health-delay-ms", "60000"}), "starting",
            ""};
}

Condition slow_to_listen(const Sandbox&) {
    return {"the app listens after a minute", with_app({"--start-delay-ms", "60000"}), "starting",
            ""};
}

void mend_script(const Sandbox& sandbox) {
    sandbox.write(kScript, "import os, sys\nprogram = '" + test_app_program() +
                               "'\nos.execv(program, [program] + sys.argv[1:])\n");
}

void mend_program(const Sandbox& sandbox) {
    sandbox.write(kProgram, "#!/bin/sh\nexec " + test_app_program() + " \"$@\"\n",
                  /*executable=*/true);
}

TakenPort::TakenPort() : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)), port_(free_port()) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    REQUIRE(bind(fd_, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0);
    REQUIRE(listen(fd_, 1) == 0);
}

TakenPort::~TakenPort() {
    release();
}

void TakenPort::release() {
    if (fd_ >= 0) {
        close(std::exchange(fd_, -1));
    }
}

std::size_t count_events(const Sandbox& sandbox, const std::string& name) {
    const auto all = sandbox.events();
    return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const Json& event) {
        return text_at(event, "event") == name;
    }));
}

}  // namespace steward::tests
