"""The QR code as a picture: dark on white with a quiet margin, whatever the page's colours."""

from functools import lru_cache

import segno

QUIET_MARGIN = 4
SCALE = 8


@lru_cache(maxsize=256)
def svg_uri(code: str) -> str:
    """A `data:` address of the code as SVG, crisp at any size."""
    picture = segno.make(code, error="l", micro=False)
    return str(picture.svg_data_uri(scale=SCALE, border=QUIET_MARGIN, dark="#000000", light="#ffffff", omitsize=True))
