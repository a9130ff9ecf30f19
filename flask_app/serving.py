"""Serving with waitress: the listening socket, and an end that finishes what runs.

The socket may belong to a supervisor that hands the same one to the next instance. So it is never
bound, listened on or shut down here when it was inherited, only closed; whoever has connected and
has not been accepted stays in its queue.

Waitress has no signal handler, and its own shutdown waits for five seconds. Server.run() replaces
both: a SIGTERM or SIGINT ends accepting at once, answers what has arrived and returns when that is
done, a given time later at the latest.

Threads: everything here runs on the main thread, but Channel.service and Task run on waitress's.
"""

from __future__ import annotations

import errno
import logging
import os
import resource
import signal
import socket
import threading
import time
from typing import Any

from waitress import wasyncore
from waitress.adjustments import Adjustments
from waitress.channel import HTTPChannel
from waitress.server import TcpWSGIServer
from waitress.task import WSGITask

DRAIN_S = 0.7
# A connection this young may have its request still on the way.
FRESH_S = 0.05
THREADS = 8
# Above this waitress leaves clients in the queue. Running out of descriptors instead would make
# accept() fail again and again, so some stay free for files.
MAX_CONNECTIONS = 800
SPARE_DESCRIPTORS = 64
MAX_REQUEST_BYTES = 8 * 1024 * 1024
# Only the removal of idle connections needs the loop to wake up by itself.
_IDLE_WAKE_S = 30.0

log = logging.getLogger("promptbin")


class ListenError(Exception):
    """The socket can't be used. `in_use` tells a taken port from every other cause."""

    def __init__(self, text: str, in_use: bool = False) -> None:
        super().__init__(text)
        self.in_use = in_use


def inherited_socket(descriptor: int) -> socket.socket:
    """Takes over a descriptor that must be a listening TCP socket; raises ListenError."""
    remedy = "pass a listening TCP socket, or leave --listen-fd out"
    try:
        os.set_inheritable(descriptor, False)
        sock = socket.socket(fileno=descriptor)
        listening = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ListenError(f"--listen-fd: {descriptor}: {reason} ({remedy})") from None
    if not listening or sock.family not in (socket.AF_INET, socket.AF_INET6):
        sock.detach()
        raise ListenError(f"--listen-fd: {descriptor}: is not a listening TCP socket ({remedy})")
    return sock


def bound_socket(host: str, port: int) -> socket.socket:
    """Binds and listens; raises ListenError."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        sock = socket.socket(family, kind, protocol)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind(address)
        sock.listen(socket.SOMAXCONN)
    except OSError as error:
        in_use = error.errno == errno.EADDRINUSE
        reason = "Address already in use" if in_use else (error.strerror or str(error)).lower()
        remedy = "choose another with --port" if in_use else "check --host and --port"
        raise ListenError(f"can't listen on {where}: {reason} ({remedy})", in_use) from None
    return sock


class Task(WSGITask):
    """A request whose answer says "Connection: close" once the server is going down."""

    def build_response_header(self) -> bytes:
        if self.channel.server.stopping:
            self.request.headers["CONNECTION"] = "close"
        return super().build_response_header()


class Channel(HTTPChannel):
    """A connection that knows whether it owes somebody an answer."""

    task_class = Task

    def __init__(self, *args: Any, **kw: Any) -> None:
        self.opened = time.monotonic()
        self.heard = False
        super().__init__(*args, **kw)

    def received(self, data: bytes) -> bool:
        self.heard = True
        return super().received(data)

    def service(self) -> None:
        self.server.service_begins()
        try:
            super().service()
        finally:
            self.server.service_ends()

    def owes_answer(self) -> bool:
        """True while a request is queued, running, half received, or its answer not yet sent."""
        return bool(self.requests or self.request is not None or self.total_outbufs_len)

    def fresh_until(self) -> float:
        """Until when a first request is expected; 0 once one has been heard."""
        return 0.0 if self.heard else self.opened + FRESH_S


class Server(TcpWSGIServer):
    """One waitress server on a socket that listens already."""

    channel_class = Channel

    def __init__(self, application: Any, sock: socket.socket) -> None:
        self.stopping = False
        self._services = 0
        self._services_lock = threading.Lock()
        adjustments = Adjustments(
            sockets=[sock],
            threads=THREADS,
            connection_limit=_connection_limit(),
            max_request_body_size=MAX_REQUEST_BYTES,
            asyncore_use_poll=True,
            clear_untrusted_proxy_headers=True,
            ident=None,
        )
        sockinfo = (sock.family, sock.type, sock.proto, sock.getsockname())
        super().__init__(
            application, _sock=sock, adj=adjustments, bind_socket=False, sockinfo=sockinfo
        )

    def set_reuse_addr(self) -> None:
        """Leaves the socket's options to whoever made it."""

    def accept_connections(self) -> None:
        """Leaves the queue's length alone: listen() again would shrink an inherited socket's."""
        self.accepting = True

    def service_begins(self) -> None:
        with self._services_lock:
            self._services += 1

    def service_ends(self) -> None:
        with self._services_lock:
            self._services -= 1
        if self.stopping:
            self.pull_trigger()

    def run(self) -> None:
        """Serves until SIGTERM or SIGINT, then for DRAIN_S at most. Call it on the main thread."""
        waker = _Waker(self._map)
        for number in (signal.SIGTERM, signal.SIGINT):
            # A SIGINT that is ignored (a background job of a shell) stays ignored.
            if number == signal.SIGTERM or signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, lambda *_: waker.stop())
        log.info("Serving on %s", self.url())
        while not waker.stopped:
            wasyncore.poll2(_IDLE_WAKE_S, self._map)
        self._drain(time.monotonic() + DRAIN_S)

    def url(self) -> str:
        host = str(self.effective_host)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.effective_port}"

    def _drain(self, deadline: float) -> None:
        self.stopping = True
        self._stop_accepting()
        # What the kernel has received by now counts as arrived.
        wasyncore.poll2(0, self._map)
        log.info("stopping: %d request(s) to finish", self._owed())
        while True:
            now = time.monotonic()
            until = self._wait_until(now, deadline)
            if until <= now:
                break
            # poll() counts in whole milliseconds; one more keeps it from spinning through the last.
            wasyncore.poll2(min(until, deadline) - now + 0.001, self._map)
        left = self._owed()
        if left:
            log.warning("stopping with %d unfinished request(s)", left)

    def _stop_accepting(self) -> None:
        """Closes our descriptor alone; a shutdown() would reach the supervisor's too."""
        self.accepting = False
        self.del_channel()
        self.socket.close()

    def _owed(self) -> int:
        channels = list(self.active_channels.values())
        return max(self._services, sum(channel.owes_answer() for channel in channels))

    def _wait_until(self, now: float, deadline: float) -> float:
        """When to look again; not later than now if nobody is waiting for anything."""
        if now >= deadline:
            return now
        if self._owed():
            return deadline
        channels = list(self.active_channels.values())
        return max((channel.fresh_until() for channel in channels), default=now)


def _connection_limit() -> int:
    descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if descriptors == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(SPARE_DESCRIPTORS, min(MAX_CONNECTIONS, descriptors - SPARE_DESCRIPTORS))


class _Waker(wasyncore.file_dispatcher):
    """Wakes the loop when a signal arrives, at whatever instant, by the signal module's pipe."""

    def __init__(self, loop_map: dict[int, Any]) -> None:
        self.stopped = False
        reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        super().__init__(reader, map=loop_map)
        os.close(reader)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)

    def stop(self) -> None:
        self.stopped = True

    def writable(self) -> bool:
        return False

    def handle_read(self) -> None:
        self.recv(4096)
