"""What a company decided about consent and about how long its data is kept. Where it decided nothing, defaults hold."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask_babel import gettext as _

from portal import consent_words
from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid
from portal.models import TenantSettings
from portal.services import audit
from portal.tenancy import TenantScope

MOST_WORDS = 50
LONGEST_WORD = 40
LONGEST_ANSWER = 1_000
DEFAULT_EVENTS_DAYS = 90

# They go to the company's customers, so they are in the customers' language and not in that of whoever looks.
OPT_OUT_ANSWER = "Pronto: você não vai mais receber nossas ofertas por aqui. Se mudar de ideia, é só escrever {word}."
OPT_IN_ANSWER = "Que bom ter você de volta! Você voltará a receber nossas ofertas. Para parar, é só escrever {word}."


@dataclass(frozen=True)
class Settings:
    """All of a company's settings, with the defaults filled in. An empty answer is none; days of None are for ever."""

    opt_out_words: tuple[str, ...]
    opt_in_words: tuple[str, ...]
    opt_out_answer: str
    opt_in_answer: str
    keep_messages_days: int | None
    keep_events_days: int


def get(scope: TenantScope) -> Settings:
    """The company's settings."""
    return _filled_in(_find(scope) or TenantSettings(keep_events_days=DEFAULT_EVENTS_DAYS))


def change_consent(
    scope: TenantScope, *, opt_out_words: str, opt_in_words: str, opt_out_answer: str, opt_in_answer: str
) -> None:
    """Set the keywords, one a line, and what is answered to them. What equals the defaults follows the defaults.

    Raises Invalid with a sentence for each field that cannot be.
    """
    columns = {
        "opt_out_words": _words(opt_out_words),
        "opt_in_words": _words(opt_in_words),
        "opt_out_answer": _text(opt_out_answer),
        "opt_in_answer": _text(opt_in_answer),
    }
    _check(columns)
    defaults = _filled_in(TenantSettings(**{name: columns[name] for name in ("opt_out_words", "opt_in_words")}))
    own_words = {
        name: None if tuple(columns[name]) == standard else columns[name]
        for name, standard in (
            ("opt_out_words", consent_words.OPT_OUT_WORDS),
            ("opt_in_words", consent_words.OPT_IN_WORDS),
        )
    }
    own_answers = {
        name: None if columns[name] == getattr(defaults, name) else columns[name]
        for name in ("opt_out_answer", "opt_in_answer")
    }
    change(scope, "tenant.consent_changed", own_words | own_answers)


def reset_consent(scope: TenantScope) -> None:
    """Back to the portal's own keywords and answers."""
    names = ("opt_out_words", "opt_in_words", "opt_out_answer", "opt_in_answer")
    change(scope, "tenant.consent_changed", dict.fromkeys(names))


def change(scope: TenantScope, action: str, columns: Mapping[str, Any]) -> None:
    """Store these settings, already checked, and note in the audit log under that name what was and what is."""
    with atomic():
        scope.insert_missing(TenantSettings, [{"keep_events_days": DEFAULT_EVENTS_DAYS}])
        settings = db.session.scalars(scope.select(TenantSettings).with_for_update()).one()
        before = {name: getattr(settings, name) for name in columns}
        if before == dict(columns):
            return
        for name, value in columns.items():
            setattr(settings, name, value)
        settings.updated_at = now()
        audit.record(scope, action, ("tenant", scope.tenant_id), before=_told(before), after=_told(columns))


def _told(columns: Mapping[str, Any]) -> dict[str, Any]:
    """What the audit log says of them: of a text only how long it is, for a number may stand in it."""
    return {name: {"length": len(value)} if isinstance(value, str) else value for name, value in columns.items()}


def _find(scope: TenantScope) -> TenantSettings | None:
    found: TenantSettings | None = db.session.scalar(scope.select(TenantSettings))
    return found


def _filled_in(row: TenantSettings) -> Settings:
    opt_out_words = tuple(row.opt_out_words or consent_words.OPT_OUT_WORDS)
    opt_in_words = tuple(row.opt_in_words or consent_words.OPT_IN_WORDS)
    back, away = opt_in_words[0].upper(), opt_out_words[0].upper()
    return Settings(
        opt_out_words=opt_out_words,
        opt_in_words=opt_in_words,
        opt_out_answer=OPT_OUT_ANSWER.format(word=back) if row.opt_out_answer is None else row.opt_out_answer,
        opt_in_answer=OPT_IN_ANSWER.format(word=away) if row.opt_in_answer is None else row.opt_in_answer,
        keep_messages_days=row.keep_messages_days,
        keep_events_days=row.keep_events_days,
    )


def _words(text: str) -> list[str]:
    """One a line; of those that are the same to whoever writes them the first."""
    return consent_words.distinct(word for line in _text(text).split("\n") if (word := " ".join(line.split())))


def _text(text: str) -> str:
    return text.replace("\x00", "").replace("\r\n", "\n").strip()


def _check(columns: Mapping[str, Any]) -> None:
    problems = {
        "opt_out_words": _problem_with_words(columns["opt_out_words"]),
        "opt_in_words": _problem_with_words(columns["opt_in_words"]),
        "opt_out_answer": _problem_with_answer(columns["opt_out_answer"]),
        "opt_in_answer": _problem_with_answer(columns["opt_in_answer"]),
    }
    if not problems["opt_in_words"] and not problems["opt_out_words"]:
        problems["opt_in_words"] = _problem_with_both(columns["opt_out_words"], columns["opt_in_words"])
    told = {name: sentence for name, sentence in problems.items() if sentence}
    if told:
        raise Invalid(told)


def _problem_with_words(words: Sequence[str]) -> str | None:
    if not words:
        return str(_("Give at least one word."))
    if len(words) > MOST_WORDS:
        return str(_("These are %(number)s words; at most %(most)s fit.", number=len(words), most=MOST_WORDS))
    for word in words:
        if len(word) > LONGEST_WORD:
            shown = f"{word[:LONGEST_WORD]}…"
            return str(_("“%(word)s” is too long: at most %(most)s characters.", word=shown, most=LONGEST_WORD))
        if not consent_words.is_phrase(word):
            return str(_("“%(word)s” has neither a letter nor a digit, so nobody could write it.", word=word))
    return None


def _problem_with_both(opt_out_words: Sequence[str], opt_in_words: Sequence[str]) -> str | None:
    for word in opt_in_words:
        if any(consent_words.is_same_phrase(word, other) for other in opt_out_words):
            return str(_("“%(word)s” stands in both lists. A word can mean only one of the two.", word=word))
    return None


def _problem_with_answer(text: str) -> str | None:
    if len(text) <= LONGEST_ANSWER:
        return None
    return str(
        _("The answer is too long: %(length)s of at most %(most)s characters.", length=len(text), most=LONGEST_ANSWER)
    )
