#!/usr/bin/python3
"""What steward-compliance says: reports, waivers, exit status, the words for people.

    reports_test.py HARNESS PLUGINS_FOLDER BAD_PLUGINS_FOLDER
"""
import hashlib
import json
import subprocess
import sys
import tempfile
import unittest
import xml.etree.ElementTree as xml
from datetime import datetime, timedelta, timezone
from pathlib import Path

HARNESS, PLUGINS, FOLDER = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
GOOD = PLUGINS / "steward_restart_backoff.so"


def bad(check, plugin="restart_backoff"):
    return FOLDER / check / f"steward_{plugin}.so"


def call(*arguments, cwd=None):
    return subprocess.run([HARNESS, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True, check=False, timeout=300, cwd=cwd)


def only(*checks):
    return [word for check in checks for word in ("--only", check)]


# One of each kind, and what comes of them for the plugin that is bad at restart-why.
FOUR = only("restart-total", "restart-why", "port-range", "load-now")
WHY = bad("restart-why")


class Case(unittest.TestCase):
    def scratch(self):
        return Path(self.enterContext(tempfile.TemporaryDirectory()))

    def json_of(self, *arguments):
        result = call("run", *arguments, "--report", "json=-")
        self.assertIn(result.returncode, (0, 1, 3), result.stderr)
        return json.loads(result.stdout), result.returncode


class Reports(Case):
    def test_json(self):
        report, status = self.json_of(WHY, *FOUR, "--seed", "7")
        self.assertEqual(status, 0)
        self.assertEqual(report["schema"], "steward.compliance/1")
        self.assertEqual(report["tool"]["name"], "steward-compliance")
        self.assertEqual(report["seed"], 7)
        self.assertEqual(report["plugin"], {"file": str(WHY.resolve()), "id": "restart_backoff",
                                            "sha256": hashlib.sha256(WHY.read_bytes()).hexdigest(),
                                            "version": report["tool"]["version"]})
        self.assertEqual(set(report["env"]), {"kernel", "machine", "compiler"})
        rows = report["results"]
        self.assertEqual([(row["id"], row["status"]) for row in rows],
                         [("load-now", "pass"), ("restart-total", "pass"), ("restart-why", "warn"), ("port-range", "skip")])
        self.assertEqual([row["number"] for row in rows], [1, 68, 73, 74])
        for row in rows:
            self.assertEqual(row["detail"] == "", row["status"] == "pass", row)
            self.assertEqual("reproduce" in row, row["status"] == "warn", row)
            self.assertGreaterEqual(row["duration_ms"], 0)
            self.assertIn(row["level"], ("MUST", "SHOULD", "NOTE"))
            self.assertTrue(row["group"])
        self.assertEqual(report["counts"], {"pass": 2, "fail": 0, "crash": 0, "timeout": 0, "warn": 1, "skip": 1, "waived": 0})
        # Some of the checks have none.
        self.assertEqual((report["complete"], report["grade"]), (False, "none"))

    def test_json_is_the_same_twice(self):
        def without_durations(value):
            if isinstance(value, dict):
                return {key: without_durations(item) for key, item in value.items() if key != "duration_ms"}
            return [without_durations(item) for item in value] if isinstance(value, list) else value

        # A failure text with random numbers in it, too.
        for file in (bad("restart-total"), bad("port-range", "port_sequential")):
            group = "restart" if "restart" in str(file) else "port"
            checks = [check for check in call("list", "--ids").stdout.split() if check.startswith(group)]
            first, _ = self.json_of(file, *only(*checks), "--jobs", "1")
            again, _ = self.json_of(file, *only(*checks), "--jobs", "4")
            other, _ = self.json_of(file, *only(*checks), "--seed", "2")
            self.assertEqual(json.dumps(without_durations(first)), json.dumps(without_durations(again)))
            self.assertNotEqual([row["detail"] for row in first["results"]], [row["detail"] for row in other["results"]])

    def test_reproduce_repeats_it(self):
        report, _ = self.json_of(bad("restart-total"), *only("restart-total"), "--seed", "31")
        row = report["results"][0]
        program, *arguments = row["reproduce"].split()
        self.assertEqual(program, "steward-compliance")
        again = call(*arguments)
        self.assertEqual(again.returncode, 1)
        self.assertIn(row["detail"], again.stdout)

    def test_junit(self):
        result = call("run", WHY, *FOUR, "--report", "junit=-")
        root = xml.fromstring(result.stdout)
        self.assertEqual(root.tag, "testsuites")
        self.assertEqual((root.get("tests"), root.get("failures")), ("4", "1"))
        suites = {suite.get("name"): suite for suite in root}
        self.assertEqual(list(suites), ["Load and ABI", "Restart", "Port"])
        restart = suites["Restart"]
        self.assertEqual((restart.get("tests"), restart.get("failures"), restart.get("skipped")), ("2", "1", "0"))
        self.assertEqual(suites["Port"].get("skipped"), "1")
        cases = {case.get("name"): case for case in root.iter("testcase")}
        self.assertEqual(list(cases), ["load-now", "restart-total", "restart-why", "port-range"])
        for case in cases.values():
            self.assertEqual(case.get("classname"), "steward_restart_backoff.so")
            float(case.get("time"))
        failure = cases["restart-why"].find("failure")
        self.assertEqual(failure.get("type"), "warn")
        self.assertIn("no reason is written", failure.get("message"))
        self.assertIn("--only restart-why", failure.text)
        self.assertIn("steward.port/1", cases["port-range"].find("skipped").get("message"))
        self.assertEqual(len(cases["load-now"]), 0)

    def test_tap(self):
        folder = self.scratch()
        waivers = folder / "waivers.json"
        waivers.write_text('{"waive":[{"id":"restart-why","reason":"later","until":"9999-12-31"}]}')
        lines = call("run", WHY, *FOUR, "--report", "tap=-", "--waivers", waivers).stdout.splitlines()
        self.assertEqual(lines[:4], ["TAP version 14", "1..4", "ok 1 - load-now", "ok 2 - restart-total"])
        self.assertEqual(lines[4], "not ok 3 - restart-why # TODO waived until 9999-12-31: later")
        self.assertTrue(lines[5].startswith("ok 4 - port-range # SKIP "), lines[5])
        self.assertEqual(len(lines), 6)

        lines = call("run", WHY, *only("restart-why"), "--report", "tap=-").stdout.splitlines()
        self.assertEqual(lines[1:5], ["1..1", "not ok 1 - restart-why", "  ---", "  status: warn"])
        self.assertEqual(lines[5], "  level: SHOULD")
        self.assertTrue(lines[6].startswith("  message: '") and lines[6].endswith("'"), lines[6])
        self.assertEqual(lines[-1], "  ...")

    def test_several_at_once(self):
        folder = self.scratch()
        result = call("run", WHY, *FOUR, "--report", f"json={folder / 'a b.json'}", "--report", f"junit={folder / 'j.xml'}",
                      "--report", f"tap={folder / 't.tap'}")
        self.assertEqual(len(json.loads((folder / "a b.json").read_text())["results"]), 4)
        xml.parse(folder / "j.xml")
        self.assertTrue((folder / "t.tap").read_text().startswith("TAP version 14\n"))
        # Standard output is free for the words then.
        self.assertIn("warn restart-why (SHOULD): ", result.stdout)

    def test_several_behind_one_option(self):
        folder = self.scratch()
        for place, name in enumerate(("--report", "--report=")):
            paths = [folder / f"{place}.{form}" for form in ("json", "junit", "tap")]
            first = [name, f"json={paths[0]}"] if name == "--report" else [f"{name}json={paths[0]}"]
            # The file comes behind them, too.
            result = call("run", *only("restart-why"), *first, f"junit={paths[1]}", f"tap={paths[2]}", WHY)
            self.assertEqual((result.returncode, result.stderr), (0, ""))
            self.assertEqual([path.exists() for path in paths], [True] * 3)

    def test_an_older_host_asks_shorter_questions(self):
        report, _ = self.json_of(bad("needs-time-of-day"), *only("abi-older-host"))
        self.assertEqual(report["results"][0]["status"], "fail")
        self.assertIn("a question of the size without wall and utc_offset: status ", report["results"][0]["detail"])

    def test_a_crash_is_told(self):
        report, status = self.json_of(bad("metrics-fuzz", "metrics_proc"), *only("metrics-fuzz"))
        self.assertEqual((report["results"][0]["status"], report["grade"], status), ("crash", "none", 1))
        self.assertIn("signal", report["results"][0]["detail"])


class Words(Case):
    def test_what_is_not_well_and_one_line(self):
        lines = call("run", WHY, *FOUR).stdout.splitlines()
        self.assertEqual(len(lines), 5)
        self.assertTrue(lines[0].startswith("warn restart-why (SHOULD): a start that took too long"), lines[0])
        self.assertTrue(lines[1].startswith("    rule: each decision has a reason"), lines[1])
        self.assertTrue(lines[2].startswith("    to mend it: "), lines[2])
        self.assertEqual(lines[3], f"    again: steward-compliance run {WHY.resolve()} --only restart-why --seed 1")
        self.assertRegex(lines[4], r"^steward_restart_backoff\.so: 4 of 81 checks \(2 pass, 1 warn, 1 skip\) in \d+\.\d{3} s$")

    def test_one_check_alone_is_told_whatever_came_of_it(self):
        self.assertTrue(call("run", GOOD, *only("port-range")).stdout.startswith("skip port-range (MUST): no plugin in it offers"))
        self.assertTrue(call("run", GOOD, *only("restart-total")).stdout.startswith("pass restart-total (MUST)\n"))

    def test_a_path_with_blanks_is_quoted(self):
        folder = self.scratch() / "a 'b"
        folder.mkdir()
        copy = folder / WHY.name
        copy.write_bytes(WHY.read_bytes())
        text = call("run", copy, *only("restart-why")).stdout
        self.assertIn("run '" + str(copy.resolve()).replace("'", "'\\''") + "' --only", text)

    def test_explain(self):
        result = call("explain", "restart-storm")
        self.assertEqual(result.returncode, 0)
        for part in ("restart-storm  (MUST, Restart, plugins with steward.restart/1)", "\nRule: ", "\nWhy: ", "\nTo mend it: ",
                     "run FILE --only restart-storm"):
            self.assertIn(part, result.stdout)
        result = call("explain", "no-such-check")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("no-such-check: there is no such check (see steward-compliance list)", result.stderr)

    def test_list(self):
        ids = call("list", "--ids").stdout.split()
        rows = json.loads(call("list", "--json").stdout)["checks"]
        self.assertEqual(ids, [row["id"] for row in rows])
        self.assertEqual(len(ids), len(set(ids)))
        numbers = [row["number"] for row in rows]
        self.assertEqual(numbers, sorted(set(numbers)))
        for row in rows:
            self.assertRegex(row["id"], r"^[a-z]+(-[a-z0-9]+)+$")
            self.assertIn(row["level"], ("MUST", "SHOULD", "NOTE"))
            self.assertIn(row["interface"], ("", "steward.health/1", "steward.restart/1", "steward.port/1", "steward.metrics/1"))
            for text in ("rule", "why", "fix"):
                self.assertTrue(row[text], row)
                # One line of one sentence or several clauses, as headers of a table would have it.
                self.assertFalse("\n" in row[text] or row[text].endswith("."), row[text])
            self.assertGreater(row["budget_ms"], 0)
        text = call("list").stdout
        markdown = call("list", "--markdown").stdout
        for check in ids:
            self.assertRegex(text, rf"(?m)^  {check} +(MUST|SHOULD|NOTE) +\S")
            self.assertIn(f"\n### {check}\n", markdown)


class Status(Case):
    def test_0_and_1_by_grade(self):
        for grade, status in (("bronze", 0), ("silver", 1), ("gold", 1)):
            self.assertEqual(call("run", WHY, *FOUR, "--grade", grade).returncode, status, grade)
        self.assertEqual(call("run", GOOD, *FOUR, "--grade", "gold").returncode, 0)
        self.assertEqual(call("run", bad("restart-total"), *only("restart-total")).returncode, 1)

    def test_2_for_wrong_use(self):
        folder = self.scratch()
        for arguments, said in (
                ([], "give a command"),
                (["run", GOOD, "--only", "no-such-check"], "--only no-such-check: there is no such check"),
                (["run", GOOD, "--grade", "tin"], "--grade: must be bronze, silver or gold (got tin)"),
                (["run", GOOD, "--report", "html=x"], "--report: must be json=PATH"),
                (["run", GOOD, "--report", "json="], "--report: must be json=PATH"),
                (["run", GOOD, "--report", "json=-", "--report", "tap=-"], "only one report can be on standard output; give tap=- a path"),
                (["run", GOOD, "--jobs", "0"], "--jobs"),
                (["run", GOOD, "--seed=-1"], "--seed: must be a number from 0 to 18446744073709551615 (got -1)"),
                (["run", GOOD, "--seed", "18446744073709551616"], "(got 18446744073709551616)"),
                (["run", GOOD, "--seed", "7x"], "(got 7x)"),
                (["run", folder / "steward_x.so"], "does not exist: give the path"),
                (["run", folder], "is a folder: give the steward_ID.so in it"),
                (["check"], None)):
            result = call(*arguments)
            self.assertEqual((result.returncode, result.stdout), (2, ""), arguments)
            if said is not None:
                self.assertTrue(result.stderr.startswith("steward-compliance: "), result.stderr)
                self.assertIn(said, result.stderr)

    def test_a_report_that_cannot_be_written_does_not_lose_the_verdict(self):
        folder = self.scratch()
        result = call("run", GOOD, *only("load-now"), "--report", f"json={folder}/none/x")
        self.assertEqual(result.returncode, 2)
        self.assertIn("1 of 81 checks (1 pass)", result.stdout)
        self.assertIn(f"cannot write the report {folder}/none/x: No such file or directory", result.stderr)
        with open("/dev/full", "w", encoding="utf-8") as full:
            status = subprocess.run([HARNESS, "run", GOOD, *only("load-now")], stdout=full, stderr=subprocess.DEVNULL,
                                    check=False, timeout=300).returncode
        self.assertEqual(status, 2)

    def test_3_when_it_does_not_load(self):
        report, status = self.json_of(bad("load-now"))
        self.assertEqual((status, report["grade"]), (3, "none"))
        self.assertEqual({row["status"] for row in report["results"][1:]}, {"skip"})
        self.assertIn("missing_function", report["results"][0]["detail"])
        text = self.scratch() / "steward_text.so"
        text.write_text("no library\n")
        self.assertEqual(call("run", text).returncode, 3)


class Waivers(Case):
    def waive(self, content, *checks):
        path = self.scratch() / "waivers.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        return path, call("run", WHY, *only(*(checks or ("restart-why",))), "--grade", "silver", "--waivers", path)

    @staticmethod
    def entry(**changes):
        entry = {"id": "restart-why", "reason": "no words yet", "until": "9999-12-31"} | changes
        return {"waive": [{key: value for key, value in entry.items() if value is not None}]}

    def test_valid(self):
        _, result = self.waive(self.entry())
        self.assertEqual(result.returncode, 0)
        self.assertTrue(result.stdout.startswith("waived restart-why (SHOULD): "), result.stdout)
        self.assertIn("    waived until 9999-12-31: no words yet\n", result.stdout)

    def test_the_last_day_counts_and_the_next_does_not(self):
        # The day may change between the two lines, at midnight: both are looked at then.
        for _ in range(2):
            today = datetime.now(timezone.utc).date()
            _, on_it = self.waive(self.entry(until=str(today)))
            _, after = self.waive(self.entry(until=str(today - timedelta(days=1))))
            if datetime.now(timezone.utc).date() == today:
                break
        self.assertEqual(on_it.returncode, 0)
        self.assertEqual(after.returncode, 1)
        self.assertTrue(after.stdout.startswith("warn restart-why (SHOULD): "), after.stdout)
        self.assertIn(f"(its waiver ran out on {today - timedelta(days=1)})", after.stdout)

    def test_what_passes_needs_none(self):
        _, result = self.waive(self.entry(id="restart-total"), "restart-total")
        self.assertEqual(result.returncode, 0)
        self.assertTrue(result.stdout.startswith("pass restart-total"), result.stdout)

    def test_wrong_ones(self):
        for content, said in ((self.entry(id="no-such-check"), "there is no check no-such-check"),
                              (self.entry(until="2027-02-30"), "until of restart-why must be a day like 2027-01-31 (got 2027-02-30)"),
                              (self.entry(until="tomorrow"), "must be a day like 2027-01-31 (got tomorrow)"),
                              (self.entry(until=20270131), "a waiver needs until, a text"),
                              (self.entry(reason=None), "a waiver needs reason, a text"),
                              (self.entry(reason=""), "a waiver needs reason, a text"),
                              (self.entry(id=None), "a waiver needs id, a text"),
                              (self.entry(untill="2027-01-31"), "the waiver of restart-why has untill; it may have id, reason and until"),
                              ({"waive": ["restart-why"]}, "each member of \"waive\" must be an object"),
                              ({"waive": {}}, "has no list \"waive\""),
                              ({}, "has no list \"waive\""),
                              ({"waive": self.entry()["waive"] * 2}, "restart-why is waived twice; leave one of the two"),
                              ("[]", "must be a JSON object with a list \"waive\""),
                              ("{", "is no JSON object of waivers")):
            path, result = self.waive(content)
            self.assertEqual((result.returncode, result.stdout), (2, ""), content)
            self.assertTrue(result.stderr.startswith(f"steward-compliance: {path}: "), result.stderr)
            self.assertIn(said, result.stderr)

    def test_unreadable(self):
        for path in (self.scratch(), self.scratch() / "none.json"):
            result = call("run", WHY, *only("restart-why"), "--waivers", path)
            self.assertEqual((result.returncode, result.stdout), (2, ""))
            self.assertIn(f"{path}: cannot be read; give the path of a file of waivers", result.stderr)

    def test_endless(self):
        result = call("run", WHY, *only("restart-why"), "--waivers", "/dev/zero")
        self.assertEqual((result.returncode, result.stdout), (2, ""))
        self.assertIn("/dev/zero: is larger than 1 MiB; give the path of a file of waivers", result.stderr)


unittest.main(argv=sys.argv[:1])
