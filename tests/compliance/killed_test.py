#!/usr/bin/python3
"""Nothing is left when steward-compliance is killed in the middle of a run, or when a check is.

    killed_test.py HARNESS BAD_PLUGINS_FOLDER
"""
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

HARNESS, FOLDER = sys.argv[1], Path(sys.argv[2])
CHECK = "restart-respects-manual"
LIMIT = 30


class Killed(unittest.TestCase):
    def begin(self, kind, count, check=CHECK):
        """A harness that runs a check on this plugin, and pidfds of the `count` processes that tell of themselves."""
        folder = Path(self.enterContext(tempfile.TemporaryDirectory()))
        fifo = folder / "pids"
        os.mkfifo(fifo)
        reader = os.open(fifo, os.O_RDWR | os.O_CLOEXEC)  # so that it has a writer all the time
        self.addCleanup(os.close, reader)
        file = FOLDER / kind / "steward_restart_backoff.so"
        harness = subprocess.Popen([HARNESS, "run", str(file), "--only", check], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.PIPE, text=True, env=os.environ | {"STEWARD_TEST_PIDS": str(fifo)})
        self.addCleanup(harness.stdout.close)
        self.addCleanup(harness.wait)
        self.addCleanup(harness.kill)
        text = b""
        while text.count(b"\n") < count:
            ready, _, _ = select.select([reader], [], [], LIMIT)
            self.assertTrue(ready, f"only {text!r} came")
            text += os.read(reader, 4096)
        fds = [os.pidfd_open(int(line)) for line in text.split()]
        for fd in fds:
            self.addCleanup(self.end, fd)
        return harness, fds

    @staticmethod
    def end(fd):
        """A test that fails leaves nothing behind either."""
        try:
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        except ProcessLookupError:
            pass
        os.close(fd)

    def assert_gone(self, fds):
        end = time.monotonic() + LIMIT
        for fd in fds:
            # Readable when it has ended.
            ready, _, _ = select.select([fd], [], [], max(0, end - time.monotonic()))
            self.assertTrue(ready, "a process is left")

    def test_killed(self):
        for kind, count in (("hangs", 1), ("forks", 3), ("steals-away", 2)):
            for signal_number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
                with self.subTest(kind=kind, signal=signal_number):
                    harness, fds = self.begin(kind, count)
                    harness.send_signal(signal_number)
                    self.assert_gone(fds)

    def test_the_runner_alone_is_killed(self):
        """The process that was started is the one that cleans up, and says that it did not work."""
        harness, fds = self.begin("steals-away", 2)
        runner, = {parent for parent in map(self.parent_of, map(self.pid_of, fds)) if self.parent_of(parent) == harness.pid}
        os.kill(runner, signal.SIGKILL)
        self.assertEqual(harness.wait(timeout=LIMIT), 2)
        self.assert_gone(fds)

    @staticmethod
    def pid_of(fd):
        return int(next(line for line in Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
                        if line.startswith("Pid:")).split()[1])

    @staticmethod
    def parent_of(pid):
        stat = Path(f"/proc/{pid}/stat").read_text()
        return int(stat[stat.rindex(")") + 1:].split()[1])

    def test_the_check_alone_is_killed(self):
        """The runner goes on, ends what the check has left, and says what happened."""
        harness, fds = self.begin("forks", 3)
        # The check's own process is the one whose parent, the runner, is the child of what was started.
        for fd in fds:
            if self.parent_of(self.parent_of(self.pid_of(fd))) == harness.pid:
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        text, _ = harness.communicate(timeout=LIMIT)
        self.assertEqual(harness.returncode, 1)
        self.assertRegex(text, rf"^crash {CHECK} \(MUST\): it ended by signal 9 \(Killed\) in decide\(\)\n")
        self.assert_gone(fds)

    def test_time_is_over(self):
        """A hanging plugin is a time-out, and what it has started is gone."""
        harness, fds = self.begin("forks", 3)
        text, _ = harness.communicate(timeout=2 * LIMIT)
        self.assertEqual(harness.returncode, 1)
        self.assertRegex(text, rf"^timeout {CHECK} \(MUST\): it did not end within [0-9]+ ms, being in decide\(\); it was killed ")
        self.assert_gone(fds)


unittest.main(argv=sys.argv[:1])
