// --handoff: what `auto` chooses, what each mode gives to the app, what contradicts itself.
#include "handoff.hpp"

#include "catch.hpp"

namespace steward::host {
namespace {

using core::PortMode;
using Words = std::vector<std::string>;

Options with(const std::string& mode, Words command) {
    Options options;
    options.handoff = mode;
    options.app_command = std::move(command);
    return options;
}

}  // namespace

TEST_CASE("auto chooses by the arguments, and by the programs that it knows") {
    const auto [mode, command] = GENERATE(table<std::string, Words>({
        {"flag", {"./server", "--fd={fd}"}},
        {"flag", {"./server", "{port}", "{fd}"}},
        {"flag", {"flask", "run", "{fd}"}},
        {"flag", {"gunicorn", "-b", "fd://{fd}", "a:b"}},
        {"port", {"./server", "--port", "{port}"}},
        {"port", {"python3", "app.py", "{port}"}},
        {"port", {"python3", "-c", "run", "flask", "{port}"}},
        {"port", {"waitress-serve", "--port", "{port}", "a:b"}},
        {"", {"./server"}},
        {"", {"python3"}},
        {"", {"python3", "-m"}},
        {"", {"python3", "app.py"}},
        {"", {"pythonic", "-m", "gunicorn"}},
        {"listen-fds", {"gunicorn", "a:b"}},
        {"listen-fds", {"/usr/bin/gunicorn", "-b", "{host}:{port}", "a:b"}},
        {"listen-fds", {"python3", "-m", "gunicorn", "a:b"}},
        {"listen-fds", {"/opt/bin/python3.11", "-X", "dev", "-Im", "gunicorn", "a:b"}},
        {"listen-fds", {"python", "-u", "-mgunicorn", "a:b"}},
        {"listen-fds", {"python3", "-Werror", "/usr/bin/gunicorn", "a:b"}},
        {"werkzeug", {"flask", "run"}},
        {"werkzeug", {"flask", "--app", "run", "run", "--port", "{port}"}},
        {"werkzeug", {"flask", "--app=hello", "--debug", "run"}},
        {"werkzeug", {"python3", "-m", "flask", "-A", "hello", "run"}},
        {"", {"flask", "--app", "run"}},
        {"", {"flask", "shell", "run"}},
        {"", {"flask"}},
    }));
    CAPTURE(command);
    const auto chosen = choose_handoff(with("auto", command));
    REQUIRE(chosen);
    CHECK(chosen->mode == mode);
    CHECK_FALSE(chosen->why.empty());
}

TEST_CASE("each mode gives the app what it takes, and no more") {
    struct Given {
        std::string mode;
        PortMode port_mode;
        bool listen_variables;
        bool werkzeug;
    };
    const auto given = GENERATE(values<Given>({
        {"flag", PortMode::kHandOver, true, false},
        {"listen-fds", PortMode::kHandOver, true, false},
        {"werkzeug", PortMode::kHandOver, false, true},
        {"port", PortMode::kOwnBind, false, false},
    }));
    CAPTURE(given.mode);
    const auto chosen = choose_handoff(
        with(given.mode, given.mode == "flag" ? Words{"x", "{fd}"} : Words{"x", "{port}"}));
    REQUIRE(chosen);
    CHECK(chosen->mode == given.mode);
    CHECK(chosen->port_mode == given.port_mode);
    CHECK(chosen->listen_variables == given.listen_variables);
    const std::vector<std::pair<std::string, std::string>> none;
    CHECK(chosen->environment == (given.werkzeug ? decltype(none){{"WERKZEUG_SERVER_FD", "3"},
                                                                  {"WERKZEUG_RUN_MAIN", "true"}}
                                                 : none));
    const bool handed = given.port_mode == PortMode::kHandOver;
    CHECK(chosen->advice.empty() != handed);
    CHECK((chosen->advice.find("--handoff " + given.mode) != std::string::npos) == handed);
}

TEST_CASE("an app that is not told its port has one port only") {
    CHECK_FALSE(choose_handoff(with("port", {"./server"}))->any_port);
    CHECK(choose_handoff(with("port", {"./server", "{port}"}))->any_port);
    CHECK(choose_handoff(with("werkzeug", {"./server"}))->any_port);
}

TEST_CASE("PromptBin takes the socket by its flag and gets no advice") {
    const auto chosen = choose_handoff(with(GENERATE("auto", "flag"), {}));
    REQUIRE(chosen);
    CHECK(chosen->port_mode == PortMode::kHandOver);
    CHECK(chosen->advice.empty());
    for (const char* mode : {"port", "werkzeug", "listen-fds"}) {
        CHECK_FALSE(choose_handoff(with(mode, {})));
    }
}

TEST_CASE("what contradicts the mode is refused") {
    CHECK_FALSE(choose_handoff(with("flag", {"./server", "{port}"})));
    CHECK_FALSE(choose_handoff(with("port", {"./server", "{port}", "{fd}"})));
    CHECK(choose_handoff(with("listen-fds", {"./server", "{port}", "{fd}"})));
    auto options = with("auto", {"flask", "run"});
    options.set_env = {{"WERKZEUG_SERVER_FD", "7"}};
    CHECK_FALSE(choose_handoff(options));
    options.app_command = {"./server", "{port}"};
    CHECK(choose_handoff(options));
}

}  // namespace steward::host
