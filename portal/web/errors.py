"""Every refusal becomes one answer here: a page for people (`error_pages`), an envelope for programs."""

from http import HTTPStatus

import structlog
from flask import Flask, Response, jsonify, request
from flask.typing import ResponseReturnValue
from flask_babel import force_locale
from flask_babel import gettext as _
from flask_limiter import RateLimitExceeded
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

from portal.db import DATABASE_AWAY
from portal.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from portal.web import error_pages
from portal.web.language import locale_without_database

log = structlog.get_logger(__name__)

STATUS: dict[type[DomainError], int] = {NotFound: 404, Forbidden: 403, Conflict: 409, Invalid: 422}
A_MINUTE_S = 60
JSON_PATHS = (
    "/admin/",
    "/api/",
    "/units/",
    "/messages",
    "/conversations",
    "/contacts",
    "/webhooks/",
    "/health",
    "/ready",
    "/openapi",
)
CODES = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
    422: "invalid",
    429: "too_many_requests",
}
FAILURES = {500: "internal_error", 503: "unavailable"}


def register(app: Flask) -> None:
    app.register_error_handler(DomainError, _domain_error)
    app.register_error_handler(CSRFError, _csrf_error)
    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(Exception, _unexpected)


def wants_json() -> bool:
    if request.path.startswith(JSON_PATHS):
        return True
    accepted = request.accept_mimetypes
    return accepted.best_match(["text/html", "application/json"]) == "application/json"


def envelope(code: str, message: str, **details: object) -> dict[str, object]:
    return {"error": {"code": code, "message": message, **details}}


def _domain_error(error: DomainError) -> ResponseReturnValue:
    status = STATUS[type(error)]
    if not wants_json():
        return error_pages.refusal(status, error.code, None if isinstance(error, NotFound) else error.message)
    message = _sentence(status) if isinstance(error, NotFound) else error.message
    details = {"details": error.fields} if isinstance(error, Invalid) else {}
    return jsonify(envelope(error.code, message, **details)), status


def _csrf_error(error: CSRFError) -> ResponseReturnValue:
    if not wants_json():
        return error_pages.refusal(400, error_pages.FORM_EXPIRED)
    message = _("This form is too old. Reload the page and send it again.")
    return jsonify(envelope(error_pages.FORM_EXPIRED, message)), 400


def _http_error(error: HTTPException) -> ResponseReturnValue:
    status = error.code or 500
    if 300 <= status < 400:
        return error.get_response()
    if isinstance(error, InternalServerError):
        # Flask's own, around what went wrong while another refusal was being put into words.
        return _failed(error.original_exception or error)
    response = _refused(status, error)
    kept = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After", "WWW-Authenticate")}
    if status == HTTPStatus.TOO_MANY_REQUESTS:
        kept.setdefault("Retry-After", str(_wait_s(error)))
    response.headers.update(kept)
    return response


def _refused(status: int, error: HTTPException) -> Response:
    code, own_words = CODES.get(status, "error"), _own_words(error)
    if not wants_json():
        wait_s = _wait_s(error) if status == HTTPStatus.TOO_MANY_REQUESTS else None
        return error_pages.refusal(status, code, own_words, wait_s=wait_s)
    response = jsonify(envelope(code, own_words or _sentence(status)))
    response.status_code = status
    return response


def _own_words(error: HTTPException) -> str | None:
    """What a limit says by itself, where waiting a minute is not the answer."""
    has_own = isinstance(error, RateLimitExceeded) and error.limit.error_message
    return error.description if has_own else None


def _wait_s(error: HTTPException) -> int:
    return error.limit.limit.get_expiry() if isinstance(error, RateLimitExceeded) else A_MINUTE_S


def _unexpected(error: Exception) -> ResponseReturnValue:
    return _failed(error)


def _failed(error: BaseException) -> ResponseReturnValue:
    log.exception("request failed", method=request.method, endpoint=request.endpoint)
    status = 503 if isinstance(error, DATABASE_AWAY) else 500
    if not wants_json():
        return error_pages.failure(status)
    with force_locale(locale_without_database()):
        answer = jsonify(envelope(FAILURES[status], str(error_pages.TITLES[status])))
    answer.status_code = status
    if status == 503:
        answer.headers["Retry-After"] = str(error_pages.TRY_AGAIN_AFTER_S)
    return answer


def _sentence(status: int) -> str:
    sentences = {
        400: _("The request could not be understood. Go back and try again."),
        401: _("Sign in first."),
        403: _("You may not do this."),
        404: _("There is nothing here, or not for you."),
        405: _("This address does not take that kind of request."),
        413: _("That is too large. Send less at once."),
        415: _("Send this as JSON."),
        429: _("Too many attempts. Wait a minute, then try again."),
    }
    return str(sentences.get(status, _("Something went wrong on our side. It was noted; try again in a moment.")))
