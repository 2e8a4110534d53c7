"""Everything a person can read is there in Portuguese."""

from functools import cache
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog, Message
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import read_mo, write_mo
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "portal" / "translations" / "pt_BR" / "LC_MESSAGES"
METHODS = [("portal/**.py", "python"), ("templates/**.html", "jinja2")]
# One, and many.
FORMS = 2
KEYWORDS = {"_": None, "gettext": None, "lazy_gettext": None, "ngettext": (1, 2)}


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    with (FOLDER / "messages.po").open("rb") as file:
        return read_po(file, locale="pt_BR")


def test_every_sentence_of_the_source_is_in_the_catalogue(catalog: Catalog) -> None:
    assert _sentences_of_the_source() - _ids(catalog) == set()


def test_the_catalogue_holds_no_sentence_that_the_source_lost(catalog: Catalog) -> None:
    assert _ids(catalog) - _sentences_of_the_source() == set()


def test_every_sentence_is_translated_for_good(catalog: Catalog) -> None:
    unfinished = [message.id for message in catalog if message.id and (not _is_whole(message) or message.fuzzy)]

    assert unfinished == []


def test_catalogue_keeps_nothing_that_was_given_up(catalog: Catalog) -> None:
    assert list(catalog.obsolete) == []


def test_what_is_counted_has_a_form_for_one_and_a_form_for_many(catalog: Catalog) -> None:
    counted = {message for message in _found_in_the_source() if not isinstance(message, str)}

    assert catalog.num_plurals == FORMS
    assert {message for message in counted if (catalog.get(message[0]) or Message("")).id != message} == set()


def test_translations_keep_the_places_for_values(catalog: Catalog) -> None:
    wrong = [message.id for message in catalog if message.id and list(message.check(catalog))]

    assert wrong == []


def test_the_compiled_catalogue_is_the_current_one(catalog: Catalog) -> None:
    compiled = BytesIO()
    write_mo(compiled, catalog)
    compiled.seek(0)

    with (FOLDER / "messages.mo").open("rb") as file:
        assert _pairs(read_mo(file)) == _pairs(read_mo(compiled))


def _sentences_of_the_source() -> set[str]:
    return {message if isinstance(message, str) else message[0] for message in _found_in_the_source()}


@cache
def _found_in_the_source() -> frozenset[str | tuple[str, ...]]:
    found = extract_from_dir(ROOT, METHODS, keywords=KEYWORDS, directory_filter=_is_source)
    return frozenset(message for _file, _line, message, _notes, _context in found)


def _is_whole(message: Message) -> bool:
    """Whether there is something for each of its forms."""
    forms = (message.string,) if isinstance(message.string, str) else message.string
    return len(forms) == (FORMS if message.pluralizable else 1) and all(form.strip() for form in forms)


def _is_source(folder: str) -> bool:
    top = Path(folder).relative_to(ROOT).parts[0]
    return top in ("portal", "templates")


def _ids(catalog: Catalog) -> set[str]:
    return {message.id if isinstance(message.id, str) else message.id[0] for message in catalog if message.id}


def _pairs(catalog: Catalog) -> dict[str, str]:
    return {str(message.id): str(message.string) for message in catalog if message.id}
