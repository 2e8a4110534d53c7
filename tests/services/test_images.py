"""Pictures that go out: upright, as they look, and with nothing in the file that is not the picture."""

import resource
import struct
import time
import zlib
from io import BytesIO
from typing import Any

import pytest
from flask import Flask
from PIL import Image, ImageCms

from portal.errors import Invalid
from portal.services import images, media
from portal.services.media import Upload
from tests import files

JPEG, PNG, WEBP = "image/jpeg", "image/png", "image/webp"
TYPES = {"JPEG": JPEG, "PNG": PNG, "WEBP": WEBP}
RED, BLUE = (220, 20, 30), (20, 30, 220)
SECRET = b"Rua das Flores, 12"


def photo(size: tuple[int, int] = (48, 32), mode: str = "RGB") -> Image.Image:
    """Red at its left, blue at its right."""
    image = Image.new("RGB", size, BLUE)
    image.paste(RED, (0, 0, size[0] // 2, size[1]))
    return image.convert(mode)


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    written = BytesIO()
    image.save(written, form, **options)
    return written.getvalue()


def exif(orientation: int = 1) -> Image.Exif:
    """What a telephone writes: where it was, what it is, and how it was held."""
    told = Image.Exif()
    told[0x0112], told[0x010F], told[0x010E] = orientation, "Maria's telephone", SECRET.decode()
    told.get_ifd(0x8825).update({1: "S", 2: (23.0, 33.0, 1.0), 3: "W", 4: (46.0, 38.0, 2.0)})
    return told


def opened(content: bytes) -> Image.Image:
    image = Image.open(BytesIO(content))
    image.load()
    return image


def is_red(pixel: Any) -> bool:
    return bool(pixel[0] > 180 and pixel[2] < 80)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_header(width: int, height: int) -> bytes:
    """A small file that promises many pixels."""
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    row = png_chunk(b"IDAT", zlib.compress(bytes(1_000_000), 9))
    return b"\x89PNG\r\n\x1a\n" + header + row + png_chunk(b"IEND", b"")


def jpeg_header(width: int, height: int) -> bytes:
    size = struct.pack(">HH", height, width)
    content = saved(photo((16, 16)), "JPEG")
    return content.replace(struct.pack(">HH", 16, 16), size, 1)


def webp_header(width: int, height: int) -> bytes:
    content = bytearray(saved(photo((16, 16)), "WEBP", lossless=True))
    content[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(content)


@pytest.mark.parametrize("form", TYPES)
def test_place_and_camera_are_gone(form: str) -> None:
    given = saved(photo(), form, exif=exif(), xmp=b"<x:xmpmeta>" + SECRET + b"</x:xmpmeta>")
    assert SECRET in given

    content = images.rewrite(given, TYPES[form])

    assert SECRET not in content
    assert b"telephone" not in content
    assert not opened(content).getexif()
    assert "xmp" not in opened(content).info


def test_comments_and_texts_are_gone() -> None:
    with_comment = saved(photo(), "JPEG", comment=SECRET)
    with_text = files.PNG[:33] + png_chunk(b"tEXt", b"Comment\0" + SECRET) + files.PNG[33:]

    assert SECRET in with_comment
    assert SECRET in with_text
    assert SECRET not in images.rewrite(with_comment, JPEG)
    assert images.rewrite(with_text, PNG) == files.PNG


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_picture_stands_upright(form: str, orientation: int) -> None:
    held = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    seen = photo()
    taken = seen.transpose(held[orientation]) if orientation in held else seen

    upright = opened(images.rewrite(saved(taken, form, exif=exif(orientation)), TYPES[form]))

    assert upright.size == (48, 32)
    assert is_red(upright.convert("RGB").getpixel((4, 16)))
    assert not is_red(upright.convert("RGB").getpixel((44, 16)))


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("broken", [b"Exif\0\0nonsense", b"Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12", b"Exif\0\0"])
def test_what_cannot_be_read_beside_the_picture_does_not_matter(broken: bytes) -> None:
    assert opened(images.rewrite(saved(photo(), "JPEG", exif=broken), JPEG)).size == (48, 32)


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("tail", [files.archive("a.html"), b"<html><script>alert(1)</script>"], ids=["zip", "page"])
def test_nothing_follows_the_picture(form: str, tail: bytes) -> None:
    given = saved(photo(), form)

    assert images.rewrite(given + tail, TYPES[form]) == images.rewrite(given, TYPES[form])
    assert tail not in images.rewrite(given + tail, TYPES[form])


@pytest.mark.parametrize("form", TYPES)
def test_the_same_file_gives_the_same_file(form: str) -> None:
    given = saved(photo(), form, exif=exif(6))

    assert images.rewrite(given, TYPES[form]) == images.rewrite(given, TYPES[form])


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (png_header(30_000, 30_000), PNG),
        (png_header(5_001, 5_000), PNG),
        (jpeg_header(30_000, 30_000), JPEG),
        (jpeg_header(10_001, 5_000), JPEG),
        (webp_header(16_383, 16_383), WEBP),
        (webp_header(5_001, 2_600), WEBP),
    ],
)
def test_too_many_pixels_are_refused_unseen(app: Flask, content: bytes, mime_type: str) -> None:
    began, held = time.monotonic(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    with pytest.raises(Invalid, match=r"This picture (has too many pixels|cannot be read)") as refused:
        images.rewrite(content, mime_type)

    assert list(refused.value.fields) == ["file"]
    assert time.monotonic() - began < 2
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - held < 50 * 1024


def test_large_photo_goes_out_at_half_its_width(app: Flask) -> None:
    given = saved(photo((6_500, 4_000), "L"), "JPEG")

    assert opened(images.rewrite(given, JPEG)).size == (3_250, 2_000)
    with pytest.raises(Invalid, match="at most 25 million"):
        images.rewrite(saved(photo((6_500, 4_000), "L"), "JPEG", progressive=True), JPEG)


def test_picture_with_endless_scans_is_refused(app: Flask) -> None:
    given = saved(photo((640, 480)), "JPEG", progressive=True)
    begin = given.rindex(b"\xff\xda")
    again = given[:begin] + given[begin:-2] * 200 + given[-2:]
    assert opened(again).size == (640, 480)

    with pytest.raises(Invalid, match="cannot be read"):
        images.rewrite(again, JPEG)


BEGIN, END, LONG = b"\xff\xd8", b"\xff\xd9", 4_000_000


def between(made_slow: bytes) -> bytes:
    """A picture with this behind its beginning."""
    return BEGIN + made_slow + saved(photo(), "JPEG")[2:]


def behind_header(made_slow: bytes) -> bytes:
    """A picture with this behind its first chunk."""
    content = saved(photo(), "PNG")
    return content[:33] + made_slow + content[33:]


@pytest.mark.parametrize(
    ("content", "mime_type"),
    [
        (BEGIN + b"\xff" * 4 * LONG, JPEG),
        (BEGIN + b"\xff\x00" * LONG, JPEG),
        (BEGIN + b"\xff\xd0" * LONG, JPEG),
        (BEGIN + END + b"a" * LONG, JPEG),
        (between(b"\xff" * LONG), JPEG),
        (between(b"\xff\x01" * LONG), JPEG),
        (between(b"\xff\xe1\x00\x02" * LONG), JPEG),
        (between(b"\xff\xe1\x00\x02" + b"a" * LONG), JPEG),
        # What one reader leaves out, and another does not.
        (between((b"\xff\xf0" + b"\xff\xe1\x00\x02" * 16_000) * 20), JPEG),
        (behind_header(png_chunk(b"prVt", b"") * 300_000), PNG),
    ],
    ids=["FF", "FF 00", "FF D0", "ended", "FF before", "no length", "empty parts", "text before", "hidden", "chunks"],
)
def test_file_made_to_be_slow_is_refused_at_once(app: Flask, content: bytes, mime_type: str) -> None:
    began = time.process_time()

    with pytest.raises(Invalid, match="cannot be read"):
        images.rewrite(content, mime_type)

    assert time.process_time() - began < 1


def test_marks_may_stand_a_little_apart() -> None:
    given = saved(photo(), "JPEG")

    assert images.rewrite(given.replace(b"\xff\xdb", b"\xff" * 40 + b"\xdb"), JPEG) == images.rewrite(given, JPEG)


def test_whoever_comes_while_others_take_their_time_is_told(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "LONGEST_WAIT_S", 0.05)

    with images._one_at_a_time, pytest.raises(Invalid, match="Too many pictures at once") as refused:
        images.rewrite(files.JPEG, JPEG)

    assert list(refused.value.fields) == ["file"]
    with pytest.raises(Invalid, match="cannot be read"):
        images.rewrite(files.JPEG[:40], JPEG)
    assert images.rewrite(files.JPEG, JPEG)


def test_marks_after_the_end_are_no_scans() -> None:
    given = saved(photo(), "JPEG", progressive=True)

    assert images.rewrite(given + b"\xff\xda\0\x02" * 1_000, JPEG) == images.rewrite(given, JPEG)


@pytest.mark.parametrize("form", TYPES)
@pytest.mark.parametrize("left", [0.1, 0.5, 0.9])
def test_what_is_not_complete_is_refused(app: Flask, form: str, left: float) -> None:
    given = saved(Image.effect_noise((64, 64), 90).convert("RGB"), form)

    with pytest.raises(Invalid, match="cannot be read"):
        images.rewrite(given[: int(len(given) * left)], TYPES[form])


def test_another_format_under_the_type_is_refused(app: Flask) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        images.rewrite(files.GIF, PNG)


@pytest.mark.parametrize("form", TYPES)
def test_picture_of_one_pixel_stays_one(form: str) -> None:
    assert opened(images.rewrite(saved(photo((1, 1)), form), TYPES[form])).size == (1, 1)


def test_picture_for_printing_becomes_one_for_screens() -> None:
    shown = opened(images.rewrite(saved(photo(mode="CMYK"), "JPEG"), JPEG))

    assert shown.mode == "RGB"
    assert is_red(shown.getpixel((4, 16)))


def test_picture_for_printing_has_fewer_pixels(app: Flask) -> None:
    given = saved(Image.new("CMYK", (4_010, 4_000)), "JPEG")

    assert opened(images.rewrite(given, JPEG)).size == (2_005, 2_000)
    with pytest.raises(Invalid, match="at most 16 million"):
        images.rewrite(saved(Image.new("CMYK", (4_010, 4_000)), "JPEG", progressive=True), JPEG)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_png_keeps_what_it_shows(mode: str) -> None:
    given = photo(mode=mode)

    assert opened(images.rewrite(saved(given, "PNG"), PNG)).convert("RGBA").tobytes() == given.convert("RGBA").tobytes()


def test_png_with_a_see_through_colour_keeps_it() -> None:
    given = photo(mode="P")
    corner = given.getpixel((0, 0))

    kept = opened(images.rewrite(saved(given, "PNG", transparency=corner), PNG)).convert("RGBA")

    assert (kept.getpixel((0, 0))[3], kept.getpixel((47, 0))[3]) == (0, 255)


def test_png_of_sixteen_bits_keeps_its_greys() -> None:
    given = Image.new("I;16", (2, 1))
    given.putpixel((1, 0), 40_000)

    kept = opened(images.rewrite(saved(given, "PNG"), PNG))

    assert [kept.getpixel((x, 0)) for x in (0, 1)] == [0, 40_000]


@pytest.mark.parametrize("form", ["PNG", "WEBP"])
def test_of_a_picture_that_moves_the_first_is_left(form: str) -> None:
    given = saved(photo(), form, save_all=True, append_images=[Image.new("RGB", (48, 32), BLUE)], duration=100)
    assert opened(given).n_frames == 2

    still = opened(images.rewrite(given, TYPES[form]))

    assert getattr(still, "n_frames", 1) == 1
    assert is_red(still.convert("RGB").getpixel((4, 16)))


def test_small_colour_profile_stays_and_a_large_one_goes() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()

    kept = opened(images.rewrite(saved(photo(), "JPEG", icc_profile=profile), JPEG))
    dropped = opened(images.rewrite(saved(photo(), "JPEG", icc_profile=profile + bytes(5_000)), JPEG))

    assert kept.info["icc_profile"] == profile
    assert "icc_profile" not in dropped.info


def test_picture_that_has_become_too_large_is_refused(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    given = saved(Image.effect_noise((200, 200), 90), "JPEG", quality=5)
    monkeypatch.setattr(media, "LARGEST_FILE", len(given))

    with pytest.raises(Invalid, match="too large"):
        media.check(Upload("foto.jpg", given))


def test_what_is_no_photo_goes_out_as_it_came() -> None:
    for name, content in (("a.gif", files.GIF), ("a.pdf", files.PDF), ("a.mp4", files.mp4("vide"))):
        assert media.check(Upload(name, content)).content == content
