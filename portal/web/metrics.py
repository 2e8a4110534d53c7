"""What Prometheus reads, with a token of its own and without a session. The page for people is `/operator/metrics`."""

from flask import Blueprint, Response, abort, request
from werkzeug.datastructures import WWWAuthenticate
from werkzeug.exceptions import Unauthorized

from portal.extensions import parts
from portal.monitor import exposition
from portal.secrets import fingerprint, matches
from portal.web.access import public

bp = Blueprint("metrics", __name__)


@bp.get("/metrics")
@public
def show() -> Response:
    expected = parts.config.metrics_token
    if not expected:
        abort(404)
    if not matches(_given(), fingerprint(expected)):
        raise Unauthorized(www_authenticate=WWWAuthenticate("bearer"))
    return Response(exposition.expose(), content_type=exposition.CONTENT_TYPE)


def _given() -> str:
    given = request.authorization
    return given.token or "" if given is not None and given.type == "bearer" else ""
