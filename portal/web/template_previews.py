"""What a template looks like to one person, which of its variables somebody lacks, and which there are."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flask_babel import get_locale, ngettext
from flask_babel import gettext as _

from portal.models import Contact
from portal.queries import variables
from portal.queries.contacts import Filter, list_contacts
from portal.queries.variables import BUILT_IN, Survey
from portal.services.template_checks import clean, longest_text, problem_words
from portal.tenancy import TenantScope
from portal.web.formats import grouped
from portal.wording import Wording, WordingError, fold, parse, render

MOST_CHIPS = 30
# The newest person whose name or number fits a search.
FindPerson = Callable[[TenantScope, str], Contact | None]


@dataclass(frozen=True)
class Bubble:
    """One variant as one person gets it, or why nobody can; its length is that of the text as it is written."""

    text: str
    length: int
    missing: tuple[str, ...] = ()
    problem: str = ""


@dataclass(frozen=True)
class Preview:
    """Every variant for one person; of a company without people, for nobody."""

    person: Contact | None
    was_found: bool
    bubbles: list[Bubble]
    longest: int
    # Sentences about variables for which people have no value.
    gaps: list[str]
    # Names of variables that can be inserted.
    chips: list[str]


def make_preview(
    scope: TenantScope, texts: Sequence[str], *, has_file: bool, search: str = "", find: FindPerson | None = None
) -> Preview:
    """Show these texts to the newest person who fits the search, or to the newest of all.

    `find` looks for them among some of the people only.
    """
    survey, wanted, find = variables.survey(scope), search.replace("\x00", "").strip(), find or newest_person
    found = find(scope, wanted)
    person = found or find(scope, "")
    values = variables.values_of(person) if person else {}
    written = [text for text in map(clean, texts) if text]
    return Preview(
        person=person,
        was_found=found is not None or not wanted,
        bubbles=[_bubble(text, values) for text in written],
        longest=longest_text(has_file=has_file),
        gaps=list_gaps(survey, written),
        chips=[*_built_in_names(), *survey.names[:MOST_CHIPS]],
    )


def newest_person(scope: TenantScope, search: str) -> Contact | None:
    """The newest person whose name or number fits the search; an empty one fits everybody."""
    return next((row.contact for row in list_contacts(scope, Filter(search=search), limit=1)), None)


def list_gaps(survey: Survey, texts: Sequence[str]) -> list[str]:
    """What there is to say about variables for which not all people have a value."""
    # Variants may write one name in several ways.
    required = {fold(name): name for wording in map(_read, texts) if wording for name in wording.required}
    missing = survey.count_missing(required.values()) if survey.looked_at else {}
    return [_gap(survey, name, number) for name, number in missing.items()]


def _gap(survey: Survey, name: str, number: int) -> str:
    if not survey.is_all:
        sentence = _(
            "Of your newest %(most)s contacts %(count)s have no value for “%(name)s”. Older ones were not looked at.",
            most=grouped(survey.looked_at),
            count=grouped(number),
            name=name,
        )
    elif number == survey.looked_at:
        sentence = _("Nobody has a value for “%(name)s”. Look whether it is written as in your contacts.", name=name)
    else:
        sentence = ngettext(
            "%(count)s contact has no value for “%(name)s”.",
            "%(count)s contacts have no value for “%(name)s”.",
            number,
            count=grouped(number),
            name=name,
        )
    return str(sentence)


def _bubble(text: str, values: dict[str, str]) -> Bubble:
    try:
        rendered = render(parse(text), values)
    except WordingError as e:
        return Bubble("", len(text), problem=problem_words(e, text))
    return Bubble(rendered.text, len(text), missing=rendered.missing)


def _read(text: str) -> Wording | None:
    try:
        return parse(text)
    except WordingError:
        return None


def _built_in_names() -> list[str]:
    """In the language of whoever looks: both are understood."""
    return [portuguese if get_locale().language == "pt" else english for portuguese, english in BUILT_IN]
