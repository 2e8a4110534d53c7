"""Customers' files on the pages: offered, fetched when somebody wants them, and shown for what they are."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.models import Conversation, Media, Message, MessageKind
from portal.services import media
from portal.services.media import LARGEST_FETCHED_ALONE
from portal.tenancy import TenantScope, acting_for
from tests import files
from tests.factories import make_conversation, make_message, make_remote_media, make_unit
from tests.web.htmx import EACH_WAY, PART, poll


@pytest.fixture
def remote(acme: TenantScope, conversation: Conversation) -> Callable[..., Message]:
    """A message whose file is still at WhatsApp."""

    def make(**columns: Any) -> Message:
        media_id = make_remote_media(acme, **columns)
        return make_message(acme, conversation, kind=MessageKind.IMAGE, body="", media_id=media_id)

    return make


def part_of(page: str, message: Message) -> str:
    found = re.search(rf'<div class="file" id="media-{message.id}".*?</div>\s*</div>', page, re.S)
    assert found, "there is no place for the file"
    return found[0]


def file_of(scope: TenantScope, message: Message) -> Media:
    with acting_for(scope):
        return scope.get(Media, message.media_id)


@pytest.mark.parametrize(
    ("kind", "size", "words", "is_alone"),
    [
        (MessageKind.IMAGE, 2_000, "Load the photo", True),
        (MessageKind.STICKER, None, "Load the sticker", True),
        (MessageKind.IMAGE, LARGEST_FETCHED_ALONE + 1, "Load the photo", False),
        (MessageKind.VIDEO, 2_000, "Load the video", False),
        (MessageKind.AUDIO, 2_000, "Load the audio", False),
        (MessageKind.DOCUMENT, 2_000, "Load the file", False),
    ],
)
def test_customers_file_is_offered_and_small_pictures_come_when_they_are_seen(
    admin: FlaskClient,
    acme: TenantScope,
    remote: Callable[..., Message],
    thread: str,
    kind: MessageKind,
    size: int | None,
    words: str,
    is_alone: bool,
) -> None:
    message = remote(kind=kind, size=size)

    part = part_of(admin.get(thread).text, message)

    assert words in part
    assert ('hx-trigger="submit, intersect once"' in part) is is_alone
    assert f'method="post" action="/t/acme/media/{message.id}/fetch"' in part
    assert 'hx-trigger="every' not in part
    assert file_of(acme, message).fetch_at is None


@EACH_WAY
def test_file_is_asked_for_once_and_its_place_waits_for_it(
    admin: FlaskClient, acme: TenantScope, remote: Callable[..., Message], thread: str, headers: dict[str, str]
) -> None:
    message = remote()
    address = f"/t/acme/media/{message.id}"

    asked = admin.post(f"{address}/fetch", headers=headers, follow_redirects=bool(headers))
    waiting = part_of(admin.get(thread).text, message)

    assert file_of(acme, message).fetch_at is not None
    assert f'hx-get="{address}/part"' in waiting.replace("?seen=", "")
    assert "Loading…" in waiting
    if headers:
        assert (asked.status_code, "Loading…" in asked.text) == (200, True)
        assert poll(admin, asked.text, f"media-{message.id}").status_code == 204
    else:
        assert (asked.status_code, asked.location) == (303, f"{thread}#message-{message.id}")


def test_file_that_came_takes_its_place(
    admin: FlaskClient, acme: TenantScope, remote: Callable[..., Message], thread: str
) -> None:
    message = remote()
    address = f"/t/acme/media/{message.id}"
    asked = admin.post(f"{address}/fetch", headers=PART, follow_redirects=True).text
    page = admin.get(thread).text
    with acting_for(acme):
        media.store_fetched(acme, message.media_id, files.PNG)

    came = poll(admin, asked, f"media-{message.id}")

    assert f'<img src="{address}" alt="Photo: foto.png"' in came.text
    assert "hx-get" not in came.text
    assert f'src="{address}"' in poll(admin, page, "messages").text
    assert admin.get(address).data == files.PNG


@pytest.mark.parametrize(
    ("error", "words", "is_offered"),
    [
        ("media_gone", "WhatsApp does not hand out this file any more. Open it on the phone", True),
        ("too_large", "This file is too large to be shown here. Open it on the phone.", False),
        ("timed_out", "This file could not be fetched. Try again, or open it on the phone.", True),
    ],
)
def test_file_that_cannot_be_had_says_why_and_what_to_do(
    admin: FlaskClient, remote: Callable[..., Message], thread: str, error: str, words: str, is_offered: bool
) -> None:
    message = remote(state="unavailable", fetch_error=error)

    part = part_of(admin.get(thread).text, message)

    assert words in part
    assert ("Try again</button>" in part) is is_offered
    assert "intersect" not in part
    assert admin.get(f"/t/acme/media/{message.id}").status_code == 404


def test_file_of_a_deleted_message_is_not_fetched_by_itself(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    media_id = make_remote_media(acme)
    make_message(acme, conversation, kind=MessageKind.IMAGE, media_id=media_id, deleted_at=now())

    page = admin.get(thread).text

    assert "Load the photo" in page
    assert "intersect" not in page


def test_small_picture_is_shown_before_the_file_and_is_nothing_but_jpeg(
    admin: FlaskClient, remote: Callable[..., Message], thread: str
) -> None:
    shown, forged, without = remote(thumbnail=files.JPEG), remote(thumbnail=files.SVG), remote()

    answer = admin.get(f"/t/acme/media/{shown.id}/thumbnail")
    again = admin.get(f"/t/acme/media/{shown.id}/thumbnail", headers={"If-None-Match": answer.headers["ETag"]})

    assert f'src="/t/acme/media/{shown.id}/thumbnail"' in admin.get(thread).text
    assert (answer.data, answer.headers["Content-Type"], again.status_code) == (files.JPEG, "image/jpeg", 304)
    assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for message in (forged, without):
        assert admin.get(f"/t/acme/media/{message.id}/thumbnail").status_code == 404


@pytest.mark.parametrize(
    ("kind", "content", "mime_type", "how"),
    [
        (MessageKind.STICKER, files.WEBP, "image/webp", "inline"),
        (MessageKind.IMAGE, files.SVG, "application/octet-stream", "attachment"),
        (MessageKind.DOCUMENT, b"<html><script>alert(1)</script>", "application/octet-stream", "attachment"),
        (MessageKind.VIDEO, files.EXE, "application/octet-stream", "attachment"),
    ],
)
def test_customers_file_is_shown_in_place_only_for_what_it_is(
    admin: FlaskClient,
    acme: TenantScope,
    remote: Callable[..., Message],
    kind: MessageKind,
    content: bytes,
    mime_type: str,
    how: str,
) -> None:
    message = remote(kind=kind, name="foto.webp")
    with acting_for(acme):
        media.store_fetched(acme, message.media_id, content)

    answer = admin.get(f"/t/acme/media/{message.id}")

    assert (answer.status_code, answer.headers["Content-Type"]) == (200, mime_type)
    assert answer.headers["Content-Disposition"].startswith(how)


def test_files_of_others_are_neither_fetched_nor_seen(
    admin: FlaskClient, operator: FlaskClient, visitor: FlaskClient, rival: TenantScope, remote: Callable[..., Message]
) -> None:
    at_rival = make_conversation(rival, make_unit(rival, "norte"))
    theirs = make_message(rival, at_rival, media_id=make_remote_media(rival, thumbnail=files.JPEG))
    ours = remote()

    for part in ("thumbnail", "part"):
        assert admin.get(f"/t/acme/media/{theirs.id}/{part}", headers=PART).status_code == 404
    assert admin.post(f"/t/acme/media/{theirs.id}/fetch").status_code == 404
    assert operator.post(f"/t/acme/media/{ours.id}/fetch").status_code == 403
    assert visitor.post(f"/t/acme/media/{ours.id}/fetch").status_code == 302
    assert file_of(rival, theirs).fetch_at is None
