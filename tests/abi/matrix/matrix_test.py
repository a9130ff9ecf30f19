#!/usr/bin/python3
"""Builds small plugins with both compilers, several standards and builds of the standard library, and loads each in the real
programs: the list, decisions through `steward simulate`, and a few checks of steward-compliance.

    matrix_test.py SOURCE_DIR BIN_DIR

Prints one line for each plugin, and what fails; exit status 0 or 1.
"""
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SOURCES, BIN = Path(sys.argv[1]), Path(sys.argv[2])
MATRIX = SOURCES / "tests/abi/matrix"
INCLUDE = SOURCES / "sdk/include"
LINK = ["-shared", "-fPIC", "-fvisibility=hidden", f"-Wl,--version-script={SOURCES}/sdk/cmake/steward_plugin.map",
        "-Wl,-z,defs", "-Wl,-z,relro,-z,now", "-Wall", "-Wextra", "-Werror"]
WANTED_CHECKS = ["load-now", "elf-exports-entry-only", "abi-magic-version", "abi-newer-host", "abi-older-host", "schema-valid",
                 "life-create-destroy", "err-no-unwind", "restart-total"]

STATIC = ["-static-libstdc++", "-static-libgcc"]


def rows():
    """(id, source, command without the output)"""
    for compiler, language, standard in [
            ("gcc", "c", "c11"), ("gcc", "c", "c17"), ("clang", "c", "c11"), ("clang", "c", "c17"),
            ("g++", "c++", "c++17"), ("g++", "c++", "c++20"), ("clang++", "c++", "c++17"), ("clang++", "c++", "c++20")]:
        for level in ["-O0", "-O2"]:
            yield ("plain", MATRIX / "plain.c", [compiler, "-x", language, f"-std={standard}", "-pedantic", level])
    for compiler in ["g++", "clang++"]:
        for level in ["-O0", "-O2"]:
            for flags in [[], ["-D_GLIBCXX_DEBUG"], STATIC]:
                yield ("layered", MATRIX / "layered.cpp", [compiler, "-std=c++20", level, *flags])
        for flags in [["-D_GLIBCXX_DEBUG", *STATIC], ["-D_GLIBCXX_USE_CXX11_ABI=0"], ["-fno-rtti"]]:
            yield ("layered", MATRIX / "layered.cpp", [compiler, "-std=c++20", "-O1", *flags])
    for compiler in ["gcc", "clang"]:
        yield ("frozen", MATRIX / "frozen.c", [compiler, "-std=c11", "-O2"])
        yield ("newer", MATRIX / "frozen.c", [compiler, "-std=c11", "-O2", "-DNEWER"])


class Failed(Exception):
    pass


def run(command, environment, status=0):
    done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, env=environment, timeout=120, check=False)
    if done.returncode != status:
        raise Failed(f"{' '.join(map(str, command))}\n  exit status {done.returncode}\n  {done.stdout[-600:]}{done.stderr[-600:]}")
    return done


def want(text, pattern, what):
    if not re.search(pattern, text):
        raise Failed(f"{what}: no {pattern!r} in\n{text[-1000:]}")


def try_one(number, plugin_id, source, command, root, compliance):
    folder = root / str(number)
    folder.mkdir(mode=0o755)
    file = folder / f"steward_{plugin_id}.so"
    environment = dict(os.environ, XDG_CACHE_HOME=str(folder / "cache"), XDG_STATE_HOME=str(folder / "state"), TMPDIR=str(folder))
    words = list(command)
    run([*words, *LINK, f"-I{INCLUDE}", source, "-o", file], environment)
    file.chmod(0o755)

    listed = run([BIN / "steward", "plugins", "--plugin-dir", folder], environment).stdout
    want(listed, rf"^{plugin_id} 1\.0\.0  steward\.restart/1", "steward plugins")

    simulate = [BIN / "steward", "simulate", "--for", "1m", "--restart", file]
    timeline = run([*simulate, "exit 1 after 1s", "run"], environment).stdout
    want(timeline, rf"restart_scheduled  exit code 1; {plugin_id}", "steward simulate")
    want(timeline, r"2\.236 s  #2   service\.start  ", "steward simulate, 1234 ms after the end at 1.002 s")
    if plugin_id == "layered":
        # What it throws ends in its own layer, and its text arrives.
        thrown = run([*simulate, "--set", "layered.wait_ms=14", "exit 1 after 1s", "run"], environment)
        want(thrown.stdout + thrown.stderr, "fourteen is out of range", "an exception in decide")
        refused = run([*simulate, "--set", "layered.wait_ms=13", "run"], environment, status=2)
        want(refused.stderr, r"layered.*thrown for 13 by x{100}\n", "an exception in create")
    if compliance:
        only = [word for check in compliance for word in ("--only", check)]
        run([BIN / "steward-compliance", "run", file, *only, "--grade", "gold"], environment)


def later_prober(root):
    """The prober of a later minor version, in which each struct that a plugin fills in has grown, takes what 1.0 made."""
    headers = root / "later"
    subprocess.run(["cp", "-r", INCLUDE, headers], check=True)
    changed = 0
    for header in headers.glob("steward/*.h"):
        text = header.read_text()
        text, count = re.subn(r"(\n\} steward_(?:entry|plugin|descriptor|health|restart|port|metrics);)",
                              r"\n    void* appended[4];\1", text)
        header.write_text(text.replace("#define STEWARD_ABI_MINOR 0u", "#define STEWARD_ABI_MINOR 1u"))
        changed += count
    if changed != 7:
        raise Failed(f"{changed} structs of the headers have grown, not 7")
    prober = root / "later-prober"
    run(["gcc", "-std=c11", "-D_GNU_SOURCE", f"-I{headers}", *sorted((SOURCES / "prober").glob("*.c")), "-o", prober],
        dict(os.environ))
    file = root / "steward_frozen.so"
    run(["gcc", "-std=c11", *LINK, MATRIX / "frozen.c", "-o", file], dict(os.environ))
    want(run([prober, file], dict(os.environ)).stdout, r'"ok":true', "a prober of ABI 1.1 over a plugin of 1.0")


def main():
    compliance = []
    if (BIN / "steward-compliance").exists():
        known = run([BIN / "steward-compliance", "list", "--ids"], dict(os.environ)).stdout.split()
        compliance = [check for check in WANTED_CHECKS if check in known]
    failures = 0
    with tempfile.TemporaryDirectory(prefix="steward-matrix-") as name, ThreadPoolExecutor(2) as pool:
        root = Path(name)
        os.umask(0o022)
        jobs = [("later prober", pool.submit(later_prober, root))]
        jobs += [(f"{plugin_id}: {' '.join(command)}",
                  pool.submit(try_one, number, plugin_id, source, command, root, compliance))
                 for number, (plugin_id, source, command) in enumerate(rows())]
        for what, job in jobs:
            try:
                job.result()
                print(f"ok      {what}")
            except (Failed, subprocess.SubprocessError, OSError) as error:
                failures += 1
                print(f"FAILED  {what}\n{error}")
    print(f"{len(jobs)} builds, {failures} failures; checks of steward-compliance: {' '.join(compliance) or 'none'}")
    sys.exit(1 if failures or len(jobs) < 39 else 0)


main()
