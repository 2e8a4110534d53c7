"""What a template may say: its name, its short cut, its variants with their variables, and its file."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from flask_babel import gettext as _

from portal.errors import Invalid
from portal.models import Media, MessageKind
from portal.services import media
from portal.services.drafts import LONGEST_CAPTION, LONGEST_TEXT
from portal.services.media import CheckedFile, Upload
from portal.wording import LONGEST_NAME as LONGEST_VARIABLE
from portal.wording import Problem, WordingError, parse

LONGEST_NAME = 60
LONGEST_SHORTCUT = 30
MOST_VARIANTS = 5
# So much of a text is told of the place where it cannot be read.
EXCERPT = 24
_SHORTCUT = re.compile(r"[\w-]+")


@dataclass(frozen=True)
class Content:
    """What somebody wants a template to say. Without an upload the file of before stays, or goes."""

    name: str
    variants: Sequence[str]
    upload: Upload | None = None
    keeps_file: bool = True
    # As it is typed, with "/" or without; empty: none.
    shortcut: str = ""


@dataclass(frozen=True)
class CheckedUpload:
    """The file that somebody uploaded, as it may be stored, or what is wrong with it; neither if there was none."""

    file: CheckedFile | None = None
    problems: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Checked:
    """The same as it may be stored."""

    name: str
    shortcut: str | None
    variants: list[str]
    file: CheckedFile | None


def check_upload(upload: Upload | None) -> CheckedUpload:
    """Before any row is held: writing a picture anew takes seconds. What is wrong is told with the rest, by `check`."""
    try:
        return CheckedUpload(None if upload is None else media.check(upload))
    except Invalid as e:
        return CheckedUpload(problems=e.fields)


def check(content: Content, upload: CheckedUpload, *, before: Media | None) -> Checked:
    """Raises Invalid for `name`, `shortcut` and `file`, and for `variant_1`, `variant_2` and so on.

    `upload` is the content's, `before` the file that the template carries already. Empty variants are left out, but
    one must be written.
    """
    problems: dict[str, str] = {}
    name = one_line(content.name)
    if not 1 <= len(name) <= LONGEST_NAME:
        problems["name"] = str(_("A template's name has 1 to %(longest)s characters.", longest=LONGEST_NAME))
    shortcut = _check_shortcut(content.shortcut, problems)
    kept = before if content.keeps_file else None
    variants = _check_message(content.variants, upload, kept=kept, problems=problems)
    if problems:
        raise Invalid(problems)
    return Checked(name, shortcut, variants, upload.file)


def check_message(variants: Sequence[str], upload: CheckedUpload, *, kept: Media | None) -> list[str]:
    """The same for the texts of a message; `kept` is the file that it carries unless another one is uploaded."""
    problems: dict[str, str] = {}
    checked = _check_message(variants, upload, kept=kept, problems=problems)
    if problems:
        raise Invalid(problems)
    return checked


def longest_text(*, has_file: bool) -> int:
    """How many characters a variant may have: as a message of its own, or below a file."""
    return LONGEST_CAPTION if has_file else LONGEST_TEXT


def problem_words(error: WordingError, text: str) -> str:
    """What is wrong with a text, where, and what to do."""
    rest = text[error.position : error.position + EXCERPT]
    place = " ".join(rest.split()) + ("…" if len(text) > error.position + EXCERPT else "")
    sentences = {
        Problem.UNCLOSED: _(
            "“%(place)s” is not closed: end the variable with two brackets, as in ((name)).", place=place
        ),
        Problem.NO_NAME: _("“%(place)s” names no variable: write its name between the brackets.", place=place),
        Problem.NESTED: _(
            "“%(place)s”: no variable can stand inside another one. Close the first one before.", place=place
        ),
        Problem.LONG_NAME: _(
            "“%(place)s”: the name of a variable has at most %(longest)s characters.",
            place=place,
            longest=LONGEST_VARIABLE,
        ),
    }
    return str(sentences[error.problem])


def clean(text: str) -> str:
    """A text as it is kept: what a browser adds is taken away."""
    return text.replace("\x00", "").replace("\r\n", "\n").strip()


def one_line(text: str) -> str:
    """A name as it is kept."""
    return " ".join(clean(text).split())


def _check_shortcut(text: str, problems: dict[str, str]) -> str | None:
    shortcut = clean(text).removeprefix("/")
    if not shortcut:
        return None
    if len(shortcut) > LONGEST_SHORTCUT or not _SHORTCUT.fullmatch(shortcut):
        words = _(
            "A short cut has at most %(longest)s letters, digits, hyphens and underscores, such as /price.",
            longest=LONGEST_SHORTCUT,
        )
        problems["shortcut"] = str(words)
    return shortcut


def _check_message(
    variants: Sequence[str], upload: CheckedUpload, *, kept: Media | None, problems: dict[str, str]
) -> list[str]:
    """The texts that are written; what is wrong with them and the new file is added to the problems."""
    problems |= upload.problems
    carried = upload.file or kept
    if carried is not None and carried.kind == MessageKind.AUDIO:
        problems["file"] = str(_("WhatsApp shows no text below an audio file. Choose another kind of file, or none."))
    cleaned = [clean(text) for text in variants]
    problems |= _problems_with(cleaned, longest=longest_text(has_file=carried is not None))
    return [text for text in cleaned if text]


def _problems_with(variants: Sequence[str], *, longest: int) -> dict[str, str]:
    """Field -> what is wrong: empty variants are none, and the first one may not be."""
    written = [(place, text) for place, text in enumerate(variants, start=1) if text]
    if not written:
        return {"variant_1": str(_("Write the message first."))}
    if len(written) > MOST_VARIANTS:
        return {"variant_1": str(_("At most %(most)s variants.", most=MOST_VARIANTS))}
    found, seen = {}, set[str]()
    for place, text in written:
        problem = _problem_with(text, seen, longest)
        if problem:
            found[f"variant_{place}"] = problem
        seen.add(text)
    return found


def _problem_with(text: str, seen: set[str], longest: int) -> str:
    if len(text) > longest:
        sentence = _(
            "This is too long: %(length)s of at most %(longest)s characters.", length=len(text), longest=longest
        )
        return str(sentence)
    if text in seen:
        return str(_("Another variant says the same. Change this one, or empty it."))
    try:
        parse(text)
    except WordingError as e:
        return problem_words(e, text)
    return ""
