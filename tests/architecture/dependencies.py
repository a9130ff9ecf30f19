#!/usr/bin/python3
"""Checks that no part of the project knows a part or library that it must not know.

Reads the #includes of every source file, and the link lines of every target from a list that CMake writes
(CMakeLists.txt of this folder). Prints one line for each breach; exit status 0 without any, else 1.

    dependencies.py SOURCE_DIR TARGETS_FILE
"""
import re
import sys
from dataclasses import dataclass
from pathlib import Path

# --- The table -------------------------------------------------------------------------------------------------------
# A part is a folder; the longest one that fits decides, and `*` stands for one name, so that each plugin is a part of its
# own. Every part may use itself, the headers of the C standard library and the compile options. What else it may use:
#   std          the C++ standard library          libc           POSIX and Linux headers, threads, libdl
#   boost.asio, boost.dll, boost (all the rest)    poco.json      with the values and exceptions that its interface shows
#   poco.net, poco.process, poco.foundation        valijson, spdlog (with fmt), cli11, catch2
#   sdk, core, ... a part; a path with a dot in it is that one header.
ANY_LIBRARY = {"std", "libc", "boost.asio", "boost", "poco.json", "poco.net", "poco.process", "poco.foundation",
               "spdlog", "cli11", "catch2"}
ANY_PART = {"sdk", "guardian", "prober", "plugins/*", "plugins/examples/*", "core", "host", "host/mcp", "host/prompts", "compliance",
            "tests", "tests/support"}


@dataclass(frozen=True)
class Row:
    includes: frozenset
    links: frozenset


def row(includes, links):
    return Row(frozenset(includes), frozenset(links))


TABLE = {
    "sdk": row(includes={"std"}, links=set()),
    "plugins/*": row(includes={"std", "libc", "sdk", "boost", "boost.asio"}, links={"libc", "sdk", "boost"}),
    "plugins/examples/*": row(includes={"std", "libc", "sdk"}, links={"libc", "sdk"}),
    "guardian": row(includes={"libc"}, links=set()),
    "prober": row(includes={"libc", "sdk"}, links={"libc", "sdk"}),
    "core": row(
        includes={"std", "libc", "sdk", "guardian/protocol.h", "poco.json"},
        links={"libc", "sdk", "guardian/protocol.h", "boost", "poco.json", "poco.foundation", "valijson"}),
    "host": row(
        includes={"std", "libc", "core", "host/mcp", "host/prompts", "poco.json", "poco.net", "poco.process", "poco.foundation",
                  "spdlog", "cli11"},
        links={"libc", "core", "host/mcp", "host/prompts", "poco.json", "poco.net", "poco.foundation", "spdlog", "cli11"}),
    "host/mcp": row(includes={"std", "libc", "poco.json"}, links={"libc", "poco.json", "poco.foundation"}),
    "host/prompts": row(
        includes={"std", "libc", "poco.json", "poco.foundation", "host/mcp/include/steward/mcp/json.hpp"},
        links={"libc", "poco.json", "poco.foundation", "host/mcp/include/steward/mcp/json.hpp"}),
    "compliance": row(
        includes={"std", "libc", "sdk", "cli11", "poco.json", "poco.net", "poco.foundation",
                  "core/include/steward/core/plugin_catalogue.hpp", "core/include/steward/core/result.hpp",
                  "core/include/steward/core/schema.hpp", "core/include/steward/core/spawn.hpp",
                  "core/include/steward/core/time.hpp", "core/include/steward/core/unique_fd.hpp"},
        links={"libc", "sdk", "core", "cli11", "poco.json", "poco.net", "poco.foundation"}),
    "tests/support": row(
        includes={"std", "libc", "sdk", "core", "compliance", "poco.json", "poco.net", "poco.process", "poco.foundation", "catch2"},
        links={"libc", "sdk", "core", "compliance", "poco.json", "poco.net", "poco.foundation", "catch2"}),
    # Tests may know what they test; but these two libraries stay behind one file each, for them too.
    "tests": row(includes=ANY_LIBRARY | ANY_PART, links=ANY_LIBRARY | ANY_PART),
    "bench": row(includes=ANY_LIBRARY | ANY_PART, links=ANY_LIBRARY | ANY_PART),
    "fuzz": row(includes=ANY_LIBRARY | ANY_PART, links=ANY_LIBRARY | ANY_PART),
}

# What a single file may use beyond its part's row.
ALSO = {
    "core/src/loop.cpp": {"boost.asio"},
    "core/src/plugin_library.cpp": {"boost.dll"},
    "core/src/schema.cpp": {"valijson"},
    # Signs with Poco's HMAC and SHA-2.
    "host/mcp/src/request_state.cpp": {"poco.foundation"},
    # Reads /proc relative to a directory descriptor, which the C++ library has no words for.
    "sdk/include/steward/sdk/proc_tree.hpp": {"libc"},
}

# Parts that only the project's own checks are made of: the rules below do not hold for them.
CHECKS = {"tests", "tests/support", "bench", "fuzz"}

# Headers in these folders are for their own part, and for tests.
PRIVATE = ("core/src/", "host/mcp/src/", "host/prompts/src/", "host/src/", "guardian/")

# One place starts processes.
SPAWNS = re.compile(r"(?<![.\w>])(?:posix_spawnp?|v?fork|_Fork|clone3?|popen|system|exec[lv]p?e?|execvpe)\s*\("
                    r"|\b(?:SYS|__NR)_(?:v?fork|clone3?)\b")
# (The harness's watch stands before the C library's functions of these names.)
SPAWN_FILES = {"core/src/spawn.cpp", "guardian/main.c", "guardian/spawn.c", "compliance/src/watch.c"}

# One place knows the revisions of the Model Context Protocol.
REVISIONS = re.compile(r"2024-11-05|2025-03-26|2025-06-18|2025-11-25|2026-07-28")
REVISION_FILES = {"host/mcp/src/revisions.cpp", "host/mcp/include/steward/mcp/revisions.hpp"}

# --- Libraries -------------------------------------------------------------------------------------------------------
C_HEADERS = set("""assert complex ctype errno fenv float inttypes iso646 limits locale math setjmp signal stdalign stdarg
    stdatomic stdbool stddef stdint stdio stdlib stdnoreturn string tgmath threads time uchar wchar wctype""".split())
CPP_HEADERS = set("""algorithm any array atomic barrier bit bitset charconv chrono codecvt compare complex concepts
    condition_variable coroutine deque exception execution filesystem forward_list fstream functional future
    initializer_list iomanip ios iosfwd iostream istream iterator latch limits list locale map memory memory_resource mutex
    new numbers numeric optional ostream queue random ranges ratio regex scoped_allocator semaphore set shared_mutex
    source_location span sstream stack stdexcept stop_token streambuf string string_view strstream syncstream
    system_error thread tuple type_traits typeindex typeinfo unordered_map unordered_set utility valarray variant vector
    version cassert cctype cerrno cfenv cfloat cinttypes climits clocale cmath csetjmp csignal cstdarg cstddef cstdint
    cstdio cstdlib cstring ctime cuchar cwchar cwctype""".split())
LIBC_HEADERS = set("""dirent dlfcn elf endian execinfo fcntl fnmatch getopt glob grp ifaddrs libgen link malloc netdb poll
    pthread pty pwd sched semaphore spawn strings syslog termios unistd utime""".split())
LIBC_FOLDERS = ("sys/", "linux/", "net/", "netinet/", "arpa/", "asm/")
POCO_JSON = re.compile(r"Poco/(JSON/.*|Dynamic/.*|(Exception|NumberParser|SharedPtr|Nullable)\.h)$")

LIBRARY_HEADERS = [  # first match wins
    (re.compile(r"boost/asio([/.].*)?$"), "boost.asio"),
    (re.compile(r"boost/dll([/.].*)?$"), "boost.dll"),
    (re.compile(r"boost/.*$"), "boost"),
    (POCO_JSON, "poco.json"),
    (re.compile(r"Poco/Net/.*$"), "poco.net"),
    (re.compile(r"Poco/(Process|Pipe|PipeStream)\.h$"), "poco.process"),
    (re.compile(r"Poco/[A-Za-z0-9_]+\.h$"), "poco.foundation"),
    (re.compile(r"valijson/.*$"), "valijson"),
    (re.compile(r"(spdlog|fmt)/.*$"), "spdlog"),
    (re.compile(r"CLI/.*$"), "cli11"),
    (re.compile(r"catch2/.*$"), "catch2"),
]
LIBRARY_TARGETS = {
    "Threads::Threads": "libc", "dl": "libc", "rt": "libc", "m": "libc",
    "Boost::headers": "boost", "Boost::boost": "boost",
    "Poco::JSON": "poco.json", "Poco::Foundation": "poco.foundation", "Poco::Net": "poco.net",
    "valijson": "valijson", "spdlog::spdlog": "spdlog", "fmt::fmt": "spdlog", "CLI11::CLI11": "cli11",
    "Catch2::Catch2": "catch2",
}
OPTIONS = {"steward_options", "steward_c_options", "steward_asan_options"}
# The target of one header, so that core and the prompt store can link what they may include.
HEADER_TARGETS = {"steward_guardian_protocol": "guardian/protocol.h",
                  "steward_json": "host/mcp/include/steward/mcp/json.hpp"}

# Where `#include <steward/...>` and its like are looked for, after the folder of the file itself.
INCLUDE_ROOTS = ["sdk/include", "core/include", "compliance/include", "host/mcp/include", "host/prompts/include", "tests/support", "", "core/src", "host/src",
                 "host/src/commands", "host/src/tools", "host/mcp/src", "host/prompts/src", "compliance/src"]
SOURCE_NAME = re.compile(r"\.(c|h|cc|cpp|hpp|ipp)(\.in)?$")


# --- Reading ---------------------------------------------------------------------------------------------------------
TOKEN = re.compile(
    r"""//[^\n]*|/\*.*?\*/                      # comments
      |R"(?P<raw>[^()\\\s]{0,16})\(.*?\)(?P=raw)"
      |"(?:\\.|[^"\\\n])*"
      |\b[0-9][\w.']*                           # numbers, before their separators look like characters
      |'(?:\\.|[^'\\\n])*'""", re.DOTALL | re.VERBOSE)
INCLUDE = re.compile(r"^[ \t]*#[ \t]*include[ \t]*(?:(?P<angle><[^>\n]+>)|(?P<quote>\"[^\"\n]+\")|(?P<other>\S.*))",
                     re.MULTILINE)


def without_comments(text, keep_strings=True):
    def replace(match):
        token = match.group(0)
        newlines = "\n" * token.count("\n")
        if token[0] == "/":
            return " " + newlines
        if token[0] == "R" and not keep_strings:
            return '""' + newlines
        if token[0] in "\"'" and not keep_strings:
            return '""'
        return token
    return TOKEN.sub(replace, text)


def line_of(text, position):
    return text.count("\n", 0, position) + 1


def parts_of(path):
    """The names of `path`'s part: its own folder, and as the table calls it."""
    pieces = path.split("/")
    best = None
    for name in TABLE:
        pattern = name.split("/")
        if len(pieces) > len(pattern) and all(p in ("*", piece) for p, piece in zip(pattern, pieces)):
            if best is None or len(pattern) > len(best.split("/")):
                best = name
    if best is None:
        return None, None
    return "/".join(pieces[:len(best.split("/"))]), best


class Checker:
    def __init__(self, root):
        self.root = Path(root)
        self.breaches = []
        self.files = 0

    def breach(self, where, what):
        self.breaches.append(f"{where}: {what}")

    # -- includes
    def find(self, includer, name, quoted):
        own, _ = parts_of(includer)
        folders = [str(Path(includer).parent)] if quoted else []
        folders += sorted(INCLUDE_ROOTS, key=lambda folder: not folder.startswith(own + "/"))
        for folder in folders:
            for suffix in ("", ".in"):
                candidate = self.root / folder / (name + suffix)
                if candidate.is_file():
                    try:
                        return candidate.resolve().relative_to(self.root.resolve()).as_posix()
                    except ValueError:
                        return None
        return None

    def in_own_part(self, includer, name):
        """Some targets have folders of their own on the include path; a header of one part is found anywhere in it."""
        folder, _ = parts_of(includer)
        return any(path.is_file() for path in (self.root / folder).rglob(name)) if "/" not in name else False

    @staticmethod
    def library_of(name):
        stem = name[:-2] if name.endswith(".h") else None
        if stem in C_HEADERS:
            return "c"
        if name in CPP_HEADERS:
            return "std"
        if stem in LIBC_HEADERS or name.startswith(LIBC_FOLDERS):
            return "libc"
        return next((kind for pattern, kind in LIBRARY_HEADERS if pattern.match(name)), None)

    def check_include(self, where, path, name, quoted):
        own, part = parts_of(path)
        allowed = TABLE[part].includes | ALSO.get(path, set())
        found = self.find(path, name, quoted)
        if found is None:
            kind = self.library_of(name)
            if kind is None and quoted and (part in CHECKS or self.in_own_part(path, name)):
                return
            if kind is None:
                self.breach(where, f"includes {name}, which is in no part and no library of the table")
            elif kind != "c" and kind not in allowed:
                self.breach(where, f"includes {name}: {part} may not use {kind}"
                                   + (" (one file may)" if any(kind in kinds for kinds in ALSO.values()) else ""))
            return
        other, other_part = parts_of(found)
        if other == own:
            return
        if found in allowed:
            return
        if other_part not in allowed:
            self.breach(where, f"includes {found}: {part} may not know {other}")
        elif found.startswith(PRIVATE) and part not in CHECKS:
            self.breach(where, f"includes {found}, which is private to {other}")

    def check_file(self, path):
        self.files += 1
        own, part = parts_of(path)
        if part is None:
            self.breach(path, "is in no part of the table; give its folder a row")
            return
        text = (self.root / path).read_text(encoding="utf-8", errors="replace")
        code = without_comments(text)
        for match in INCLUDE.finditer(code):
            where = f"{path}:{line_of(code, match.start())}"
            if match["other"]:
                self.breach(where, f"includes {match['other']}, which cannot be read here")
            else:
                self.check_include(where, path, (match["angle"] or match["quote"])[1:-1], bool(match["quote"]))
        if part in CHECKS:
            return
        if path not in SPAWN_FILES:
            bare = without_comments(text, keep_strings=False)
            for match in SPAWNS.finditer(bare):
                self.breach(f"{path}:{line_of(bare, match.start())}",
                            f"starts a process ({match.group(0).rstrip('( ')}); only core/src/spawn.cpp and the guardian do")
        if path not in REVISION_FILES:
            for match in REVISIONS.finditer(code):
                self.breach(f"{path}:{line_of(code, match.start())}",
                            f"names the protocol revision {match.group(0)}; only host/mcp's revisions.* does")

    def check_sources(self):
        for path in sorted(self.root.rglob("*")):
            relative = path.relative_to(self.root).as_posix()
            top = relative.split("/")[0]
            if top.startswith((".", "build")) or not SOURCE_NAME.search(path.name) or not path.is_file():
                continue
            self.check_file(relative)

    # -- link lines
    def check_targets(self, targets, static_plugins=False):
        """`targets`: {name: (folder, sources, items)}, items as written in the link lines, aliases resolved."""
        for name, (folder, sources, items) in sorted(targets.items()):
            own, part = parts_of(folder + "/x")
            if part is None:
                if name not in OPTIONS and name not in LIBRARY_TARGETS:
                    self.breach(f"target {name}", f"is made in \"{folder}\", which is in no part of the table")
                continue
            allowed = TABLE[part].links
            if part == "host" and static_plugins:
                allowed = allowed | {"plugins/*"}
            for item in items:
                self.check_link(name, own, part, allowed, item, targets)
            for source in sources:
                other, other_part = parts_of(source)
                if other not in (None, own) and other_part not in allowed:
                    self.breach(f"target {name}", f"compiles {source}: {part} may not use {other}")

    def check_link(self, name, own, part, allowed, item, targets):
        bare = re.sub(r"^\$<(?:LINK_ONLY|BUILD_INTERFACE):(.*)>$", r"\1", item)
        if bare in OPTIONS or bare.startswith(("-Wl,", "-fsanitize", "::@")):
            return
        if bare in HEADER_TARGETS:
            kind = other = HEADER_TARGETS[bare]
            if parts_of(kind)[0] == own or parts_of(kind)[1] in allowed:
                return
        elif bare in LIBRARY_TARGETS:
            kind = other = LIBRARY_TARGETS[bare]
        elif bare in targets:
            other, kind = parts_of(targets[bare][0] + "/x")
            if other == own:
                return
        else:
            self.breach(f"target {name}", f"links {item}, which is in no part and no library of the table")
            return
        if kind not in allowed:
            self.breach(f"target {name}", f"links {bare}: {part} may not use {other}")


def read_targets(root, file):
    """Lines of tab-separated fields: target, folder, sources and link items, the last two separated by semicolons."""
    targets = {}
    static_plugins = False
    root = Path(root).resolve()
    for line in Path(file).read_text(encoding="utf-8").splitlines():
        name, folder, sources, items = line.split("\t")
        if name == "STEWARD_STATIC_PLUGINS":
            static_plugins = bool(items)
            continue
        here = Path(folder).resolve()
        if root not in (here, *here.parents):
            continue
        inside = []
        for source in filter(None, sources.split(";")):
            path = (here / source).resolve()
            if root in path.parents and not path.relative_to(root).parts[0].startswith("build"):
                inside.append(path.relative_to(root).as_posix())
        targets[name] = (here.relative_to(root).as_posix(), inside, [item for item in items.split(";") if item])
    return targets, static_plugins


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root, targets_file = arguments
    targets, static_plugins = read_targets(root, targets_file)
    checker = Checker(root)
    checker.check_sources()
    checker.check_targets(targets, static_plugins)
    for breach in checker.breaches:
        print(breach)
    print(f"{checker.files} files and {len(targets)} targets read, {len(checker.breaches)} breaches")
    if checker.files < 50 or len(targets) < 10:
        print("that is too little to be the project: the check did not look where it should")
        return 1
    return 1 if checker.breaches else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
