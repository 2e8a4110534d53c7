"""The list that `make screens` makes of its pictures."""

import re
from pathlib import Path

import pytest

from tests.browser import looks, screens


def test_list_shows_every_picture_once_with_its_page(tmp_path: Path) -> None:
    names = [f"{page}-{look}.webp" for page in ("new-unit", "unit") for look in screens.LOOKS]
    for name in names:
        (tmp_path / name).touch()

    screens.write_index(tmp_path)

    index = (tmp_path / "README.md").read_text()
    assert sorted(re.findall(r'<img src="([^"]+)"', index)) == sorted(names)
    assert re.findall(r"^## (.+)", index, re.M) == ["new unit", "unit"]


def test_list_knows_every_look() -> None:
    assert {look.replace(" ", "-") for look in looks.LOOKS} == set(screens.LOOKS)


def test_pictures_which_take_too_much_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screens, "LARGEST_FOLDER", 9)
    (tmp_path / "unit-phone-light-pt.webp").write_bytes(b"x" * 10)

    with pytest.raises(ValueError, match="10 bytes"):
        screens.write_index(tmp_path)
