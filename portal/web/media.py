"""The files of messages: shown or played in the thread, or saved."""

from io import BytesIO
from uuid import UUID

from flask import Blueprint, Response, g, request, send_file
from flask.typing import ResponseReturnValue

from portal.models import Media, MessageKind
from portal.permissions import Permission
from portal.queries import media as queries
from portal.web.access import requires

bp = Blueprint("media", __name__)

# Somebody else made it: opened on its own it loads nothing and runs nothing.
POLICY = "default-src 'none'; sandbox"
# A file never changes. Whoever asks needs the permission, so nothing between us and the browser may keep it.
CACHING = "private, max-age=86400, immutable"
SHOWN_IN_PLACE = (MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.AUDIO)


@bp.get("/media/<uuid:message_id>")
@requires(Permission.READ_MESSAGES)
def show(message_id: UUID) -> ResponseReturnValue:
    media = queries.get_media(g.scope, message_id)
    # Asked before the content is read, which may be 16 MiB.
    is_known = request.if_none_match.contains(media.sha256) and request.range is None
    response = Response(status=304) if is_known else _file(media)
    response.set_etag(media.sha256)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = CACHING
    return response


def _file(media: Media) -> Response:
    return send_file(
        BytesIO(queries.read_content(g.scope, media)),
        mimetype=media.mime_type,
        as_attachment=media.kind not in SHOWN_IN_PLACE,
        download_name=media.file_name,
        etag=media.sha256,
    )
