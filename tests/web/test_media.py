"""Files on the pages: chosen in the composer, refused beside it, shown in the thread, and handed out."""

import io
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from portal.clock import now
from portal.db import db
from portal.models import Conversation, Media, Message, MessageKind, Unit
from portal.permissions import Role
from portal.services import media
from portal.services.media import LARGEST_FETCHED_ALONE, LARGEST_FILE
from portal.tenancy import TenantScope, acting_for
from portal.web.uploads import LARGEST_FORM
from tests import files
from tests.factories import make_conversation, make_media, make_message, make_remote_media, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import PART, poll

EACH_WAY = pytest.mark.parametrize("headers", [PART, {}], ids=["htmx", "plain"])


@pytest.fixture
def thread(conversation: Conversation) -> str:
    return f"/t/acme/conversations/{conversation.id}"


@pytest.fixture
def show(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> Callable[..., TestResponse]:
    """Let a message carry this file, and ask for it."""

    def ask(name: str, content: bytes, **headers: str) -> TestResponse:
        message = make_message(acme, conversation, media_id=make_media(acme, name=name, content=content))
        return admin.get(f"/t/acme/media/{message.id}", headers=headers)

    return ask


def form(content: bytes, name: str = "foto.png", **fields: str) -> dict[str, Any]:
    """The body of a form with a file; written here, since the test client would leave large ones in open files."""
    boundary, body = encode_multipart({**fields, "file": FileStorage(io.BytesIO(content), name)})
    return {"data": body, "content_type": f"multipart/form-data; boundary={boundary}"}


def messages(scope: TenantScope) -> list[Message]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Message).order_by(Message.id)))


def count_files(scope: TenantScope) -> int:
    with acting_for(scope):
        return len(list(db.session.scalars(scope.select(Media, Media.id))))


@EACH_WAY
def test_file_is_queued_and_shown(admin: FlaskClient, acme: TenantScope, thread: str, headers: dict[str, str]) -> None:
    answer = admin.post(f"{thread}/messages", **form(files.PNG, text="Esta aqui"), headers=headers)

    message = messages(acme)[0]
    assert answer.status_code == (200 if headers else 303)
    assert (message.kind, message.body, message.status) == ("image", "Esta aqui", "queued")
    page = admin.get(thread).text
    assert f'src="/t/acme/media/{message.id}"' in page
    assert 'alt="Photo: foto.png"' in page
    assert "Esta aqui" in page


def test_no_file_chosen_is_an_ordinary_reply(admin: FlaskClient, acme: TenantScope, thread: str) -> None:
    admin.post(f"{thread}/messages", **form(b"", "", text="Olá"))

    assert [(message.kind, message.media_id) for message in messages(acme)] == [("text", None)]


def test_second_click_sends_no_second_file_and_another_file_is_sent(
    admin: FlaskClient, acme: TenantScope, thread: str
) -> None:
    for content in (files.PNG, files.PNG, files.JPEG):
        admin.post(f"{thread}/messages", **form(content, text="Olá", form_id="one"), headers=PART)

    assert [message.kind for message in messages(acme)] == ["image", "image"]
    assert count_files(acme) == 2


@EACH_WAY
@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (files.PNG + bytes(LARGEST_FILE), "foto.png", "at most 16 MB can be sent. Make it smaller"),
        (files.EXE, "jogo.exe", "Programs and web pages cannot be sent"),
        (b"", "vazio.pdf", "This file is empty"),
    ],
    ids=["too large", "program", "empty"],
)
def test_refused_file_is_explained_and_the_text_kept(
    admin: FlaskClient, acme: TenantScope, thread: str, headers: dict[str, str], content: bytes, name: str, words: str
) -> None:
    answer = admin.post(f"{thread}/messages", **form(content, name, text="Segue a foto"), headers=headers)

    assert answer.status_code == 422
    assert words in answer.text
    assert "Segue a foto</textarea>" in answer.text
    assert ("Choose the file again." in answer.text) is not bool(headers)
    assert messages(acme) == []


def test_text_that_is_too_long_below_a_file_is_explained(admin: FlaskClient, thread: str) -> None:
    answer = admin.post(f"{thread}/messages", **form(files.PNG, text="x" * 1025), headers=PART)

    assert answer.status_code == 422
    assert "1025 of at most 1024 characters" in answer.text


@EACH_WAY
def test_request_that_is_too_large_is_explained_beside_the_composer_which_stays(
    admin: FlaskClient, acme: TenantScope, thread: str, headers: dict[str, str]
) -> None:
    answer = admin.post(f"{thread}/messages", **form(bytes(LARGEST_FORM), text="Segue"), headers=headers)

    assert answer.status_code == 413
    assert "at most 16 MB can be sent" in answer.text
    assert answer.headers["HX-Retarget"] == "#composer-problem"
    assert ("<html" in answer.text) is not bool(headers)
    assert messages(acme) == []


def test_page_lets_htmx_show_what_is_too_large(admin: FlaskClient, thread: str) -> None:
    assert '"code":"409|413|422","swap":true' in admin.get(thread).text


def test_strangers_and_other_pages_may_send_little(admin: FlaskClient, visitor: FlaskClient, thread: str) -> None:
    large = form(bytes(1024 * 1024), text="Olá")
    asked_to_sign_in = visitor.post(f"{thread}/messages", **form(b"x"))

    assert asked_to_sign_in.status_code == 302
    assert admin.post("/t/acme/units", **large).status_code == 413


def test_stranger_is_not_read_at_length(app: Flask, visitor: FlaskClient, thread: str) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = visitor.post(f"{thread}/messages", **form(bytes(1024 * 1024)))
    finally:
        app.config["WTF_CSRF_ENABLED"] = False

    assert answer.status_code == 413


def test_file_goes_to_a_number(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    answer = admin.post("/t/acme/units/jardins/send", **form(files.PDF, "boleto.pdf", phone="11 98888-0001", text=""))

    assert answer.status_code == 303
    assert "boleto.pdf" in admin.get(answer.location).text
    assert [message.kind for message in messages(acme)] == ["document"]


def test_refused_file_to_a_number_keeps_what_was_typed(admin: FlaskClient, connected_unit: Unit) -> None:
    answer = admin.post(
        "/t/acme/units/jardins/send", **form(files.EXE, "jogo.exe", phone="11 98888-0001", text="Segue")
    )

    assert answer.status_code == 422
    assert "Programs and web pages cannot be sent" in answer.text
    assert "Choose the file again." in answer.text
    assert 'value="11 98888-0001"' in answer.text
    assert "Segue</textarea>" in answer.text


def test_forms_can_carry_a_file_with_and_without_a_script(
    admin: FlaskClient, connected_unit: Unit, thread: str
) -> None:
    for address in (thread, "/t/acme/units/jardins/send"):
        page = admin.get(address).text
        assert 'enctype="multipart/form-data"' in page
        assert re.search(r'<input[^>]*type="file"', page)
        assert f'data-largest="{LARGEST_FILE}"' in page
        assert "accept=" in page
    assert 'hx-encoding="multipart/form-data"' in admin.get(thread).text


@pytest.mark.parametrize(
    ("name", "content", "part"),
    [
        ("foto.png", files.PNG, '<img src="{}" alt="Photo: foto.png" width="320" height="240"'),
        ("filme.mp4", files.mp4("vide"), '<video class="film" id="{id}" src="{}"'),
        ("recado.ogg", files.ogg(), '<audio class="sound" id="{id}" src="{}"'),
        ("boleto.pdf", files.PDF, '<a class="paper" id="{id}" href="{}" download="boleto.pdf">'),
    ],
)
def test_each_kind_has_its_place_in_the_thread(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, name: str, content: bytes, part: str
) -> None:
    message = make_message(acme, conversation, body="", media_id=make_media(acme, name=name, content=content))

    page = admin.get(thread).text

    assert part.format(f"/t/acme/media/{message.id}", id=f"file-{message.id}") in page


def test_name_of_a_file_is_shown_as_text(admin: FlaskClient, acme: TenantScope, thread: str) -> None:
    admin.post(f"{thread}/messages", **form(files.PDF, "a&'<b>.pdf"))

    assert "a&amp;&#39;_b_.pdf" in admin.get(thread).text


@pytest.mark.parametrize(
    ("kind", "body", "words"),
    [
        (MessageKind.IMAGE, "", "Photo"),
        (MessageKind.VIDEO, "", "Video"),
        (MessageKind.AUDIO, "", "Audio"),
        (MessageKind.DOCUMENT, "contrato.pdf", "contrato.pdf"),
        (MessageKind.DOCUMENT, "", "Document"),
        (MessageKind.STICKER, "", "Sticker"),
        (MessageKind.UNKNOWN, "", "Message"),
        (MessageKind.IMAGE, "Esta aqui", "Esta aqui"),
    ],
)
def test_list_never_shows_an_empty_line(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, kind: MessageKind, body: str, words: str
) -> None:
    make_message(acme, conversation, kind=kind, body=body)

    line = re.search(r'<span class="chat__last"[^>]*>(.*?)</span>', admin.get("/t/acme/conversations").text, re.S)

    assert line
    assert line[1].strip() == words


def test_list_speaks_portuguese(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    make_message(acme, conversation, kind=MessageKind.IMAGE, body="")

    assert "Foto" in admin.get("/t/acme/conversations", headers={"Accept-Language": "pt-BR"}).text


@pytest.mark.parametrize(
    ("name", "content", "mime_type", "how"),
    [
        ("foto.png", files.PNG, "image/png", "inline"),
        ("filme.mp4", files.mp4("vide"), "video/mp4", "inline"),
        ("recado.ogg", files.ogg(), "audio/ogg", "inline"),
        ("boleto.pdf", files.PDF, "application/pdf", "attachment"),
        ("nota.gif", files.GIF, "image/gif", "attachment"),
        ("leia.txt", b"alert(1)", "text/plain; charset=utf-8", "attachment"),
    ],
)
def test_file_is_handed_out_so_that_it_can_do_no_harm(
    show: Callable[..., TestResponse], name: str, content: bytes, mime_type: str, how: str
) -> None:
    answer = show(name, content)

    assert (answer.status_code, answer.data) == (200, content)
    assert answer.headers["Content-Type"] == mime_type
    assert answer.headers["Content-Disposition"] == f"{how}; filename={name}"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Cache-Control"] == "private, max-age=86400, immutable"


def test_name_beyond_ascii_is_told_both_ways(show: Callable[..., TestResponse]) -> None:
    told = show("Orçamento nº 7; final.pdf", files.PDF).headers["Content-Disposition"]

    assert told.startswith('attachment; filename="Orcamento n')
    assert "filename*=UTF-8''Or%C3%A7amento%20n%C2%BA%207%3B%20final.pdf" in told


def test_part_of_a_film_can_be_asked_for(show: Callable[..., TestResponse]) -> None:
    film = files.mp4("vide")

    part, end, beyond = (show("filme.mp4", film, Range=f"bytes={wanted}") for wanted in ("4-7", "-4", "99999-"))

    assert (part.status_code, part.data) == (206, b"ftyp")
    assert part.headers["Content-Range"] == f"bytes 4-7/{len(film)}"
    assert (end.status_code, end.data) == (206, film[-4:])
    assert beyond.status_code == 416


def test_browser_that_has_the_file_gets_it_no_second_time(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    message = make_message(acme, conversation, media_id=make_media(acme))
    address = f"/t/acme/media/{message.id}"

    first = admin.get(address)
    again = admin.get(address, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.data) == (304, b"")
    assert again.headers["ETag"] == first.headers["ETag"]
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


def test_file_is_there_only_for_who_may_read_its_message(
    admin: FlaskClient,
    operator: FlaskClient,
    visitor: FlaskClient,
    browser: OpenBrowser,
    acme: TenantScope,
    rival: TenantScope,
    conversation: Conversation,
) -> None:
    make_unit(acme, "praia")
    elsewhere = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("praia",)))
    at_rival = make_conversation(rival, make_unit(rival, "norte"))
    theirs = make_message(rival, at_rival, media_id=make_media(rival))
    ours = make_message(acme, conversation, media_id=make_media(acme))
    text = make_message(acme, conversation)
    address = "/t/acme/media/{}".format

    assert admin.get(address(ours.id)).status_code == 200
    assert admin.get(address(theirs.id)).status_code == 404
    assert admin.get(address(text.id)).status_code == 404
    assert admin.get(address(ours.media_id)).status_code == 404
    assert elsewhere.get(address(ours.id)).status_code == 404
    assert operator.get(address(ours.id)).status_code == 403
    assert visitor.get(address(ours.id)).status_code == 302


def test_pages_play_only_what_comes_from_the_portal(admin: FlaskClient, thread: str) -> None:
    assert "media-src 'self';" in admin.get(thread).headers["Content-Security-Policy"]


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
