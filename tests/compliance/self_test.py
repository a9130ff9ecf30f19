#!/usr/bin/python3
"""Tries steward-compliance on the bad plugins, and prints the table of bad plugins and checks.

Each bad plugin breaks one rule on purpose. The harness must find exactly that: the check of that name is bad, and no other one
(but for what ALLOWED lists). There must be one bad plugin for each check.

    self_test.py HARNESS BAD_PLUGINS_FOLDER            all checks on all bad plugins
    self_test.py HARNESS BAD_PLUGINS_FOLDER --own      each bad plugin on its own check alone (quick)
    ... --only ID                                      this bad plugin alone
    ... --brief                                        of what is as it should be, the count alone
"""
import argparse
import json
import subprocess
import sys
from pathlib import Path

BAD = {"fail", "crash", "timeout", "warn"}
MARKS = {"pass": ".", "skip": "-", "fail": "F", "crash": "C", "timeout": "T", "warn": "w"}

# What may be bad beside a plugin's own check, and why that cannot be avoided: {bad plugin: {check: reason}}.
ALLOWED: dict[str, dict[str, str]] = {
    "elf-no-unique": {"elf-exports-entry-only": "a unique symbol is an exported one"},
    "res-heap-zero": {"reload-1000": "a block that each life leaks is a thousand after a thousand lives"},
}


def run(harness, file, only=None):
    command = [harness, "run", str(file), "--report", "json=-"]
    if only:
        command += ["--only", only]
    result = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, check=False)
    if result.returncode not in (0, 1, 3):
        sys.exit(f"{' '.join(command)}: exit status {result.returncode}")
    return {row["id"]: row for row in json.loads(result.stdout)["results"]}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("harness")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--only")
    parser.add_argument("--brief", action="store_true")
    options = parser.parse_args()

    checks = subprocess.run([options.harness, "list", "--ids"], stdout=subprocess.PIPE, check=True,
                            text=True).stdout.split()
    faults = []
    table = []
    for check in checks:
        if options.only and check != options.only:
            continue
        files = sorted((options.folder / check).glob("steward_*.so"))
        if len(files) != 1:
            faults.append(f"{check}: there is no bad plugin for it")
            continue
        rows = run(options.harness, files[0], only=check if options.own else None)
        bad = {name: row for name, row in rows.items() if row["status"] in BAD}
        if not options.own:
            table.append(f"{check:36} " + "".join(MARKS.get(rows[name]["status"], "?") for name in checks))
        allowed = ALLOWED.get(check, {})
        beside = sorted(name for name in bad if name != check)
        if not options.brief:
            print(f"{check:32} {rows[check]['status']:8} {rows[check]['detail'][:100]}")
            for name in beside:
                print(f"    {'(allowed)' if name in allowed else 'UNEXPECTED'} {name}: {bad[name]['detail'][:160]}")
        if check not in bad:
            faults.append(f"{check}: its bad plugin is not found out ({rows[check]['status']} {rows[check]['detail']})")
        faults += [f"{check}: its bad plugin also breaks {name}: {bad[name]['detail']}" for name in beside
                   if name not in allowed]
        if not options.own:
            faults += [f"{check}: {name} is allowed to be bad beside it, and is not; take it off the list"
                       for name in allowed if name not in bad]
    if table and (faults or not options.brief):
        print("\nA bad plugin in each row, a check in each column, both in the catalogue's order; . passed, - skipped, F failed, C crashed, "
              "T timed out, w warned:\n")
        print("\n".join(table) + "\n")
    for fault in faults:
        print("FAILED", fault)
    print(f"{len(checks)} checks, {len(faults)} faults")
    sys.exit(1 if faults else 0)


main()
