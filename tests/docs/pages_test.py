#!/usr/bin/python3
"""Checks that the pages about plugins say what is so.

    pages_test.py SOURCE_DIR BUILD_DIR

In docs/plugins/*.md, a comment on the line before a fenced block says what the block is:

    <!-- excerpt: FILE -->   lines of that file, in its order; `// ...` or `# ...` alone stands for lines left out
    <!-- run -->             commands behind `$ ` with all that they print; `...` alone stands for lines left out

In a page with excerpts every block of C, C++ or CMake is one. The commands run in an empty folder in which `build` is BUILD_DIR and
`plugins` is the sources' folder. In every page of the project, links to files lead somewhere. Prints one line for each
fault; exit status 0 without any, else 1.
"""
import os
import re
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

FENCE = re.compile(r"^```(\w*)$")
MARK = re.compile(r"^<!-- (excerpt: (?P<file>\S+)|run) -->$")
LINK = re.compile(r"\]\(([^)\s]+)\)")
GAPS = {"// ...", "# ...", "..."}
CODE = {"c", "cpp", "cmake"}
TIMEOUT_S = 60


def blocks(text):
    """Yields (line number, mark or None, language, lines) of each fenced block."""
    lines = text.splitlines()
    at = 0
    while at < len(lines):
        fence = FENCE.match(lines[at])
        at += 1
        if not fence:
            continue
        begin = at
        while at < len(lines) and lines[at] != "```":
            at += 1
        mark = MARK.match(lines[begin - 2]) if begin >= 2 else None
        yield begin, mark, fence[1], lines[begin:at]
        at += 1


def pieces(lines):
    """The runs of lines between gaps."""
    runs = [[]]
    for line in lines:
        if line.strip() in GAPS:
            runs.append([])
        else:
            runs[-1].append(line)
    return [run for run in runs if run]


def follow_in_order(runs, lines, same):
    at = 0
    for run in runs:
        for start in range(at, len(lines) - len(run) + 1):
            if same(run, lines[start:start + len(run)]):
                at = start + len(run)
                break
        else:
            return run
    return None


def without_indent(lines):
    return textwrap.dedent("\n".join(line.rstrip() for line in lines)).strip("\n").split("\n")


def check_excerpt(root, file, lines):
    path = root / file
    if not path.is_file():
        return f"{file} does not exist"
    missing = follow_in_order(pieces(lines), path.read_text(encoding="utf-8").splitlines(),
                              lambda run, source: without_indent(run) == without_indent(source))
    return f"not in {file}, or not in this order: {missing[0].strip()}" if missing else None


def run(command, folder, build):
    environment = {"PATH": f"{build}/bin:/usr/bin:/bin", "HOME": folder, "LANG": "C.UTF-8", "TZ": "UTC",
                   "XDG_STATE_HOME": f"{folder}/state", "XDG_CACHE_HOME": f"{folder}/cache"}
    done = subprocess.run(["/bin/sh", "-c", command], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=TIMEOUT_S, check=False)
    return done.stdout.decode("utf-8", "replace").replace(folder, "/home/you").splitlines()


def check_run(root, build, lines):
    with tempfile.TemporaryDirectory() as folder:
        os.symlink(build, f"{folder}/build")
        os.symlink(root / "plugins", f"{folder}/plugins")
        commands = []
        for line in lines:
            if line.startswith("$ "):
                commands.append([line[2:], []])
            elif commands and commands[-1][0].endswith("\\") and not commands[-1][1]:
                commands[-1][0] = commands[-1][0][:-1] + line.strip()
            elif commands:
                commands[-1][1].append(line)
            else:
                return "the block does not begin with a command"
        for command, expected in commands:
            printed = run(command, folder, build)
            gap = any(line in GAPS for line in expected)
            if gap:
                missing = follow_in_order(pieces(expected), printed, lambda a, b: a == b)
                good = missing is None
            else:
                good = printed == expected
            if not good:
                return f"`{command}` prints\n" + "\n".join(printed)
    return None


def headings(page):
    """The anchors of a page, as the usual renderers make them."""
    outside = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    titles = re.findall(r"^#+ (.*)$", outside, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def check_link(page, target):
    file, _, anchor = target.partition("#")
    goal = page.parent / file if file else page
    if not goal.exists():
        return f"the link {target} leads nowhere"
    if anchor and goal.suffix == ".md" and anchor not in headings(goal):
        return f"the link {target} names no heading"
    return None


def main(arguments):
    if len(arguments) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    root, build = Path(arguments[0]).resolve(), Path(arguments[1]).resolve()
    faults = []
    counts = {"excerpt": 0, "run": 0, "link": 0}
    for page in sorted((root / "docs/plugins").glob("*.md")):
        found = list(blocks(page.read_text(encoding="utf-8")))
        with_excerpts = any(mark and mark["file"] for _, mark, _, _ in found)
        for number, mark, language, lines in found:
            fault = None
            if mark and mark["file"]:
                counts["excerpt"] += 1
                fault = check_excerpt(root, mark["file"], lines)
            elif mark:
                counts["run"] += 1
                fault = check_run(root, build, lines)
            elif with_excerpts and language in CODE:
                fault = "code without a comment that says what it is an excerpt of"
            if fault:
                faults.append(f"{page.relative_to(root)}:{number}: {fault}")
    pages = [page for folder in ("docs", "sdk", "plugins") for page in sorted((root / folder).rglob("*.md"))]
    for page in pages + sorted(root.glob("*.md")):
        for target in LINK.findall(page.read_text(encoding="utf-8")):
            if "://" in target:
                continue
            counts["link"] += 1
            if fault := check_link(page, target):
                faults.append(f"{page.relative_to(root)}: {fault}")
    for fault in faults:
        print(fault)
    print(f"{counts['excerpt']} excerpts, {counts['run']} runs and {counts['link']} links, {len(faults)} faults")
    if counts["excerpt"] < 10 or counts["run"] < 3 or counts["link"] < 20:
        print("that is too little to be the pages: the check did not look where it should")
        return 1
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
