"""Refusals that are no domain error, in the same envelope."""

from typing import NoReturn

from flask import Response, abort, jsonify

from portal.web.errors import envelope


def refuse(status: int, code: str, message: str) -> NoReturn:
    """End the request with this status and the envelope."""
    abort(refusal(status, code, message))


def refusal(status: int, code: str, message: str, *, details: dict[str, str] | None = None) -> Response:
    extra = {} if details is None else {"details": details}
    response = jsonify(envelope(code, message, **extra))
    response.status_code = status
    if status == 401:
        response.headers["WWW-Authenticate"] = 'Bearer realm="portal"'
    return response
