"""The route of Evolution that fetches the file of a stored message."""

import base64
import mimetypes
from collections.abc import Mapping
from typing import Any

from flask import Blueprint, Response, g

from local.evolution.contents import unwrapped
from local.evolution.errors import ApiError, to_response
from local.evolution.guards import loaded_only, not_in_memory, on_instance, parse_body, simulator
from local.evolution.model import Instance, Message
from local.evolution.settings import MediaFailure

blueprint = Blueprint("api_media", __name__)
blueprint.before_request(parse_body)

NOT_FOUND = "Message not found"
NO_FILE = "The message is not of the media type"
GONE = "AxiosError: Request failed with status code 410"


@blueprint.post("/chat/getBase64FromMediaMessage/<name>")
@on_instance
@loaded_only(lambda _: not_in_memory("getBase64FromMediaMessage"))
def get_base64(instance: Instance) -> Response:
    given = g.body.get("message") or {}
    key_id = str((given.get("key") or {}).get("id"))
    failure = simulator().switches.media_failure
    message = instance.messages.get(key_id)
    if failure is MediaFailure.NOT_FOUND or (message is None and not given.get("message")):
        raise ApiError(400, [NOT_FOUND])
    content = message.message if message else given["message"]
    described = file_of(content)
    return to_response(file_json(key_id, unwrapped(content)[0], described, download(key_id, message)), 201)


def file_of(content: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give WhatsApp's description of the file or refuse a message without one."""
    _, described = unwrapped(content)
    if not isinstance(described, dict) or "mediaKey" not in described:
        raise ApiError(400, [NO_FILE])
    return described


def download(key_id: str, message: Message | None) -> bytes:
    """Fetch the file from WhatsApp: what was deleted or is too old is tried twice and not there."""
    content = simulator().store.files.get(key_id)
    is_failing = simulator().switches.media_failure is MediaFailure.DOWNLOAD
    if content is None or is_failing or (message and message.is_deleted):
        simulator().messages.pause(simulator().switches.media_retry_s)
        raise ApiError(400, [GONE])
    return content


def file_json(key_id: str, media_type: str, described: Mapping[str, Any], content: bytes) -> dict[str, object]:
    """Write a file with what is known of it."""
    style = simulator().switches.style
    mime_type = described["mimetype"]
    ending = (mimetypes.guess_extension(mime_type.split(";")[0]) or ".bin").replace(".jpg", ".jpeg")
    size = {name: described[name] for name in ("fileLength", "height", "width") if name in described}
    answer = {
        "mediaType": media_type,
        "fileName": described.get("fileName") or f"{key_id}{ending}",
        "caption": described.get("caption"),
        "size": style.content(size),
        "mimetype": mime_type,
        "base64": base64.b64encode(content).decode(),
        "buffer": None,
    }
    # What has no value is left out by the language Evolution is written in, except the buffer.
    return {name: value for name, value in answer.items() if value is not None or name == "buffer"}
