"""The small files are what they say they are."""

import re
import struct

from local.evolution.pictures import jpeg, webp
from local.evolution.sample_files import document, film, voice


def test_a_picture_tells_its_size_and_escapes_its_marks():
    content = jpeg(3, 4)

    frame = content.index(b"\xff\xc0")
    assert struct.unpack(">HH", content[frame + 5 : frame + 9]) == (32, 24)
    drawn = content[content.index(b"\xff\xda") + 14 : -2]
    assert re.findall(rb"\xff[^\0]", drawn) == []
    assert jpeg(3, 4) == content


def test_a_sticker_tells_its_size():
    content = webp(64, 32)

    bits = int.from_bytes(content[21:25], "little")
    assert (content[:4], content[8:16], content[20]) == (b"RIFF", b"WEBPVP8L", 0x2F)
    assert ((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1) == (64, 32)
    assert struct.unpack("<I", content[4:8])[0] == len(content) - 8


def test_a_voice_note_lasts_as_long_as_it_was_spoken():
    pages = voice(4).split(b"OggS")[1:]

    last = pages[-1]
    assert b"OpusHead" in pages[0]
    # The type of the last page says that it is the last, and its position counts samples at 48 kHz.
    assert (last[1], struct.unpack("<q", last[2:10])[0] / 48_000) == (4, 4.0)
    assert [struct.unpack("<I", page[14:18])[0] for page in pages] == list(range(6))


def test_a_film_consists_of_whole_boxes():
    content, names, at = film(), [], 0
    while at < len(content):
        size, name = struct.unpack(">I4s", content[at : at + 8])
        names.append(name)
        at += size

    assert (names, at) == ([b"ftyp", b"moov", b"mdat"], len(content))


def test_a_document_finds_its_own_parts():
    content = document("Uma linha")

    table = int(re.search(rb"startxref\n(\d+)", content)[1])
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n", content[table:])]
    assert content[table:].startswith(b"xref")
    assert [content[place : place + 7] for place in places] == [b"%d 0 obj" % number for number in range(1, 6)]
    assert b"(Uma linha)" in content
