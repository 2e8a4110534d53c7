"""Small real files for what customers send: a voice note, a film, a document, a picture, a sticker."""

import struct
from collections.abc import Callable

from local.evolution.media import JPEG, Media
from local.evolution.pictures import jpeg, webp

OPUS = "audio/ogg; codecs=opus"
# One packet of Opus: 20 ms of silence.
SILENCE = b"\xf8\xff\xfe"
PACKETS_A_PAGE = 50
SAMPLES_A_PACKET = 960
OGG_POLYNOMIAL = 0x04C11DB7
STREAM = 0x5A1E


def voice(seconds: int = 3) -> bytes:
    """Record silence as Ogg with Opus."""
    head = b"OpusHead" + struct.pack("<BBHIhB", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 4) + b"demo" + struct.pack("<I", 0)
    pages = [_ogg_page([head], 0, 0, 2), _ogg_page([tags], 1, 0, 0)]
    for second in range(seconds):
        last = 4 if second == seconds - 1 else 0
        at = (second + 1) * PACKETS_A_PAGE * SAMPLES_A_PACKET
        pages.append(_ogg_page([SILENCE] * PACKETS_A_PAGE, second + 2, at, last))
    return b"".join(pages)


def film() -> bytes:
    """Make an MP4 that says what it is and shows nothing: its one track has no pictures."""
    header = (
        struct.pack(">IIIII", 0, 0, 0, 1000, 3000) + struct.pack(">IH", 0x10000, 0x100) + bytes(66) + bytes(3) + b"\2"
    )
    handler = _box(b"hdlr", bytes(8) + b"vide" + bytes(13))
    media = _box(b"trak", _box(b"mdia", handler))
    brands = b"isom" + struct.pack(">I", 512) + b"isommp41"
    return _box(b"ftyp", brands) + _box(b"moov", _box(b"mvhd", header) + media) + _box(b"mdat", b"")


def document(text: str = "Comprovante de exemplo") -> bytes:
    """Write a PDF of one page with one line."""
    shown = f"BT /F1 18 Tf 20 60 Td ({text}) Tj ET".encode("latin-1")
    objects = (
        b"<</Type/Catalog/Pages 2 0 R>>",
        b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 120]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>",
        b"<</Length %d>>stream\n%s\nendstream" % (len(shown), shown),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )
    written, places = b"%PDF-1.4\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(written))
        written += b"%d 0 obj%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    ending = b"trailer<</Size 6/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n" % len(written)
    return written + b"xref\n0 6\n0000000000 65535 f \n" + table + ending


SAMPLES: dict[str, Callable[[], Media]] = {
    "image": lambda: Media("image", jpeg(), JPEG),
    "video": lambda: Media("video", film(), "video/mp4"),
    "videoNote": lambda: Media("ptv", film(), "video/mp4"),
    "audio": lambda: Media("audio", voice(6), OPUS),
    "voiceNote": lambda: Media("audio", voice(), OPUS),
    "document": lambda: Media("document", document(), "application/pdf", "comprovante.pdf"),
    "sticker": lambda: Media("sticker", webp(), "image/webp"),
}


def _ogg_page(packets: list[bytes], number: int, at: int, flags: int) -> bytes:
    lacing = bytes(len(packet) for packet in packets)
    head = b"OggS" + struct.pack("<BBqII", 0, flags, at, STREAM, number)
    rest = bytes((len(lacing),)) + lacing + b"".join(packets)
    checked = _ogg_checksum(head + bytes(4) + rest)
    return head + struct.pack("<I", checked) + rest


def _ogg_checksum(content: bytes) -> int:
    register = 0
    for byte in content:
        register ^= byte << 24
        for _ in range(8):
            register = (register << 1 ^ (OGG_POLYNOMIAL if register >> 31 else 0)) & 0xFFFFFFFF
    return register


def _box(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content
