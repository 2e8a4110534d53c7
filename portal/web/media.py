"""The files of messages: fetched when somebody wants to see them, shown or played in the thread, or saved."""

from hashlib import sha256
from io import BytesIO
from uuid import UUID

from flask import Blueprint, Response, g, redirect, request, send_file, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _

from portal.errors import NotFound
from portal.models import Media, MediaState, MessageKind
from portal.permissions import Permission
from portal.queries import conversations as inbox
from portal.queries import media as queries
from portal.queries import units
from portal.queries.media import File
from portal.services import media as service
from portal.web.access import requires
from portal.web.render import render_news, wants_part

bp = Blueprint("media", __name__)

# Somebody else made it: opened on its own it loads nothing and runs nothing.
POLICY = "default-src 'none'; sandbox"
# A file never changes. Whoever asks needs the permission, so nothing between us and the browser may keep it.
CACHING = "private, max-age=86400, immutable"
SHOWN_IN_PLACE = (MessageKind.IMAGE, MessageKind.VIDEO, MessageKind.AUDIO, MessageKind.STICKER)
JPEG = b"\xff\xd8\xff"
FETCH_ERRORS = {
    service.TOO_LARGE: _("This file is too large to be shown here. Open it on the phone."),
    "media_gone": _("WhatsApp does not hand out this file any more. Open it on the phone, or ask for it again."),
}
NOT_FETCHED = _("This file could not be fetched. Try again, or open it on the phone.")


@bp.get("/media/<uuid:message_id>")
@requires(Permission.READ_MESSAGES)
def show(message_id: UUID) -> ResponseReturnValue:
    return hand_out(queries.get_media(g.scope, message_id))


def hand_out(media: Media) -> Response:
    """The file's content, or that the browser has it. Raises NotFound for a file that is not here."""
    if media.sha256 is None:
        raise NotFound("this file is not here")
    # Asked before the content is read, which may be 32 MiB.
    is_known = request.if_none_match.contains(media.sha256) and request.range is None
    response = Response(status=304) if is_known else _content(media, media.sha256)
    return _guarded(response, media.sha256)


@bp.get("/media/<uuid:message_id>/thumbnail")
@requires(Permission.READ_MESSAGES)
def thumbnail(message_id: UUID) -> ResponseReturnValue:
    picture = queries.read_thumbnail(g.scope, queries.get_media(g.scope, message_id))
    if picture is None or not picture.startswith(JPEG):
        raise NotFound("there is no small picture of this file")
    response = Response(picture, mimetype="image/jpeg")
    return _guarded(response, sha256(picture).hexdigest()).make_conditional(request)


@bp.get("/media/<uuid:message_id>/part")
@requires(Permission.READ_MESSAGES)
def part(message_id: UUID) -> ResponseReturnValue:
    """The file as it now stands in its thread; asked again and again while it is on its way."""
    message, file = inbox.get_message(g.scope, message_id), queries.get_file(g.scope, message_id)
    connection = units.get_connection(g.scope, message.unit_id)
    return render_news(
        "messages/_media.html",
        fragment="messages/_media.html",
        news=(file.media.state, file.media.fetch_at is not None, file.media.fetch_error, connection.status),
        message=message,
        file=file,
        connection=connection,
    )


@bp.post("/media/<uuid:message_id>/fetch")
@requires(Permission.READ_MESSAGES)
def fetch(message_id: UUID) -> ResponseReturnValue:
    """Somebody wants to see it: a worker fetches it."""
    service.request_fetch(g.scope, message_id)
    if wants_part():
        return redirect(url_for(".part", message_id=message_id), code=303)
    message = inbox.get_message(g.scope, message_id)
    thread = url_for("tenant.conversations.show", conversation_id=message.conversation_id)
    return redirect(f"{thread}#message-{message_id}", code=303)


@bp.app_template_global()
def may_fetch() -> bool:
    """Whoever may only read sees the files that are here; having one brought changes something."""
    return bool(g.scope.allows(Permission.SEND))


@bp.app_template_global()
def may_fetch_alone(file: File) -> bool:
    """Whether it is fetched as soon as it comes into sight: a picture that costs little."""
    media = file.media
    is_picture = media.kind in (MessageKind.IMAGE, MessageKind.STICKER)
    is_new = media.state == MediaState.REMOTE and media.fetch_at is None
    return is_picture and is_new and (media.size or 0) <= service.LARGEST_FETCHED_ALONE


@bp.app_template_global()
def fetch_error_words(file: File) -> str:
    """Why a file is not here, and what to do."""
    return str(FETCH_ERRORS.get(file.media.fetch_error or "", NOT_FETCHED))


def _content(media: Media, digest: str) -> Response:
    return send_file(
        BytesIO(queries.read_content(g.scope, media)),
        mimetype=media.mime_type,
        as_attachment=media.kind not in SHOWN_IN_PLACE,
        download_name=media.file_name,
        etag=digest,
    )


def _guarded(response: Response, digest: str) -> Response:
    response.set_etag(digest)
    response.headers["Content-Security-Policy"] = POLICY
    response.headers["Cache-Control"] = CACHING
    return response
