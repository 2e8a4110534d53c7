"""What holds for every template, whoever writes the next one."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from flask import Flask

ROOT = Path(__file__).parents[2]
TEMPLATES = ROOT / "templates"
ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
FRAGMENTS = [name for name in ALL if Path(name).name.startswith("_")]
VOID = frozenset({"br", "hr", "img", "input", "link", "meta"})
INLINE = re.compile(
    r"<style|<script(?![^>]*\bsrc=)|\sstyle\s*=|\son[a-z]+\s*=|javascript:|hx-on|hx-vals=['\"]js:", re.I
)
JINJA = re.compile(r"{#.*?#}|{%.*?%}|{{.*?}}", re.S)


class Roots(HTMLParser):
    """Collects the tags that stand in no other."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.roots: list[dict[str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.open:
            self.roots.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"


@pytest.mark.parametrize("name", ALL)
def test_no_script_or_style_stands_in_a_template(name: str) -> None:
    assert INLINE.findall(_text(name)) == []


@pytest.mark.parametrize("name", ALL)
def test_pages_load_nothing_from_elsewhere(name: str) -> None:
    assert re.findall(r"(?:src|href|action)=[\"']?(?:https?:)?//", _text(name)) == []


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragment_has_one_root_with_an_id(name: str) -> None:
    parser = Roots()
    parser.feed(JINJA.sub("x", _text(name)))

    assert parser.open == []
    assert len(parser.roots) == 1
    assert parser.roots[0].get("id")


@pytest.mark.parametrize("name", FRAGMENTS)
def test_fragment_extends_nothing_and_is_part_of_a_page(name: str) -> None:
    included = re.compile(r"{%-?\s*include\s+\"" + re.escape(name) + '"')

    assert "{% extends" not in _text(name)
    assert [other for other in ALL if other != name and included.search(_text(other))] != []


@pytest.mark.parametrize("name", ALL)
def test_every_form_that_posts_carries_the_token_against_forgery(name: str) -> None:
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", _text(name), re.S)

    assert [form[:80] for form in forms if "csrf_token" not in form] == []


def test_app_compiles_every_template(app: Flask) -> None:
    for name in ALL:
        app.jinja_env.get_template(name)


def _text(name: str) -> str:
    return (TEMPLATES / name).read_text()
