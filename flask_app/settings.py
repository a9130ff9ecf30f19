"""Settings: flags first; the environment last, and only of a standalone run; then defaults."""

from __future__ import annotations

import argparse
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

MODES = ("standalone", "mcp-managed")
LOG_LEVELS = ("debug", "info", "warning", "error", "critical")
DEFAULTS = {
    "host": "127.0.0.1",
    "port": "5000",
    "log_level": "info",
    "data_dir": "~/promptbin-data",
}


class SettingsError(Exception):
    """A value that can't be used; the text is one line that names it and says what is allowed."""


@dataclass(frozen=True)
class Settings:
    """What one run was told."""

    host: str
    port: int
    mode: str
    log_level: str
    data_dir: Path
    listen_fd: int | None
    instance_id: str | None

    @property
    def managed(self) -> bool:
        return self.mode == "mcp-managed"


def read_settings(argv: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Reads the command line, without its first word; raises SettingsError, or exits for --help."""
    flags = vars(_parser().parse_args(list(argv)))
    mode = _one_of(MODES)("--mode", "standalone" if flags["mode"] is None else flags["mode"])
    fallback = environ if mode == "standalone" else {}

    def value(name: str, check: Callable[[str, str], Any]) -> Any:
        flag, variable = f"--{name.replace('_', '-')}", f"PROMPTBIN_{name.upper()}"
        if flags[name] is not None:
            return check(flag, flags[name])
        if fallback.get(variable):
            return check(variable, fallback[variable])
        return check(flag, DEFAULTS[name])

    return Settings(
        host=value("host", _host),
        port=value("port", _port),
        mode=mode,
        log_level=value("log_level", _one_of(LOG_LEVELS)),
        data_dir=value("data_dir", _data_dir),
        listen_fd=_descriptor("--listen-fd", flags["listen_fd"]),
        instance_id=_instance("--instance-id", flags["instance_id"]),
    )


class _Parser(argparse.ArgumentParser):
    """Reports a wrong command line as SettingsError instead of usage text."""

    def error(self, message: str) -> NoReturn:
        text = message.removeprefix("argument ").replace("unrecognized arguments", "unknown option")
        raise SettingsError(f"{text} (see --help)")


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="app.py", description="PromptBin: a prompt library.", allow_abbrev=False)
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", help="port to listen on; 0: any free one (default 5000)")
    parser.add_argument("--mode", help="standalone (default) or mcp-managed")
    parser.add_argument("--log-level", help=f"one of {', '.join(LOG_LEVELS)} (default info)")
    parser.add_argument("--data-dir", help="folder of the prompts (default ~/promptbin-data)")
    parser.add_argument("--listen-fd", help="serve on this inherited, listening socket")
    parser.add_argument("--instance-id", help="reported by /health")
    parser.epilog = (
        "A standalone run takes what no flag gives from PROMPTBIN_HOST, PROMPTBIN_PORT,"
        " PROMPTBIN_LOG_LEVEL and PROMPTBIN_DATA_DIR."
    )
    return parser




def _refuse(name: str, rule: str, value: str) -> NoReturn:
    raise SettingsError(f"{name}: {rule} (got {json.dumps(value, ensure_ascii=False)})")


def _one_of(allowed: Sequence[str]) -> Callable[[str, str], str]:
    def check(name: str, value: str) -> str:
        if value not in allowed:
            _refuse(name, f"must be one of {', '.join(allowed)}", value)
        return value

    return check


def _host(name: str, value: str) -> str:
    if not re.fullmatch(r"[0-9A-Za-z._:%-]{1,253}", value):
        _refuse(name, "must be an address or a host name, such as 127.0.0.1", value)
    return value


def _port(name: str, value: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", value) or int(value) > 65535:
        _refuse(name, "must be a whole number from 0 to 65535", value)
    return int(value)


def _data_dir(name: str, value: str) -> Path:
    if not value or "\0" in value:
        _refuse(name, "must be a folder", value)
    try:
        return Path(os.path.abspath(Path(value).expanduser()))
    except RuntimeError:
        _refuse(name, "has a home folder that can't be found; give a full path", value)


def _descriptor(name: str, value: str | None) -> int | None:
    if value is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}", value):
        _refuse(name, "must be the number of an open descriptor", value)
    return int(value)


def _instance(name: str, value: str | None) -> str | None:
    if value is not None and not re.fullmatch(r"[!-~]{1,128}", value):
        _refuse(name, "must be 1 to 128 printable characters without blanks", value)
    return value
