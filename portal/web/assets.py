"""Styles and scripts, served by the portal itself under addresses that change with their content."""

from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, send_from_directory, url_for
from flask.typing import ResponseReturnValue, RouteCallable

from portal.web.access import public

HTMX_FOLDER = str(resources.files("js_lib_htmx") / "static" / "htmx")
HTMX_FILE = "htmx.min.js"
LENGTH_OF_HASH = 12

bp = Blueprint("assets", __name__, url_prefix="/assets")


def register(app: Flask) -> None:
    app.register_blueprint(bp)
    app.add_template_global(asset)
    app.add_template_global(htmx_asset)
    for endpoint in ("static", "bootstrap.static"):
        app.view_functions[endpoint] = _open_to_all(app, app.view_functions[endpoint])


@bp.get("/" + HTMX_FILE)
@public
def htmx() -> Response:
    return send_from_directory(HTMX_FOLDER, HTMX_FILE)


def asset(filename: str) -> str:
    """The address of a file under `static/`; browsers may keep what it answers for good."""
    return url_for("static", filename=filename, v=_content_hash(Path(current_app.static_folder or "") / filename))


def htmx_asset() -> str:
    return url_for("assets.htmx", v=_content_hash(Path(HTMX_FOLDER) / HTMX_FILE))


def _open_to_all(app: Flask, serve: RouteCallable) -> RouteCallable:
    @public
    def file(filename: str) -> ResponseReturnValue:
        answer: ResponseReturnValue = app.ensure_sync(serve)(filename=filename)
        return answer

    return file


def _content_hash(path: Path) -> str:
    return _hash_at(path, path.stat().st_mtime_ns)


@cache
def _hash_at(path: Path, changed_at: int) -> str:
    return sha256(path.read_bytes()).hexdigest()[:LENGTH_OF_HASH]
