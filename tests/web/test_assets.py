"""All pages share one style sheet, made of the files under static/css."""

import re
from pathlib import Path

from flask.testing import FlaskClient

from portal.web.assets import SHEETS

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "static" / "css"


def test_every_file_of_styles_is_sent_or_linked() -> None:
    templates = "".join(path.read_text() for path in sorted((ROOT / "templates").rglob("*.html")))

    lost = {
        path.stem for path in FOLDER.glob("*.css") if path.stem not in SHEETS and f"css/{path.name}" not in templates
    }

    assert lost == set()


def test_style_sheet_holds_all_files_in_their_order(visitor: FlaskClient) -> None:
    answer = visitor.get("/assets/portal.css")

    assert answer.mimetype == "text/css"
    first, *others = ((FOLDER / f"{name}.css").read_text() for name in SHEETS)
    assert answer.text.startswith(f"{first}\n@layer vendor {{")
    assert answer.text.endswith("\n".join(("}", *others)))
    assert ".btn-close" in answer.text


def test_style_sheet_asks_for_no_other(visitor: FlaskClient) -> None:
    text = visitor.get("/assets/portal.css").text

    assert "@import" not in text
    assert "@charset" not in text
    assert "sourceMappingURL" not in text
    assert set(re.findall(r"url\(\"?(\w+:)?", text)) == {"data:"}


def test_nothing_comes_again_that_a_browser_has(visitor: FlaskClient) -> None:
    tag = visitor.get("/assets/portal.css").headers["ETag"]

    assert visitor.get("/assets/portal.css", headers={"If-None-Match": tag}).status_code == 304
