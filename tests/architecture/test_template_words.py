"""No words stand in a template in one language only: what people read there goes through `_()` or `ngettext()`."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from jinja2 import Environment, nodes

TEMPLATES = Path(__file__).parents[2] / "templates"
ALL = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html"))
WORD = re.compile(r"[^\W\d_]{2,}")
# A sentence, or what begins like one; names of parts and classes begin with a small letter.
SENTENCE = re.compile(r"[A-ZÀ-Ü][^\W\d_]+[ ,.:]+[^\W\d_]")
# Names, keys of a keyboard and symbols, which are the same in every language.
SAME_EVERYWHERE = {
    "Portal",
    "WhatsApp",
    "Evolution",
    "Python",
    "JSON",
    "API",
    "CSV",
    "QR",
    "null",
    "Esc",
    "Ctrl",
    "Alt",
    "ms",
}
READ_ALOUD = ("alt", "aria-label", "content", "data-announce", "data-copied", "hx-confirm", "placeholder", "title")
FOR_MACHINES = ("code", "kbd", "pre", "script", "style")
NAMES_OF_CLASSES = re.compile(r"{%-?\s*block (?:body|main)_class\s*-?%}.*?{%-?\s*endblock\s*-?%}", re.S)
TRANSLATED = ("_", "gettext", "ngettext")


class Words(HTMLParser):
    """Collects what people read, and what is read to them."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._within_machine_text = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._within_machine_text += tag in FOR_MACHINES
        read = [value or "" for name, value in attrs if name in READ_ALOUD]
        if tag != "meta":
            self.found += read

    def handle_endtag(self, tag: str) -> None:
        self._within_machine_text -= tag in FOR_MACHINES

    def handle_data(self, data: str) -> None:
        if not self._within_machine_text:
            self.found.append(data)


def test_text_of_templates_is_translated() -> None:
    found = {name: untranslated_text((TEMPLATES / name).read_text()) for name in ALL}

    assert {name: words for name, words in found.items() if words} == {}


def test_sentences_that_templates_hand_on_are_translated() -> None:
    found = {name: untranslated_sentences((TEMPLATES / name).read_text()) for name in ALL}

    assert {name: sentences for name, sentences in found.items() if sentences} == {}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("<p>Hello there</p>", ["Hello", "there"]),
        ('<img alt="A picture">', ["picture"]),
        ('<p class="bubble bubble--sent">{{ _("Hello") }} · 12 %</p>', []),
        ("{# About this #}{% if a %}{{ b }}{% else %}Nobody{% endif %}", ["Nobody"]),
        ("<code>flask run</code> Portal", []),
        ("{% block body_class %}plain{% endblock %}", []),
    ],
)
def test_scan_of_texts_finds_what_it_should(source: str, found: list[str]) -> None:
    assert untranslated_text(source) == found


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ('{{ field("Write it down") }}', ["Write it down"]),
        ('{{ field(_("Write it down"), kind="text field") }}', []),
        ('{% set words = "Nothing yet" %}', ["Nothing yet"]),
        ('{{ ngettext("One of them", "Many of them", 2) }}', []),
    ],
)
def test_scan_of_sentences_finds_what_it_should(source: str, found: list[str]) -> None:
    assert untranslated_sentences(source) == found


def untranslated_text(source: str) -> list[str]:
    """The words that stand between the template's own signs."""
    pieces = Environment().lex(NAMES_OF_CLASSES.sub("", source))
    parser = Words()
    parser.feed("".join(text if kind == "data" else " " * text.count("\n") for _line, kind, text in pieces))
    parser.close()
    return [word for text in parser.found for word in WORD.findall(text) if word not in SAME_EVERYWHERE]


def untranslated_sentences(source: str) -> list[str]:
    tree = Environment(extensions=["jinja2.ext.i18n"]).parse(source)
    return [text for text in _strings(tree) if SENTENCE.match(text)]


def _strings(node: nodes.Node) -> Iterator[str]:
    """The strings of expressions, but for what is translated."""
    if isinstance(node, nodes.Call) and isinstance(node.node, nodes.Name) and node.node.name in TRANSLATED:
        return
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        yield node.value
    for child in node.iter_child_nodes():
        yield from _strings(child)
