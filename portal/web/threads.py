"""A thread as it is read: oldest first, under the day it was written."""

from dataclasses import dataclass
from itertools import groupby
from uuid import UUID
from zoneinfo import ZoneInfo

from portal.models import Media, Message
from portal.queries.conversations import PAGE, ConversationRow, Position
from portal.web.decisions import Aside
from portal.web.formats import day_words


@dataclass(frozen=True)
class Day:
    """The messages of one day, oldest first."""

    label: str
    messages: list[Message]


@dataclass(frozen=True)
class Thread:
    """Part of a conversation: its days, where it begins, and where what is older ends (None: nothing is older).

    `media`: message id -> the file that it carries; `asides`: message id -> what stands under it.
    """

    row: ConversationRow
    days: list[Day]
    media: dict[UUID, Media]
    asides: dict[UUID, Aside]
    begins_at: Position | None
    older_before: Position | None

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what is seen."""
        return tuple(
            (
                message.id,
                message.status,
                message.accepted_at,
                message.error_code,
                message.body,
                day.label,
                self.asides.get(message.id),
            )
            for day in self.days
            for message in day.messages
        )


def make_thread(
    row: ConversationRow, newest_first: list[Message], media: dict[UUID, Media], asides: dict[UUID, Aside]
) -> Thread:
    """Arrange one page of messages for reading."""
    messages = newest_first[::-1]
    begins_at = Position(messages[0].occurred_at, messages[0].id) if messages else None
    return Thread(
        row=row,
        days=_by_day(messages, row.unit.time_zone),
        media=media,
        asides=asides,
        begins_at=begins_at,
        older_before=begins_at if len(messages) >= PAGE else None,
    )


def _by_day(messages: list[Message], zone: str) -> list[Day]:
    def local_day(message: Message) -> object:
        return message.occurred_at.astimezone(ZoneInfo(zone)).date()

    days = [list(group) for _, group in groupby(messages, key=local_day)]
    return [Day(day_words(day[0].occurred_at, zone), day) for day in days]
