"""What was found for the words in the inbox's search field: people, and messages with the words marked in them."""

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext as _

from portal.models import Contact, Direction, Message
from portal.queries import conversation_lists, message_search
from portal.queries.conversations import ConversationRow
from portal.queries.message_search import WORD, Hit, Stem, plain
from portal.tenancy import TenantScope
from portal.web import contents
from portal.web.formats import contact_name

MOST_PEOPLE = 20
# Of a message, in letters: how much is shown, and how much of that before the first word that was found.
SNIPPET = 180
BEFORE_HIT = 60


@dataclass(frozen=True)
class Piece:
    """A part of a snippet: one of the words that were looked for, or what stands around them."""

    text: str
    is_hit: bool


@dataclass(frozen=True)
class MessageHit:
    """A message that was found, who wrote it, and the part of it in which the words are."""

    message: Message
    row: ConversationRow
    author: str
    snippet: tuple[Piece, ...]


@dataclass(frozen=True)
class Found:
    """`has_words`: whether there was a word to look for in messages, and not only such as stand in every one."""

    people: list[ConversationRow]
    messages: list[MessageHit]
    has_words: bool


def search(scope: TenantScope, text: str, *, unit_id: UUID | None) -> Found:
    """The newest conversations with people of that name or number, and the newest messages with those words."""
    people = conversation_lists.search_people(scope, text, unit_id=unit_id, limit=MOST_PEOPLE)
    words = message_search.read_words(text)
    if words is None:
        return Found(people, [], has_words=False)
    hits = message_search.find_messages(scope, words, unit_id=unit_id)
    return Found(people, [_shown(hit, words.stems) for hit in hits], has_words=True)


def snippet(body: str, stems: frozenset[Stem]) -> tuple[Piece, ...]:
    """The part of a text in which the first word of these stands, in one line."""
    text = " ".join(body.split())
    first = next((word.start() for word in WORD.finditer(text) if _is_hit(word[0], stems)), 0)
    begin = 0 if first <= BEFORE_HIT else text.find(" ", first - BEFORE_HIT, first) + 1 or first - BEFORE_HIT
    part = text[begin : begin + SNIPPET]
    around = ("… " if begin else "", " …" if begin + SNIPPET < len(text) else "")
    return tuple(_pieces(around[0] + part + around[1], stems))


def _shown(hit: Hit, stems: frozenset[Stem]) -> MessageHit:
    return MessageHit(hit.message, hit.row, _author(hit.message, hit.row.contact), snippet(hit.message.body, stems))


def _author(message: Message, contact: Contact) -> str:
    if message.direction == Direction.OUTBOUND:
        return str(_("You"))
    return contents.sender_words(message) or contact_name(contact)


def _pieces(text: str, stems: frozenset[Stem]) -> Iterator[Piece]:
    end = 0
    for word in WORD.finditer(text):
        if not _is_hit(word[0], stems):
            continue
        if word.start() > end:
            yield Piece(text[end : word.start()], is_hit=False)
        yield Piece(word[0], is_hit=True)
        end = word.end()
    if end < len(text):
        yield Piece(text[end:], is_hit=False)


def _is_hit(word: str, stems: frozenset[Stem]) -> bool:
    """Whether the word is one that was looked for, as far as that shows: a word begins with its stem."""
    shown = plain(word)
    return any(_fits(shown, part, stem) for stem in stems for part in WORD.findall(stem.text))


def _fits(word: str, part: str, stem: Stem) -> bool:
    is_inflected = not part.isdigit() and len(part) > 2
    return word == part or (stem.is_beginning or is_inflected) and word.startswith(part)
