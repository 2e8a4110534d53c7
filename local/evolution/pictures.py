"""Small real pictures, drawn by code: a mosaic as JPEG, one colour as WebP."""

import struct
from collections.abc import Iterable

Colour = tuple[int, int, int]
TEAL, SAND = (11, 110, 95), (244, 196, 120)
# With this step of quantisation a block of one colour is coded by that colour's difference to the middle.
STEP = 8
MIDDLE = 128
BLOCK = 8


class Bits:
    """Put codes one after another, most significant bit first or last."""

    def __init__(self) -> None:
        self._text: list[str] = []

    def add(self, value: int, length: int) -> None:
        """Put a number in so many bits."""
        self._text.append(format(value, f"0{length}b") if length else "")

    def add_reversed(self, value: int, length: int) -> None:
        """Put a number in so many bits, the lowest first."""
        self._text.append(format(value, f"0{length}b")[::-1])

    def to_bytes(self, filler: str, *, is_reversed: bool = False) -> bytes:
        """Give the whole bytes, filled up at the end."""
        text = "".join(self._text)
        text += filler * (-len(text) % 8)
        parts = [text[at : at + 8] for at in range(0, len(text), 8)]
        return bytes(int(part[::-1] if is_reversed else part, 2) for part in parts)


def jpeg(columns: int = 8, rows: int = 10, colours: tuple[Colour, Colour] = (TEAL, SAND)) -> bytes:
    """Draw a mosaic of two colours; each stone has 8 by 8 points."""
    frame = struct.pack(">BHHB", 8, rows * BLOCK, columns * BLOCK, 3) + bytes((1, 17, 0, 2, 17, 0, 3, 17, 0))
    # Two tables of codes: twelve of four bits for the brightness, one of one bit for the end of a block.
    brightness = bytes((0, 0, 0, 0, 12, *[0] * 12, *range(12)))
    ending = bytes((16, 1, *[0] * 15, 0))
    parts = (
        _segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\0\0"),
        _segment(0xDB, bytes((0, *[STEP] * 64))),
        _segment(0xC0, frame),
        _segment(0xC4, brightness),
        _segment(0xC4, ending),
        _segment(0xDA, bytes((3, 1, 0, 2, 0, 3, 0, 0, 63, 0))),
    )
    stones = (colours[(column * row + column + row) % 3 % 2] for row in range(rows) for column in range(columns))
    return b"\xff\xd8" + b"".join(parts) + _scan(stones) + b"\xff\xd9"


def webp(width: int = 64, height: int = 64, colour: Colour = SAND) -> bytes:
    """Draw one colour: every code has one symbol, so the points need no bits at all."""
    bits = Bits()
    for value, length in ((width - 1, 14), (height - 1, 14), (0, 1 + 3 + 1 + 1 + 1)):
        bits.add_reversed(value, length)
    red, green, blue = colour
    for symbol in (green, red, blue, 255, 0):
        # A simple code with one symbol of eight bits.
        bits.add_reversed(0b101, 3)
        bits.add_reversed(symbol, 8)
    stream = b"\x2f" + bits.to_bytes("0", is_reversed=True)
    padded = stream + bytes(len(stream) % 2)
    chunk = b"VP8L" + struct.pack("<I", len(stream)) + padded
    return b"RIFF" + struct.pack("<I", 4 + len(chunk)) + b"WEBP" + chunk


def _segment(mark: int, content: bytes) -> bytes:
    return bytes((0xFF, mark)) + struct.pack(">H", len(content) + 2) + content


def _scan(stones: Iterable[Colour]) -> bytes:
    bits, before = Bits(), [0, 0, 0]
    for colour in stones:
        for index, value in enumerate(_levels(colour)):
            _put_difference(bits, value - before[index])
            bits.add(0, 1)
            before[index] = value
    return bits.to_bytes("1").replace(b"\xff", b"\xff\0")


def _put_difference(bits: Bits, value: int) -> None:
    size = abs(value).bit_length()
    bits.add(size, 4)
    bits.add(value if value >= 0 else value + (1 << size) - 1, size)


def _levels(colour: Colour) -> tuple[int, int, int]:
    red, green, blue = colour
    brightness = round(0.299 * red + 0.587 * green + 0.114 * blue)
    return brightness - MIDDLE, round(0.564 * (blue - brightness)), round(0.713 * (red - brightness))
