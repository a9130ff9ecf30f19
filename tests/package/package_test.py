#!/usr/bin/python3
"""The SDK as its users have it: installed into a folder far from the sources, and used from there.

    package_test.py stage FILE CMAKE BUILD           installs into a new folder, and writes its name into FILE
    package_test.py unstage FILE                     removes that folder
    package_test.py kind FILE CMAKE SOURCE KIND      `steward new-plugin`, built, tested and loaded with what is staged
    package_test.py find FILE CMAKE BUILD            what find_package() says of components and versions
    package_test.py add_compliance CMAKE FOLDER      the tests that steward_add_compliance() makes
    package_test.py compliance_checks PROGRAM FOLDER the list of the CMake package in FOLDER is that of the harness
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

FLAGS = {"health": "--health", "restart": "--restart", "port": "--port-strategy", "metrics": "--metrics"}


def run(*command, cwd=None, expect=0, env=None):
    """The output of a command that must end with the status `expect` (None: with any but 0)."""
    done = subprocess.run([str(word) for word in command], cwd=cwd, env=env, stdin=subprocess.DEVNULL, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if (done.returncode != expect) if expect is not None else (done.returncode == 0):
        sys.exit(f"{command[0]} ended with {done.returncode}: {' '.join(map(str, command))}\n{done.stdout}")
    return done.stdout


def check(good, what):
    if not good:
        sys.exit(f"not so: {what}")


def staged(file):
    return Path(Path(file).read_text(encoding="utf-8"))


def clean_environment(folder, stage):
    """Nothing of this machine but the compiler, and nothing of the source or build tree at all."""
    kept = {name: os.environ[name] for name in ("CC", "CXX", "CMAKE_GENERATOR") if name in os.environ}
    home = folder / "home"
    home.mkdir()
    return kept | {"PATH": "/usr/local/bin:/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": str(home),
                   "CMAKE_PREFIX_PATH": str(stage)}


def stage(file, cmake, build):
    unstage(file)
    folder = Path(tempfile.mkdtemp(prefix="steward-stage-"))
    Path(file).write_text(str(folder), encoding="utf-8")
    run(cmake, "--install", build, "--prefix", folder, "--strip")


def unstage(file):
    """Also of a run that was ended before it could do so."""
    if Path(file).exists():
        shutil.rmtree(staged(file), ignore_errors=True)
        Path(file).unlink()


def kind(file, cmake, source, which):
    prefix = staged(file)
    steward = prefix / "bin/steward"
    name = f"my_{which}"
    with tempfile.TemporaryDirectory(prefix="steward-author-") as temporary:
        folder = Path(temporary)
        env = clean_environment(folder, prefix)
        said = run(steward, "new-plugin", name, "--kind", which, cwd=folder, env=env)
        project = folder / name
        flag = FLAGS[which]
        # The commands that it and the README tell are the ones that are used here.
        check(f"CMAKE_PREFIX_PATH={prefix} cmake --workflow --preset check\n" in said, f"it tells how to build: {said}")
        check(f"run --plugin-dir build {flag} {name}\n" in said, f"it tells how to use it: {said}")
        readme = (project / "README.md").read_text(encoding="utf-8")
        check(f"steward run --plugin-dir build {flag} {name}" in readme, "the README tells how to use it")
        for path in project.rglob("*"):
            check("plugin_name" not in str(path), f"{path} has its name")
            check(path.is_dir() or "plugin_name" not in path.read_text(encoding="utf-8"), f"{path} has the name in it")

        tested = run(cmake, "--workflow", "--preset", "check", cwd=project, env=env)
        check("100% tests passed" in tested, f"the tests pass: {tested}")
        check(f"compliance.{name}.load-now" in tested, f"the harness is among the tests: {tested}")
        for path in (project / "build").rglob("*"):
            if path.is_file() and path.suffix in (".txt", ".ninja", ".make", ".cmake"):
                check(source not in path.read_text(encoding="utf-8", errors="replace"), f"{path} does not know {source}")

        listed = json.loads(run(steward, "plugins", "--json", "--plugin-dir", "build", cwd=project, env=env))
        found = [plugin for plugin in listed["plugins"] if plugin.get("id") == name]
        check(len(found) == 1 and not found[0].get("error"), f"{name} is found and can be used: {listed}")
        check(f"steward.{which}/1" in json.dumps(found[0]), f"it offers its strategy: {found}")
        checked = run(steward, "check", "--plugin-dir", "build", flag, name, "--data-dir", folder / "data", "--",
                      "/bin/true", "{port}", cwd=project, env=env)
        check(name in checked, f"`steward check` takes it: {checked}")

        again = run(steward, "new-plugin", name, "--kind", which, cwd=folder, env=env, expect=2)
        check("nothing is overwritten" in again, f"a second time is refused: {again}")


def configured(cmake, folder, prefix, request, expect):
    """What CMake says of find_package(Steward `request`)."""
    project = Path(tempfile.mkdtemp(dir=folder))
    (project / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(asks LANGUAGES NONE)\n"
        # Not another one that this machine happens to have.
        "set(CMAKE_FIND_USE_CMAKE_SYSTEM_PATH OFF)\nset(CMAKE_FIND_USE_SYSTEM_ENVIRONMENT_PATH OFF)\n"
        "set(CMAKE_FIND_USE_PACKAGE_REGISTRY OFF)\n"
        f"find_package(Steward {request})\n"
        'message(STATUS "found=${Steward_FOUND} sdk=${Steward_sdk_FOUND} compliance=${Steward_compliance_FOUND}")\n'
        'message(STATUS "why=${Steward_NOT_FOUND_MESSAGE}")\n', encoding="utf-8")
    said = run(cmake, "-S", project, "-B", project / "build", f"-DCMAKE_PREFIX_PATH={prefix}", expect=expect)
    return " ".join(said.split())


def find(file, cmake, build):
    prefix = staged(file)
    with tempfile.TemporaryDirectory(prefix="steward-find-") as temporary:
        folder = Path(temporary)

        def asked(request, expect=0, where=prefix):
            return configured(cmake, folder, where, request, expect)

        check("sdk=TRUE" in asked("0.1 REQUIRED COMPONENTS sdk"), "the SDK is found")
        check("sdk=TRUE" in asked("0.1 REQUIRED"), "without components, what is there is found")
        said = asked("0.1 REQUIRED COMPONENTS sdk host", None)
        check('Steward has no component "host"; there are: sdk, compliance' in said, f"an unknown component: {said}")
        said = asked("0.1 COMPONENTS host")
        check("found=0" in said and "no component" in said, f"unless it is required, it is told: {said}")
        said = asked("0.1 REQUIRED COMPONENTS sdk OPTIONAL_COMPONENTS host")
        check("found=1 sdk=TRUE" in said, f"an optional one may be missing: {said}")
        for version in ("1.0", "0.9"):
            said = asked(f"{version} REQUIRED COMPONENTS sdk", None)
            check(f'requested version "{version}"' in said and "version: 0.1" in said, f"another version: {said}")

        check("compliance=TRUE" in asked("0.1 REQUIRED COMPONENTS sdk compliance"), "the harness is found")
        alone = folder / "alone"
        run(cmake, "--install", build, "--prefix", alone, "--component", "sdk")
        check(not (alone / "bin").exists(), "the component sdk brings no program")
        check("sdk=TRUE compliance=FALSE" in asked("0.1 REQUIRED", where=alone), "the SDK alone is found")
        said = asked("0.1 REQUIRED COMPONENTS sdk compliance", None, alone)
        check('the component "compliance" of Steward is not installed' in said and "--component compliance" in said,
              f"a component that is not installed: {said}")
        tester = folder / "tester"
        run(cmake, "--install", build, "--prefix", tester, "--component", "compliance")
        check("sdk=FALSE compliance=TRUE" in asked("0.1 REQUIRED", where=tester), "the harness alone is found")
        said = run(tester / "bin/steward-compliance", "run", Path(build) / "bin/plugins/steward_port_sequential.so")
        check("gold" in said, f"the harness alone works: {said}")
        # A program without its templates says so.
        run(cmake, "--install", build, "--prefix", folder / "program", "--component", "steward", "--strip")
        said = run(folder / "program/bin/steward", "new-plugin", "x", "--kind", "port", cwd=folder, expect=2)
        check("install Steward's component sdk" in said, f"no templates: {said}")
        check("sdk=TRUE" in asked("0.1 REQUIRED COMPONENTS sdk", where=build), "the build folder is a package too")


def add_compliance(cmake, scripts):
    """The tests alone: the harness is a script here that passes, fails or skips by the check's name."""
    with tempfile.TemporaryDirectory(prefix="steward-compliance-") as temporary:
        folder = Path(temporary)
        # Three checks; the list is the package's business.
        shutil.copy(Path(scripts) / "StewardCompliance.cmake", folder)
        (folder / "StewardComplianceChecks.cmake").write_text(
            "set(STEWARD_COMPLIANCE_CHECKS load-now load-scan-time abi-null-free)\n", encoding="utf-8")
        harness = folder / "harness"
        harness.write_text('#!/bin/sh\ncase "$4" in\n    load-now) ;;\n'
                           '    load-scan-time) echo "skip load-scan-time: not today" ;;\n'
                           '    *) echo "$4: the plugin does not skip this"; exit 1 ;;\nesac\n', encoding="utf-8")
        harness.chmod(0o755)
        (folder / "waivers.json").write_text("{}", encoding="utf-8")

        def project(call, expect=0):
            (folder / "CMakeLists.txt").write_text(
                "cmake_minimum_required(VERSION 3.25)\nproject(author LANGUAGES NONE)\nenable_testing()\n"
                "add_library(steward_plugin_mine MODULE IMPORTED)\n"
                f"set_target_properties(steward_plugin_mine PROPERTIES IMPORTED_LOCATION {folder}/steward_mine.so)\n"
                "add_executable(Steward::compliance IMPORTED)\n"
                f"set_target_properties(Steward::compliance PROPERTIES IMPORTED_LOCATION {harness})\n"
                f"include({folder}/StewardCompliance.cmake)\n{call}\n", encoding="utf-8")
            return run(cmake, "-S", folder, "-B", folder / "build", expect=expect)

        ctest = Path(cmake).with_name("ctest")
        project("steward_add_compliance(mine GRADE silver WAIVERS waivers.json TIMEOUT 7)")
        tests = json.loads(run(ctest, "--test-dir", folder / "build", "--show-only=json-v1"))["tests"]
        check([test["name"] for test in tests] == [f"compliance.mine.{id_}" for id_ in ("load-now", "load-scan-time", "abi-null-free")],
              f"there is a test for each check: {tests}")
        first = tests[0]
        check(first["command"] == [str(harness), "run", f"{folder}/steward_mine.so", "--only", "load-now", "--grade",
                                   "silver", "--waivers", f"{folder}/waivers.json"], f"its command: {first['command']}")
        properties = {item["name"]: item["value"] for item in first["properties"]}
        check(properties["LABELS"] == ["compliance"] and properties["TIMEOUT"] == 7, f"its properties: {properties}")

        said = run(ctest, "--test-dir", folder / "build", expect=8)
        outcome = {line.split()[3]: line for line in said.splitlines() if "Test  #" in line or "Test #" in line}
        for name, word in (("load-now", "Passed"), ("load-scan-time", "Skipped"), ("abi-null-free", "Failed")):
            check(word in outcome[f"compliance.mine.{name}"], f"{name} is {word}: {said}")

        for call, words in (("steward_add_compliance(other)", 'there is no plugin "other"'),
                            ("steward_add_compliance(mine GRADE tin)", "GRADE must be bronze, silver or gold"),
                            ("steward_add_compliance(mine WAIVERS none.json)", "WAIVERS: there is no file"),
                            ("steward_add_compliance(mine FORMAT x)", "not understood")):
            said = " ".join(project(call, None).split())
            check(words in said, f"{call} says what is wrong: {said}")


def compliance_checks(program, folder):
    own = set(run(program, "list", "--ids").split())
    text = (Path(folder) / "StewardComplianceChecks.cmake").read_text(encoding="utf-8")
    listed = text[text.index("(") + 1:text.index(")")].split()[1:]
    check(len(listed) == len(set(listed)) and set(listed) == own, "the list that compliance/cmake/list_checks.cmake makes is "
          f"`steward-compliance list --ids`; only there: {set(listed) - own}, missing: {own - set(listed)}")


TASKS = {task.__name__: task for task in (stage, unstage, kind, find, add_compliance, compliance_checks)}

if __name__ == "__main__":
    if len(sys.argv) < 3 or sys.argv[1] not in TASKS:
        sys.exit(__doc__)
    os.nice(10)  # Compilers do not hold up the tests beside, of which some measure time.
    TASKS[sys.argv[1]](*sys.argv[2:])
