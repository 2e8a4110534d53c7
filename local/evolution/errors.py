"""Errors in the envelopes of Evolution."""

import json
from http import HTTPStatus

from flask import Flask, Response, request
from werkzeug.exceptions import MethodNotAllowed, NotFound, RequestEntityTooLarge


class ApiError(Exception):
    """Stop a request with the usual envelope; `message` is a string, a list, or a list in a list."""

    def __init__(self, status: int, message: object, *, error: str | None = None) -> None:
        super().__init__(str(message))
        self.status = status
        self.body: object = {
            "status": status,
            "error": error or HTTPStatus(status).phrase,
            "response": {"message": message},
        }


class RawError(ApiError):
    """Stop a request with a body outside the envelope."""

    def __init__(self, status: int, body: object) -> None:
        super().__init__(status, "raw")
        self.body = body


def unauthorized() -> ApiError:
    """Refuse a missing or wrong key; the message is a plain string here."""
    return ApiError(401, "Unauthorized")


def crashed(message: str) -> ApiError:
    """Answer like an uncaught exception: 500 with a plain string."""
    return ApiError(500, message)


def to_response(body: object, status: int = 200) -> Response:
    """Write a JSON answer with its keys in the order given."""
    text = json.dumps(body, ensure_ascii=False, separators=(",", ":"))
    return Response(text, status=status, content_type="application/json; charset=utf-8")


def register_errors(app: Flask) -> None:
    """Give every refusal the shape a client of Evolution sees."""
    app.register_error_handler(ApiError, lambda error: to_response(error.body, error.status))
    app.register_error_handler(NotFound, _cannot_find)
    app.register_error_handler(MethodNotAllowed, _cannot_find)
    app.register_error_handler(RequestEntityTooLarge, _too_large)


def _cannot_find(_error: NotFound | MethodNotAllowed) -> Response:
    target = request.environ.get("RAW_URI") or request.full_path.rstrip("?")
    return to_response(ApiError(404, [f"Cannot {request.method} {target}"]).body, 404)


def _too_large(_error: RequestEntityTooLarge) -> Response:
    error = ApiError(413, "request entity too large", error="Internal Server Error")
    return to_response(error.body, 413)
