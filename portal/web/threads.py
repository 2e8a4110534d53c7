"""A thread as it is read: oldest first, under the day it was written, each message with all that belongs to it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import cached_property
from heapq import merge
from itertools import groupby
from typing import ClassVar
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import gettext as _
from flask_babel import ngettext

from portal.models import CHANGES, Campaign, Direction, Message, MessageKind, MessageStatus
from portal.queries.conversations import ConversationRow, Position
from portal.queries.media import File
from portal.queries.reactions import NEVER_GIVEN
from portal.queries.threads import Gap, Surroundings
from portal.services import changing, references
from portal.web import contents, words
from portal.web.decisions import Aside
from portal.web.formats import clock_time, contact_name, day_words
from portal.web.happenings import Happening
from portal.web.moments import moment
from portal.web.pending_changes import PendingChange, find_pending

US = "us"
# How exactly WhatsApp tells when something was written.
TOLD_TO = timedelta(seconds=1)
US_IN_VAIN = "us, in vain"


@dataclass(frozen=True)
class Quote:
    """The message that another one refers to; `id` only where it stands in the same part of the thread."""

    author: str
    text: str
    id: UUID | None = None


@dataclass(frozen=True)
class Reaction:
    """A sign that people put on a message, and who they are. `trouble`: what became of ours if it may not be there."""

    sign: str
    count: int
    people: str
    trouble: str = ""
    story_id: UUID | None = None


@dataclass(frozen=True)
class Option:
    """A choice of a poll, and how many chose it."""

    name: str
    votes: int


@dataclass(frozen=True)
class Item:
    """One message with what stands around it. `line`: what is said instead of a bubble."""

    is_happening: ClassVar[bool] = False

    message: Message
    file: File | None = None
    aside: Aside | None = None
    gap: str = ""
    line: str = ""
    sender: str = ""
    quote: Quote | None = None
    reactions: tuple[Reaction, ...] = ()
    options: tuple[Option, ...] = ()
    campaign: Campaign | None = None
    change: PendingChange | None = None

    @property
    def at(self) -> datetime:
        return self.message.occurred_at

    @property
    def is_answerable(self) -> bool:
        return references.is_open(self.message)

    @property
    def is_editable(self) -> bool:
        return self._is_changeable(MessageKind.EDIT)

    @property
    def is_deletable(self) -> bool:
        return self._is_changeable(MessageKind.DELETION)

    def _is_changeable(self, kind: MessageKind) -> bool:
        is_going = self.change is not None and self.change.is_deletion_on_its_way
        return not is_going and changing.is_changeable(self.message, kind)


@dataclass(frozen=True)
class Day:
    """The messages of one day, oldest first, with what was noted and done between them."""

    label: str
    items: list[Item | Happening]


@dataclass(frozen=True)
class Thread:
    """Part of a conversation: its days, where it begins, and where what is older ends (None: nothing is older)."""

    row: ConversationRow
    days: list[Day]
    begins_at: Position | None
    older_before: Position | None

    @property
    def newest_message_id(self) -> UUID | None:
        newest_first = (item for day in reversed(self.days) for item in reversed(day.items))
        return next((item.message.id for item in newest_first if isinstance(item, Item)), None)


def make_thread(
    row: ConversationRow,
    newest_first: list[Message],
    around: Surroundings,
    *,
    files: dict[UUID, File],
    asides: dict[UUID, Aside],
    has_older: bool,
) -> Thread:
    """Arrange one page of messages for reading. `files`, `asides`: message id -> what it carries, what is below it."""
    messages = newest_first[::-1]
    begins_at = Position(messages[0].occurred_at, messages[0].id) if messages else None
    arranging = _Arranging(row, messages, around, files, asides)
    return Thread(
        row=row,
        days=_by_day(arranging.items(), row.unit.time_zone),
        begins_at=begins_at,
        older_before=begins_at if has_older else None,
    )


def with_happenings(thread: Thread, happenings: Sequence[Happening]) -> Thread:
    """The same part of the thread, with what was noted and done between its messages."""
    if not happenings:
        return thread
    items = [item for day in thread.days for item in day.items]
    both = merge(items, happenings, key=_came_at)
    return replace(thread, days=_by_day(list(both), thread.row.unit.time_zone))


def _came_at(item: Item | Happening) -> datetime:
    """WhatsApp tells whole seconds of what came in: within the one that it names, it was there once it was stored."""
    if not isinstance(item, Item) or item.message.direction == Direction.OUTBOUND:
        return item.at
    return max(item.at, min(item.message.created_at, item.at + TOLD_TO))


@dataclass(frozen=True)
class _Arranging:
    row: ConversationRow
    messages: Sequence[Message]
    around: Surroundings
    files: dict[UUID, File]
    asides: dict[UUID, Aside]

    def items(self) -> list[Item]:
        shown = [message for message in self.messages if not self._stands_elsewhere(message)]
        page = {message.id for message in shown}
        gaps = self._gaps(shown)
        referring = _latest(self.around.referring)
        return [self._item(message, page, gaps.get(message.id, ""), referring) for message in shown]

    def _stands_elsewhere(self, message: Message) -> bool:
        """A reaction is shown at the message it was given to, and a change nowhere else."""
        is_reaction = message.kind == MessageKind.REACTION
        return message.kind in CHANGES or (is_reaction and message.refers_to in self.around.referred)

    @cached_property
    def _pending(self) -> dict[str, PendingChange]:
        return find_pending(self.around.referring, self.asides)

    def _item(self, message: Message, page: set[UUID], gap: str, referring: dict[str, list[Message]]) -> Item:
        theirs = referring.get(message.external_id or "", [])
        return Item(
            message=message,
            file=self.files.get(message.id),
            aside=self.asides.get(message.id),
            gap=gap,
            line=_line(message),
            sender="" if message.direction == Direction.OUTBOUND else contents.sender_words(message),
            quote=self._quote(message, page),
            reactions=self._reactions(theirs),
            options=_options(message, theirs),
            campaign=self.around.campaigns.get(message.id),
            change=self._pending.get(message.external_id or ""),
        )

    def _quote(self, message: Message, page: set[UUID]) -> Quote | None:
        if message.refers_to is None or _line(message):
            return None
        first = self.around.referred.get(message.refers_to)
        if first is None:
            return Quote("", _("Answer to an earlier message"))
        return Quote(author_of(first, self.row), words.excerpt(first), first.id if first.id in page else None)

    def _reactions(self, referring: list[Message]) -> tuple[Reaction, ...]:
        reactions = [message for message in referring if message.kind == MessageKind.REACTION]
        given: dict[str, list[str]] = {}
        for message in reactions:
            sign = contents.sign_of(message)
            if sign and not _is_in_trouble(message):
                given.setdefault(sign, []).append(author_of(message, self.row))
        shown = [Reaction(sign, len(people), ", ".join(people)) for sign, people in given.items()]
        return (*shown, *(_in_trouble(message) for message in reactions if _is_in_trouble(message)))

    def _gaps(self, shown: Sequence[Message]) -> dict[UUID, str]:
        """Message id -> what is said before it: before the first that was fetched after a gap."""
        first: dict[UUID, UUID] = {}
        for message in shown:
            if message.repair_id is not None:
                first.setdefault(message.repair_id, message.id)
        told = {repair_id: gap_words(gap, self.row.unit.time_zone) for repair_id, gap in self.around.gaps.items()}
        return {message_id: told[repair_id] for repair_id, message_id in first.items() if repair_id in told}


def author_of(message: Message, row: ConversationRow) -> str:
    """Who wrote a message of that conversation, in words."""
    if message.direction == Direction.OUTBOUND:
        return str(_("You"))
    return contents.sender_words(message) or contact_name(row.contact)


def gap_words(gap: Gap, zone: str) -> str:
    """From when to when the portal heard nothing, and what was fetched afterwards."""
    fetched = ngettext(
        "%(num)s message was fetched afterwards.", "%(num)s messages were fetched afterwards.", gap.found
    )
    if gap.began_at is None or gap.ended_at is None:
        missed = _("The portal was not reached for a while.")
        return f"{missed} {fetched}"
    is_one_day = day_words(gap.began_at, zone) == day_words(gap.ended_at, zone)
    show = clock_time if is_one_day else moment
    began, ended = show(gap.began_at, zone), show(gap.ended_at, zone)
    missed = _("The portal was not reached from %(began)s to %(ended)s.", began=began, ended=ended)
    return f"{missed} {fetched}"


def _latest(referring: Sequence[Message]) -> dict[str, list[Message]]:
    """WhatsApp's id -> the newest reaction and the newest vote of each person; they come oldest first."""
    newest: dict[tuple[str, str, str], Message] = {}
    for message in referring:
        if person := _giver(message):
            newest[message.refers_to or "", message.kind, person] = message
    found: dict[str, list[Message]] = {}
    for (refers_to, _kind, _person), message in newest.items():
        found.setdefault(refers_to, []).append(message)
    return found


def _giver(message: Message) -> str | None:
    """Who gave it; nobody for one of ours that was never given and about which nothing is left to decide.

    One that waits for a decision stands beside the one before, which WhatsApp still shows.
    """
    if message.direction == Direction.INBOUND:
        return str(contents.details_of(message).get("sender"))
    if message.status not in NEVER_GIVEN:
        return US
    return US_IN_VAIN if _is_in_trouble(message) else None


def _is_in_trouble(message: Message) -> bool:
    is_unsettled = message.status in (MessageStatus.FAILED, MessageStatus.UNCONFIRMED)
    return message.direction == Direction.OUTBOUND and is_unsettled and message.handled_at is None


def _in_trouble(reaction: Message) -> Reaction:
    sign = contents.sign_of(reaction) or str(_("Reaction taken back"))
    return Reaction(sign, 1, str(_("You")), str(words.rung(reaction).label), reaction.id)


def _options(message: Message, referring: Sequence[Message]) -> tuple[Option, ...]:
    if message.kind != MessageKind.POLL or contents.is_vote(message):
        return ()
    chosen = Counter(name for vote in referring if contents.is_vote(vote) for name in set(contents.votes(vote)))
    return tuple(Option(name, chosen[name]) for name in contents.options(message))


def _line(message: Message) -> str:
    """What is said of a reaction whose message is not here, and of a vote."""
    if message.kind == MessageKind.REACTION:
        return words.reaction_words(message)
    if contents.is_vote(message):
        return _vote_words(message)
    return ""


def _vote_words(message: Message) -> str:
    chosen = ", ".join(contents.votes(message))
    if chosen:
        return str(_("Voted in a poll: %(options)s", options=chosen))
    is_told = "votes" in contents.details_of(message)
    return str(_("Took back a vote in a poll") if is_told else _("Voted in a poll"))


def _by_day(items: Sequence[Item | Happening], zone: str) -> list[Day]:
    def local_day(item: Item | Happening) -> object:
        return item.at.astimezone(ZoneInfo(zone)).date()

    days = [list(group) for _day, group in groupby(items, key=local_day)]
    return [Day(day_words(day[0].at, zone), day) for day in days]
