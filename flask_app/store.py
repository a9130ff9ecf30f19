"""The prompt store: prompts as files below one data folder, shared with other programs.

Readers take no lock: a file is replaced by rename, so they see the old or the new one. Writers hold
an exclusive flock on `<data-dir>/.lock`, write a temporary file in the same folder, fsync and
rename. Before a write or delete the old file is linked into `<data-dir>/.history/<id>/`. All of it,
in terms that name no language, is in tests/data/prompt_store/README.md.

A Store may be used from many threads.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import shutil
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from prompt_file import (
    MAX_FILE_BYTES,
    BrokenPrompt,
    ContentTooLarge,
    InvalidPrompt,
    Prompt,
    checked_changes,
    format_date,
    is_category,
    is_prompt_id,
    matches,
    new_members,
    parse,
    serialise,
)

FIRST_CATEGORIES = ("analysis", "coding", "writing")
KEPT_VERSIONS = 50
LOCK_TIMEOUT_S = 2.0
# A file may change twice within one tick of the file system's clock. What was read sooner than this
# after a change is read again the next time.
_SETTLED_NS = 50_000_000
# What one call of count() may spend on files it has not seen; the rest is taken for good until the
# next call, so that a health check stays quick after a hundred thousand files were copied in.
_COUNT_BUDGET_S = 0.3
_TEMPORARY = re.compile(r"\.[0-9A-Za-z][0-9A-Za-z_-]{0,127}\.tmp")
_NO_HARD_LINK = (errno.EPERM, errno.EXDEV, errno.EMLINK, errno.EOPNOTSUPP, errno.ENOSYS)


@dataclass
class StoreError(Exception):
    """A refused operation. Nothing has been changed.

    `code` is one of not_found, invalid, too_large, conflict, broken, busy, io, unusable. A conflict
    carries `current`, the stored version, and `yours`, the caller's values and the updated_at they
    were based on.
    """

    code: str
    text: str
    current: dict[str, Any] | None = None
    yours: dict[str, Any] | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Broken:
    """A file that was skipped: its path below the data folder, and why."""

    file: str
    reason: str


@dataclass
class Listing:
    """Prompts, newest first, and the files that were skipped, by name."""

    prompts: list[Prompt] = field(default_factory=list)
    broken: list[Broken] = field(default_factory=list)


@dataclass(frozen=True)
class _Cached:
    signature: tuple[int, ...]
    settled: bool
    outcome: Prompt | BrokenPrompt


class Store:
    """The prompts below one data folder."""

    def __init__(
        self,
        root: Path,
        now: Callable[[], datetime] = datetime.now,
        lock_timeout_s: float = LOCK_TIMEOUT_S,
    ) -> None:
        self.root = root
        self._now = now
        self._lock_timeout_s = lock_timeout_s
        self._own_writers = threading.Lock()
        self._cache: dict[str, _Cached] = {}

    def ensure(self) -> None:
        """Creates the data folder, and the first categories if there is none; raises StoreError."""
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            if not os.access(self.root, os.R_OK | os.W_OK | os.X_OK):
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
            if not self._category_names():
                for name in FIRST_CATEGORIES:
                    (self.root / name).mkdir(exist_ok=True)
        except OSError as error:
            raise StoreError(
                "unusable",
                f"data folder {self.root}: {_reason(error)}"
                " (make it a folder you can write, or name another with --data-dir)",
            ) from None

    def categories(self) -> list[str]:
        """The names of all categories in byte order; empty if the data folder can't be read."""
        try:
            return self._category_names()
        except OSError:
            return []

    def search(self, query: str = "", category: str | None = None) -> Listing:
        """The prompts that match (see prompt_file.matches), newest first; by default all."""
        listing = self._scan()
        listing.prompts = [
            prompt
            for prompt in listing.prompts
            if category in (None, prompt.category) and matches(prompt, query)
        ]
        return listing

    def count(self) -> int:
        """How many prompts there are. Reads only files that have changed since the last call."""
        ids: set[str] = set()
        unread = 0
        deadline = time.monotonic() + _COUNT_BUDGET_S
        for _, _, outcome in self._outcomes(deadline):
            if isinstance(outcome, Prompt):
                ids.add(outcome.id)
            elif outcome is None:
                unread += 1
        return len(ids) + unread

    def get(self, prompt_id: str) -> Prompt:
        """One prompt; raises StoreError (not_found, broken)."""
        return self._find(prompt_id)

    def create(self, values: dict[str, Any]) -> Prompt:
        """Stores a new prompt under a new id; raises StoreError."""
        checked = _checked(lambda: checked_changes(values))
        with self._writing():
            now = self._now()
            prompt_id = self._new_id(now)
            members = _checked(lambda: new_members(prompt_id, checked, format_date(now)))
            folder = self.root / members["category"]
            folder.mkdir(exist_ok=True)
            return self._write(folder, prompt_id, members)

    def update(
        self, prompt_id: str, changes: dict[str, Any], expected: str | None = None
    ) -> Prompt:
        """Changes the given members, keeps all others, and sets updated_at; raises StoreError.

        With `expected`, the updated_at that the changes were based on, a prompt that has been
        changed since is left alone (conflict). A new category moves the file.
        """
        checked = _checked(lambda: checked_changes(changes))
        with self._writing():
            old = self._find(prompt_id)
            _check_expected(old, expected, changes)
            category = checked.get("category", old.category)
            target = self.root / category / f"{prompt_id}.json"
            if category != old.category and os.path.lexists(target):
                raise StoreError("invalid", f"category: {category} has a {target.name} already")
            self._keep_version(old)
            members = {**old.members, **checked, "id": prompt_id, "category": category}
            members["updated_at"] = self._later_than(old.updated_at)
            if category != old.category:
                # The move comes first: whenever this is cut short there is exactly one file.
                target.parent.mkdir(exist_ok=True)
                os.rename(self._path(old), target)
            return self._write(target.parent, prompt_id, members)

    def delete(self, prompt_id: str, expected: str | None = None) -> Prompt:
        """Removes a prompt, which stays in the history; returns it. Raises StoreError as update."""
        with self._writing():
            old = self._find(prompt_id)
            _check_expected(old, expected, None)
            self._keep_version(old)
            os.unlink(self._path(old))
            _sync_folder(self.root / old.category)
            return old

    # Reading

    def _category_names(self) -> list[str]:
        with os.scandir(self.root) as entries:
            names = [entry.name for entry in entries if is_category(entry.name) and entry.is_dir()]
        return sorted(names, key=os.fsencode)

    def _scan(self) -> Listing:
        listing = Listing()
        newest: dict[str, Prompt] = {}
        for category, name, outcome in self._outcomes(None):
            if isinstance(outcome, BrokenPrompt):
                listing.broken.append(Broken(f"{category}/{name}", str(outcome)))
            elif outcome is not None:
                other = newest.get(outcome.id)
                if other is None or outcome.sort_key > other.sort_key:
                    newest[outcome.id], outcome = outcome, other
                if outcome is not None:
                    listing.broken.append(_duplicate(outcome))
        listing.prompts = sorted(newest.values(), key=lambda prompt: prompt.sort_key, reverse=True)
        listing.broken.sort(key=lambda broken: broken.file)
        return listing

    def _outcomes(
        self, deadline: float | None
    ) -> Iterator[tuple[str, str, Prompt | BrokenPrompt | None]]:
        """Category, file name and what the file is; None for a file not read by the deadline."""
        cache: dict[str, _Cached] = {}
        for category in self.categories():
            for name, path in _json_files(self.root / category):
                try:
                    cached = self._load(path, name[:-5], category, deadline)
                except FileNotFoundError:
                    continue
                if cached is None:
                    yield category, name, None
                    continue
                cache[path] = cached
                yield category, name, cached.outcome
        self._cache = cache

    def _load(
        self, path: str, prompt_id: str, category: str, deadline: float | None
    ) -> _Cached | None:
        known = self._cache.get(path)
        if known is not None and known.settled:
            if known.signature == _signature(os.stat(path)):
                return known
        if deadline is not None and time.monotonic() > deadline:
            return None
        now = time.time_ns()
        signature: tuple[int, ...] = ()
        changed_ns = now
        outcome: Prompt | BrokenPrompt
        try:
            data, status = _read(path)
            signature, changed_ns = _signature(status), status.st_ctime_ns
            outcome = _parsed(data, prompt_id, category)
        except FileNotFoundError:
            raise
        except OSError as error:
            outcome = BrokenPrompt(f"can't be read: {_reason(error)}")
        return _Cached(signature, abs(now - changed_ns) > _SETTLED_NS, outcome)

    def _find(self, prompt_id: str) -> Prompt:
        """Reads one prompt afresh. The newest wins if several categories have its id."""
        found: list[Prompt] = []
        broken: list[str] = []
        for category in self.categories() if is_prompt_id(prompt_id) else []:
            path = self.root / category / f"{prompt_id}.json"
            try:
                found.append(parse(_read(str(path))[0], prompt_id, category))
            except FileNotFoundError:
                continue
            except BrokenPrompt as error:
                broken.append(f"{category}/{prompt_id}.json {error}")
            except OSError as error:
                broken.append(f"{category}/{prompt_id}.json can't be read: {_reason(error)}")
        if found:
            return max(found, key=lambda prompt: prompt.sort_key)
        if broken:
            raise StoreError("broken", f"{broken[0]} (correct the file by hand)")
        raise StoreError("not_found", f"no prompt has the id {prompt_id!r}")

    def _path(self, prompt: Prompt) -> Path:
        return self.root / prompt.category / f"{prompt.id}.json"

    # Writing

    @contextmanager
    def _writing(self) -> Iterator[None]:
        """Holds the lock of the data folder; turns an OSError into StoreError (io)."""
        deadline = time.monotonic() + self._lock_timeout_s
        busy = StoreError("busy", f"another program is writing in {self.root} (try again)")
        if not self._own_writers.acquire(timeout=self._lock_timeout_s):
            raise busy
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.root / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                if not _flock_until(descriptor, deadline):
                    raise busy
                yield
            finally:
                os.close(descriptor)
        except OSError as error:
            raise StoreError("io", f"can't write in {self.root}: {_reason(error)}") from error
        finally:
            self._own_writers.release()

    def _new_id(self, now: datetime) -> str:
        while True:
            prompt_id = f"{now:%Y%m%d_%H%M%S}_{secrets.token_hex(4)}"
            names = [self.root / name / f"{prompt_id}.json" for name in self._category_names()]
            if not any(os.path.lexists(name) for name in names):
                return prompt_id

    def _later_than(self, old: str) -> str:
        """Now, but never the same text twice: updated_at is what tells two versions apart."""
        now = self._now()
        if format_date(now) == old:
            now += timedelta(microseconds=1)
        return format_date(now)

    def _write(self, folder: Path, prompt_id: str, members: dict[str, Any]) -> Prompt:
        """Writes a prompt's file so that others see the old or the new one, whole."""
        data = serialise(members)
        _remove_stale(folder)
        target = folder / f"{prompt_id}.json"
        temporary = folder / f".{prompt_id}.tmp"
        try:
            _write_synced(temporary, data, _mode_of(target))
            os.rename(temporary, target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(folder)
        return parse(data, prompt_id, folder.name)

    def _keep_version(self, prompt: Prompt) -> None:
        """Links the stored file into the history, under its updated_at; prunes the history."""
        folder = self.root / ".history" / prompt.id
        folder.mkdir(parents=True, exist_ok=True)
        stem = re.sub(r"[^0-9A-Za-z:.+-]", "_", prompt.updated_at)[:64].lstrip(".") or "unknown"
        source = self._path(prompt)
        target = folder / f"{stem}.json"
        number = 0
        while not _link(source, target):
            number += 1
            target = folder / f"{stem}~{number}.json"
        names = [name for name, _ in _json_files(folder)]
        others = sorted(name for name in names if name != target.name)
        for name in others[: max(0, len(names) - KEPT_VERSIONS)]:
            (folder / name).unlink()


def _checked(check: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        return check()
    except ContentTooLarge as error:
        raise StoreError("too_large", str(error)) from None
    except InvalidPrompt as error:
        raise StoreError("invalid", str(error)) from None


def _check_expected(
    current: Prompt, expected: str | None, changes: dict[str, Any] | None
) -> None:
    if expected is None or expected == current.updated_at:
        return
    raise StoreError(
        "conflict",
        f"{current.id} has been changed since {expected!r}: it is now {current.updated_at!r}",
        current=current.as_dict(),
        yours=None if changes is None else {**changes, "updated_at": expected},
    )


def _duplicate(prompt: Prompt) -> Broken:
    return Broken(
        f"{prompt.category}/{prompt.id}.json", "has the id of a newer prompt in another category"
    )


def _json_files(folder: Path) -> list[tuple[str, str]]:
    try:
        with os.scandir(folder) as entries:
            return [
                (entry.name, entry.path)
                for entry in entries
                if entry.name.endswith(".json") and not entry.name.startswith(".")
            ]
    except OSError:
        return []


def _parsed(data: bytes, prompt_id: str, category: str) -> Prompt | BrokenPrompt:
    if not is_prompt_id(prompt_id):
        return BrokenPrompt("has a name that is no id (letters, digits, _ and - only)")
    try:
        return parse(data, prompt_id, category)
    except BrokenPrompt as error:
        return error


def _read(path: str) -> tuple[bytes, os.stat_result]:
    """The bytes and the status of a regular file. Never waits, whatever lies there."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        return file.read(MAX_FILE_BYTES + 1), status


def _signature(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino)


def _flock_until(descriptor: int, deadline: float) -> bool:
    """Takes the lock; False if another program holds it past the deadline."""
    wait = 0.002
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(wait)
            wait = min(2 * wait, 0.05)


def _remove_stale(folder: Path) -> None:
    """Removes what a writer that died has left. Temporary files live only under the lock."""
    for name in os.listdir(folder):
        if _TEMPORARY.fullmatch(name):
            (folder / name).unlink(missing_ok=True)


def _mode_of(path: Path) -> int | None:
    try:
        return stat.S_IMODE(os.stat(path).st_mode)
    except FileNotFoundError:
        return None


def _write_synced(path: Path, data: bytes, mode: int | None) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o666), "wb") as file:
        if mode is not None:
            os.fchmod(file.fileno(), mode)
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _link(source: Path, target: Path) -> bool:
    """Links, or copies where there are no hard links; False if the name holds another file."""
    try:
        os.link(source, target)
    except FileExistsError:
        return os.path.samefile(source, target)
    except OSError as error:
        if error.errno not in _NO_HARD_LINK:
            raise
        if target.exists():
            return False
        temporary = target.with_name(".copy.tmp")
        shutil.copy2(source, temporary)
        os.rename(temporary, target)
    return True


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _reason(error: OSError) -> str:
    return (error.strerror or str(error)).lower()
