"""The pages: list and search, view, create, edit, delete."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, redirect, render_template, request, url_for
from werkzeug.datastructures import MultiDict

from prompt_file import Prompt
from store import Store, StoreError

PER_PAGE = 50
_FORM_ERRORS = {"invalid": 400, "too_large": 413}


@dataclass(frozen=True)
class Form:
    """What the create and edit pages show and send back."""

    title: str = ""
    category: str = ""
    description: str = ""
    tags: str = ""
    content: str = ""
    favourite: bool = False
    updated_at: str = ""

    @staticmethod
    def of_prompt(prompt: Prompt) -> Form:
        return Form(
            prompt.title,
            prompt.category,
            prompt.description,
            ", ".join(prompt.tags),
            prompt.content,
            prompt.favourite,
            prompt.updated_at,
        )

    @staticmethod
    def of_request(values: MultiDict[str, str]) -> Form:
        """Reads a sent form. Browsers send lines that end in CR LF; LF alone is stored."""

        def text(name: str) -> str:
            return _unix(values.get(name, ""))

        return Form(
            text("title"),
            text("category"),
            text("description"),
            text("tags"),
            text("content"),
            "favourite" in values,
            text("updated_at"),
        )

    def values(self) -> dict[str, Any]:
        return {
            "title": self.title,
            "category": self.category,
            "description": self.description,
            "tags": self.tags.split(","),
            "content": self.content,
            "favourite": self.favourite,
        }

    def changes(self, stored: Form) -> dict[str, Any]:
        """What differs. So a tag with a comma or a CR in a text survives an edit beside it."""
        return {
            name: value
            for name, value in self.values().items()
            if getattr(self, name) != _unix(getattr(stored, name))
        }


def create_pages(store: Store) -> Blueprint:
    """The routes of all pages of one store."""
    pages = Blueprint("pages", __name__)
    _add_reading(pages, store)
    _add_creating(pages, store)
    _add_editing(pages, store)
    _add_deleting(pages, store)
    return pages


def _add_reading(pages: Blueprint, store: Store) -> None:
    @pages.get("/")
    @pages.get("/search", endpoint="search")
    def index() -> str:
        query = request.args.get("q", "")
        category = request.args.get("category", "")
        tag = request.args.get("tag", "")
        listing = store.search(query, category or None)
        found = [p for p in listing.prompts if not tag or tag in p.tags]
        last = max(1, -(-len(found) // PER_PAGE))
        page = min(max(request.args.get("page", 1, type=int), 1), last)
        return render_template(
            "list.html",
            prompts=found[(page - 1) * PER_PAGE : page * PER_PAGE],
            found=len(found),
            broken=listing.broken,
            categories=store.categories(),
            shown={"q": query, "category": category, "tag": tag},
            page=page,
            last=last,
        )

    @pages.get("/prompts/<prompt_id>")
    def view(prompt_id: str) -> str:
        return render_template("view.html", prompt=store.get(prompt_id))


def _add_creating(pages: Blueprint, store: Store) -> None:
    def page(form: Form, error: str = "") -> str:
        return render_template(
            "edit.html", form=form, error=error, prompt=None, categories=store.categories()
        )

    @pages.get("/prompts/new")
    def new() -> str:
        return page(Form(category=request.args.get("category", "")))

    @pages.post("/prompts")
    def create() -> Any:
        form = Form.of_request(request.form)
        values = form.values()
        if not form.favourite:
            del values["favourite"]
        try:
            prompt = store.create(values)
        except StoreError as error:
            if error.code not in _FORM_ERRORS:
                raise
            return page(form, str(error)), _FORM_ERRORS[error.code]
        return redirect(url_for("pages.view", prompt_id=prompt.id), 303)


def _add_editing(pages: Blueprint, store: Store) -> None:
    def page(prompt_id: str, form: Form, error: str = "") -> str:
        return render_template(
            "edit.html", form=form, error=error, prompt=prompt_id, categories=store.categories()
        )

    @pages.get("/prompts/<prompt_id>/edit")
    def edit(prompt_id: str) -> str:
        return page(prompt_id, Form.of_prompt(store.get(prompt_id)))

    @pages.post("/prompts/<prompt_id>")
    def update(prompt_id: str) -> Any:
        form = Form.of_request(request.form)
        expected = _expected()
        try:
            changes = form.changes(Form.of_prompt(store.get(prompt_id)))
            if changes:
                store.update(prompt_id, changes, expected)
        except StoreError as error:
            if error.code == "conflict":
                return _conflict(store, prompt_id, form)
            if error.code not in _FORM_ERRORS:
                raise
            return page(prompt_id, form, str(error)), _FORM_ERRORS[error.code]
        return redirect(url_for("pages.view", prompt_id=prompt_id), 303)

    @pages.post("/prompts/<prompt_id>/favourite")
    def favourite(prompt_id: str) -> Any:
        store.update(prompt_id, {"favourite": request.form.get("favourite") == "1"})
        return redirect(url_for("pages.view", prompt_id=prompt_id), 303)


def _add_deleting(pages: Blueprint, store: Store) -> None:
    @pages.get("/prompts/<prompt_id>/delete")
    def confirm_delete(prompt_id: str) -> str:
        return render_template("delete.html", prompt=store.get(prompt_id))

    @pages.post("/prompts/<prompt_id>/delete")
    def delete(prompt_id: str) -> Any:
        try:
            store.delete(prompt_id, _expected())
        except StoreError as error:
            if error.code != "conflict":
                raise
            return _conflict(store, prompt_id, None)
        return redirect(url_for("pages.index"), 303)


def _expected() -> str:
    """The updated_at that a form was made from; a form without one can't be trusted to be new."""
    if "updated_at" not in request.form:
        abort(400, "The form does not say which version it was made from (updated_at).")
    return request.form["updated_at"]


def _conflict(store: Store, prompt_id: str, form: Form | None) -> Any:
    """Both versions, and the choice: nothing has been written. `form` is None for a delete."""
    page = render_template(
        "conflict.html",
        current=store.get(prompt_id),
        form=form,
        categories=store.categories(),
    )
    return page, 409


def _unix(text: Any) -> Any:
    return text.replace("\r\n", "\n").replace("\r", "\n") if isinstance(text, str) else text
