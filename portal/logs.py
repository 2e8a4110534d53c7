"""One structured line per event, with secrets and telephone numbers masked on the way out."""

import json
import logging
import re
import sys
from collections.abc import Callable, Collection, Mapping, MutableMapping
from functools import lru_cache

import structlog
from structlog.typing import Processor

from portal import counters
from portal.counters import Counted

MASK = "[MASKED]"
_NAMES = r"secret|token|api_?key|password|authorization|cookie|jwt|credential|qr_?code|pairing"
_SECRET_NAMES = re.compile(_NAMES, re.IGNORECASE)
_WEBHOOK_URL = re.compile(r"(/webhooks/whatsapp/[\w-]+/)[^\s\"'/?&\\]+")
_LINK_URL = re.compile(r"(/(?:scan|invitation|password-reset)/)[^\s\"'/?&\\]+")
_BEARER = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]+")
# A header holds several, so everything up to the end of its line, wherever in the line it begins.
_COOKIE = re.compile(r"(?im)\b((?:set-)?cookie:\s*).+$")
# A name and its value as JSON, Python, a query or a header writes them; a quoted value may hold blanks.
_NAMED_VALUE = re.compile(
    rf"""(?i)((?:{_NAMES})[\w-]{{0,40}}["']?\s*[:=]\s*)"""
    r"""("(?:[^"\\]|\\.)*"?|'(?:[^'\\]|\\.)*'?|(?!\[MASKED\])[^\s"',;&})\]]+)"""
)
# PostgreSQL shows the row that it refuses, down to the text of a message, and the value that it cannot read.
_ROW = re.compile(
    r"(?s)((?:DETAIL:|invalid input (?:syntax|value) for [\w ]{1,60}:|CONTEXT:\s+JSON data, line \d{1,9}:)\s*).*?"
    r"(?=\n(?:DETAIL:|CONTEXT:|HINT:|\[SQL:|\n?The above exc|\n?During handling)|\Z)"
)
_URL_PASSWORD = re.compile(r"(://[^\s:/@]*:)[^\s/]+(@)")
# In groups that begin with +, in the Brazilian groups, in the North American ones, or as digits alone. What a uuid,
# an instant or a decimal is made of is none: a letter, a hyphen or a point stands right before or after it. Nor are the
# digits that masking left of another one, behind its asterisks.
_PHONES = re.compile(
    r"(?:(?<!\w)\+|%2B)\(?\d(?:[ ().-]{0,2}\d){7,14}(?!\w)"
    r"|(?<![\w.*-])(?:"
    r"(?:\d{1,3}[ -]?)?\(?\d{2,3}\)?[ -]{0,2}\d{4,5}[ -]?\d{4}"
    r"|\d{2,3}\.\d{4,5}[.-]\d{4}"
    r"|\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}"
    r")(?!\w|-\w|\.\d)"
)
# What none of these can find anything in, and most fields of most lines are: it has no digit, blank, slash, colon or
# equals sign.
_WORD = re.compile(r"[A-Za-z_.-]*")
# A shorter one may be a word that stands in any line, say a password of a database on a laptop.
SHORTEST_OWN_SECRET = 12
NAMES_KNOWN = 200


def configure(*, level: str, as_json: bool, own_secrets: Collection[str] = ()) -> None:
    """Send every logger of the process, third-party ones included, through one masking handler.

    `own_secrets` are those of the settings: a line never holds one of them, however it got there.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    renderer = structlog.processors.JSONRenderer() if as_json else structlog.dev.ConsoleRenderer(colors=False)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                mask_fields,
                # Before the renderer: among the escapes of a line of JSON no pattern can tell where a value ends.
                LastNet(own_secrets),
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    # Their INFO lines name job arguments and request paths, and say nothing that our own lines do not. The last is the
    # database's pool, whose class SQLAlchemy logs under its own name.
    for noisy in ("rq", "rq.worker", "werkzeug", "alembic", "portal.monitor.database"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    # Their warnings name whole addresses, which may hold what only the receiver may know.
    for talkative in ("requests_hardened", "urllib3"):
        logging.getLogger(talkative).setLevel(logging.ERROR)


def mask_fields(logger: object, method: str, fields: MutableMapping[str, object]) -> MutableMapping[str, object]:
    """Mask by the field's name first, then whatever looks like a secret or a number inside the text."""
    for name, value in fields.items():
        if _SECRET_NAMES.search(name):
            fields[name] = MASK
        elif name not in ("timestamp", "level", "logger") and not isinstance(value, bool | float | type(None)):
            fields[name] = value if isinstance(value, int) and len(str(value)) < 8 else mask(str(value))
    return fields


def mask(text: str) -> str:
    """The text with secrets replaced by `[MASKED]` and telephone numbers by `****` and their last four digits."""
    if _WORD.fullmatch(text):
        return text
    text = _ROW.sub(rf"\1{MASK}", text)
    text = _WEBHOOK_URL.sub(rf"\1{MASK}", text)
    text = _LINK_URL.sub(rf"\1{MASK}", text)
    text = _BEARER.sub(rf"\1 {MASK}", text)
    text = _COOKIE.sub(rf"\1{MASK}", text)
    text = _URL_PASSWORD.sub(rf"\1{MASK}\2", text)
    text = _NAMED_VALUE.sub(_mask_value, text)
    return _PHONES.sub(_mask_phone, text)


class LastNet:
    """Looks through all fields once more. What it finds is masked as well, and counted: the masking had a hole.

    Masking twice is masking once, so what was masked well is left as it is, and raises no alarm.
    """

    def __init__(self, own_secrets: Collection[str]) -> None:
        long = {secret for secret in own_secrets if len(secret) >= SHORTEST_OWN_SECRET}
        # As they are, as Python shows what is within a list, and either as JSON writes it.
        shown = {form for secret in long for form in (secret, repr(secret)[1:-1])}
        written = shown | {json.dumps(form)[1:-1] for form in shown}
        # The longer first, of which a shorter one may be a part.
        self._own = sorted(written, key=len, reverse=True)
        # The names of fields are the same ones in all lines.
        self._mask_name = lru_cache(maxsize=NAMES_KNOWN)(self._mask)

    def __call__(self, logger: object, method: str, fields: MutableMapping[str, object]) -> Mapping[str, object]:
        # What is no text by now is too short to be a secret.
        safe = {
            self._mask_name(name): self._mask(value) if isinstance(value, str) else value
            for name, value in fields.items()
        }
        if safe != fields:
            counters.count(Counted.SECRETS_IN_LOGS)
        return safe

    def _mask(self, text: str) -> str:
        # Each is looked for by itself: for fixed texts that is many times quicker than a pattern of all of them.
        for secret in self._own:
            text = text.replace(secret, MASK)
        if _WORD.fullmatch(text):
            return text
        for pattern, replacement in NET:
            text = pattern.sub(replacement, text)
        return text


def _mask_value(found: re.Match[str]) -> str:
    quote = found[2][0] if found[2][0] in "\"'" else ""
    return f"{found[1]}{quote}{MASK}{quote}"


def _mask_phone(found: re.Match[str]) -> str:
    return "****" + re.sub(r"\D", "", found[0])[-4:]


# What surely leaves a masked text as it is. The others stand by a name, and where its value ends is a guess.
NET: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    (_WEBHOOK_URL, rf"\1{MASK}"),
    (_LINK_URL, rf"\1{MASK}"),
    (_BEARER, rf"\1 {MASK}"),
    (_URL_PASSWORD, rf"\1{MASK}\2"),
    (_PHONES, _mask_phone),
)
