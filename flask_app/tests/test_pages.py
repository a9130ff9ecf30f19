"""The status routes, the checks on requests, and the pages, without a process."""

from __future__ import annotations

import html
import re
from typing import Any

import pytest
from conftest import REAL_PROMPTS, settings

from store import Store
from web import create_app

FORM = {"title": "T", "category": "coding", "description": "", "tags": "a, b", "content": "C"}


def make(store: Store, **values: Any) -> Any:
    return store.create({"title": "T", "content": "C", "category": "coding", **values})


def text(response: Any) -> str:
    return html.unescape(response.get_data(as_text=True))


def found(response: Any) -> int:
    match = re.search(r'<span id="found">(\d+)<', response.get_data(as_text=True))
    assert match is not None
    return int(match.group(1))


def test_health_says_what_runs(store: Store) -> None:
    make(store)
    managed = settings(store.root, mode="mcp-managed", instance_id="n1")
    answer = create_app(managed, store, "1.2.3").test_client().get("/health")
    body = answer.get_json()
    uptime = body.pop("uptime")
    assert isinstance(uptime, float) and 0 <= uptime < 10
    assert answer.status_code == 200 and answer.content_type == "application/json"
    assert body == {
        "status": "healthy",
        "mode": "mcp-managed",
        "version": "1.2.3",
        "prompts_count": 1,
        "instance": "n1",
    }


def test_health_without_an_instance_says_null(client: Any) -> None:
    body = client.get("/health").get_json()
    assert (body["instance"], body["mode"], body["prompts_count"]) == (None, "standalone", 0)


@pytest.mark.parametrize("mode", ["mcp-managed", "standalone"])
def test_mcp_status_says_the_mode(store: Store, mode: str) -> None:
    client = create_app(settings(store.root, mode=mode), store, "1").test_client()
    assert client.get("/mcp-status").get_json() == {"mode": mode}


@pytest.mark.parametrize("mode", ["mcp-managed", "standalone"])
def test_debug_is_off_whatever_the_environment_says(
    store: Store, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASK_DEBUG", "1")
    app = create_app(settings(store.root, mode=mode), store, "1")
    assert app.debug is False


def test_the_533_real_prompts_are_shown_in_pages() -> None:
    store = Store(REAL_PROMPTS)
    client = create_app(settings(REAL_PROMPTS), store, "1").test_client()
    assert client.get("/health").get_json()["prompts_count"] == 533
    seen: list[str] = []
    for page in range(1, 12):
        answer = client.get(f"/?page={page}")
        assert found(answer) == 533
        seen += re.findall(r'data-id="([^"]+)"', text(answer))
    assert seen == [prompt.id for prompt in store.search().prompts]
    assert found(client.get("/?category=coding")) == 62
    assert found(client.get("/search?q=**")) == 533
    for prompt_id in seen[:20]:
        assert client.get(f"/prompts/{prompt_id}").status_code == 200


def test_search_category_and_tag_narrow_the_list(client: Any, store: Store) -> None:
    make(store, title="Alpha", tags=["x"])
    make(store, title="Beta", category="writing", tags=["x", "y"])
    assert found(client.get("/")) == 2
    assert found(client.get("/search?q=ALPHA")) == 1
    assert found(client.get("/?category=writing")) == 1
    assert found(client.get("/?tag=y")) == 1
    assert found(client.get("/?q=alpha&tag=y")) == 0
    assert found(client.get("/?page=999")) == 2
    assert found(client.get("/?page=x")) == 2


def test_the_newest_come_first(client: Any, store: Store) -> None:
    first, second = make(store, title="First"), make(store, title="Second")
    ids = lambda: re.findall(r'data-id="([^"]+)"', text(client.get("/")))  # noqa: E731
    assert ids() == [second.id, first.id]
    store.update(first.id, {"title": "Newest"})
    assert ids() == [first.id, second.id]


def test_whatever_is_stored_is_escaped(client: Any, store: Store) -> None:
    evil = "<script>alert('1')</script>\"&"
    made = make(store, title=evil, content=evil, description=evil, tags=[evil], category="<u>")
    (store.root / "coding" / "<i>.json").write_text("x")
    pages = ["/", f"/?q={evil}&tag={evil}", "/prompts/new"]
    pages += [f"/prompts/{made.id}{rest}" for rest in ("", "/edit", "/delete")]
    for page in pages:
        body = client.get(page).get_data(as_text=True)
        assert "alert(" in body or page == "/prompts/new"
        assert "<script>" not in body and "<u>" not in body and "<i>" not in body


def test_a_broken_file_is_named_on_the_list(client: Any, store: Store) -> None:
    make(store)
    (store.root / "coding" / "bad.json").write_text("{")
    answer = client.get("/")
    assert found(answer) == 1 and "coding/bad.json" in text(answer)
    assert client.get("/health").get_json()["prompts_count"] == 1
    assert client.get("/prompts/bad").status_code == 500


def test_a_prompt_is_created_and_shown(client: Any, store: Store) -> None:
    answer = client.post("/prompts", data={**FORM, "content": "one\r\ntwo", "favourite": "1"})
    assert answer.status_code == 303
    (prompt,) = store.search().prompts
    assert answer.headers["Location"] == f"/prompts/{prompt.id}"
    assert (prompt.content, prompt.tags, prompt.favourite) == ("one\ntwo", ["a", "b"], True)
    assert "one\ntwo" in text(client.get(answer.headers["Location"]))


def test_a_new_prompt_has_no_member_that_was_not_asked_for(client: Any, store: Store) -> None:
    client.post("/prompts", data=FORM)
    assert "favourite" not in store.search().prompts[0].members


@pytest.mark.parametrize(
    ("wrong", "status"),
    [
        ({"title": " "}, 400),
        ({"category": "../x"}, 400),
        ({"content": ""}, 400),
        ({"content": "a" * (1024 * 1024 + 1)}, 413),
    ],
)
def test_a_refused_form_comes_back_with_the_reason(
    client: Any, store: Store, wrong: dict[str, str], status: int
) -> None:
    answer = client.post("/prompts", data={**FORM, "description": "keep me", **wrong})
    assert answer.status_code == status
    assert f"{next(iter(wrong))}: must" in text(answer) and "keep me" in text(answer)
    assert store.count() == 0
    made = make(store)
    edit = {**FORM, "description": "keep me", "updated_at": made.updated_at, **wrong}
    answer = client.post(f"/prompts/{made.id}", data=edit)
    assert answer.status_code == status and "keep me" in text(answer)
    assert made.updated_at in text(answer)
    assert store.get(made.id).updated_at == made.updated_at


def test_an_edit_changes_what_differs_and_nothing_else(client: Any, store: Store) -> None:
    made = make(store, content="\n a\r\nb", tags=["one, two"], description="D")
    page = text(client.get(f"/prompts/{made.id}/edit"))
    assert "<textarea name=\"content\" rows=\"18\" required>\n\n a" in page
    form = {**FORM, "description": "D", "tags": "one, two", "content": "\r\n a\r\nb"}
    answer = client.post(
        f"/prompts/{made.id}", data={**form, "title": "New", "updated_at": made.updated_at}
    )
    assert answer.status_code == 303
    changed = store.get(made.id)
    assert (changed.title, changed.content, changed.tags) == ("New", "\n a\r\nb", ["one, two"])
    assert "favourite" not in changed.members


def test_a_form_saved_unchanged_makes_no_version(client: Any, store: Store) -> None:
    made = make(store, tags=["a", "b"])
    answer = client.post(f"/prompts/{made.id}", data={**FORM, "updated_at": made.updated_at})
    assert answer.status_code == 303
    assert store.get(made.id).updated_at == made.updated_at


def test_an_edit_of_an_old_version_shows_both(client: Any, store: Store) -> None:
    made = make(store)
    theirs = store.update(made.id, {"content": "theirs"})
    form = {**FORM, "content": "mine", "updated_at": made.updated_at}
    answer = client.post(f"/prompts/{made.id}", data=form)
    assert answer.status_code == 409
    assert "theirs" in text(answer) and "mine" in text(answer)
    assert f'name="updated_at" value="{theirs.updated_at}"' in text(answer)
    assert store.get(made.id).content == "theirs"
    answer = client.post(f"/prompts/{made.id}", data={**form, "updated_at": theirs.updated_at})
    assert answer.status_code == 303 and store.get(made.id).content == "mine"


def test_a_deletion_needs_the_version_that_was_seen(client: Any, store: Store) -> None:
    made = make(store)
    assert client.post(f"/prompts/{made.id}/delete").status_code == 400
    theirs = store.update(made.id, {"content": "theirs"})
    answer = client.post(f"/prompts/{made.id}/delete", data={"updated_at": made.updated_at})
    assert answer.status_code == 409 and "theirs" in text(answer)
    assert f'value="{theirs.updated_at}"' in text(client.get(f"/prompts/{made.id}/delete"))
    answer = client.post(f"/prompts/{made.id}/delete", data={"updated_at": theirs.updated_at})
    assert answer.status_code == 303 and store.count() == 0
    assert client.get(f"/prompts/{made.id}").status_code == 404


def test_an_edit_of_a_deleted_prompt_is_told_so(client: Any, store: Store) -> None:
    made = make(store)
    store.delete(made.id)
    answer = client.post(f"/prompts/{made.id}", data={**FORM, "updated_at": made.updated_at})
    assert answer.status_code == 404 and made.id in text(answer)


def test_a_favourite_is_set_and_taken_back(client: Any, store: Store) -> None:
    made = make(store)
    for value, expected in (("1", True), ("0", False)):
        answer = client.post(f"/prompts/{made.id}/favourite", data={"favourite": value})
        assert answer.status_code == 303 and store.get(made.id).favourite is expected


@pytest.mark.parametrize(
    "path",
    ["/nope", "/prompts/unknown", "/prompts/..%2f..%2fetc", "/prompts/%00", "/static/../app.py"],
)
def test_unknown_addresses_are_not_found(client: Any, path: str) -> None:
    assert client.get(path).status_code == 404


def test_a_get_never_deletes(client: Any, store: Store) -> None:
    made = make(store)
    assert client.get(f"/prompts/{made.id}/delete").status_code == 200
    assert store.count() == 1


def test_a_failure_shows_no_inner_part(
    client: Any, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr(store, "search", fail)
    answer = client.get("/")
    assert answer.status_code == 500 and "secret detail" not in text(answer)


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"Origin": "http://localhost"}, True),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}, True),
        ({"Sec-Fetch-Site": "none"}, True),
        ({"Origin": "http://localhost:8000"}, False),
        ({"Origin": "https://localhost"}, False),
        ({"Origin": "http://evil.example"}, False),
        ({"Origin": "null"}, False),
        ({"Sec-Fetch-Site": "cross-site"}, False),
        ({"Sec-Fetch-Site": "same-site"}, False),
        ({"Origin": "http://localhost", "Sec-Fetch-Site": "cross-site"}, False),
    ],
)
def test_only_our_own_pages_may_change_something(
    client: Any, store: Store, headers: dict[str, str], allowed: bool
) -> None:
    made = make(store)
    answer = client.post(
        f"/prompts/{made.id}/delete", data={"updated_at": made.updated_at}, headers=headers
    )
    assert answer.status_code == (303 if allowed else 403)
    assert store.count() == (0 if allowed else 1)


@pytest.mark.parametrize(
    ("configured", "host", "allowed"),
    [
        ("127.0.0.1", "127.0.0.1:5000", True),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "LocalHost:1", True),
        ("127.0.0.1", "[::1]:5000", True),
        ("127.0.0.1", "evil.example", False),
        ("127.0.0.1", "evil.example:5000", False),
        ("127.0.0.1", "127.0.0.1.evil.example", False),
        ("127.0.0.1", "192.168.1.2", False),
        ("127.0.0.1", "user@evil.example", False),
        ("127.0.0.1", "[bad", False),
        ("127.0.0.1", "", False),
        ("My.Host", "my.host:5000", True),
        ("0.0.0.0", "192.168.1.2:5000", True),
        ("0.0.0.0", "evil.example", False),
    ],
)
def test_only_names_of_this_machine_are_answered(
    store: Store, configured: str, host: str, allowed: bool
) -> None:
    app = create_app(settings(store.root, host=configured), store, "1")
    client = app.test_client(use_cookies=False)  # Its cookie jar can't parse every Host.
    for path in ("/", "/health", "/static/style.css"):
        answer = client.get(path, environ_overrides={"HTTP_HOST": host})
        assert answer.status_code == (200 if allowed else 403)


def test_pages_carry_their_protection(client: Any, store: Store) -> None:
    make(store)
    for path in ("/", "/health", "/nope", "/prompts/new"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["Content-Security-Policy"]
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Cache-Control"] == "no-store"


def test_pages_refer_to_nothing_outside(client: Any, store: Store) -> None:
    made = make(store)
    for path in ("/", "/prompts/new", f"/prompts/{made.id}", f"/prompts/{made.id}/edit"):
        body = client.get(path).get_data(as_text=True)
        assert not re.findall(r'(?:href|src|action)="(?!/)', body)
        for asset in re.findall(r'(?:href|src)="(/static/[^"]+)"', body):
            assert client.get(asset).status_code == 200


def test_a_busy_store_says_try_again(client: Any, store: Store) -> None:
    import fcntl

    made = make(store)
    with open(store.root / ".lock") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        answer = client.post(f"/prompts/{made.id}/favourite", data={"favourite": "1"})
    assert answer.status_code == 503 and answer.headers["Retry-After"] == "1"
