"""What a phone's camera reads: whose QR code a picture shows."""

import base64
import binascii
import io
from collections.abc import Iterable

import segno
from PIL import Image, ImageOps

from local.evolution.model import Instance
from local.evolution.tool import Refused

LEVELS = "lmqh"
DARK_BELOW = 128


def instance_in(picture: str, instances: Iterable[Instance]) -> Instance | None:
    """Find the instance whose code a `data:` address shows, however large and with whatever correction it is drawn."""
    image = opened(picture)
    margin = ImageOps.invert(image).getbbox()
    code = image.crop(margin)
    return next((one for one in instances if one.socket.code and shows(code, one.socket.code)), None)


def opened(picture: str) -> Image.Image:
    """Read the picture in black and white or refuse."""
    try:
        content = base64.b64decode(picture.partition(",")[2], validate=True)
        return (
            Image.open(io.BytesIO(content), formats=["PNG"]).convert("L").point(lambda x: 0 if x < DARK_BELOW else 255)
        )
    except (binascii.Error, OSError) as e:
        raise Refused(400, "picture must be a PNG as data: address") from e


def shows(code: Image.Image, text: str) -> bool:
    """Tell whether the modules of a picture without margin are those of this text."""
    for level in LEVELS:
        rows = segno.make(text, error=level, micro=False).matrix
        seen = code.resize((len(rows), len(rows)), Image.Resampling.NEAREST).tobytes()
        if seen == bytes(0 if dark else 255 for row in rows for dark in row):
            return True
    return False
