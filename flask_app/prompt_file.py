"""The format of one prompt file: names, members, checks, dates.

A prompt is `<category>/<id>.json`. The place of the file is the truth about id and category; the
members of these names are only a copy. Nothing here touches the disk. The same rules, in terms
that name no language, are in tests/data/prompt_store/README.md.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

MAX_CONTENT_BYTES = 1024 * 1024
# Content of 1 MiB may be written as \u escapes, six bytes for each; a larger file is no prompt.
MAX_FILE_BYTES = 16 * 1024 * 1024
MAX_TITLE = 500
MAX_DESCRIPTION = 10_000
MAX_TAG = 100
MAX_TAGS = 100
MAX_CATEGORY = 64

EDITABLE = ("title", "content", "category", "description", "tags", "favourite")
_MEMBERS = ("id", "title", "content", "category", "description", "tags", "created_at", "updated_at")
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,127}")
_DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?")
_SURROGATE = re.compile("[\ud800-\udfff]")


class BrokenPrompt(Exception):
    """A file that can't be read as a prompt; the text says why."""


class InvalidPrompt(Exception):
    """Values that may not be stored; the text names the member, the value and what is allowed."""


class ContentTooLarge(InvalidPrompt):
    """The content is longer than MAX_CONTENT_BYTES."""


@dataclass(frozen=True)
class Prompt:
    """One prompt as read. `members` is the whole file, unknown members included."""

    id: str
    category: str
    members: dict[str, Any]
    sort_key: tuple[float, str]

    @property
    def title(self) -> str:
        return str(self.members["title"])

    @property
    def content(self) -> str:
        return str(self.members["content"])

    @property
    def description(self) -> str:
        return str(self.members.get("description", ""))

    @property
    def tags(self) -> list[str]:
        return list(self.members.get("tags", []))

    @property
    def created_at(self) -> str:
        return str(self.members.get("created_at", ""))

    @property
    def updated_at(self) -> str:
        return str(self.members.get("updated_at", ""))

    @property
    def favourite(self) -> bool:
        return bool(self.members.get("favourite", False))

    def as_dict(self) -> dict[str, Any]:
        """The prompt with every known member present, `id` and `category` from the file's place."""
        defaults = {
            "description": self.description,
            "tags": self.tags,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
        }
        return {**self.members, **defaults, "id": self.id, "category": self.category}


def is_prompt_id(text: str) -> bool:
    """True for a name that may stand before ".json": ASCII letters, digits, `_` and `-` only."""
    return _ID.fullmatch(text) is not None


def is_category(text: str) -> bool:
    """True for a folder name that may hold prompts; never one that leads out of the data folder."""
    return (
        0 < len(text) <= MAX_CATEGORY
        and not text.startswith(".")
        and text == text.strip()
        and "/" not in text
        and "\\" not in text
        and len(text.encode("utf-8", "surrogatepass")) <= 255
        and not any(ord(c) < 32 or ord(c) == 127 or 0xD800 <= ord(c) <= 0xDFFF for c in text)
    )


def format_date(moment: datetime) -> str:
    """Local time with six digits of a second and no zone, as all files have it."""
    return moment.isoformat(timespec="microseconds")


def seconds_of(date: str) -> float:
    """Seconds since 1970 of a stored date (local time unless it has a zone); -inf if it is none."""
    if not _DATE.fullmatch(date):
        return -math.inf
    try:
        return datetime.fromisoformat(date).timestamp()
    except (ValueError, OverflowError, OSError):
        return -math.inf


def parse(data: bytes, prompt_id: str, category: str) -> Prompt:
    """Reads the bytes of `<category>/<prompt_id>.json`; raises BrokenPrompt."""
    if len(data) > MAX_FILE_BYTES:
        raise BrokenPrompt(f"is larger than {MAX_FILE_BYTES} bytes")
    try:
        members = json.loads(
            data.decode("utf-8-sig"), parse_constant=_no_constant, parse_float=_finite
        )
    except UnicodeDecodeError as error:
        raise BrokenPrompt(f"is not UTF-8 (byte {error.start})") from None
    except RecursionError:
        raise BrokenPrompt("is nested too deeply") from None
    except ValueError as error:
        raise BrokenPrompt(f"is not JSON ({error})") from None
    if not isinstance(members, dict):
        raise BrokenPrompt("is not a JSON object")
    if b"\\u" in data and _SURROGATE.search(json.dumps(members, ensure_ascii=False)):
        raise BrokenPrompt("holds half of a surrogate pair")
    _check_types(members)
    updated_at = str(members.get("updated_at", ""))
    return Prompt(prompt_id, category, members, (seconds_of(updated_at), prompt_id))


def serialise(members: dict[str, Any]) -> bytes:
    """The bytes of a file: UTF-8, indented by two, no newline at the end."""
    return json.dumps(members, indent=2, ensure_ascii=False, allow_nan=False).encode("utf-8")


def matches(prompt: Prompt, query: str) -> bool:
    """True if the query is a substring of title, content, description or a tag, in any case.

    The query is trimmed; an empty one, `*` and `**` match every prompt.
    """
    needle = query.strip().lower()
    if needle in ("", "*", "**"):
        return True
    texts = (prompt.title, prompt.description, *prompt.tags, prompt.content)
    return any(needle in text.lower() for text in texts)


def checked_changes(changes: dict[str, Any]) -> dict[str, Any]:
    """Returns the changes in the form that is stored; raises InvalidPrompt.

    Title, category, and tags are trimmed, empty and repeated tags are dropped.
    """
    for name in changes:
        if name not in EDITABLE:
            raise InvalidPrompt(f"{name}: can't be set (members are {', '.join(EDITABLE)})")
    checks = {
        "title": _checked_title,
        "content": _checked_content,
        "category": checked_category,
        "description": _checked_description,
        "tags": _checked_tags,
        "favourite": _checked_favourite,
    }
    return {name: checks[name](value) for name, value in changes.items()}


def new_members(prompt_id: str, checked: dict[str, Any], now: str) -> dict[str, Any]:
    """The members of a new prompt, in the order in which they are written."""
    for name in ("title", "content", "category"):
        if name not in checked:
            raise InvalidPrompt(f"{name}: is missing")
    values = {"description": "", "tags": [], **checked}
    values.update(id=prompt_id, created_at=now, updated_at=now)
    members = {name: values[name] for name in _MEMBERS}
    if "favourite" in values:
        members["favourite"] = values["favourite"]
    return members


def checked_category(value: Any) -> str:
    """Returns the trimmed name of a category; raises InvalidPrompt."""
    text = _text("category", value).strip()
    if not is_category(text):
        raise InvalidPrompt(
            f"category: must be a folder name of 1 to {MAX_CATEGORY} characters"
            f" without / or \\ that does not begin with a dot (got {_quoted(text)})"
        )
    return text


def _check_types(members: dict[str, Any]) -> None:
    for name in ("title", "content"):
        if not isinstance(members.get(name), str):
            raise BrokenPrompt(f"has no text {name}")
    for name in ("description", "created_at", "updated_at"):
        if name in members and not isinstance(members[name], str):
            raise BrokenPrompt(f"{name} is not a text")
    tags = members.get("tags", [])
    if not isinstance(tags, list) or not all(isinstance(tag, str) for tag in tags):
        raise BrokenPrompt("tags is not a list of texts")
    if not isinstance(members.get("favourite", False), bool):
        raise BrokenPrompt("favourite is neither true nor false")


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number


def _quoted(text: str) -> str:
    short = text if len(text) <= 40 else text[:40] + "…"
    return json.dumps(short)


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise InvalidPrompt(f"{name}: must be a text (got {type(value).__name__})")
    if _SURROGATE.search(value):
        raise InvalidPrompt(f"{name}: holds half of a surrogate pair")
    return value


def _checked_title(value: Any) -> str:
    text = _text("title", value).strip()
    if not text or len(text) > MAX_TITLE or any(ord(c) < 32 or ord(c) == 127 for c in text):
        raise InvalidPrompt(
            f"title: must be one line of 1 to {MAX_TITLE} characters (got {_quoted(text)})"
        )
    return text


def _checked_content(value: Any) -> str:
    text = _text("content", value)
    if not text.strip():
        raise InvalidPrompt("content: must not be empty")
    size = len(text.encode("utf-8"))
    if size > MAX_CONTENT_BYTES:
        raise ContentTooLarge(f"content: must be at most {MAX_CONTENT_BYTES} bytes (got {size})")
    return text


def _checked_description(value: Any) -> str:
    text = _text("description", value)
    if len(text) > MAX_DESCRIPTION:
        raise InvalidPrompt(
            f"description: must be at most {MAX_DESCRIPTION} characters (got {len(text)})"
        )
    return text


def _checked_tags(value: Any) -> list[str]:
    if not isinstance(value, list):
        raise InvalidPrompt(f"tags: must be a list (got {type(value).__name__})")
    tags: list[str] = []
    for item in value:
        tag = _text("tags", item).strip()
        if len(tag) > MAX_TAG:
            raise InvalidPrompt(
                f"tags: each must be at most {MAX_TAG} characters (got {_quoted(tag)})"
            )
        if tag and tag not in tags:
            tags.append(tag)
    if len(tags) > MAX_TAGS:
        raise InvalidPrompt(f"tags: must be at most {MAX_TAGS} (got {len(tags)})")
    return tags


def _checked_favourite(value: Any) -> bool:
    if not isinstance(value, bool):
        raise InvalidPrompt(f"favourite: must be true or false (got {type(value).__name__})")
    return value
