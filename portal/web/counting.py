"""Counts every answer by its class, and sees to it that this process's counts are written down."""

from flask import Flask, Response, current_app, request

from portal import counters
from portal.counters import Counted
from portal.monitor import flusher

BY_CLASS = {2: Counted.HTTP_2XX, 3: Counted.HTTP_3XX, 4: Counted.HTTP_4XX, 5: Counted.HTTP_5XX}
DENIED = (401, 403)
THROTTLED = 429
# Asked by whoever watches the portal, again and again: how often that is says nothing about the portal. `/ready` says
# by its 503 what other metrics measure.
OF_WATCHERS = ("api_health.alive", "api_health.ready", "metrics.show")


def register(app: Flask) -> None:
    app.before_request(see_to_flusher)
    app.after_request(count)


def see_to_flusher() -> None:
    """With the first request, so that it is in the process that answers, and not in one that forks those."""
    if not current_app.testing:
        flusher.start(current_app.app_context)


def count(response: Response) -> Response:
    status = response.status_code
    if request.endpoint in OF_WATCHERS:
        return response
    counters.count(Counted.HTTP_REQUESTS)
    if (of_class := BY_CLASS.get(status // 100)) is not None:
        counters.count(of_class)
    if status in DENIED:
        counters.count(Counted.HTTP_DENIED)
    if status == THROTTLED:
        counters.count(Counted.HTTP_429)
    return response
