"""The list of conversations as the inbox shows it: of one unit or of all, from one place on."""

from collections.abc import Mapping
from dataclasses import dataclass

from werkzeug.exceptions import BadRequest

from portal.clock import now
from portal.models import Unit
from portal.queries import consent, conversations, units
from portal.queries.conversations import PAGE, ConversationRow, Position
from portal.tenancy import TenantScope


@dataclass(frozen=True)
class Inbox:
    """One page of conversations, the filter in force, the units to filter by, and where the next page begins."""

    rows: list[ConversationRow]
    units: list[Unit]
    unit: Unit | None
    before: Position | None
    older_before: Position | None
    unread: int
    # Only those in which a person should decide what was meant, and how many of them there are.
    is_doubted: bool
    doubted: int

    @property
    def fields(self) -> dict[str, str | None]:
        """The address's own words for the filter."""
        return {"unit": self.unit.slug if self.unit else None, "doubted": "1" if self.is_doubted else None}

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what is seen; the day too, since times of yesterday are shown as one."""
        rows = tuple(
            (
                row.conversation.id,
                row.conversation.unread,
                row.conversation.last_message_at,
                row.conversation.last_message_preview,
                row.contact.name,
                row.is_doubted,
            )
            for row in self.rows
        )
        return rows, self.unread, now().date()


def open_inbox(scope: TenantScope, args: Mapping[str, str]) -> Inbox:
    """The part of the inbox that the address asks for. Raises NotFound for a unit that is not the person's."""
    unit = units.get_unit(scope, args["unit"]) if args.get("unit") else None
    before = position(args.get("before"))
    unit_id, is_doubted = unit.id if unit else None, "doubted" in args
    rows = conversations.list_conversations(scope, unit_id=unit_id, is_doubted=is_doubted, before=before)
    return Inbox(
        rows=rows,
        units=units.list_names(scope),
        unit=unit,
        before=before,
        older_before=_end(rows) if len(rows) >= PAGE else None,
        unread=conversations.count_unread(scope),
        is_doubted=is_doubted,
        doubted=consent.count_doubted(scope, unit_id=unit_id),
    )


def position(text: str | None) -> Position | None:
    """The place in a list that an address names."""
    if not text:
        return None
    try:
        return Position.parse(text)
    except ValueError as e:
        raise BadRequest from e


def _end(rows: list[ConversationRow]) -> Position:
    last = rows[-1].conversation
    return Position(last.last_message_at or last.created_at, last.id)
