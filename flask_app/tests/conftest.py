"""What the tests share: the modules' path, a store of a few prompts, and real processes."""

from __future__ import annotations

import http.client
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

APP_DIR = Path(__file__).resolve().parent.parent
ROOT = APP_DIR.parent
REAL_PROMPTS = ROOT / "tests" / "data" / "promptbin-data"
PATIENCE_S = 10.0

sys.path.insert(0, str(APP_DIR))


class AppProcess:
    """A running app.py. Its standard error is read line by line; every wait has an end."""

    def __init__(self, args: list[str], pass_fds: tuple[int, ...], env: dict[str, str]) -> None:
        path = env.pop("APP", str(APP_DIR / "app.py"))
        clean = {k: v for k, v in os.environ.items() if not k.startswith("PROMPTBIN_")}
        self.process = subprocess.Popen(
            [sys.executable, path, *args],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            pass_fds=pass_fds,
            env={**clean, "PYTHONDONTWRITEBYTECODE": "1", **env},
        )
        self.lines: list[str] = []
        self._rest = b""

    def line_with(self, pattern: str) -> str:
        """Waits for a line on standard error, past ones included, and returns it."""
        for line in self.lines:
            if re.search(pattern, line):
                return line
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            if re.search(pattern, self.lines[-1]):
                return self.lines[-1]
        raise AssertionError(f"no line with {pattern!r} in {self.lines}")

    def port(self) -> int:
        return int(self.line_with("Serving on").rsplit(":", 1)[1])

    def terminate(self) -> None:
        self.process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        code = self.process.wait(PATIENCE_S)
        while self._read(time.monotonic() + PATIENCE_S):
            pass
        return code

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE_S)
        self.process.stdout.close()
        self.process.stderr.close()

    def _read(self, deadline: float) -> bool:
        """Appends the next line; False at the end of the stream or at the deadline."""
        stream = self.process.stderr
        while b"\n" not in self._rest:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([stream], [], [], left)[0]:
                return False
            data = os.read(stream.fileno(), 65536)
            if not data:
                if self._rest:
                    self.lines.append(self._rest.decode())
                    self._rest = b""
                    return True
                return False
            self._rest += data
        line, self._rest = self._rest.split(b"\n", 1)
        self.lines.append(line.decode())
        return True


StartApp = Callable[..., AppProcess]


@pytest.fixture
def start_app() -> Iterator[StartApp]:
    """Starts app.py with the given flags; whatever still runs is ended after the test."""
    started: list[AppProcess] = []

    def start(*args: object, pass_fds: tuple[int, ...] = (), **env: str) -> AppProcess:
        app = AppProcess([str(arg) for arg in args], pass_fds, env)
        started.append(app)
        return app

    yield start
    for app in started:
        app.close()


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """A listening socket on a port that the kernel chose."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as sock:
        yield sock


@pytest.fixture
def real_prompts(tmp_path: Path) -> Iterator[Path]:
    """A copy of the real prompts that a test may change."""
    yield Path(shutil.copytree(REAL_PROMPTS, tmp_path / "real"))
    shutil.rmtree(tmp_path / "real")


def get(port: int, path: str, **headers: str) -> http.client.HTTPResponse:
    """One request on a connection of its own; the answer is complete."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_S)
    connection.request("GET", path, headers={k.replace("_", "-"): v for k, v in headers.items()})
    response = connection.getresponse()
    response.body = response.read()
    connection.close()
    return response


def settings(data_dir: Path, **values: Any) -> Any:
    """Settings of a standalone run on the defaults, but for what is given."""
    from settings import Settings

    defaults = dict(
        host="127.0.0.1",
        port=5000,
        mode="standalone",
        log_level="info",
        data_dir=data_dir,
        listen_fd=None,
        instance_id=None,
    )
    return Settings(**{**defaults, **values})


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """An empty store with its first categories."""
    from store import Store

    made = Store(tmp_path / "data", lock_timeout_s=0.2)
    made.ensure()
    return made


@pytest.fixture
def client(store: Any) -> Any:
    """A client of the application over `store`, without a process."""
    from web import create_app

    return create_app(settings(store.root), store, "1.2.3").test_client()
