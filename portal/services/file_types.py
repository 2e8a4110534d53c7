"""What a file is, by its content: how WhatsApp shows it, what name it may bear, and whether it may do harm."""

import mimetypes
import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

import filetype

from portal.models import MessageKind

LONGEST_NAME = 120
LONGEST_ENDING = 12
UNKNOWN_TYPE = "application/octet-stream"

# What WhatsApp shows or plays in place: its type, and the endings that Evolution reads that type from, ours first.
# The rest (GIF, HEIC, WAV, WebM …) goes as a document, which arrives as it is.
SHOWN: Mapping[str, tuple[MessageKind, tuple[str, ...]]] = MappingProxyType(
    {
        "image/jpeg": (MessageKind.IMAGE, ("jpg", "jpeg")),
        "image/png": (MessageKind.IMAGE, ("png",)),
        "image/webp": (MessageKind.IMAGE, ("webp",)),
        "video/mp4": (MessageKind.VIDEO, ("mp4",)),
        "video/3gpp": (MessageKind.VIDEO, ("3gp",)),
        "audio/mpeg": (MessageKind.AUDIO, ("mp3",)),
        "audio/ogg": (MessageKind.AUDIO, ("ogg", "opus")),
        "audio/mp4": (MessageKind.AUDIO, ("m4a",)),
        "audio/aac": (MessageKind.AUDIO, ("aac",)),
        "audio/amr": (MessageKind.AUDIO, ("amr",)),
    }
)
_PROMISES = frozenset(ending for _, endings in SHOWN.values() for ending in endings)

# Endings that a system runs, installs, mounts or shows as a page of its own.
_PROGRAM_ENDINGS = re.compile(
    r"exe|dll|msi|msp|msc|msix|appx|com|scr|pif|cpl|ocx|sys|drv|bat|cmd|ps1|psm1|vb|vbs|vbe|js|jse|mjs|cjs|wsf|wsh|wsc"
    r"|sct|hta|lnk|url|reg|inf|scf|chm|application|gadget|jnlp|jar|class|war|sh|bash|zsh|csh|ksh|command|run|elf|so"
    r"|dylib|app|pkg|dmg|deb|rpm|appimage|apk|apks|aab|xapk|ipa|dex|iso|img|vhd|vhdx|htm|html|xhtml|xht|shtml|mht|mhtml"
    r"|svg|svgz|swf|php|php3|php5|phtml|phar|asp|aspx|jsp|jspx|cgi|pl|py|pyc|pyw|rb"
)
_PROGRAM_STARTS = (
    b"\x7fELF",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"dex\n",
    b"L\x00\x00\x00\x01\x14\x02\x00",
)
# The class of a Windows installer, inside a file that otherwise looks like an old Word document.
_INSTALLER_CLASS = bytes.fromhex("84100c0000000000c000000000000046")
_ZIP, _OLE = b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_PROGRAMS_IN_ZIP = (b"META-INF/MANIFEST.MF", b"AndroidManifest.xml")
_PAGE = re.compile(
    rb"<(?:!doctype\s+html|html|head|body|script|iframe|object|embed|style|title|meta|link|svg|div|img|table|form|h1|a|p"
    rb"|b|br|font)[\s/>]",
    re.IGNORECASE,
)
_XML = re.compile(rb"<(?:\?xml|!--|!doctype|svg:)", re.IGNORECASE)
_ACTIVE_XML = re.compile(rb"<(?:\w+:)?(?:svg|html|script)[\s/>]", re.IGNORECASE)

_ENDING = re.compile(r"\.([A-Za-z0-9]{1,12})\Z")
_UNSAFE_IN_NAMES = re.compile(r'[<>:"/\\|?*]')
_TRACK = re.compile(rb"hdlr.{8}(vide|soun)", re.DOTALL)
_BYTE_ORDERS = {b"\xff\xfe": "utf-16-le", b"\xfe\xff": "utf-16-be"}


@dataclass(frozen=True)
class FileType:
    """How a file goes out, and the name it goes under."""

    kind: MessageKind
    mime_type: str
    file_name: str


def recognise(file_name: str, content: bytes) -> FileType:
    """The type by content. The name's ending agrees with it, for Evolution reads the type from the name."""
    name, guess = safe_name(file_name), filetype.guess(content)
    known = _type_of(content, guess.mime if guess is not None else "")
    if known in SHOWN:
        kind, endings = SHOWN[known]
        return FileType(kind, known, name if _ending(name) in endings else _renamed(name, endings[0]))
    if _ending(name) in ("", *_PROMISES):
        name = _renamed(name, guess.extension if guess is not None else "bin")
    return FileType(MessageKind.DOCUMENT, known or mimetypes.guess_type(name)[0] or UNKNOWN_TYPE, name)


def recognise_received(told: MessageKind, file_name: str, content: bytes) -> FileType:
    """The type of a file that a customer sent; what runs or is a page is a document of no type at all.

    What came as a sticker or as a document stays one: the sender chose how it is shown.
    """
    found = recognise(file_name, content)
    if is_program(file_name, content):
        return FileType(MessageKind.DOCUMENT, UNKNOWN_TYPE, safe_name(file_name) or "file")
    if told == MessageKind.DOCUMENT:
        return replace(found, kind=MessageKind.DOCUMENT)
    if told == MessageKind.STICKER and found.kind == MessageKind.IMAGE:
        return replace(found, kind=MessageKind.STICKER)
    return found


def is_program(file_name: str, content: bytes) -> bool:
    """Whether opening it runs something: a program, a script, an installer, or a page with scripts of its own."""
    if _PROGRAM_ENDINGS.fullmatch(_ending(safe_name(file_name))) or _starts_as_program(content):
        return True
    if content.startswith(_ZIP):
        return any(name in content for name in _PROGRAMS_IN_ZIP)
    if content.startswith(_OLE):
        return _INSTALLER_CLASS in content
    return _is_page(content)


def _starts_as_program(content: bytes) -> bool:
    is_windows_program = content.startswith(b"MZ") and b"\x00" in content[:64]
    is_script = content.startswith(b"#!") and not content.startswith(b"#!AMR")
    return is_windows_program or is_script or content.startswith(_PROGRAM_STARTS)


def _is_page(content: bytes) -> bool:
    """Whether a browser would take it for a page or a drawing with scripts; other XML, such as an invoice, is none."""
    text = _as_plain_bytes(content).lstrip(b"\xef\xbb\xbf \t\r\n\f\x00")
    if _PAGE.match(text):
        return True
    return _XML.match(text) is not None and _ACTIVE_XML.search(text) is not None


def _as_plain_bytes(content: bytes) -> bytes:
    encoding = _BYTE_ORDERS.get(content[:2])
    return content.decode(encoding, errors="ignore").encode(errors="ignore") if encoding else content


def _type_of(content: bytes, guess: str) -> str:
    """The type that the content tells; empty for text and for what nobody knows."""
    is_3gp = content[4:11] == b"ftyp3gp"
    if is_3gp or guess in ("video/mp4", "video/x-m4v", "audio/mp4"):
        # Recorders write films and sound under the same brands: the tracks tell which it is.
        tracks = set(_TRACK.findall(content)) or {b"soun" if guess == "audio/mp4" else b"vide"}
        return ("video/3gpp" if is_3gp else "video/mp4") if b"vide" in tracks else "audio/mp4"
    if guess == "audio/ogg" and b"OpusHead" not in content[:100]:
        # WhatsApp plays Opus only.
        return "application/ogg"
    return guess


def safe_name(file_name: str) -> str:
    """The name alone: no folders, nothing invisible or that turns the reading direction, nothing a disk refuses."""
    name = re.split(r"[/\\]", unicodedata.normalize("NFC", file_name))[-1]
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))
    # Windows drops spaces and dots at the end, and with them would show another ending.
    name = " ".join(_UNSAFE_IN_NAMES.sub("_", name).split()).strip(". ")
    ending = _ending(name)
    return _named(name[: -len(ending) - 1], ending) if ending else name[: LONGEST_NAME - LONGEST_ENDING - 1]


def _renamed(name: str, ending: str) -> str:
    """Under another ending, which takes the place of one that promised something else."""
    old = _ending(name)
    return _named(name[: -len(old) - 1] if old in _PROMISES else name, ending)


def _named(stem: str, ending: str) -> str:
    return f"{stem[: LONGEST_NAME - len(ending) - 1].rstrip('. ') or 'file'}.{ending}"


def _ending(name: str) -> str:
    found = _ENDING.search(name)
    return found[1].lower() if found else ""
