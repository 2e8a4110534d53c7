"""One URL answers a whole page or, for htmx, the part of it that changes."""

from hashlib import sha256

from flask import Response, make_response, render_template
from htmx_flask import request

HTMX_HEADERS = ("HX-Request", "HX-Boosted", "HX-History-Restore-Request")


def render(page: str, *, fragment: str | None = None, status: int = 200, **context: object) -> Response:
    """Render the fragment for an htmx request, the page for everybody else; both from the same context."""
    template = fragment if fragment and wants_part() else page
    response = make_response(render_template(template, **context), status)
    # htmx-flask 0.1.0 sets no Vary: without it the back button would show a bare fragment.
    response.vary.update(HTMX_HEADERS)
    return response


def render_news(page: str, *, fragment: str, news: object, status: int = 200, **context: object) -> Response:
    """As `render`, but a poll that has seen these news already gets 204: nothing moves, nothing is drawn.

    `news` is all that the fragment's look depends on; its hash goes into the fragment as `seen`.
    """
    if is_seen(news):
        return Response(status=204)
    return render(page, fragment=fragment, status=status, seen=seen_mark(news), **context)


def is_seen(news: object) -> bool:
    """Whether this is a poll of somebody who has seen these news already."""
    return wants_part() and request.args.get("seen") == seen_mark(news)


def seen_mark(news: object) -> str:
    """What a fragment says of the news that it shows."""
    return sha256(repr(news).encode()).hexdigest()[:16]


def wants_part() -> bool:
    """Whether htmx asks for the part only, and not for a page by a boosted link or its history."""
    htmx = request.htmx
    return bool(htmx) and not htmx.boosted and not htmx.history_restore_request
