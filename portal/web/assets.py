"""Styles and scripts, served by the portal itself under addresses that change with their content."""

from functools import cache
from hashlib import sha256
from importlib import resources
from pathlib import Path

from flask import Blueprint, Flask, Response, current_app, request, send_from_directory, url_for
from flask.typing import ResponseReturnValue, RouteCallable

from portal.web.access import public

HTMX_FOLDER = str(resources.files("js_lib_htmx") / "static" / "htmx")
HTMX_FILE = "htmx.min.js"
BOOTSTRAP = Path(str(resources.files("flask_bootstrap") / "static" / "bootstrap5" / "css" / "bootstrap.min.css"))
LENGTH_OF_HASH = 12
# Of the one style sheet of all pages, in this order: the first names the layers, and Bootstrap comes after it.
SHEETS = (
    "_layers",
    "tokens",
    "base",
    "layout",
    "button",
    "form",
    "status",
    "units",
    "connect",
    "inbox",
    "thread",
    "bubble_actions",
    "conversation",
    "media",
    "composer",
    "undelivered",
    "servers",
    "checks",
    "contacts",
    "imports",
    "consent",
    "templates",
    "campaign_run",
    "paces",
    "campaigns",
    "api_tokens",
    "members",
    "account",
    "webhooks",
    "audit",
    "diagnosis",
    "home",
    "utilities",
)

bp = Blueprint("assets", __name__, url_prefix="/assets")


def register(app: Flask) -> None:
    app.register_blueprint(bp)
    app.add_template_global(asset)
    app.add_template_global(htmx_asset)
    app.add_template_global(styles_asset)
    for endpoint in ("static", "bootstrap.static"):
        app.view_functions[endpoint] = _open_to_all(app, app.view_functions[endpoint])


@bp.get("/" + HTMX_FILE)
@public
def htmx() -> Response:
    return send_from_directory(HTMX_FOLDER, HTMX_FILE)


@bp.get("/portal.css")
@public
def styles() -> ResponseReturnValue:
    response = Response(_styles()[0], mimetype="text/css")
    response.add_etag()
    response.make_conditional(request)
    return response


def asset(filename: str) -> str:
    """The address of a file under `static/`; browsers may keep what it answers for good."""
    return url_for("static", filename=filename, v=_content_hash(Path(current_app.static_folder or "") / filename))


def htmx_asset() -> str:
    return url_for("assets.htmx", v=_content_hash(Path(HTMX_FOLDER) / HTMX_FILE))


def styles_asset() -> str:
    return url_for("assets.styles", v=_styles()[1])


def _styles() -> tuple[bytes, str]:
    """All sheets as one, and the hash of that."""
    folder = Path(current_app.static_folder or "") / "css"
    paths = tuple(folder / f"{name}.css" for name in SHEETS)
    return _joined(paths, tuple(path.stat().st_mtime_ns for path in paths))


@cache
def _joined(paths: tuple[Path, ...], changed_at: tuple[int, ...]) -> tuple[bytes, str]:
    first, *others = (path.read_bytes() for path in paths)
    content = b"\n".join((first, _bootstrap(), *others))
    return content, sha256(content).hexdigest()[:LENGTH_OF_HASH]


def _bootstrap() -> bytes:
    """Bootstrap in the lowest layer: here, since a sheet that this one imports would be asked for after it came."""
    # A file says its character set in its beginning only, and where it came from only matters to who makes it.
    content = BOOTSTRAP.read_bytes().removeprefix(b'@charset "UTF-8";').partition(b"/*# sourceMappingURL")[0]
    return b"@layer vendor {" + content + b"}"


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
