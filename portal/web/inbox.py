"""The list of conversations as the inbox shows it: how far the work is, of one unit or of all, from one place on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from uuid import UUID

from flask_babel import LazyString
from flask_babel import gettext as _
from werkzeug.exceptions import BadRequest

from portal.models import Direction, Unit
from portal.queries import conversation_list_marks, conversation_lists, conversations, members, unit_lists, units
from portal.queries.contact_search import LONGEST_SEARCH
from portal.queries.conversation_list_marks import ListMark
from portal.queries.conversation_lists import LIST_PAGE, MOST_COUNTED, Counts, Filter, Work
from portal.queries.conversations import ConversationRow, Position
from portal.queries.unit_lists import Offered
from portal.tenancy import TenantScope
from portal.web import inbox_search, words
from portal.web.formats import counted
from portal.web.inbox_search import Found
from portal.web.inbox_words import ALL_READ, EMPTY, NO_DOUBT, TABS, Empty
from portal.web.words import Rung

LONGEST_INITIALS = 2
MOST_CHIPS = 5


@dataclass(frozen=True)
class View:
    """What the address asks for: one unit or all, how far the work is, only some of them, or what is looked for.

    Those in which a person should decide what was meant, and what is looked for, may be in any state of work.
    """

    unit: Unit | None
    work: Work
    is_doubted: bool
    is_unread: bool
    search: str

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it."""
        return {
            "unit": self.unit.slug if self.unit else None,
            "work": None if self.work == Work.OPEN else self.work.value,
            "doubted": "1" if self.is_doubted else None,
            "unread": "1" if self.is_unread else None,
            "q": self.search or None,
        }

    @property
    def unit_id(self) -> UUID | None:
        return self.unit.id if self.unit else None

    @property
    def wanted(self) -> Filter:
        return Filter(
            work=None if self.is_doubted else self.work,
            unit_id=self.unit_id,
            is_doubted=self.is_doubted,
            is_unread=self.is_unread or None,
        )

    def but(self, **changes: str | None) -> dict[str, Any]:
        """The same with other words for some of it."""
        return {**self.fields, **changes}


@dataclass(frozen=True)
class Tab:
    """A state of work to choose: how many conversations are in it, where that is counted, and the address's words."""

    work: Work
    label: LazyString
    count: str
    fields: dict[str, Any]


@dataclass(frozen=True)
class Answerer:
    """Who answers a conversation: in two letters, or as "You", and in full."""

    short: str
    email: str


@dataclass(frozen=True)
class Inbox:
    """The part of the inbox that an address asks for. Read as it is asked for: most polls draw nothing of it."""

    scope: TenantScope
    view: View
    before: Position | None

    @property
    def unit(self) -> Unit | None:
        return self.view.unit

    @property
    def fields(self) -> dict[str, Any]:
        return self.view.fields

    @cached_property
    def news(self) -> tuple[object, ...]:
        """All that changes what is seen of a list."""
        return (self.view,) if self.view.search else (self._mark, self.before)

    @cached_property
    def _mark(self) -> ListMark:
        return conversation_list_marks.find_mark(self.scope, self.view.wanted, before=self.before)

    @cached_property
    def found(self) -> Found | None:
        """What was found, where something is looked for."""
        if not self.view.search:
            return None
        return inbox_search.search(self.scope, self.view.search, unit_id=self.view.unit_id)

    @cached_property
    def rows(self) -> list[ConversationRow]:
        return conversation_lists.list_conversations(self.scope, self.view.wanted, before=self.before)

    @property
    def picks_unit(self) -> bool:
        """More units than stand side by side are picked from a list."""
        return len(self.units) > MOST_CHIPS

    @property
    def looks_for_unit(self) -> bool:
        """Units that are too many for that are looked for on their own page."""
        return not self._offered.is_whole

    @property
    def older_before(self) -> Position | None:
        """Where the next page begins; None: nothing is older."""
        return _end(self.rows) if len(self.rows) >= LIST_PAGE else None

    @cached_property
    def rungs(self) -> dict[UUID, Rung]:
        """Conversation id -> how far its newest message came, where that one is ours."""
        return _rungs(self.scope, self._shown)

    @cached_property
    def answerers(self) -> dict[UUID, Answerer]:
        """Conversation id -> who answers it."""
        return _answerers(self.scope, self._shown)

    @property
    def units(self) -> Sequence[Unit]:
        """The units to filter by; of too many for that only some."""
        return self._offered.units

    @cached_property
    def counts(self) -> Counts:
        if self.view.search:
            return conversation_lists.count_work(self.scope, unit_id=self.view.unit_id)
        return self._mark.counts

    @property
    def unread(self) -> int:
        return self.counts.unread

    @property
    def doubted(self) -> int:
        return self.counts.doubted

    @property
    def tabs(self) -> list[Tab]:
        counts = {Work.WAITING: self.counts.waiting, Work.MINE: self.counts.mine}
        return [
            Tab(
                work,
                label,
                counted(counts[work], most=MOST_COUNTED) if counts.get(work) else "",
                self.view.but(work=None if work == Work.OPEN else work.value),
            )
            for work, label in TABS.items()
        ]

    @property
    def empty_words(self) -> Empty:
        if self.view.is_doubted:
            return NO_DOUBT
        return ALL_READ if self.view.is_unread else EMPTY[self.view.work]

    @cached_property
    def _offered(self) -> Offered:
        return unit_lists.list_offered(self.scope)

    @property
    def _shown(self) -> list[ConversationRow]:
        return self.found.people if self.found else self.rows


def read_view(scope: TenantScope, args: Mapping[str, str]) -> View:
    """Raises NotFound for a unit that is not the person's, BadRequest for work that nobody can have chosen."""
    try:
        work = Work(args.get("work") or Work.OPEN)
    except ValueError as e:
        raise BadRequest from e
    return View(
        unit=units.get_unit(scope, args["unit"]) if args.get("unit") else None,
        work=work,
        is_doubted="doubted" in args,
        is_unread="unread" in args,
        search=args.get("q", "").replace("\x00", "").strip()[:LONGEST_SEARCH],
    )


def open_inbox(scope: TenantScope, args: Mapping[str, str]) -> Inbox:
    """The part of the inbox that the address asks for. Raises as `read_view` does."""
    return Inbox(scope, read_view(scope, args), position(args.get("before")))


def position(text: str | None) -> Position | None:
    """The place in a list that an address names."""
    if not text:
        return None
    try:
        return Position.parse(text)
    except ValueError as e:
        raise BadRequest from e


def place_of(scope: TenantScope, conversation_id: UUID, message_id: str) -> dict[str, Any]:
    """The address's words for the part of a thread in which a message stands; none for one that is not there."""
    try:
        place = conversations.find_place(scope, conversation_id, UUID(message_id))
    except ValueError as e:
        raise BadRequest from e
    return {"since": place.since, "before": place.before} if place else {}


def _rungs(scope: TenantScope, rows: list[ConversationRow]) -> dict[UUID, Rung]:
    ours = [row.conversation.id for row in rows if row.conversation.last_message_direction == Direction.OUTBOUND]
    sent = conversation_lists.list_last_sent(scope, ours) if ours else {}
    return {conversation_id: words.rung(message) for conversation_id, message in sent.items()}


def _answerers(scope: TenantScope, rows: list[ConversationRow]) -> dict[UUID, Answerer]:
    assigned = {row.conversation.id: row.conversation.assigned_to_id for row in rows}
    others = {user_id for user_id in assigned.values() if user_id and user_id != scope.user_id}
    emails = members.list_emails(scope, others) if others else {}
    found = {}
    for conversation_id, user_id in assigned.items():
        if user_id is not None and user_id == scope.user_id:
            found[conversation_id] = Answerer(_("You"), "")
        elif user_id in emails:
            found[conversation_id] = Answerer(initials(emails[user_id]), emails[user_id])
    return found


def initials(email: str) -> str:
    """ "ana.souza@acme.test" is AS: people are known by their address only."""
    parts = email.partition("@")[0].replace("_", ".").replace("-", ".").split(".")
    return ("".join(part[0] for part in parts if part) or email)[:LONGEST_INITIALS].upper()


def _end(rows: list[ConversationRow]) -> Position:
    last = rows[-1].conversation
    return Position(last.last_message_at or last.created_at, last.id)
