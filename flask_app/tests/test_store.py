"""What the store's vectors can't say: time, locks, faults, caches."""

from __future__ import annotations

import fcntl
import json
import os
import re
import stat
import threading
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import REAL_PROMPTS

import prompt_file
import store as store_module
from store import Store, StoreError

VALUES = {"title": "T", "content": "C", "category": "coding"}


def file_of(store: Store, prompt: Any) -> Path:
    return store.root / prompt.category / f"{prompt.id}.json"


def test_the_real_prompts_are_all_read() -> None:
    listing = Store(REAL_PROMPTS).search()
    assert (len(listing.prompts), listing.broken) == (533, [])
    assert Store(REAL_PROMPTS).count() == 533


def test_a_real_file_is_written_back_byte_for_byte() -> None:
    for path in REAL_PROMPTS.glob("*/*.json"):
        data = path.read_bytes()
        prompt = prompt_file.parse(data, path.stem, path.parent.name)
        assert prompt_file.serialise(prompt.members) == data
        assert list(prompt.members) == list(prompt_file._MEMBERS)


def test_ids_and_dates_have_the_form_of_the_real_ones(tmp_path: Path) -> None:
    made = Store(tmp_path, now=lambda: datetime(2026, 3, 4, 5, 6, 7, 8)).create(VALUES)
    assert re.fullmatch(r"20260304_050607_[0-9a-f]{8}", made.id)
    assert made.created_at == made.updated_at == "2026-03-04T05:06:07.000008"


def test_an_update_within_one_microsecond_has_another_date(tmp_path: Path) -> None:
    store = Store(tmp_path, now=lambda: datetime(2026, 1, 1))
    made = store.create(VALUES)
    changed = store.update(made.id, {"title": "N"}, made.updated_at)
    assert (made.updated_at, changed.updated_at) == (
        "2026-01-01T00:00:00.000000",
        "2026-01-01T00:00:00.000001",
    )


def test_an_id_in_use_in_any_category_is_not_given_again(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = iter(["aaaaaaaa", "aaaaaaaa", "bbbbbbbb"])
    monkeypatch.setattr(store_module.secrets, "token_hex", lambda _: next(numbers))
    monkeypatch.setattr(store, "_now", lambda: datetime(2026, 1, 1))
    first = store.create(VALUES)
    second = store.create({**VALUES, "category": "writing"})
    assert (first.id[-8:], second.id[-8:]) == ("aaaaaaaa", "bbbbbbbb")


def test_counting_follows_every_change_from_outside(store: Store) -> None:
    made = [store.create(VALUES) for _ in range(3)]
    assert store.count() == 3
    path = file_of(store, made[0])
    good = path.read_bytes()
    path.write_bytes(b"x" * len(good))
    assert store.count() == 2
    path.write_bytes(good)
    assert store.count() == 3
    path.unlink()
    assert store.count() == 2
    (store.root / "new").mkdir()
    os.rename(file_of(store, made[1]), store.root / "new" / f"{made[1].id}.json")
    assert store.count() == 2
    os.rename(store.root / "new", store.root / ".new")
    assert store.count() == 1


def test_counting_reads_only_what_has_changed(
    real_prompts: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in real_prompts.glob("*/*.json"):
        os.utime(path, ns=(0, 0))
    settled = time.time_ns() + 1_000_000_000
    monkeypatch.setattr(store_module.time, "time_ns", lambda: settled)
    store = Store(real_prompts)
    reads: list[str] = []
    read = store_module._read
    monkeypatch.setattr(store_module, "_read", lambda path: (reads.append(path), read(path))[1])
    assert store.count() == 533
    assert len(reads) == 533
    reads.clear()
    assert store.count() == 533
    assert reads == []
    changed = next(real_prompts.glob("coding/*.json"))
    changed.write_bytes(changed.read_bytes() + b" ")
    assert store.count() == 533
    assert reads == [str(changed)]


def test_a_change_within_one_tick_of_the_clock_is_seen(store: Store) -> None:
    """Same size, same inode, same times: only that it was read too soon gives it away."""
    made = store.create(VALUES)
    path = file_of(store, made)
    status = path.stat()
    assert store.search().prompts[0].title == "T"
    path.write_bytes(path.read_bytes().replace(b'"title": "T"', b'"title": "U"'))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert store.search().prompts[0].title == "U"


def test_a_count_out_of_time_takes_unread_files_for_good(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(store_module, "_COUNT_BUDGET_S", -1.0)
    store = Store(REAL_PROMPTS)
    assert store.count() == 533
    assert store._cache == {}


def test_a_writer_waits_for_the_lock_and_gives_up_in_time(store: Store) -> None:
    made = store.create(VALUES)
    with open(store.root / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        begun = time.monotonic()
        with pytest.raises(StoreError) as raised:
            store.update(made.id, {"title": "N"})
        assert 0.2 <= time.monotonic() - begun < 2.0
        assert raised.value.code == "busy"
        assert store.get(made.id).title == "T"
    assert store.update(made.id, {"title": "N"}).title == "N"


def test_many_writers_lose_nothing(tmp_path: Path) -> None:
    """Two stores are two programs: each has a lock descriptor of its own."""
    stores = [Store(tmp_path, lock_timeout_s=10) for _ in range(2)]
    made = stores[0].create({**VALUES, "description": "0"})

    def add(store: Store) -> None:
        done = 0
        while done < 10:
            current = store.get(made.id)
            number = str(int(current.description) + 1)
            try:
                store.update(made.id, {"description": number}, current.updated_at)
                done += 1
            except StoreError as error:
                assert error.code == "conflict"

    threads = [threading.Thread(target=add, args=(store,)) for store in stores for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert stores[0].get(made.id).description == "40"
    assert len(os.listdir(tmp_path / ".history" / made.id)) == 40


def test_the_history_is_a_link_not_a_copy(store: Store) -> None:
    made = store.create(VALUES)
    inode = file_of(store, made).stat().st_ino
    store.update(made.id, {"title": "N"})
    kept = store.root / ".history" / made.id / f"{made.updated_at}.json"
    assert kept.stat().st_ino == inode


def test_a_file_system_without_links_gets_copies(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(store_module.os, "link", refuse)
    made = store.create(VALUES)
    before = file_of(store, made).read_bytes()
    store.update(made.id, {"title": "N"})
    folder = store.root / ".history" / made.id
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == {f"{made.updated_at}.json": before}


def test_a_write_that_fails_leaves_the_old_file_and_no_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = store.create(VALUES)
    before = file_of(store, made).read_bytes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store_module.os, "fsync", full)
    with pytest.raises(StoreError) as raised:
        store.update(made.id, {"title": "N"})
    assert raised.value.code == "io" and "no space left" in raised.value.text
    assert file_of(store, made).read_bytes() == before
    assert os.listdir(store.root / "coding") == [f"{made.id}.json"]
    monkeypatch.undo()
    assert store.update(made.id, {"title": "N"}, made.updated_at).title == "N"


def test_a_file_keeps_its_mode(store: Store) -> None:
    made = store.create(VALUES)
    file_of(store, made).chmod(0o600)
    store.update(made.id, {"title": "N"})
    assert stat.S_IMODE(file_of(store, made).stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["fifo", "folder", "dangling link", "link to itself"])
def test_what_is_no_file_is_reported_without_waiting(store: Store, kind: str) -> None:
    path = store.root / "coding" / "odd.json"
    make = {
        "fifo": lambda: os.mkfifo(path),
        "folder": path.mkdir,
        "dangling link": lambda: path.symlink_to("nowhere"),
        "link to itself": lambda: path.symlink_to("odd.json"),
    }
    make[kind]()
    listing = store.search()
    reported = [broken.file for broken in listing.broken]
    assert listing.prompts == [] and store.count() == 0
    assert reported == ([] if kind == "dangling link" else ["coding/odd.json"])


def test_a_file_too_large_to_be_a_prompt_is_reported(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "MAX_FILE_BYTES", 99)
    monkeypatch.setattr(prompt_file, "MAX_FILE_BYTES", 99)
    good = json.dumps({"title": "T", "content": "C"})
    (store.root / "coding" / "large.json").write_text(good.ljust(100))
    (store.root / "coding" / "fits.json").write_text(good.ljust(99))
    listing = store.search()
    assert [prompt.id for prompt in listing.prompts] == ["fits"]
    assert [broken.file for broken in listing.broken] == ["coding/large.json"]


def test_text_that_cannot_be_stored_is_refused(store: Store) -> None:
    for name in ("title", "content", "category", "description"):
        with pytest.raises(StoreError) as raised:
            store.create({**VALUES, name: "half \ud800"})
        assert raised.value.code == "invalid"
    assert store.count() == 0


def test_a_data_folder_that_vanishes_is_empty_and_comes_back(store: Store) -> None:
    store.root.rename(store.root.with_name("away"))
    assert (store.count(), store.categories(), store.search().prompts) == (0, [], [])
    store.create(VALUES)
    assert store.count() == 1


def test_an_unusable_data_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(StoreError) as raised:
            Store(path).ensure()
        assert raised.value.code == "unusable"
        assert str(path) in raised.value.text and "--data-dir" in raised.value.text


def test_reading_creates_nothing(tmp_path: Path) -> None:
    store = Store(tmp_path / "data")
    assert (store.count(), store.categories(), store.search().prompts) == (0, [], [])
    assert not (tmp_path / "data").exists()
