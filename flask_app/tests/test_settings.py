"""Flags, the environment, defaults, and which wins; and the version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import APP_DIR, ROOT

from settings import SettingsError, read_settings
from version import FALLBACK, read_version

ENVIRONMENT = {
    "PROMPTBIN_HOST": "127.0.0.2",
    "PROMPTBIN_PORT": "6001",
    "PROMPTBIN_LOG_LEVEL": "error",
    "PROMPTBIN_DATA_DIR": "/env/data",
}


def test_every_setting_has_a_default_in_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/somebody")
    found = read_settings([], {})
    assert (found.host, found.port, found.mode) == ("127.0.0.1", 5000, "standalone")
    assert (found.log_level, found.data_dir) == ("info", Path("/home/somebody/promptbin-data"))
    assert (found.listen_fd, found.instance_id) == (None, None)


def test_the_environment_stands_in_for_flags_that_are_not_given() -> None:
    found = read_settings(["--port", "7000"], ENVIRONMENT)
    assert (found.host, found.port, found.log_level) == ("127.0.0.2", 7000, "error")
    assert found.data_dir == Path("/env/data")


def test_flags_win_over_the_environment() -> None:
    flags = ["--host", "::1", "--port=0", "--log-level", "debug", "--data-dir", "/flag/data"]
    found = read_settings(flags, ENVIRONMENT)
    assert (found.host, found.port, found.log_level) == ("::1", 0, "debug")
    assert found.data_dir == Path("/flag/data")


def test_a_flag_makes_its_variable_irrelevant_even_if_that_is_wrong() -> None:
    assert read_settings(["--port", "1"], {"PROMPTBIN_PORT": "wrong"}).port == 1


def test_a_managed_run_ignores_the_environment() -> None:
    found = read_settings(["--mode", "mcp-managed"], {**ENVIRONMENT, "PROMPTBIN_PORT": "wrong"})
    assert (found.host, found.port, found.log_level) == ("127.0.0.1", 5000, "info")
    assert found.data_dir.name == "promptbin-data"
    assert found.managed


def test_an_empty_variable_counts_as_unset() -> None:
    assert read_settings([], {"PROMPTBIN_PORT": "", "PROMPTBIN_HOST": ""}).port == 5000


def test_a_data_folder_is_made_absolute(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    assert read_settings(["--data-dir", "x/../y"], {}).data_dir == tmp_path / "y"
    assert read_settings(["--data-dir", "~/z"], {}).data_dir == Path("/home/somebody/z")


def test_descriptor_and_instance_come_from_flags() -> None:
    found = read_settings(["--listen-fd", "3", "--instance-id", "a1b2"], {})
    assert (found.listen_fd, found.instance_id) == (3, "a1b2")


@pytest.mark.parametrize(
    ("argv", "environment", "parts"),
    [
        (["--port", "70000"], {}, ["--port: must be", "65535", '"70000"']),
        (["--port", "-1"], {}, ["--port"]),
        (["--port", "５"], {}, ["--port", '"５"']),
        (["--port"], {}, ["--port", "expected one argument"]),
        (["--mode", "other"], {}, ["--mode: must be one of", "mcp-managed", '"other"']),
        (["--mode", ""], {}, ["--mode", '""']),
        (["--log-level", "loud"], {}, ["--log-level: must be one of", "warning", '"loud"']),
        (["--host", "a b"], {}, ["--host", '"a b"']),
        (["--data-dir", ""], {}, ["--data-dir", '""']),
        (["--data-dir", "~nobody-of-that-name/x"], {}, ["--data-dir", "full path"]),
        (["--listen-fd", "x"], {}, ["--listen-fd", '"x"']),
        (["--instance-id", "a b"], {}, ["--instance-id", '"a b"']),
        (["--unknown"], {}, ["unknown option", "--unknown"]),
        (["--por", "1"], {}, ["unknown option", "--por"]),
        (["extra"], {}, ["unknown option", "extra"]),
        ([], {"PROMPTBIN_PORT": "abc"}, ["PROMPTBIN_PORT: must be", '"abc"']),
        ([], {"PROMPTBIN_LOG_LEVEL": "LOUD"}, ["PROMPTBIN_LOG_LEVEL", '"LOUD"']),
    ],
)
def test_a_wrong_value_is_named_with_its_remedy(
    argv: list[str], environment: dict[str, str], parts: list[str]
) -> None:
    with pytest.raises(SettingsError) as raised:
        read_settings(argv, environment)
    text = str(raised.value)
    assert "\n" not in text and not text.endswith(".")
    for part in parts:
        assert part in text


def test_the_version_is_the_projects() -> None:
    project = re.search(
        r"project\([^)]*?\bVERSION\s+([0-9.]+)", (ROOT / "CMakeLists.txt").read_text()
    )
    assert project is not None
    assert read_version() == project.group(1)
    assert f'version = "{project.group(1)}"' in (APP_DIR / "pyproject.toml").read_text()


def test_the_version_comes_from_pyproject(tmp_path: Path) -> None:
    file = tmp_path / "pyproject.toml"
    file.write_text('[project]\nversion = "9.8.7"\n')
    assert read_version(file) == "9.8.7"


@pytest.mark.parametrize(
    "content",
    [None, b"", b"[project]\n", b"[project\n", b"project = 1\n", b"\xff", b"[project]\nversion=1"],
)
def test_the_version_falls_back_when_the_file_is_missing_or_broken(
    tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "pyproject.toml"
    if content is not None:
        file.write_bytes(content)
    assert read_version(file) == FALLBACK == "0.1.0"


def test_every_module_is_installed() -> None:
    listed = re.search(r"set\(modules ([^)]*)\)", (APP_DIR / "CMakeLists.txt").read_text())
    assert listed is not None
    assert listed.group(1).split() == sorted(path.name for path in APP_DIR.glob("*.py"))
