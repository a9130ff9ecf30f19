#!/usr/bin/python3
"""The check itself: each rule of the table is broken once in a small tree, and the breach must be named."""
import contextlib
import io
import sys
import tempfile
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).parent))
import dependencies  # noqa: E402

# A tree that keeps every rule, with one file for each thing that is allowed.
CLEAN = {
    "sdk/include/steward/abi.h": "#include <stdint.h>\n",
    "sdk/include/steward/sdk/text.hpp": '#include <string>\n#include "../abi.h"\n',
    "sdk/include/steward/sdk/proc_tree.hpp": "#include <dirent.h>\n",
    "plugins/alpha/plugin.cpp": "#include <steward/sdk/text.hpp>\n#include <boost/beast/http.hpp>\n#include <unistd.h>\n",
    "plugins/beta/policy.hpp": "#include <vector>\n",
    "guardian/protocol.h": "#include <stdint.h>\n",
    "guardian/spawn.c": '#include "protocol.h"\n#include <sys/wait.h>\nint f(void) { return clone(0); }\n',
    "prober/main.c": "#include <steward/abi.h>\n#include <dlfcn.h>\n",
    "core/include/steward/core/machine.hpp": "#include <variant>\n",
    "core/include/steward/core/spawn.hpp": "#include <string>\n",
    "core/src/private.hpp": "#include <map>\n",
    "core/src/loop.cpp": "#include <boost/asio/post.hpp>\n",
    "core/src/plugin_library.cpp": '#include <boost/dll/shared_library.hpp>\n#include "private.hpp"\n',
    "core/src/schema.cpp": "#include <valijson/schema.hpp>\n#include <Poco/JSON/Parser.h>\n#include <Poco/Exception.h>\n",
    "core/src/spawn.cpp": '#include <spawn.h>\n#include "guardian/protocol.h"\nvoid f() { posix_spawn(0); }\n',
    "host/src/main.cpp": '#include "steward/core/machine.hpp"\n#include "steward/mcp/server.hpp"\n#include "version.hpp"\n'
                         "#include <Poco/Process.h>\n#include <spdlog/spdlog.h>\n#include <CLI/CLI.hpp>\n"
                         "#include <Poco/Net/StreamSocket.h>\n",
    "host/src/version.hpp.in": "#include <string_view>\n",
    "host/mcp/include/steward/mcp/server.hpp": "// Speaks 2026-07-28 and #include <spdlog/spdlog.h> is a comment.\n"
                                               "#include <Poco/JSON/Object.h>\n",
    "host/mcp/src/revisions.cpp": 'const char* newest = "2026-07-28";\n',
    "host/mcp/include/steward/mcp/json.hpp": "#include <Poco/JSON/Object.h>\n",
    "host/prompts/include/steward/prompts/store.hpp": "#include <string>\n",
    "host/prompts/src/store.cpp": '#include "steward/mcp/json.hpp"\n#include "steward/prompts/store.hpp"\n'
                                  "#include <Poco/Unicode.h>\n#include <sys/inotify.h>\n",
    "compliance/src/main.cpp": '#include "steward/core/spawn.hpp"\n#include <Poco/Net/HTTPServer.h>\n',
    "tests/support/fake_os.hpp": '#include "steward/core/machine.hpp"\n#include <Poco/Net/ServerSocket.h>\n'
                                 "#include <catch2/catch.hpp>\n",
    "tests/unit/one_test.cpp": '#include "fake_os.hpp"\n#include "../../core/src/private.hpp"\nint f() { return fork(); }\n',
}

# (file, its content, what the breach must say)
BROKEN_SOURCES = [
    ("sdk/include/steward/sdk/text.hpp", "#include <unistd.h>", "sdk may not use libc"),
    ("sdk/include/steward/sdk/text.hpp", "#include <boost/asio.hpp>", "sdk may not use boost.asio"),
    ("sdk/include/steward/sdk/text.hpp", '#include "steward/core/machine.hpp"', "sdk may not know core"),
    ("plugins/alpha/plugin.cpp", "#include <steward/core/machine.hpp>", "plugins/* may not know core"),
    ("plugins/alpha/plugin.cpp", '#include "../beta/policy.hpp"', "plugins/* may not know plugins/beta"),
    ("plugins/alpha/plugin.cpp", '#include "../../host/src/version.hpp.in"', "plugins/* may not know host"),
    ("plugins/alpha/plugin.cpp", "#include <boost/dll.hpp>", "plugins/* may not use boost.dll"),
    ("plugins/alpha/plugin.cpp", "#include <spdlog/spdlog.h>", "plugins/* may not use spdlog"),
    ("guardian/spawn.c", "#include <steward/abi.h>", "guardian may not know sdk"),
    ("guardian/spawn.c", "#include <string>", "guardian may not use std"),
    ("prober/main.c", '#include "guardian/protocol.h"', "prober may not know guardian"),
    ("prober/main.c", '#include "../core/src/private.hpp"', "prober may not know core"),
    ("core/src/other.cpp", '#include "guardian/spawn.c"', "core may not know guardian"),
    ("core/src/other.cpp", "#include <boost/asio/post.hpp>", "core may not use boost.asio (one file may)"),
    ("core/src/loop.cpp", "#include <boost/dll.hpp>", "core may not use boost.dll"),
    ("core/src/other.cpp", "#include <valijson/schema.hpp>", "core may not use valijson"),
    ("core/src/other.cpp", "#include <spdlog/spdlog.h>", "core may not use spdlog"),
    ("core/src/other.cpp", "#include <fmt/core.h>", "core may not use spdlog"),
    ("core/src/other.cpp", "#include <Poco/Net/Socket.h>", "core may not use poco.net"),
    ("core/src/other.cpp", "#include <Poco/Process.h>", "core may not use poco.process"),
    ("core/src/other.cpp", "#include <Poco/Thread.h>", "core may not use poco.foundation"),
    ("core/src/other.cpp", '  #  include  "steward/mcp/server.hpp"', "core may not know host/mcp"),
    ("core/src/other.cpp", '#include "../../plugins/beta/policy.hpp"', "core may not know plugins/beta"),
    ("host/src/main.cpp", '#include "../../plugins/beta/policy.hpp"', "host may not know plugins/beta"),
    ("host/src/main.cpp", '#include "../../core/src/private.hpp"', "private to core"),
    ("host/src/main.cpp", "#include <valijson/schema.hpp>", "host may not use valijson"),
    ("host/src/main.cpp", "#include <boost/asio.hpp>", "host may not use boost.asio"),
    ("host/mcp/src/call.cpp", '#include "steward/core/machine.hpp"', "host/mcp may not know core"),
    ("host/mcp/src/call.cpp", '#include "../../src/version.hpp.in"', "host/mcp may not know host"),
    ("host/mcp/src/call.cpp", "#include <Poco/Net/Socket.h>", "host/mcp may not use poco.net"),
    ("host/mcp/src/call.cpp", "#include <spdlog/spdlog.h>", "host/mcp may not use spdlog"),
    ("host/prompts/src/store.cpp", '#include "steward/core/machine.hpp"', "host/prompts may not know core"),
    ("host/prompts/src/store.cpp", '#include "steward/mcp/server.hpp"', "host/prompts may not know host/mcp"),
    ("host/prompts/src/store.cpp", "#include <spdlog/spdlog.h>", "host/prompts may not use spdlog"),
    ("host/mcp/src/call.cpp", '#include "steward/prompts/store.hpp"', "host/mcp may not know host/prompts"),
    ("compliance/src/main.cpp", '#include "steward/core/machine.hpp"', "compliance may not know core"),
    ("compliance/src/main.cpp", '#include "steward/mcp/server.hpp"', "compliance may not know host/mcp"),
    ("tests/support/fake_os.hpp", '#include "../../host/src/version.hpp.in"', "tests/support may not know host"),
    ("tests/support/fake_os.hpp", '#include "steward/mcp/server.hpp"', "tests/support may not know host/mcp"),
    ("tests/unit/one_test.cpp", "#include <boost/dll.hpp>", "tests may not use boost.dll"),
    ("core/src/other.cpp", "#include <never/heard.hpp>", "no library of the table"),
    ("core/src/other.cpp", "#include HEADER", "cannot be read"),
    ("newcomer/file.cpp", "int x;", "give its folder a row"),
    # One place starts processes.
    ("core/src/other.cpp", "int f() { return ::fork (); }", "starts a process (fork)"),
    ("core/src/other.cpp", "int f() { return posix_spawnp(0); }", "starts a process (posix_spawnp)"),
    ("core/src/other.cpp", "int f() { return syscall(SYS_clone3, 0); }", "starts a process (SYS_clone3)"),
    ("core/src/other.cpp", "int n = 60'000; int f() { return vfork(); } int m = 1'0;", "starts a process (vfork)"),
    ("plugins/alpha/plugin.cpp", 'int f() { return system("ls"); }', "starts a process (system)"),
    ("prober/main.c", "int f(void) { return execve(0, 0, 0); }", "starts a process (execve)"),
    ("host/src/main.cpp", 'auto* f = popen("ls", "r");', "starts a process (popen)"),
    # One place knows the protocol's revisions.
    ("host/mcp/src/call.cpp", 'bool f(S s) { return s == "2025-06-18"; }', "protocol revision 2025-06-18"),
    ("host/src/main.cpp", 'auto v = "2026-07-28";', "protocol revision 2026-07-28"),
]

# What looks like a breach and is none.
INNOCENT_SOURCES = [
    ("core/src/other.cpp", "// #include <spdlog/spdlog.h>\n/* fork()\n#include <CLI/CLI.hpp> */"),
    ("core/src/other.cpp", 'const char* text = "fork() and system(1)"; auto copy = thing->clone(); x.fork();'),
    ("core/src/other.cpp", "int prefork(); void f() { error::filesystem(1); prefork(); }"),
    ("host/mcp/src/call.cpp", "int a = 10'000;  // as of 2025-06-18\nint b = 1'0;"),
]

CLEAN_TARGETS = {
    "steward_sdk": ("sdk", [], []),
    "steward_core": ("core", ["core/src/loop.cpp"], ["steward_sdk", "Boost::headers", "Poco::JSON", "valijson", "steward_options",
                                                     "steward_guardian_protocol", "$<LINK_ONLY:Threads::Threads>"]),
    "steward_guardian_protocol": ("guardian", [], []),
    "app-guardian": ("guardian", [], ["steward_c_options"]),
    "steward_plugin_alpha": ("plugins/alpha", [], ["steward_sdk", "steward_alpha_parts", "Boost::headers"]),
    "steward_alpha_parts": ("plugins/alpha", [], ["steward_sdk"]),
    "steward_plugin_beta": ("plugins/beta", [], ["steward_sdk"]),
    "steward_mcp": ("host/mcp", [], ["Poco::JSON", "Poco::Foundation"]),
    "steward_json": ("host/mcp", [], ["Poco::JSON"]),
    "steward_prompts": ("host/prompts", [], ["steward_json", "Poco::JSON", "Poco::Foundation"]),
    "steward": ("host", [], ["steward_core", "steward_mcp", "Poco::Net", "spdlog::spdlog", "fmt::fmt", "CLI11::CLI11"]),
    "one_test": ("tests/unit", ["tests/support/fake_os.cpp"], ["steward", "steward_plugin_alpha", "Catch2::Catch2"]),
    "support": ("tests/support", [], ["steward_core", "steward_sdk", "Poco::Net"]),
}

# (target, the entry that replaces its own, what the breach must say)
BROKEN_TARGETS = [
    ("steward_sdk", ("sdk", [], ["Boost::headers"]), "sdk may not use boost"),
    ("app-guardian", ("guardian", [], ["Threads::Threads"]), "guardian may not use libc"),
    ("steward_core", ("core", [], ["steward_mcp"]), "core may not use host/mcp"),
    ("steward_core", ("core", [], ["$<LINK_ONLY:spdlog::spdlog>"]), "core may not use spdlog"),
    ("steward_core", ("core", [], ["Poco::Net"]), "core may not use poco.net"),
    ("steward_core", ("core", [], ["app-guardian"]), "core may not use guardian"),
    ("steward_core", ("core", ["plugins/beta/policy.cpp"], []), "compiles plugins/beta/policy.cpp"),
    ("steward_plugin_alpha", ("plugins/alpha", [], ["steward_core"]), "plugins/* may not use core"),
    ("steward_plugin_alpha", ("plugins/alpha", [], ["steward_plugin_beta"]), "plugins/* may not use plugins/beta"),
    ("steward_mcp", ("host/mcp", [], ["steward_core"]), "host/mcp may not use core"),
    ("steward_prompts", ("host/prompts", [], ["steward_mcp"]), "host/prompts may not use host/mcp"),
    ("steward_mcp", ("host/mcp", [], ["steward_prompts"]), "host/mcp may not use host/prompts"),
    ("steward", ("host", [], ["steward_plugin_beta"]), "host may not use plugins/beta"),
    ("steward", ("host", [], ["valijson"]), "host may not use valijson"),
    ("steward", ("host", [], ["$<$<CONFIG:Debug>:what>"]), "no library of the table"),
    ("support", ("tests/support", [], ["steward"]), "tests/support may not use host"),
    ("stray", ("newcomer", [], []), "no part of the table"),
]


class DependencyCheck(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = Path(folder.name)
        for name, content in CLEAN.items():
            self.write(name, content)

    def write(self, name, content):
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")

    def breaches(self):
        checker = dependencies.Checker(self.root)
        checker.check_sources()
        return checker.breaches

    def test_a_tree_that_keeps_the_rules_has_no_breach(self):
        self.assertEqual(self.breaches(), [])

    def test_each_broken_include_call_or_revision_is_named(self):
        for name, content, expected in BROKEN_SOURCES:
            with self.subTest(file=name, content=content):
                self.write(name, "/* two lines\nof comment */ // and more\n" + content + "\n")
                found = self.breaches()
                self.assertEqual(len(found), 1, found)
                self.assertIn(expected, found[0])
                self.assertTrue(found[0].startswith((f"{name}:3: ", f"{name}: is in no part")), found[0])
                if name in CLEAN:
                    self.write(name, CLEAN[name])
                else:
                    (self.root / name).unlink()

    def test_comments_strings_and_like_names_are_no_breach(self):
        for name, content in INNOCENT_SOURCES:
            with self.subTest(content=content):
                self.write(name, content)
                self.assertEqual(self.breaches(), [])

    def test_link_lines_that_keep_the_rules_have_no_breach(self):
        checker = dependencies.Checker(self.root)
        checker.check_targets(CLEAN_TARGETS)
        self.assertEqual(checker.breaches, [])

    def test_each_broken_link_line_is_named(self):
        for name, entry, expected in BROKEN_TARGETS:
            with self.subTest(target=name, entry=entry):
                checker = dependencies.Checker(self.root)
                checker.check_targets(CLEAN_TARGETS | {name: entry})
                self.assertEqual(len(checker.breaches), 1, checker.breaches)
                self.assertIn(expected, checker.breaches[0])

    def test_plugins_may_be_linked_into_the_host_when_the_build_asks_for_a_static_set(self):
        targets = CLEAN_TARGETS | {"steward": ("host", [], ["steward_core", "steward_plugin_beta"])}
        checker = dependencies.Checker(self.root)
        checker.check_targets(targets, static_plugins=True)
        self.assertEqual(checker.breaches, [])

    def test_a_tree_that_is_too_small_to_be_the_project_fails(self):
        listed = self.root / "build" / "targets.txt"
        self.write("build/targets.txt", f"STEWARD_STATIC_PLUGINS\t{self.root}\t\t\n")
        with contextlib.redirect_stdout(io.StringIO()) as out:
            self.assertEqual(dependencies.main([str(self.root), str(listed)]), 1)
        self.assertIn("too little", out.getvalue())


if __name__ == "__main__":
    unittest.main()
