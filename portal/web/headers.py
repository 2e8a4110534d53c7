"""What every answer carries: a strict content security policy, a request id, and one log line. And whom we answer."""

import time
from urllib.parse import urlsplit
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request
from werkzeug.exceptions import BadRequest

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

# What no page of the portal needs, nor anything that might get into one.
UNUSED = (
    "accelerometer",
    "browsing-topics",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
    "midi",
    "payment",
    "publickey-credentials-get",
    "screen-wake-lock",
    "usb",
    "xr-spatial-tracking",
)
ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "Permissions-Policy": ", ".join(f"{feature}=()" for feature in UNUSED),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    # For browsers that do not know frame-ancestors.
    "X-Frame-Options": "DENY",
}
# Nothing of what a person saw stays in a browser that others use too. Cookies: the language stays, and signing out
# has emptied the rest.
LEFT_BEHIND = '"cache", "storage"'
# Arguments of addresses that let in whoever knows them.
SECRET_ARGUMENTS = frozenset({"token", "secret"})
# Platforms probe by names of their own. The webhook door looks at its secret, and no name may cost an event.
ANY_HOST = ("api_health.alive", "api_health.ready", "metrics.show", "webhooks.take")

# Somebody at the machine itself, or a proxy on it that passes on its own name for us: no browser elsewhere gets here
# by these.
LOOPBACK = ("localhost", "127.0.0.1", "::1")

FILES = ("static", "bootstrap.static", "assets.htmx", "assets.styles")
# The address carries a hash of the content.
FOR_GOOD = "public, max-age=31536000, immutable"


def register(app: Flask) -> None:
    app.before_request(begin)
    app.before_request(_refuse_foreign_host)
    app.after_request(secure)
    app.after_request(log_request)
    app.teardown_request(_leave_tenant)


def begin() -> None:
    g.began_at = time.monotonic()
    g.request_id = uuid4().hex
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _refuse_foreign_host() -> None:
    """In production there is one name, so that nothing is ever built from a name that somebody made up."""
    config = parts.config
    if not config.is_production or request.endpoint in ANY_HOST:
        return
    expected = _host_of(config.base_url)
    if request.host.lower() != expected and _name_of(request.host) not in LOOPBACK:
        log.warning("request for another host refused", host=request.host, expected=expected)
        raise BadRequest


def _host_of(base_url: str) -> str:
    """Without the port that goes without saying."""
    address = urlsplit(base_url)
    name = address.hostname or ""
    # As browsers write it in the header.
    name = f"[{name}]" if ":" in name else name.encode("idna").decode()
    is_usual = address.port in (None, {"http": 80, "https": 443}[address.scheme])
    return name if is_usual else f"{name}:{address.port}"


def _name_of(host: str) -> str:
    return urlsplit(f"//{host}").hostname or ""


def secure(response: Response) -> Response:
    response.headers.setdefault("Content-Security-Policy", POLICY)
    response.headers.update(ALWAYS)
    if _address_is_secret():
        response.headers.update({"Referrer-Policy": "no-referrer", "X-Robots-Tag": "noindex"})
    response.headers.setdefault("Referrer-Policy", "same-origin")
    response.headers["X-Request-Id"] = g.get("request_id", "")
    if parts.config.is_production:
        response.headers["Strict-Transport-Security"] = "max-age=31536000; includeSubDomains"
    if request.endpoint == "auth.sign_out":
        response.headers["Clear-Site-Data"] = LEFT_BEHIND
    if request.endpoint not in FILES:
        response.headers.setdefault("Cache-Control", "no-store")
    elif "v" in request.args and response.status_code < 400:
        response.headers["Cache-Control"] = FOR_GOOD
    return response


def _address_is_secret() -> bool:
    return request.url_rule is not None and not SECRET_ARGUMENTS.isdisjoint(request.url_rule.arguments)


def log_request(response: Response) -> Response:
    # The endpoint instead of the path: paths of the webhook and the scan page hold secrets.
    took_ms = round((time.monotonic() - g.get("began_at", time.monotonic())) * 1000, 1)
    log.info("request", method=request.method, endpoint=request.endpoint, status=response.status_code, ms=took_ms)
    return response


def _leave_tenant(error: BaseException | None) -> None:
    tenancy.unbind()
