"""The application's version, written once in pyproject.toml."""

from __future__ import annotations

import tomllib
from pathlib import Path

FALLBACK = "0.1.0"
_PYPROJECT = Path(__file__).with_name("pyproject.toml")


def read_version(pyproject: Path = _PYPROJECT) -> str:
    """Returns `[project] version`, or "0.1.0" when the file is missing, broken or has none."""
    try:
        with pyproject.open("rb") as file:
            version = tomllib.load(file)["project"]["version"]
    except (OSError, ValueError, KeyError, TypeError):
        return FALLBACK
    return version if isinstance(version, str) and version else FALLBACK
