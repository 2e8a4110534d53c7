"""Where a page is, and where somebody came from: only ever within this portal."""

from urllib.parse import urlsplit

from flask import request


def own_path(url: str | None) -> str | None:
    """The path of an address of this portal; None for any other."""
    try:
        parts = urlsplit(url or "")
    except ValueError:
        return None
    # Browsers read a backslash as a slash, and two of them lead elsewhere.
    path = parts.path.replace("\\", "/")
    if parts.netloc != request.host or not path.startswith("/") or path.startswith("//"):
        return None
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def page_here() -> str:
    """The page that is looked at, to come back to it; after a form was refused, the one that it stands on."""
    if request.method == "GET":
        return request.full_path
    return own_path(request.referrer) or "/"
