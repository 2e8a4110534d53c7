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

from portal.db import db
from portal.models import Conversation, Media, Message, Unit
from portal.permissions import Role
from portal.services.media import LARGEST_FILE
from portal.tenancy import TenantScope, acting_for
from portal.web.uploads import LARGEST_FORM
from tests import files
from tests.factories import make_conversation, make_media, make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import EACH_WAY, PART


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


def test_photo_is_kept_without_the_place_where_it_was_taken(admin: FlaskClient, acme: TenantScope, thread: str) -> None:
    given = files.photo_with_place()
    admin.post(f"{thread}/messages", **form(given, "foto.jpg"))

    kept = admin.get(f"/t/acme/media/{messages(acme)[0].id}")
    assert files.PLACE in given
    assert kept.content_type == "image/jpeg"
    assert kept.data.startswith(b"\xff\xd8\xff")
    assert files.PLACE not in kept.data


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
        (files.JPEG[:-200], "foto.jpg", "This picture cannot be read"),
    ],
    ids=["too large", "program", "empty", "damaged"],
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
