"""Runs the store vectors that every program with a prompt store has to pass."""

from __future__ import annotations

import base64
import json
import os
import re
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from store import Store, StoreError

VECTORS = ROOT / "tests" / "data" / "prompt_store"
_PLACEHOLDER = re.compile(r"\$(?:ID|NOW)\d*")


def _cases() -> list[Any]:
    cases = []
    for path in sorted(VECTORS.glob("*.json")):
        for case in json.loads(path.read_text(encoding="utf-8"))["cases"]:
            cases.append(pytest.param(case, id=f"{path.stem}: {case['name']}"))
    return cases


class Bindings:
    """What the placeholders of one case stand for."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.begun = datetime.now().replace(microsecond=0)

    def bind(self, name: str, value: Any) -> None:
        """Takes the value for the placeholder if it has none yet and the value has its form."""
        if name in self.values or not isinstance(value, str):
            return
        if name.startswith("$ID"):
            assert re.fullmatch(r"\d{8}_\d{6}_[0-9a-f]{8}", value)
        else:
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}", value)
            assert self.begun <= datetime.fromisoformat(value) <= datetime.now()
        assert value not in self.values.values()
        self.values[name] = value

    def fill(self, value: Any) -> Any:
        """The value with all placeholders and repetitions replaced."""
        if isinstance(value, str):
            return _PLACEHOLDER.sub(lambda found: self.values[found.group()], value)
        if isinstance(value, list):
            return [self.fill(item) for item in value]
        if isinstance(value, dict):
            if "$repeat" in value:
                return value["$repeat"][0] * value["$repeat"][1]
            return {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def learn(self, expected: Any, got: Any) -> None:
        """Binds the placeholders of an expected result by walking it beside the real one."""
        if isinstance(expected, dict) and isinstance(got, dict):
            for key in expected:
                self.learn(expected[key], got.get(key))
        elif isinstance(expected, str) and _PLACEHOLDER.fullmatch(expected):
            self.bind(expected, got)


def _bytes(content: dict[str, Any], bindings: Bindings) -> bytes:
    if "json" in content:
        return json.dumps(bindings.fill(content["json"])).encode()
    if "text" in content:
        return bindings.fill(content["text"]).encode()
    return base64.b64decode(content["base64"])


def _files(root: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and path != root / ".lock"
    }


def _strict(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _run(store: Store, step: dict[str, Any]) -> dict[str, Any]:
    op = step["op"]
    if op in ("ensure", "categories"):
        if op == "ensure":
            store.ensure()
        return {"categories": store.categories()}
    if op == "count":
        return {"count": store.count()}
    if op == "search":
        listing = store.search(step.get("query", ""), step.get("category"))
        assert all(broken.reason for broken in listing.broken)
        broken = [broken.file for broken in listing.broken]
        return {"ids": [prompt.id for prompt in listing.prompts], "broken": broken}
    if op == "get":
        return {"prompt": store.get(step["id"]).as_dict()}
    if op == "create":
        return {"prompt": store.create(step["values"]).as_dict()}
    if op == "update":
        changed = store.update(step["id"], step["changes"], step.get("expected"))
        return {"prompt": changed.as_dict()}
    assert op == "delete"
    return {"prompt": store.delete(step["id"], step.get("expected")).as_dict()}


def _outcome(store: Store, step: dict[str, Any]) -> dict[str, Any]:
    try:
        return _run(store, step)
    except StoreError as error:
        assert error.text
        outcome: dict[str, Any] = {"error": error.code}
        if error.current is not None:
            outcome["current"] = error.current
        if error.yours is not None:
            outcome["yours"] = error.yours
        return outcome


@pytest.fixture
def utc(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.parametrize("case", _cases())
def test_store_vector(case: dict[str, Any], tmp_path: Path, utc: None) -> None:
    bindings = Bindings()
    for name in case.get("folders", []):
        (tmp_path / name).mkdir()
    for name, content in case["given"].items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(_bytes(content, bindings))
    store = Store(tmp_path)
    for step in case["steps"]:
        expected = step["expect"]
        if "ids" in expected:
            expected = {"broken": [], **expected}
        arguments = bindings.fill({k: v for k, v in step.items() if k != "expect"})
        got = _outcome(store, arguments)
        bindings.learn(expected, got)
        assert _strict(got) == _strict(bindings.fill(expected)), step["op"]
    _compare_files(case.get("files", case["given"]), _files(tmp_path), bindings)


def _compare_files(
    wanted: dict[str, Any], found: dict[str, bytes], bindings: Bindings
) -> None:
    wanted = {bindings.fill(name): content for name, content in wanted.items()}
    assert sorted(wanted) == sorted(found)
    for name, content in wanted.items():
        if "json" in content:
            assert _strict(json.loads(found[name])) == _strict(bindings.fill(content["json"])), name
        else:
            assert found[name] == _bytes(content, bindings), name


def test_there_are_vectors() -> None:
    assert len(_cases()) >= 90
    assert os.path.exists(VECTORS / "README.md")
