"""What a file is taken for, the name it goes under, and what is not sent at all."""

import mimetypes
from hashlib import sha256

import pytest
from flask import Flask

from portal.errors import Invalid
from portal.models import MessageKind
from portal.services import file_types, media
from portal.services.media import LARGEST_FILE, Upload
from tests import files

SHOWN = {
    "png": (files.PNG, "image", "image/png", "png"),
    "jpeg": (files.JPEG, "image", "image/jpeg", "jpg"),
    "webp": (files.WEBP, "image", "image/webp", "webp"),
    "mp4": (files.mp4("vide", "soun"), "video", "video/mp4", "mp4"),
    "mp4 of Apple": (files.mp4("vide", brand="M4V "), "video", "video/mp4", "mp4"),
    "3gp": (files.mp4("soun", "vide", brand="3gp4"), "video", "video/3gpp", "3gp"),
    "mp3": (files.MP3, "audio", "audio/mpeg", "mp3"),
    "mp3 with a tag": (files.TAGGED_MP3, "audio", "audio/mpeg", "mp3"),
    "opus": (files.ogg(), "audio", "audio/ogg", "ogg"),
    "m4a": (files.mp4("soun", brand="M4A "), "audio", "audio/mp4", "m4a"),
    "recording under a film's brand": (files.mp4("soun", brand="mp42"), "audio", "audio/mp4", "m4a"),
    "recording as 3gp": (files.mp4("soun", brand="3gp5"), "audio", "audio/mp4", "m4a"),
    "aac": (files.AAC, "audio", "audio/aac", "aac"),
    "amr": (files.AMR, "audio", "audio/amr", "amr"),
}
DOCUMENTS = {
    "pdf": ("boleto.pdf", files.PDF, "application/pdf"),
    "docx": (
        "proposta.docx",
        files.DOCX,
        "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    ),
    "zip": ("fotos.zip", files.archive("um.txt"), "application/zip"),
    "old Word": ("carta.doc", files.OLD_WORD, "application/msword"),
    "text": ("lista.csv", b"nome;valor\n", "text/csv"),
    "invoice in XML": ("nota.xml", files.INVOICE, mimetypes.guess_type("nota.xml")[0]),
    "gif": ("dança.gif", files.GIF, "image/gif"),
    "wav": ("toque.wav", files.wav(), "audio/x-wav"),
    "vorbis": ("musica.ogg", files.ogg(b"\x01vorbis"), "application/ogg"),
    "gif with PHP": ("logo.gif", b"GIF89a<?php system($_GET[0]);?>", "image/gif"),
}
PROGRAMS = {
    "Windows program": ("jogo.bin", files.EXE),
    "Windows program as picture": ("foto.png", files.EXE),
    "Linux program": ("jogo", b"\x7fELF\x02\x01\x01" + bytes(57)),
    "Mac program": ("jogo", b"\xcf\xfa\xed\xfe" + bytes(60)),
    "installer": ("carta.doc", files.INSTALLER),
    "Java archive": ("fotos.zip", files.archive("META-INF/MANIFEST.MF", "A.class")),
    "Android package": ("fotos.zip", files.archive("AndroidManifest.xml", "classes.dex")),
    "shell script": ("leia.txt", b"#!/bin/sh\nrm -rf ~"),
    "shortcut": ("foto.jpg", b"L\x00\x00\x00\x01\x14\x02\x00" + bytes(60)),
    "page as picture": ("foto.png", b"<!DOCTYPE html><script>alert(1)</script>"),
    "page after spaces": ("a.txt", b"\xef\xbb\xbf \r\n<HTML><body>"),
    "page in UTF-16": ("a.txt", "\ufeff<html>".encode("utf-16-le")),
    "script alone": ("a.txt", b"<script>alert(1)</script>"),
    "drawing": ("logo.png", files.SVG),
    "drawing alone": ("logo.png", b"<svg onload=alert(1)>"),
    "page as XML": ("a.xml", b'<?xml version="1.0"?><x:html xmlns:x="http://www.w3.org/1999/xhtml"/>'),
    "batch file": ("rode.bat", b"del *.*"),
    "script of Windows": ("fatura.VBS", b"MsgBox 1"),
    "PHP": ("shell.php", files.JPEG),
    "exe hidden by direction": ("foto\u202egpj.exe", files.JPEG),
    "exe hidden by a dot": ("fatura.exe. ", b"x"),
    "exe hidden by NUL": ("foto.png\x00.exe", files.PNG),
}
NAMES = [
    ("../../etc/passwd", "passwd.jpg"),
    ("C:\\Users\\maria\\foto.JPG", "foto.jpg"),
    ("férias na praia.jpeg", "férias na praia.jpeg"),
    ("fe\u0301rias.jpg", "férias.jpg"),
    ("foto\u202egpj.txt", "fotogpj.txt.jpg"),
    ("a\u200bb\x07c\n.jpg", "abc.jpg"),
    ('f"o<t>o:1|2?*.jpg', "f_o_t_o_1_2__.jpg"),
    ("\ud800foto.jpg", "foto.jpg"),
    ("foto.png", "foto.jpg"),
    ("foto", "foto.jpg"),
    ("shell.php.jpg", "shell.php.jpg"),
    (".jpg", "jpg.jpg"),
    ("...", "file.jpg"),
    ("", "file.jpg"),
    ("x" * 300 + ".jpg", "x" * 116 + ".jpg"),
    ("x" * 300, "x" * 107 + ".jpg"),
]


@pytest.mark.parametrize(("content", "kind", "mime_type", "ending"), SHOWN.values(), ids=SHOWN)
@pytest.mark.parametrize("name", ["foto.html.png", "foto.mp4", "foto"])
def test_what_whatsapp_shows_is_known_by_content_whatever_its_name(
    app: Flask, name: str, content: bytes, kind: str, mime_type: str, ending: str
) -> None:
    file = media.check(Upload(name, content))

    assert (file.kind, file.mime_type) == (kind, mime_type)
    assert file.file_name.endswith(f".{ending}")
    assert file.sha256 == sha256(content).hexdigest()


@pytest.mark.parametrize(("name", "content", "mime_type"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_everything_else_is_a_document(app: Flask, name: str, content: bytes, mime_type: str) -> None:
    file = media.check(Upload(name, content))

    assert (file.kind, file.file_name, file.mime_type) == ("document", name, mime_type)


@pytest.mark.parametrize(
    ("name", "content", "called"),
    [
        ("boleto.jpg", files.PDF, "boleto.pdf"),
        ("boleto", files.PDF, "boleto.pdf"),
        ("foto.jpg", b"nonsense", "foto.bin"),
        ("contrato", b"nonsense", "contrato.bin"),
        ("contrato.ção", b"nonsense", "contrato.ção.bin"),
    ],
)
def test_document_does_not_promise_a_picture_and_has_an_ending(
    app: Flask, name: str, content: bytes, called: str
) -> None:
    file = media.check(Upload(name, content))

    assert (file.kind, file.file_name) == ("document", called)


@pytest.mark.parametrize(("given", "called"), NAMES, ids=[repr(given)[:30] for given, _called in NAMES])
def test_name_is_made_safe(given: str, called: str) -> None:
    name = file_types.recognise(given, files.JPEG).file_name

    assert name == called
    assert len(name) <= 120


@pytest.mark.parametrize(("name", "content"), PROGRAMS.values(), ids=PROGRAMS)
def test_programs_and_pages_are_not_sent(app: Flask, name: str, content: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        media.check(Upload(name, content))

    assert list(refused.value.fields) == ["file"]
    assert "Programs and web pages cannot be sent" in refused.value.message


def test_empty_file_is_not_sent(app: Flask) -> None:
    with pytest.raises(Invalid, match="This file is empty"):
        media.check(Upload("foto.png", b""))


def test_the_limit_is_the_last_byte(app: Flask) -> None:
    largest = files.PDF.ljust(LARGEST_FILE, b"\n")

    assert len(media.check(Upload("a.pdf", largest)).content) == 16 * 1024 * 1024
    with pytest.raises(Invalid, match="at most 16 MB"):
        media.check(Upload("a.pdf", largest + b"\n"))


def test_customers_file_is_described_before_it_is_here() -> None:
    told = {"size": 2_000, "duration_s": 12, "thumbnail": files.JPEG}

    row = media.remote_row(MessageKind.AUDIO, file_name="../recado\u202e.ogg", mime_type="audio/ogg", **told)

    assert (row["state"], row["fetch_error"], row["kind"]) == ("remote", None, "audio")
    assert (row["file_name"], row["mime_type"]) == ("recado.ogg", "audio/ogg")
    assert (row["size"], row["duration_s"], row["thumbnail"]) == (2_000, 12, files.JPEG)


@pytest.mark.parametrize(
    ("size", "kept", "state"),
    [
        (media.LARGEST_FETCHED, media.LARGEST_FETCHED, "remote"),
        (media.LARGEST_FETCHED + 1, media.LARGEST_FETCHED + 1, "unavailable"),
        (2**63, 2**31 - 1, "unavailable"),
        (-1, None, "remote"),
        (None, None, "remote"),
    ],
)
def test_what_a_sender_tells_of_the_size_fits_its_column(size: int | None, kept: int | None, state: str) -> None:
    row = media.remote_row(
        MessageKind.VIDEO, file_name="", mime_type="video/mp4" * 20, size=size, duration_s=2**40, thumbnail=None
    )

    assert (row["size"], row["state"], row["duration_s"]) == (kept, state, 2**31 - 1)
    assert (row["fetch_error"] == media.TOO_LARGE) is (state == "unavailable")
    assert (row["file_name"], len(row["mime_type"])) == ("file", media.LONGEST_TYPE)


@pytest.mark.parametrize(
    ("told", "name", "content", "kind", "mime_type"),
    [
        (MessageKind.IMAGE, "foto.jpg", files.JPEG, "image", "image/jpeg"),
        (MessageKind.STICKER, "figurinha.webp", files.WEBP, "sticker", "image/webp"),
        (MessageKind.DOCUMENT, "foto.jpg", files.JPEG, "document", "image/jpeg"),
        (MessageKind.IMAGE, "foto.jpg", files.mp4("vide"), "video", "video/mp4"),
        (MessageKind.IMAGE, "foto.jpg", files.PDF, "document", "application/pdf"),
        (MessageKind.STICKER, "figurinha.webp", files.PDF, "document", "application/pdf"),
        *(
            (told, name, content, "document", file_types.UNKNOWN_TYPE)
            for told in (MessageKind.IMAGE, MessageKind.DOCUMENT)
            for name, content in (
                ("foto.png", files.SVG),
                ("foto.jpg", files.EXE),
                ("pagina.html", b"<html><script>alert(1)</script>"),
                ("roteiro.js", b"alert(1)"),
            )
        ),
    ],
)
def test_customers_file_is_what_its_content_is(
    told: MessageKind, name: str, content: bytes, kind: str, mime_type: str
) -> None:
    found = file_types.recognise_received(told, name, content)

    assert (found.kind, found.mime_type) == (kind, mime_type)
