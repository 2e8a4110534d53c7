"""Pictures of pages, where PORTAL_SCREENS names a folder, and the page that shows them all (`make screens`)."""

import os
import re
import sys
from collections import defaultdict
from io import BytesIO
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page

FOLDER = os.environ.get("PORTAL_SCREENS")
NAME = re.compile(r"(?P<page>.+)-(?P<look>(?:phone|desktop)-(?:light|dark)-(?:pt|en))\.webp")
# So that all of them together stay below 8 MB: of long pages the beginning, and those of a desk smaller.
TALLEST = 1300
NARROWEST_DESK, OF_DESK = 600, 0.7
QUALITY = 20
LARGEST_FOLDER = 8_000_000
LOOKS = ("phone-light-pt", "phone-dark-en", "desktop-dark-pt", "desktop-light-en")
ABOUT = """# Pictures of the pages

`make screens` makes these and this list, of the pages that the tests in `tests/browser` walk through: each on a phone
and on a desk, light and dark, in Portuguese and English. Of a long page the beginning is shown. All names are made up.
"""


def take_picture(page: Page, name: str, look: str) -> None:
    """Leave a picture of the page as it is now, if pictures are wanted."""
    if not FOLDER:
        return
    path = Path(FOLDER) / f"{name} {look}.webp".replace(" ", "-")
    path.parent.mkdir(parents=True, exist_ok=True)
    with Image.open(BytesIO(page.screenshot(full_page=True))) as picture:
        shown = picture.convert("RGB").crop((0, 0, picture.width, min(picture.height, TALLEST)))
        if shown.width >= NARROWEST_DESK:
            shown = shown.resize((round(shown.width * OF_DESK), round(shown.height * OF_DESK)))
        shown.save(path, quality=QUALITY, method=6)


def write_index(folder: Path) -> None:
    """Write down what lies there. Raises ValueError when that is more than a repository should hold."""
    pictures = sorted(folder.glob("*.webp"))
    size = sum(path.stat().st_size for path in pictures)
    if size > LARGEST_FOLDER:
        raise ValueError(f"the pictures take {size:,} bytes: more than {LARGEST_FOLDER:,}")
    looks: dict[str, set[str]] = defaultdict(set)
    for path in pictures:
        if found := NAME.fullmatch(path.name):
            looks[found["page"]].add(found["look"])
    parts = [ABOUT, *(_row(page, of_page) for page, of_page in looks.items())]
    (folder / "README.md").write_text("\n".join(parts))


def _row(page: str, looks: set[str]) -> str:
    pictures = (
        f'<a href="{page}-{look}.webp"><img src="{page}-{look}.webp" alt="{look}" width="{_width(look)}"></a>'
        for look in LOOKS
        if look in looks
    )
    return "\n".join((f"## {page.replace('-', ' ')}", "", *pictures, ""))


def _width(look: str) -> int:
    return 120 if look.startswith("phone") else 300


if __name__ == "__main__":
    write_index(Path(sys.argv[1]))
