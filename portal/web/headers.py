"""What every answer carries: a strict content security policy, a request id, and one log line."""

import time
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

from portal import tenancy
from portal.extensions import parts

log = structlog.get_logger(__name__)

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        # Bootstrap draws some icons as data: images, and so do we with the QR code.
        "img-src 'self' data:",
        "media-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

FILES = ("static", "bootstrap.static", "assets.htmx")
# The address carries a hash of the content.
FOR_GOOD = "public, max-age=31536000, immutable"


def register(app: Flask) -> None:
    app.before_request(_begin)
    app.after_request(_secure)
    app.after_request(_log)
    app.teardown_request(_leave_tenant)


def _begin() -> None:
    g.began_at = time.monotonic()
    g.request_id = uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _secure(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if parts.config.is_production:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if request.endpoint not in FILES:
        response.headers.setdefault("Cache-Control", "no-store")
    elif "v" in request.args and response.status_code < 400:
        response.headers["Cache-Control"] = FOR_GOOD
    return response


def _log(response: Response) -> Response:
    # The endpoint instead of the path: paths of the webhook and the scan page hold secrets.
    took_ms = round((time.monotonic() - g.get("began_at", time.monotonic())) * 1000, 1)
    log.info("request", method=request.method, endpoint=request.endpoint, status=response.status_code, ms=took_ms)
    return response


def _leave_tenant(error: BaseException | None) -> None:
    tenancy.unbind()
