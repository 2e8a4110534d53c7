"""The one door for Evolution's webhooks. It never redirects: Evolution would follow with a GET and lose the event."""

import structlog
from flask import Blueprint, jsonify, request
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _
from werkzeug.exceptions import RequestEntityTooLarge

from portal import counters
from portal.counters import Counted
from portal.db import STORAGE_DOWN
from portal.extensions import csrf
from portal.inbox import receive
from portal.inbox.receive import Malformed, Reception
from portal.web.access import public
from portal.web.errors import envelope

log = structlog.get_logger(__name__)
bp = Blueprint("webhooks", __name__, url_prefix="/webhooks/whatsapp")
csrf.exempt(bp)

PROVIDER = "evolution"
BEARER = "Bearer "
COUNTED = {
    Reception.STORED: Counted.WEBHOOKS_STORED,
    Reception.UNKNOWN_INSTANCE: Counted.UNKNOWN_INSTANCES,
    Reception.REFUSED: Counted.WEBHOOKS_REFUSED,
}


def keep_slashes(state: BlueprintSetupState) -> None:
    # Evolution doubles the slash of an address that ends in one (contract §4.3), and Werkzeug would redirect that.
    state.app.url_map.merge_slashes = False


bp.record_once(keep_slashes)


@bp.post("/<provider>/<secret>", strict_slashes=False)
@bp.post("/<provider>/<secret>/<event>", strict_slashes=False)
@bp.post("/<provider>/<secret>//<event>", strict_slashes=False)
@public
def take(provider: str, secret: str, event: str | None = None) -> ResponseReturnValue:
    if provider != PROVIDER:
        return _refusal(400, "unknown_provider", _("Only webhooks of Evolution API are taken here."))
    try:
        reception = receive.receive(secret, _bearer(), _body(secret))
    except (Malformed, RequestEntityTooLarge) as e:
        return _refusal(400, "malformed", str(e))
    except STORAGE_DOWN:
        log.exception("webhook not stored")
        return _refusal(503, "not_stored", _("The event could not be stored. Send it again."))
    return _answer(reception)


def _answer(reception: Reception) -> ResponseReturnValue:
    counters.count(COUNTED[reception])
    if reception is Reception.REFUSED:
        return _refusal(401, "unauthorized", _("The secret or the signature is wrong."))
    if reception is Reception.UNKNOWN_INSTANCE:
        return jsonify({"warning": "unknown_instance"})
    return jsonify({"status": "stored"})


def _body(secret: str) -> bytes:
    """The raw body. Never 413: Evolution would send the same body ten times (contract §10.2)."""
    if not request.is_json:
        raise Malformed("the body must be sent as application/json")
    request.max_content_length = receive.LARGEST_BODY_OF_A_STRANGER
    if request.content_length is None or request.content_length > receive.LARGEST_BODY_OF_A_STRANGER:
        request.max_content_length = receive.largest_body(secret)
    return request.get_data(cache=False)


def _bearer() -> str | None:
    header = request.headers.get("Authorization", "")
    return header.removeprefix(BEARER) if header.startswith(BEARER) else None


def _refusal(status: int, code: str, message: str) -> ResponseReturnValue:
    return jsonify(envelope(code, message)), status
