"""Files and texts of people who mean harm: nothing that is handed out runs, and no text is taken for a program."""

from collections.abc import Callable

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.db import atomic
from portal.errors import Invalid
from portal.models import Contact, Conversation, MessageKind, Unit
from portal.services import file_types, media
from portal.services.media import Upload
from portal.tenancy import TenantScope, acting_for
from portal.wording import parse, render
from tests import files
from tests.factories import make_message, make_remote_media

SCRIPT = b"<script>alert(document.domain)</script>"
POLYGLOTS = {
    "gif that is a script": ("logo.gif", b"GIF89a/*" + bytes(20) + b"*/=1;alert(1)//" + SCRIPT),
    "jpeg with a page": ("foto.jpg", files.JPEG[:-2] + b"\xff\xfe\x00\x30" + SCRIPT + b"\xff\xd9"),
    "png with a page": ("foto.png", files.PNG + b"<html>" + SCRIPT),
    "png named as a page": ("foto.png.html", files.PNG),
    "pdf that is a page": ("a.pdf", files.PDF + SCRIPT),
    "pdf after a page": ("a.pdf", SCRIPT + files.PDF),
    "zip after a picture": ("foto.png", files.PNG + files.archive("a.html")),
    "text that is a script": ("a.txt", b"alert(1)"),
    "style sheet": ("a.css", b"body { background: url(//evil.test) }"),
    "script by its name": ("a.js", b"alert(1)"),
    "drawing": ("a.svg", files.SVG),
    "drawing named as a picture": ("a.png", files.SVG),
    "page": ("a.html", b"<!doctype html>" + SCRIPT),
    "page without an ending": ("a", b"<html>" + SCRIPT),
    "page in UTF-7": ("a.txt", b"+ADw-script+AD4-alert(1)+ADw-/script+AD4-"),
    "page of XML": ("a.xml", b'<?xml version="1.0"?><html xmlns="http://www.w3.org/1999/xhtml">' + SCRIPT + b"</html>"),
    "style sheet of XML": ("a.xml", b'<?xml version="1.0"?><?xml-stylesheet href="//evil.test/a.xsl"?><a/>'),
    "manifest": ("a.webmanifest", b'{"start_url": "https://evil.test"}'),
    "flash": ("a.swf", b"CWS\x0a" + bytes(40)),
    "saved page": ("a.mht", b"MIME-Version: 1.0\r\nContent-Type: text/html\r\n\r\n" + SCRIPT),
}
SHOWN = ("image/jpeg", "image/png", "image/webp", "video/", "audio/")
TEMPLATES = (
    "{{7*7}}",
    "{{ config }}",
    "{% for x in ().__class__.__base__.__subclasses__() %}x{% endfor %}",
    "{0}",
    "{0.__class__}",
    "{name!r:>99999}",
    "%s %(name)s %n",
    "%99999999d",
    "${7*7} #{7*7} <%= 7*7 %>",
    "((a.b.__class__))",
    "((nome.__init__.__globals__))",
    "(({{7*7}}))",
    "\\1 \\g<0> $1 \\N{BULLET}",
)


@pytest.fixture
def received(acme: TenantScope, conversation: Conversation, admin: FlaskClient) -> Callable[..., TestResponse]:
    """What the portal hands out of a file that a customer sent as that kind."""

    def hand_out(told: MessageKind, name: str, content: bytes) -> TestResponse:
        media_id = make_remote_media(acme, kind=told, name=name)
        message = make_message(acme, conversation, kind=told, media_id=media_id)
        with acting_for(acme):
            media.store_fetched(acme, media_id, content)
        return admin.get(f"/t/acme/media/{message.id}")

    return hand_out


@pytest.mark.parametrize("told", [MessageKind.IMAGE, MessageKind.DOCUMENT, MessageKind.STICKER])
@pytest.mark.parametrize(("name", "content"), POLYGLOTS.values(), ids=POLYGLOTS)
def test_customers_file_is_shown_as_what_its_content_is_or_saved_and_never_run(
    received: Callable[..., TestResponse], told: MessageKind, name: str, content: bytes
) -> None:
    answer = received(told, name, content)

    is_shown = answer.headers["Content-Disposition"].startswith("inline")
    assert answer.status_code == 200
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert answer.headers["Content-Type"].startswith(SHOWN) or not is_shown
    assert not is_shown or told != MessageKind.DOCUMENT
    assert "html" not in answer.headers["Content-Type"]
    assert "svg" not in answer.headers["Content-Type"]
    assert "javascript" not in answer.headers["Content-Type"]


@pytest.mark.parametrize(("name", "content"), POLYGLOTS.values(), ids=POLYGLOTS)
def test_file_goes_out_under_a_name_that_agrees_with_its_content(name: str, content: bytes) -> None:
    try:
        file = media.check(Upload(name, content))
    except Invalid:
        return

    shown = file_types.SHOWN.get(file.mime_type)
    ending = file.file_name.rpartition(".")[2]
    assert (
        (ending in shown[1])
        if shown
        else (ending not in {one for _, ends in file_types.SHOWN.values() for one in ends})
    )
    assert ending not in ("html", "svg", "js", "swf", "mht")


def test_pages_and_programs_are_among_the_files_that_do_not_go_out() -> None:
    refused = [what for what, (name, content) in POLYGLOTS.items() if file_types.is_program(name, content)]

    assert {"drawing", "drawing named as a picture", "page", "page of XML", "png named as a page"} <= set(refused)


@pytest.mark.parametrize("text", TEMPLATES)
def test_text_of_a_template_is_never_evaluated(text: str) -> None:
    assert render(parse(text), {"nome": text, "a": "x"}).text == text
    assert render(parse("Oi, ((nome))!"), {"nome": text}).text == f"Oi, {text}!"


def test_words_of_people_stand_on_pages_as_they_were_written(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit
) -> None:
    hostile = " ".join((*TEMPLATES, "<script>alert(1)</script>", '"><img src=x onerror=alert(1)>'))
    make_message(acme, conversation, body=hostile)
    with acting_for(acme), atomic():
        acme.get(Unit, connected_unit.id).name = hostile[:120]
        acme.get(Contact, conversation.contact_id).name = hostile[-120:]

    for path in ("", "conversations", f"conversations/{conversation.id}", "units/jardins", "units/jardins/archive"):
        page = admin.get(f"/t/acme/{path}")
        assert page.status_code == 200, path
        assert "{{7*7}}" in page.text or "onerror=alert" in page.text, path
        assert "<script>alert(1)" not in page.text
        assert "<img src=x" not in page.text
