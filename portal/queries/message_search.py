"""Finding messages by the words in them, as PostgreSQL reads Portuguese; see migrations/message_search.py."""

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ARRAY, Text, Uuid, cast, column, func, literal, select
from sqlalchemy.dialects.postgresql import REGCONFIG

from portal.db import db
from portal.models import CHANGES, Contact, Conversation, Message, Unit
from portal.queries.contact_search import LONGEST_SEARCH
from portal.queries.conversations import ConversationRow
from portal.tenancy import TenantScope

MOST_FOUND = 30
# The beginning of a word must say this much: with less of it the index would be read in large parts.
SHORTEST_BEGINNING = 3
WORD = re.compile(r"\w+")
# Words that hang together, as addresses, numbers and double names do: they may be one word in the index.
_CHUNK = re.compile(r"\w+(?:(?:://|[.,:@/+_?=&%#~-])\w+)*")
# Singular and plural of these come to different stems: cartão, cartões, pães. The root is what stands before.
_NASAL = re.compile(r"(?<=\w\w)(?:ao|oes|aes)$")
_NASALS = ("ão", "ões", "ães")
# What stands before a number belongs to it in the index, and be it the dash within a telephone number.
_SIGNS = ("", "-", "+")
_LEXEME = re.compile(r"'((?:[^']|'')*)'(?::(\*))?")


@dataclass(frozen=True)
class Stem:
    """What a word came to, without accents; the beginning of one fits whatever goes on from there."""

    text: str
    is_beginning: bool


@dataclass(frozen=True)
class Words:
    """What is looked for: the query as the database reads it, and the stems in it."""

    query: str
    stems: frozenset[Stem]


@dataclass(frozen=True)
class Hit:
    """A message in which the words are, and the conversation that it stands in."""

    message: Message
    row: ConversationRow


def read_words(text: str) -> Words | None:
    """The words of a search; None when there are none, or only such as stand in every message ("de", "para")."""
    chunks = _CHUNK.findall(unicodedata.normalize("NFC", text[:LONGEST_SEARCH]).lower())
    query = " & ".join(_either(chunk, is_last=chunk is chunks[-1]) for chunk in chunks)
    if not query:
        return None
    read = str(db.session.scalar(select(cast(_as_query(query), Text))))
    stems = frozenset(Stem(plain(lexeme), bool(star)) for lexeme, star in _LEXEME.findall(read))
    return Words(query, stems) if stems else None


def find_messages(
    scope: TenantScope, words: Words, *, unit_id: UUID | None = None, limit: int = MOST_FOUND
) -> list[Hit]:
    """The newest messages in which all of these words are, however they are inflected, of one unit or of all."""
    units = cast(literal(_units(scope, unit_id), ARRAY(Uuid)), ARRAY(Uuid))
    found = func.search_messages(_as_query(words.query), units, limit).table_valued(column("message_id", Uuid))
    statement = (
        scope.select(Message, Message, Conversation, Contact, Unit)
        .join(found, found.c.message_id == Message.id)
        .join(
            Conversation,
            (Conversation.tenant_id == Message.tenant_id) & (Conversation.id == Message.conversation_id),
        )
        .join(Contact, (Contact.tenant_id == Conversation.tenant_id) & (Contact.id == Conversation.contact_id))
        .join(Unit, (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id))
        # The text of an edit is found where it is shown: at the message that it changed.
        .where(Message.kind.not_in(CHANGES))
        .order_by(Message.occurred_at.desc(), Message.id.desc())
    )
    return [Hit(message, ConversationRow(*row)) for message, *row in db.session.execute(statement)]


def plain(text: str) -> str:
    """The text in small letters and without its accents."""
    apart = unicodedata.normalize("NFD", text.lower())
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _either(chunk: str, *, is_last: bool) -> str:
    """The chunk as one word or as the words in it. Letters, digits and a few signs only: nothing ends the quotes."""
    words = WORD.findall(chunk)
    apart = " & ".join(_forms(word, is_last=is_last and word is words[-1]) for word in words)
    return apart if len(words) == 1 else f"({_forms(chunk, is_last=is_last)} | ({apart}))"


def _forms(word: str, *, is_last: bool) -> str:
    """The word as it stands and without its accents: messages are indexed in both ways."""
    beginning = ":*" if is_last and len(word) >= SHORTEST_BEGINNING else ""
    forms = dict.fromkeys(form for one in _numbers(word) for form in (one, plain(one)))
    return "(" + " | ".join(f"'{form}'{beginning}" for form in forms) + ")"


def _numbers(word: str) -> list[str]:
    """Singular and plural; a number with and without a sign."""
    if word.isdigit():
        return [sign + word for sign in _SIGNS]
    ending = _NASAL.search(plain(word))
    return [word[: ending.start()] + nasal for nasal in _NASALS] if ending else [word]


def _as_query(text: str) -> Any:
    return func.to_tsquery(cast(literal("pg_catalog.portuguese"), REGCONFIG), text)


def _units(scope: TenantScope, unit_id: UUID | None) -> Collection[UUID] | None:
    """None: all of the company. Whatever the address names, the scope's own units are the most that is seen."""
    if unit_id is None:
        return None if scope.unit_ids is None else sorted(scope.unit_ids)
    return [unit_id] if scope.unit_ids is None or unit_id in scope.unit_ids else []
