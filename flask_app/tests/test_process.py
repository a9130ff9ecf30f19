"""app.py as a real process: sockets, signals, the drain, exit codes."""

from __future__ import annotations

import fcntl
import http.client
import os
import resource
import shutil
import signal
import socket
import struct
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import APP_DIR, PATIENCE_S, REAL_PROMPTS, AppProcess, StartApp, get

from store import Store

FORM = b"title=T&category=coding&content=C"
# From the signal to the exit of an idle app: measured 3 to 6 ms, the rest is for a busy machine.
PROMPTLY_S = 0.5


def start_on(start_app: StartApp, listener: socket.socket, data: Path, *args: str) -> AppProcess:
    """A managed app on a socket of the test, which plays the supervisor."""
    flags = ("--mode", "mcp-managed", "--data-dir", data, "--listen-fd", listener.fileno())
    app = start_app(*flags, "--log-level", "debug", *args, pass_fds=(listener.fileno(),))
    app.line_with("Serving on")
    return app


def connect(listener: socket.socket) -> socket.socket:
    return socket.create_connection(listener.getsockname(), PATIENCE_S)


def post(sock: socket.socket, path: str, body: bytes = FORM) -> None:
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n"
    kind = "Content-Type: application/x-www-form-urlencoded\r\n\r\n"
    sock.sendall((head + kind).encode() + body)


def answer_on(sock: socket.socket) -> Any:
    response = http.client.HTTPResponse(sock)
    response.begin()
    response.body = response.read()
    return response


class HeldLock:
    """Holds the store's lock: a request that writes runs for as long as the test wants."""

    def __init__(self, data: Path) -> None:
        self._file = open(data / ".lock", "w")
        fcntl.flock(self._file, fcntl.LOCK_EX)

    def release(self) -> None:
        self._file.close()


@pytest.mark.parametrize("blocking", [True, False])
def test_it_serves_on_a_socket_that_it_was_handed(
    start_app: StartApp, listener: socket.socket, tmp_path: Path, blocking: bool
) -> None:
    listener.setblocking(blocking)
    port = listener.getsockname()[1]
    args = ("--host", "127.0.0.1", "--port", "1", "--instance-id", "abc")
    app = start_on(start_app, listener, tmp_path, *args)
    assert app.port() == port
    health = get(port, "/health")
    assert health.status == 200 and b'"instance":"abc"' in health.body
    assert get(port, "/mcp-status").body.strip() == b'{"mode":"mcp-managed"}'
    app.terminate()
    assert app.exit_code() == 0
    assert listener.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN) == 1


def test_the_queue_of_a_handed_socket_keeps_its_length(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    def queue_length() -> int:
        # Of a listening socket, tcp_info.tcpi_sacked is the length that listen() was given.
        info = listener.getsockopt(socket.SOL_TCP, socket.TCP_INFO, 104)
        return int(struct.unpack_from("I", info, 28)[0])

    listener.listen(77)
    assert queue_length() == 77
    app = start_on(start_app, listener, tmp_path)
    assert get(app.port(), "/health").status == 200
    assert queue_length() == 77


def test_a_request_made_before_the_start_is_answered(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    with connect(listener) as early:
        early.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        start_on(start_app, listener, tmp_path)
        assert answer_on(early).status == 200


def test_an_idle_app_ends_promptly_even_with_an_open_connection(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    app = start_on(start_app, listener, tmp_path)
    with connect(listener) as idle:
        idle.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_on(idle).status == 200
        begun = time.monotonic()
        app.terminate()
        assert app.exit_code() == 0
        assert time.monotonic() - begun < PROMPTLY_S
        assert idle.recv(1) == b""
    assert not any("Traceback" in line for line in app.lines)


def test_a_managed_app_writes_its_stacks_when_it_is_asked(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    app = start_on(start_app, listener, tmp_path)
    app.process.send_signal(signal.SIGUSR1)
    app.line_with(r"\(most recent call first\)")
    app.line_with(r"serving\.py.* in run")
    assert get(app.port(), "/health").status == 200
    app.terminate()
    assert app.exit_code() == 0


def test_a_running_request_is_finished_and_new_ones_stay_in_the_queue(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    app = start_on(start_app, listener, tmp_path)
    lock = HeldLock(tmp_path)
    with connect(listener) as running:
        post(running, "/prompts")
        app.line_with("request POST /prompts")
        app.terminate()
        app.line_with(r"stopping: 1 request")
        queued = connect(listener)
        queued.sendall(b"waiting")
        lock.release()
        response = answer_on(running)
        assert response.status == 303 and response.headers["Connection"] == "close"
        assert app.exit_code() == 0
    # Nobody accepted it: the supervisor's copy of the socket still has it, bytes and all.
    listener.settimeout(PATIENCE_S)
    accepted, _ = listener.accept()
    with accepted, queued:
        assert accepted.recv(100) == b"waiting"
    assert Store(tmp_path).count() == 1


def test_the_next_instance_serves_what_waited_in_the_queue(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    first = start_on(start_app, listener, tmp_path)
    first.terminate()
    assert first.exit_code() == 0
    with connect(listener) as waiting:
        waiting.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        start_on(start_app, listener, tmp_path, "--instance-id", "second")
        assert b'"instance":"second"' in answer_on(waiting).body


def test_a_request_that_takes_too_long_is_cut_off_after_700_ms(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    app = start_on(start_app, listener, tmp_path)
    lock = HeldLock(tmp_path)
    with connect(listener) as running:
        post(running, "/prompts")
        app.line_with("request POST /prompts")
        begun = time.monotonic()
        cpu = resource.getrusage(resource.RUSAGE_CHILDREN)
        app.terminate()
        assert app.exit_code() == 0
        took = time.monotonic() - begun
        assert 0.68 <= took < 0.7 + PROMPTLY_S
        assert running.recv(1) == b""
    assert any("1 unfinished" in line for line in app.lines)
    # The wait is a wait: start-up (about 0.3 s) and all, far less than what spinning would add.
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    assert after.ru_utime + after.ru_stime - cpu.ru_utime - cpu.ru_stime < 0.75
    lock.release()
    assert Store(tmp_path).count() == 0


def test_requests_waiting_for_a_thread_are_finished_too(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    app = start_on(start_app, listener, tmp_path)
    lock = HeldLock(tmp_path)
    clients = [connect(listener) for _ in range(12)]
    for client in clients:
        post(client, "/prompts")
    app.line_with("Task queue depth is 4")
    app.terminate()
    app.line_with("stopping: 12 request")
    lock.release()
    assert [answer_on(client).status for client in clients] == [303] * 12
    assert app.exit_code() == 0
    for client in clients:
        client.close()
    assert Store(tmp_path).count() == 12


def test_a_request_of_which_a_part_has_arrived_is_finished(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    app = start_on(start_app, listener, tmp_path)
    with connect(listener) as slow, connect(listener) as other:
        slow.sendall(b"GET /health HTTP/1.1\r\nHo")
        # The loop takes connections and bytes in order, so this answer comes after those bytes.
        other.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert answer_on(other).status == 200
        app.terminate()
        app.line_with("stopping: [12] request")  # 2: the other one's thread may not be back yet.
        slow.sendall(b"st: localhost\r\n\r\n")
        assert answer_on(slow).status == 200
        assert app.exit_code() == 0


def test_an_answer_that_is_still_being_sent_is_finished(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    store = Store(tmp_path)
    made = store.create({"title": "T", "category": "coding", "content": '"' * 1024 * 1024})
    app = start_on(start_app, listener, tmp_path)
    with socket.socket() as reader:
        reader.settimeout(PATIENCE_S)
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect(listener.getsockname())
        reader.sendall(f"GET /prompts/{made.id} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        app.line_with("answer GET /prompts/.*: 200")
        app.terminate()
        app.line_with("stopping: 1 request")
        response = answer_on(reader)
        assert len(response.body) == int(response.headers["Content-Length"]) > 5 * 1024 * 1024
        assert app.exit_code() == 0
    assert not any("unfinished" in line for line in app.lines)


def test_no_request_is_lost_while_instances_follow_each_other(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    """Clients that connect, ask and read, all through three changes of instance."""
    done = threading.Event()
    statuses: list[object] = []

    def ask() -> None:
        while not done.is_set():
            try:
                statuses.append(get(listener.getsockname()[1], "/health").status)
            except OSError as error:
                statuses.append(repr(error))

    clients = [threading.Thread(target=ask) for _ in range(2)]
    app = start_on(start_app, listener, tmp_path)
    for client in clients:
        client.start()
    try:
        for _ in range(3):
            app.line_with("answer GET /health")
            app.terminate()
            assert app.exit_code() == 0
            app = start_on(start_app, listener, tmp_path)
        app.line_with("answer GET /health")
    finally:
        done.set()
        for client in clients:
            client.join()
    assert len(statuses) >= 4 and set(statuses) == {200}


def test_the_real_prompts_are_counted(start_app: StartApp, real_prompts: Path) -> None:
    before = sorted(str(path) for path in real_prompts.rglob("*"))
    app = start_app("--port", "0", "--data-dir", real_prompts)
    health = get(app.port(), "/health")
    assert b'"prompts_count":533' in health.body and b'"mode":"standalone"' in health.body
    assert sorted(str(path) for path in real_prompts.rglob("*")) == before
    assert len(before) > 533 and REAL_PROMPTS.is_dir()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_standalone_run_ends_cleanly_on_sigterm_and_ctrl_c(
    start_app: StartApp, tmp_path: Path, number: int
) -> None:
    app = start_app("--port", "0", "--data-dir", tmp_path)
    app.line_with("Serving on")
    app.process.send_signal(number)
    assert app.exit_code() == 0
    assert [line for line in app.lines if " INFO " not in line] == []


def test_the_environment_sets_up_a_standalone_run_alone(
    start_app: StartApp, tmp_path: Path
) -> None:
    data, home = tmp_path / "env", tmp_path / "home"
    environment = {"PROMPTBIN_DATA_DIR": str(data), "PROMPTBIN_PORT": "0", "HOME": str(home)}
    app = start_app(PROMPTBIN_LOG_LEVEL="debug", **environment)
    assert get(app.port(), "/health").status == 200
    app.line_with("DEBUG promptbin: request GET /health")
    assert data.is_dir() and not home.exists()
    managed = start_app("--mode", "mcp-managed", "--port", "0", **environment)
    assert get(managed.port(), "/health").status == 200
    assert (home / "promptbin-data" / "coding").is_dir()


def test_requests_are_logged_at_debug_alone(start_app: StartApp, tmp_path: Path) -> None:
    app = start_app("--port", "0", "--data-dir", tmp_path)
    assert get(app.port(), "/health").status == 200
    app.terminate()
    assert app.exit_code() == 0
    assert not any("/health" in line for line in app.lines)
    assert app.process.stdout.read() == b""


def test_the_log_level_silences(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    flags = ("--log-level", "error", "--data-dir", tmp_path, "--listen-fd", listener.fileno())
    app = start_app(*flags, pass_fds=(listener.fileno(),))
    assert get(listener.getsockname()[1], "/health").status == 200
    app.terminate()
    assert app.exit_code() == 0 and app.lines == []


def test_a_taken_port_ends_in_98(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    port = listener.getsockname()[1]
    app = start_app("--port", port, "--data-dir", tmp_path, "--mode", "mcp-managed")
    assert app.exit_code() == 98
    assert "Address already in use" in app.lines[-1] and str(port) in app.lines[-1]
    assert len(app.lines) == 1


def test_an_address_of_another_machine_ends_in_78(start_app: StartApp, tmp_path: Path) -> None:
    app = start_app("--host", "192.0.2.1", "--port", "0", "--data-dir", tmp_path)
    assert app.exit_code() == 78
    assert len(app.lines) == 1 and "192.0.2.1" in app.lines[0]


@pytest.mark.parametrize("kind", ["closed", "file", "not listening"])
def test_a_descriptor_that_is_no_listening_socket_is_refused(
    start_app: StartApp, tmp_path: Path, kind: str
) -> None:
    with socket.socket() as plain, open(tmp_path / "file", "w") as file:
        number = {"closed": 900, "file": file.fileno(), "not listening": plain.fileno()}[kind]
        fds = () if kind == "closed" else (number,)
        app = start_app("--listen-fd", number, "--data-dir", tmp_path / "d", pass_fds=fds)
        assert app.exit_code() == 2
    assert len(app.lines) == 1 and f"--listen-fd: {number}:" in app.lines[0]


@pytest.mark.parametrize(
    ("args", "env", "named"),
    [
        (["--port", "x"], {}, "--port"),
        (["--mode", "x"], {}, "--mode"),
        (["--bad\nflag"], {}, "unknown option"),
        ([], {"PROMPTBIN_PORT": "x"}, "PROMPTBIN_PORT"),
    ],
)
def test_a_wrong_setting_ends_in_2_and_one_line(
    start_app: StartApp, args: list[str], env: dict[str, str], named: str
) -> None:
    app = start_app(*args, **env)
    assert app.exit_code() == 2
    assert len(app.lines) == 1 and named in app.lines[0]


def test_help_goes_to_standard_output(start_app: StartApp) -> None:
    app = start_app("--help")
    assert app.exit_code() == 0
    assert b"--listen-fd" in app.process.stdout.read()


@pytest.mark.parametrize("module", ["flask", "waitress"])
def test_a_missing_library_ends_in_78(start_app: StartApp, tmp_path: Path, module: str) -> None:
    text = f"No module named '{module}'"
    (tmp_path / f"{module}.py").write_text(f'raise ModuleNotFoundError("{text}")')
    app = start_app("--port", "0", "--data-dir", tmp_path / "d", PYTHONPATH=str(tmp_path))
    assert app.exit_code() == 78
    assert len(app.lines) == 1
    assert f"No module named '{module}'" in app.lines[0] and "install" in app.lines[0]
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("module", "content", "named"),
    [
        ("store.py", "def broken(:\n", "SyntaxError in store.py, line 1"),
        ("web.py", "if True:\nx = 1\n", "IndentationError in web.py, line 2"),
        ("settings.py", "import no_such_module\n", "no_such_module"),
        ("pages.py", "\0", "null bytes"),
    ],
)
def test_a_broken_module_ends_in_78(
    start_app: StartApp, tmp_path: Path, module: str, content: str, named: str
) -> None:
    copy = tmp_path / "app"
    shutil.copytree(APP_DIR, copy, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    (copy / module).write_text(content)
    app = start_app("--port", "0", "--data-dir", tmp_path / "d", APP=str(copy / "app.py"))
    assert app.exit_code() == 78
    assert len(app.lines) == 1 and named in app.lines[0]


def test_an_unusable_data_folder_ends_in_78(start_app: StartApp, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    app = start_app("--port", "0", "--data-dir", tmp_path / "file")
    assert app.exit_code() == 78
    assert len(app.lines) == 1 and str(tmp_path / "file") in app.lines[0]


def test_it_runs_through_a_link_without_standard_error(
    start_app: StartApp, listener: socket.socket, tmp_path: Path
) -> None:
    """As the supervisor runs it: through share/steward/flask_app; and with stderr closed."""
    (tmp_path / "flask_app").symlink_to(APP_DIR)
    app = start_app(
        "--listen-fd",
        listener.fileno(),
        "--data-dir",
        tmp_path / "d",
        pass_fds=(listener.fileno(),),
        APP=str(tmp_path / "flask_app" / "app.py"),
    )
    app.line_with("Serving on")
    app.process.stderr.close()
    app.process.stderr = open(os.devnull, "rb")
    assert get(listener.getsockname()[1], "/").status == 200
    app.terminate()
    assert app.process.wait(PATIENCE_S) == 0
