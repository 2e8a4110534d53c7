"""Draw QR codes as Evolution does."""

import segno

COLOUR = "#198754"


def draw_qr(text: str) -> str:
    """Draw a text as a PNG data URI: error correction H, scale 4, margin 3."""
    return segno.make(text, error="h", micro=False).png_data_uri(scale=4, border=3, dark=COLOUR, light="#ffffff")
