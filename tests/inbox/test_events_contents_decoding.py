"""Sizes, thumbnails, names and text of contents: read in every encoding, and made harmless (contract §11.3, §11.4)."""

import base64
import json
from typing import Any

import pytest

from portal.inbox.decoding import LONGEST_BODY
from portal.inbox.facts import MediaSeen
from tests.inbox.contents import seen, vcard

JPEG = b"\xff\xd8\xff\xe0\x00\x10JFIF"

LONGS = {
    "text": "184321",
    "number": 184321,
    "float": 184321.0,
    "long": {"low": 184321, "high": 0, "unsigned": True},
}


@pytest.mark.parametrize("length", LONGS.values(), ids=LONGS)
def test_the_size_of_a_file_in_every_encoding(length: object) -> None:
    content = {"imageMessage": {"mimetype": "image/jpeg", "fileLength": length}}

    assert seen(content).media == MediaSeen("image.jpg", "image/jpeg", size=184321)


def test_a_size_above_half_of_32_bits() -> None:
    content = {"videoMessage": {"fileLength": {"low": -2, "high": 1, "unsigned": True}}}

    assert seen(content).media == MediaSeen("video.mp4", "application/octet-stream", size=2**33 - 2)


@pytest.mark.parametrize(
    "length", ["many", "", -1, True, [], {"low": "x"}, {"high": 1}, 1e999, "9" * 30, 10**40], ids=range(10)
)
def test_a_size_that_is_none(length: object) -> None:
    media = seen({"imageMessage": {"fileLength": length, "seconds": length}}).media

    assert media == MediaSeen("image.jpg", "application/octet-stream")


BYTES = {
    "base64": base64.b64encode(JPEG).decode(),
    "index_map": {str(i): byte for i, byte in enumerate(JPEG)},
    "buffer": {"type": "Buffer", "data": list(JPEG)},
    "list": list(JPEG),
}


@pytest.mark.parametrize("thumbnail", BYTES.values(), ids=BYTES)
def test_a_thumbnail_in_every_encoding(thumbnail: object) -> None:
    media = seen({"imageMessage": {"jpegThumbnail": thumbnail}}).media

    assert media is not None
    assert media.thumbnail == JPEG


NO_PICTURES = {
    "other bytes": base64.b64encode(b"<svg onload=1>").decode(),
    "no base64": "ÿØÿ!",
    "half a map": {"1": 255, "2": 216},
    "too large a number": {"0": 255, "1": 216, "2": 256},
    "booleans": [True, False],
    "buffer without data": {"type": "Buffer"},
    "too much base64": base64.b64encode(JPEG + b"x" * 70_000).decode(),
    "too large a list": [255, 216, 255] + [0] * 65_536,
    "empty": "",
    "number": 255,
}


@pytest.mark.parametrize("thumbnail", NO_PICTURES.values(), ids=NO_PICTURES)
def test_what_is_no_small_picture_is_left_out(thumbnail: object) -> None:
    media = seen({"imageMessage": {"jpegThumbnail": thumbnail}}).media

    assert media is not None
    assert media.thumbnail is None


FILES = {
    "document": (
        "documentMessage",
        {"fileName": "nota.pdf", "mimetype": "application/pdf"},
        "nota.pdf",
        "application/pdf",
    ),
    "by title": ("documentMessage", {"title": "nota.pdf"}, "nota.pdf", "application/octet-stream"),
    "path": ("documentMessage", {"fileName": "../../etc/C:\\passwd"}, "passwd", "application/octet-stream"),
    "hidden ending": ("documentMessage", {"fileName": "gpj.\u202eexe"}, "gpj.exe", "application/octet-stream"),
    "no name": ("documentMessage", {"mimetype": "application/pdf"}, "document.pdf", "application/pdf"),
    "no anything": ("documentMessage", {}, "document.bin", "application/octet-stream"),
    "voice": ("audioMessage", {"mimetype": "audio/ogg; codecs=opus"}, "audio.ogg", "audio/ogg"),
    "sticker": ("stickerMessage", {"mimetype": "image/webp"}, "sticker.webp", "image/webp"),
    "capitals": ("imageMessage", {"mimetype": "IMAGE/PNG"}, "image.png", "image/png"),
    "header in a type": ("imageMessage", {"mimetype": "image/png\r\nX-Y: z"}, "image.jpg", "application/octet-stream"),
    "no type": ("imageMessage", {"mimetype": "picture"}, "image.jpg", "application/octet-stream"),
    "type of another type": ("videoMessage", {"mimetype": ["video/mp4"]}, "video.mp4", "application/octet-stream"),
}


@pytest.mark.parametrize(("type_", "fields", "name", "mime_type"), FILES.values(), ids=FILES)
def test_a_file_has_a_safe_name_and_a_type(type_: str, fields: dict[str, Any], name: str, mime_type: str) -> None:
    assert seen({type_: fields}, type_).media == MediaSeen(name, mime_type)


def test_nothing_of_where_the_file_is_and_how_to_open_it_is_kept() -> None:
    secret = {"url": "https://mmg.example.test/x", "directPath": "/v/x", "mediaKey": "a2V5", "fileSha256": "aGFzaA=="}

    found = repr(seen({"imageMessage": secret}, "imageMessage"))

    assert not [value for value in secret.values() if value in found]


HOSTILE = {
    "zero byte": ("Bom\x00 dia", "Bom dia"),
    "direction": ("\u202eBom\u2066 dia\u061c", "Bom dia"),
    "half a character": ("Bom dia\ud83d", "Bom dia"),
    "joined emoji": ("👩\u200d👧", "👩\u200d👧"),
    "accents apart": ("Na\u0303o, amanha\u0303", "Não, amanhã"),
    "line breaks": ("Bom\r\ndia\u2028", "Bom\ndia"),
    "escape": ("\x1b[31mBom dia\x9b", "[31mBom dia"),
    "endless": ("x" * 70_000, "x" * LONGEST_BODY),
    "markup": ("<script>alert(1)</script>", "<script>alert(1)</script>"),
}


@pytest.mark.parametrize(("told", "kept"), HOSTILE.values(), ids=HOSTILE)
def test_text_is_made_harmless(told: str, kept: str) -> None:
    assert seen({"conversation": told}, "conversation").body == kept


def test_details_stay_small_whatever_was_sent() -> None:
    huge = "9\u0000\ud83d" * 5_000
    cards = [
        {"displayName": huge, "vcard": vcard("x", *(f"TEL:+5511{n:09d}" for n in range(910_000_000, 910_000_900)))}
    ]
    contents = [
        {"contactsArrayMessage": {"contacts": cards * 500}},
        {"pollCreationMessageV3": {"name": "?", "options": [{"optionName": huge}] * 500}},
        {"listResponseMessage": {"singleSelectReply": {"selectedRowId": huge}}},
        {"pollUpdateMessage": {"vote": {"selectedOptions": [huge] * 500}}},
        {"x" * 5_000: {"title": huge}},
    ]

    for content in contents:
        details = json.dumps(
            seen(content, next(iter(content)), contextInfo={"externalAdReply": {"title": huge}}).details
        )
        assert len(details) < 32_768
        assert "\\u0000" not in details
        assert "\\ud83d" not in details
