#!/usr/bin/python3
"""PromptBin, a prompt library: `python3 app.py`, see `--help`.

Exit codes: 0 after SIGTERM or Ctrl-C; 2 for a wrong flag or variable; 78 if it can't run as
installed (a module that is missing or broken, a data folder or address that can't be used); 98 if
the port is taken. Each of them but 0 comes with one line on standard error, the last one written.

Everything else is imported inside main(), so that a fault in it ends in such a line too.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

EXIT_USAGE = 2
EXIT_CONFIG = 78
EXIT_IN_USE = 98


def leave(code: int, text: str = "") -> NoReturn:
    """Ends the process now: no thread is waited for, nothing is left to be torn down."""
    try:
        if text:
            print("promptbin: " + " ".join(text.split()), file=sys.stderr)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # Standard error is closed: the code has to do.
    os._exit(code)


def install_early_handler() -> None:
    """Until the server takes over there is nothing to finish: SIGTERM and Ctrl-C just end it."""
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    if signal.getsignal(signal.SIGINT) is not signal.SIG_IGN:
        signal.signal(signal.SIGINT, lambda *_: os._exit(0))
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM, signal.SIGINT))


def install_stack_dump() -> None:
    """SIGUSR1 writes the stacks of all threads to standard error, deadlocked or not."""
    import faulthandler

    try:
        faulthandler.register(signal.SIGUSR1, file=sys.stderr, all_threads=True)
    except (OSError, ValueError, AttributeError, RuntimeError):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)  # Standard error is closed.


def import_fault(error: Exception) -> str:
    """One line for a module that can't be imported."""
    if isinstance(error, SyntaxError):
        name = os.path.basename(error.filename or "a module")
        return f"{type(error).__name__} in {name}, line {error.lineno}: {error.msg} (correct it)"
    return (
        f"{type(error).__name__}: {error} (install python3-flask and python3-waitress,"
        f" or use an interpreter that has them; this one is {sys.executable})"
    )


def set_up_logging(level: str) -> None:
    """Everything goes to standard error; requests are logged at debug alone."""
    import logging

    form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
    logging.basicConfig(stream=sys.stderr, level=level.upper(), format=form)
    if level != "debug":
        # Waitress warns of every request that finds no idle thread, at each start for one.
        logging.getLogger("waitress.queue").setLevel(logging.ERROR)


def run(argv: Sequence[str]) -> NoReturn:
    """Reads the settings, opens store and socket, serves until told to stop."""
    try:
        from settings import SettingsError, read_settings

        try:
            settings = read_settings(argv, os.environ)
        except SettingsError as error:
            leave(EXIT_USAGE, str(error))

        if settings.managed:
            install_stack_dump()

        from serving import ListenError, Server, bound_socket, inherited_socket
        from store import Store, StoreError
        from version import read_version
        from web import create_app
    except (ImportError, SyntaxError, ValueError) as error:
        leave(EXIT_CONFIG, import_fault(error))

    set_up_logging(settings.log_level)
    store = Store(settings.data_dir)
    try:
        store.ensure()
        if settings.listen_fd is not None:
            sock = inherited_socket(settings.listen_fd)
        else:
            sock = bound_socket(settings.host, settings.port)
    except StoreError as error:
        leave(EXIT_CONFIG, str(error))
    except ListenError as error:
        inherited = settings.listen_fd is not None
        leave(EXIT_IN_USE if error.in_use else EXIT_USAGE if inherited else EXIT_CONFIG, str(error))

    Server(create_app(settings, store, read_version()), sock).run()
    leave(0)


if __name__ == "__main__":
    install_early_handler()
    run(sys.argv[1:])
