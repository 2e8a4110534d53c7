"""What is dangerous asks who it is, unless the person showed it a moment ago: a browser left open does no harm."""

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import ParamSpec
from urllib.parse import urlsplit

from flask import redirect, request, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user

from portal.clock import now

P = ParamSpec("P")

CONFIRMED_FOR = timedelta(minutes=15)


def confirmed(view: Callable[P, ResponseReturnValue]) -> Callable[P, ResponseReturnValue]:
    """Only whoever gave their password lately; everybody else is asked for it, and led back to the page they were on.

    Stands below `@requires`, on the page that asks before something dangerous as well as on what does it.
    """

    @wraps(view)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> ResponseReturnValue:
        if now() - current_user.session.confirmed_at < CONFIRMED_FOR:
            return view(*args, **kwargs)
        return redirect(url_for("auth.confirm_page", next=_page()), code=303)

    return guarded


def _page() -> str | None:
    """A form that comes too late was filled in on the page that sent it."""
    if request.method == "GET":
        return request.full_path.rstrip("?")
    return urlsplit(request.referrer).path if request.referrer else None
