"""The Flask application: status routes, the checks on every request, and the pages of pages.py."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, g, jsonify, render_template, request
from werkzeug.exceptions import HTTPException

from guard import is_own_host, is_same_origin
from pages import create_pages
from serving import MAX_REQUEST_BYTES
from settings import Settings
from store import Store, StoreError

log = logging.getLogger("promptbin")

_STATUS_OF = {
    "not_found": 404,
    "invalid": 400,
    "too_large": 413,
    "conflict": 409,
    "busy": 503,
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self';"
    " img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: with it browsers send "Origin: null" even from our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


def create_app(settings: Settings, store: Store, version: str) -> Flask:
    """Builds the application. Debug is off in every mode, whatever FLASK_DEBUG says."""
    here = Path(__file__).parent
    app = Flask("promptbin", root_path=str(here))
    app.debug = False
    app.config["MAX_CONTENT_LENGTH"] = MAX_REQUEST_BYTES
    app.jinja_env.globals["version"] = version
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    _add_status(app, settings, store, version)
    _add_checks(app, settings)
    _add_errors(app)
    app.register_blueprint(create_pages(store))
    return app


def _add_status(app: Flask, settings: Settings, store: Store, version: str) -> None:
    started = time.monotonic()

    @app.get("/health")
    def health() -> Response:
        return jsonify(
            status="healthy",
            uptime=round(time.monotonic() - started, 3),
            mode=settings.mode,
            version=version,
            prompts_count=store.count(),
            instance=settings.instance_id,
        )

    @app.get("/mcp-status")
    def mcp_status() -> Response:
        return jsonify(mode=settings.mode)


def _add_checks(app: Flask, settings: Settings) -> None:
    @app.before_request
    def check() -> None:
        g.started = time.monotonic()
        log.debug("request %s %s", request.method, request.path)
        host = request.environ.get("HTTP_HOST")
        if not is_own_host(host, settings.host):
            abort(403, "This address is not one that PromptBin answers to.")
        if request.method not in ("GET", "HEAD", "OPTIONS"):
            headers = request.headers
            if not is_same_origin(headers.get("Origin"), headers.get("Sec-Fetch-Site"), host):
                abort(403, "This request comes from a page that is not PromptBin's.")

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.endpoint != "static":
            response.headers.setdefault("Cache-Control", "no-store")
        took_ms = (time.monotonic() - g.get("started", time.monotonic())) * 1000
        log.debug(
            "answer %s %s: %d, %.1f ms",
            request.method,
            request.path,
            response.status_code,
            took_ms,
        )
        return response


def _add_errors(app: Flask) -> None:
    @app.errorhandler(StoreError)
    def store_error(error: StoreError) -> Any:
        status = _STATUS_OF.get(error.code, 500)
        if status == 500:
            log.error("%s", error)
        headers = {"Retry-After": "1"} if status == 503 else {}
        return render_template("error.html", status=status, text=str(error)), status, headers

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Any:
        if error.code is None or error.code < 400:
            return error
        page = render_template("error.html", status=error.code, text=error.description)
        response = error.get_response()
        response.data = page
        response.content_type = "text/html; charset=utf-8"
        return response
