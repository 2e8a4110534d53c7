"""QR codes as pictures for programs: dark on white, with the quiet margin that cameras need."""

import segno

PIXELS_PER_MODULE = 6
MARGIN_MODULES = 4


def png_address(code: str) -> str:
    """The code drawn as a PNG, as a `data:` address."""
    drawn = segno.make_qr(code, error="m")
    return drawn.png_data_uri(scale=PIXELS_PER_MODULE, border=MARGIN_MODULES, dark="#000", light="#fff")
