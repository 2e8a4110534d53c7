"""Pictures that go out are written anew: what a camera or a person hid in the file is gone, and a picture is left."""

import re
import struct
from collections.abc import Mapping
from io import BytesIO
from threading import Lock
from types import MappingProxyType
from typing import Any

from flask_babel import gettext as _
from PIL import Image, ImageFile

from portal.errors import Invalid

MILLION = 1_000_000
# So that the largest one takes about 250 MB: WebP is held four times while it is read, and a pixel of a JPEG for
# printing has a colour more.
MOST_PIXELS: Mapping[str, int] = MappingProxyType({"JPEG": 25 * MILLION, "PNG": 25 * MILLION, "WEBP": 13 * MILLION})
MOST_PIXELS_FOR_PRINTING = 16 * MILLION
# A JPEG in one scan can be read at half its width and height, which needs a quarter of the memory.
MOST_PIXELS_IN_HALVES = 50 * MILLION
# Progressive JPEGs have about ten scans. Thousands of empty ones fit into a small file, and each goes over all pixels.
MOST_SCANS = 100
# Pillow goes over the parts of a file, and over what lies between them, one by one: millions take it many seconds.
MOST_MARKS, MOST_BETWEEN, MOST_CHUNKS = 2_000, 64 * 1024, 20_000
# Holds the profiles that telephones and editors write. Without its profile a picture has other colours, so a small one
# is kept as it is; those of printers are large, and are for inks that are gone by then.
LARGEST_PROFILE = 4 * 1024

# How each type is written: what takes longest is done at the pace of a request, for a somewhat larger file.
_WRITTEN: Mapping[str, tuple[str, Mapping[str, Any]]] = MappingProxyType(
    {
        "image/jpeg": ("JPEG", {"quality": 88}),
        "image/png": ("PNG", {"compress_level": 3}),
        "image/webp": ("WEBP", {"quality": 88, "method": 0}),
    }
)
_MODES = MappingProxyType(
    {
        "JPEG": frozenset({"L", "RGB"}),
        "PNG": frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"}),
        "WEBP": frozenset({"RGB", "RGBA"}),
    }
)
_ORIENTATION = 0x0112
_TURNS = MappingProxyType(
    {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
)
# In the data of a scan every FF is followed by 00 or by a mark to start over. Before a mark may stand any number of FF.
_MARK = re.compile(rb"\xff([^\x00\xff\xd0-\xd7])", re.DOTALL)
_START_OF_SCAN, _END = 0xDA, 0xD9
# Pillow reads on directly behind these.
_WITHOUT_LENGTH = frozenset({0x01, 0xC8, 0xD8, *range(0xF0, 0xFE)})
_PNG_BEGINS_AT, _AROUND_CHUNK = 8, 12

# What Pillow raises for a file that is not what it says, each in another part of it.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    EOFError,
    IndexError,
    KeyError,
    OverflowError,
    struct.error,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)
# So much memory as one picture takes, and no more, whoever sends how many at once.
_one_at_a_time = Lock()
# Whoever waits longer would keep others from being served at all.
LONGEST_WAIT_S = 3.0


def rewrite(content: bytes, mime_type: str) -> bytes:
    """The same picture as a file of our own, upright: without place, camera or comment, and nothing after its end.

    The same content gives the same file. Of a picture that moves the first one is left.
    Raises Invalid for `file`: it is damaged, or of too many pixels, or others are being written and take their time.
    """
    form, options = _WRITTEN[mime_type]
    scans = _scans(content) if form == "JPEG" else 1
    if not 1 <= scans <= MOST_SCANS or (form == "PNG" and _has_too_many_chunks(content)):
        raise _unreadable()
    if not _one_at_a_time.acquire(timeout=LONGEST_WAIT_S):
        raise Invalid({"file": _("Too many pictures at once. Try again in a moment.")})
    try:
        return _rewritten(content, form, options, may_halve=form == "JPEG" and scans == 1)
    except _BROKEN as e:
        raise _unreadable() from e
    finally:
        _one_at_a_time.release()


def _rewritten(content: bytes, form: str, options: Mapping[str, Any], *, may_halve: bool) -> bytes:
    with Image.open(BytesIO(content), formats=(form,)) as image:
        most = MOST_PIXELS_FOR_PRINTING if image.mode == "CMYK" else MOST_PIXELS[form]
        _check_pixels(image, MOST_PIXELS_IN_HALVES if may_halve else most)
        if image.width * image.height > most:
            image.draft(None, (image.width // 2, image.height // 2))
        image.load()
        turn, profile = _turn(image), _kept_profile(image)
        # Whatever else the file tells stands there, and some of it would be written again.
        image.info = {name: value for name, value in image.info.items() if name == "transparency"}
        upright = _in_mode_of(form, image if turn is None else image.transpose(turn))
        written = BytesIO()
        upright.save(written, form, icc_profile=profile if upright.mode.startswith("RGB") else None, **options)
    return written.getvalue()


def _check_pixels(image: ImageFile.ImageFile, most: int) -> None:
    """By what the header says, before anything is decoded."""
    if image.width * image.height > most:
        message = _(
            "This picture has too many pixels: at most %(limit)s million can be sent. Make it smaller.",
            limit=most // MILLION,
        )
        raise Invalid({"file": message})


def _turn(image: Image.Image) -> Image.Transpose | None:
    """How to turn it so that it stands upright. What cannot be read of that is no reason to refuse the picture."""
    try:
        orientation: Any = image.getexif().get(_ORIENTATION)
        return _TURNS.get(orientation)
    except _BROKEN:
        return None


def _kept_profile(image: Image.Image) -> bytes | None:
    profile = image.info.get("icc_profile")
    is_kept = isinstance(profile, bytes) and len(profile) <= LARGEST_PROFILE and profile[16:20] == b"RGB "
    return profile if is_kept and image.mode.startswith("RGB") else None


def _in_mode_of(form: str, image: Image.Image) -> Image.Image:
    if image.mode in _MODES[form]:
        return image
    return image.convert("RGBA" if image.has_transparency_data and form != "JPEG" else "RGB")


def _scans(content: bytes) -> int:
    """How often a JPEG goes over its pixels; 0 if it is made to be slow to read, or never does."""
    found, marks, between, position = 0, 0, 0, 0
    while found <= MOST_SCANS and (mark := _MARK.search(content, position)):
        marks += 1
        between += 0 if found else mark.start() - position
        if marks > MOST_MARKS or between > MOST_BETWEEN:
            return 0
        kind, position = mark[1][0], mark.end()
        if kind == _END:
            break
        found += kind == _START_OF_SCAN
        if kind not in _WITHOUT_LENGTH:
            position += int.from_bytes(content[position : position + 2])
    return found


def _has_too_many_chunks(content: bytes) -> bool:
    position = _PNG_BEGINS_AT
    for _chunk in range(MOST_CHUNKS):
        if position >= len(content) or content[position + 4 : position + 8] == b"IEND":
            return False
        position += _AROUND_CHUNK + int.from_bytes(content[position : position + 4])
    return True


def _unreadable() -> Invalid:
    return Invalid({"file": _("This picture cannot be read: it is damaged or not complete. Choose another one.")})
