"""The smallest files of their kinds, and some that pretend."""

import io
import struct
import wave
import zipfile

from PIL import Image


def png(width: int = 2, height: int = 2, colour: bytes = b"\x0b\x6e\x5f") -> bytes:
    """A picture in one colour."""
    return as_portal_writes(Image.new("RGB", (width, height), tuple(colour)), "PNG")


def as_portal_writes(image: Image.Image, form: str) -> bytes:
    """The file that the portal makes of such a picture, so that it goes out as it came."""
    written = io.BytesIO()
    image.save(written, form, **{"JPEG": {"quality": 88}, "PNG": {"compress_level": 3}, "WEBP": {"quality": 88}}[form])
    return written.getvalue()


def photo_with_place() -> bytes:
    """A photo as a telephone takes it: the file tells where."""
    told, written = Image.Exif(), io.BytesIO()
    told[0x010E] = PLACE.decode()
    Image.new("RGB", (3, 2), "red").save(written, "JPEG", exif=told)
    return written.getvalue()


def mp4(*tracks: str, brand: str = "isom") -> bytes:
    """A film without pictures: its brand, and one handler for each track (`vide`, `soun`)."""
    handlers = b"".join(_box(b"hdlr", bytes(8) + track.encode() + bytes(13)) for track in tracks)
    brands = brand.encode() + struct.pack(">I", 512) + brand.encode() + b"isommp41"
    return _box(b"ftyp", brands) + _box(b"moov", handlers) + _box(b"mdat", b"")


def archive(*names: str) -> bytes:
    """A ZIP with empty files of these names: what DOCX, JAR and APK are, too."""
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w") as zipped:
        for name in names:
            zipped.writestr(name, b"")
    return written.getvalue()


def wav() -> bytes:
    written = io.BytesIO()
    with wave.open(written, "wb") as sound:
        sound.setnchannels(1)
        sound.setsampwidth(1)
        sound.setframerate(8000)
        sound.writeframes(b"\x80" * 80)
    return written.getvalue()


def ogg(codec: bytes = b"OpusHead") -> bytes:
    """The first page of an Ogg stream."""
    return b"OggS\x00\x02" + bytes(20) + b"\x01\x13" + codec + bytes(11)


def _box(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data) + 8) + kind + data


PLACE = b"Rua das Flores, 12"
PNG = png()
JPEG = as_portal_writes(Image.new("RGB", (1, 1), "black"), "JPEG")
WEBP = as_portal_writes(Image.new("RGB", (1, 1), "black"), "WEBP")
GIF = b"GIF89a\x01\x00\x01\x00\x80" + bytes(5) + b"\xff\xff\xff," + bytes(4) + b"\x01\x00\x01\x00\x00\x02\x02D\x01\x00;"
MP3 = b"\xff\xfb\x90\x64" + bytes(413)
TAGGED_MP3 = b"ID3\x03\x00\x00\x00\x00\x00\x00" + MP3
AMR = b"#!AMR\n" + b"\x3c" + bytes(31)
AAC = b"\xff\xf1\x50\x80\x02\x1f\xfc" + bytes(8)
PDF = b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer << /Root 1 0 R >>\n%%EOF\n"
DOCX = archive("[Content_Types].xml", "word/document.xml")
EXE = b"MZ\x90\x00\x03\x00\x00\x00" + bytes(52) + b"\x40\x00\x00\x00PE\x00\x00"
OLD_WORD = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
INSTALLER = OLD_WORD + bytes.fromhex("84100c0000000000c000000000000046")
INVOICE = b'<?xml version="1.0" encoding="UTF-8"?><nfeProc xmlns="http://www.portalfiscal.inf.br/nfe"></nfeProc>'
SVG = b'<?xml version="1.0"?><!-- a drawing --><svg xmlns="http://www.w3.org/2000/svg"><script/></svg>'
