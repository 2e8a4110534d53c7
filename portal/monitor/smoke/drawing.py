"""A QR code that comes as a picture, drawn with the letters of a terminal."""

import base64
import binascii
import io
from itertools import zip_longest

from PIL import Image

PNG = "data:image/png;base64,"
# The dark bar on top of the first of the three marks that every QR code has.
MARK_MODULES = 7
QUIET_MODULES = 2
DARK_BELOW = 128
# Dark on white, whatever the colours of the terminal: not every phone reads a code that is the other way round.
BLACK_ON_WHITE, USUAL = "\x1b[30;107m", "\x1b[0m"
HALVES = {(False, False): " ", (True, False): "▀", (False, True): "▄", (True, True): "█"}


def in_terminal(picture: str) -> str:
    """The code of a `data:` address, two rows of modules in a line. Raises ValueError for what is no QR code."""
    rows = _with_margin(modules_of(picture))
    light = [False] * len(rows[0])
    lines = (
        "".join(HALVES[pair] for pair in zip(upper, lower, strict=True))
        for upper, lower in zip_longest(rows[::2], rows[1::2], fillvalue=light)
    )
    return "\n".join(f"{BLACK_ON_WHITE}{line}{USUAL}" for line in lines)


def modules_of(picture: str) -> list[list[bool]]:
    """The rows of modules, without the margin; True is dark. Raises ValueError for what is no QR code."""
    image = _opened(picture)
    width, height = image.size
    points = image.tobytes()
    is_dark = [[point < DARK_BELOW for point in points[y * width : (y + 1) * width]] for y in range(height)]
    top = next((y for y, row in enumerate(is_dark) if any(row)), None)
    if top is None:
        raise ValueError("the picture is empty")
    left = is_dark[top].index(True)
    bar = (is_dark[top][left:] + [False]).index(False)
    scale, right = bar // MARK_MODULES, width - is_dark[top][::-1].index(True)
    if not scale or bar % MARK_MODULES or (right - left) % scale or top + right - left > height:
        raise ValueError("the picture is no QR code")
    side = range(scale // 2, right - left, scale)
    return [[is_dark[top + y][left + x] for x in side] for y in side]


def _opened(picture: str) -> Image.Image:
    if not picture.startswith(PNG):
        raise ValueError("the picture is no PNG")
    try:
        content = base64.b64decode(picture.removeprefix(PNG), validate=True)
        return Image.open(io.BytesIO(content), formats=["PNG"]).convert("L")
    except (binascii.Error, OSError) as e:
        raise ValueError("the picture is damaged") from e


def _with_margin(rows: list[list[bool]]) -> list[list[bool]]:
    beside = [False] * QUIET_MODULES
    wide = [[*beside, *row, *beside] for row in rows]
    blank = [False] * len(wide[0])
    return [*[blank] * QUIET_MODULES, *wide, *[blank] * QUIET_MODULES]
