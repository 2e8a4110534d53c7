"""Evolution's payloads as plain facts. Encodings differ by version (contract §11.3, §14): this is where that ends."""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import Any

import structlog

from portal.inbox import chat_events, instance_events, message_events
from portal.inbox.decoding import UNSAFE_IN_COLUMNS, Fields, clean_name, clean_text
from portal.inbox.facts import Fact, NotUnderstood

__all__ = ["UNSAFE_IN_COLUMNS", "News", "NotUnderstood", "clean_name", "clean_text", "parse"]

log = structlog.get_logger(__name__)

_MOMENT = re.compile(r"[0-9T:.Z+-]{10,40}")
_FAULTS = (KeyError, TypeError, ValueError, AttributeError, OverflowError, RecursionError)

Reader = Callable[[Any, Fields], Iterable[Fact]]


@dataclass(frozen=True)
class News:
    """What one webhook said. `told_at` is Evolution's own clock; not `is_known`: an event that no version names."""

    facts: list[Fact]
    told_at: str | None
    is_known: bool


def parse(event: str, body: str) -> News:
    """The facts of one webhook: none for what the portal does not use. Raises NotUnderstood."""
    try:
        payload = json.loads(body)
    except (ValueError, RecursionError) as e:
        raise NotUnderstood(f"{event}: no JSON") from e
    if not isinstance(payload, dict):
        raise NotUnderstood(f"{event}: no object")
    told_at = payload.get("date_time")
    is_moment = isinstance(told_at, str) and _MOMENT.fullmatch(told_at) is not None
    return News(_facts(event, payload), told_at if is_moment else None, event in _READERS)


def _facts(event: str, payload: Fields) -> list[Fact]:
    """The same event may carry an object, a list or nothing. One bad item of a list does not lose the others."""
    data, read = payload.get("data"), _READERS.get(event, _nothing)
    items = data if isinstance(data, list) else [data]
    facts: list[Fact] = []
    faults: list[Exception] = []
    for item in items:
        try:
            facts.extend(read(item, payload))
        except _FAULTS as e:
            faults.append(e)
    if faults and len(faults) == len(items):
        raise NotUnderstood(f"{event}: {type(faults[0]).__name__}") from faults[0]
    if faults:
        log.warning("items of an event not understood", name=event, items=len(items), faults=len(faults))
    return facts


def _nothing(data: Any, payload: Fields) -> Iterable[Fact]:
    return ()


# Every name that a version knows (contract §4.3), as it stands in a body.
_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        "qrcode.updated": instance_events.qr_code,
        "connection.update": instance_events.connection,
        "logout.instance": instance_events.logged_out,
        "status.instance": instance_events.status,
        "remove.instance": instance_events.removed,
        "instance.delete": instance_events.removed,
        "messages.upsert": message_events.seen,
        "send.message": message_events.seen,
        "messages.set": partial(message_events.seen, is_history=True),
        "messages.update": message_events.updated,
        "messages.edited": message_events.changed,
        "messages.delete": message_events.deleted,
        "send.message.update": message_events.edited,
        "contacts.set": chat_events.contact,
        "contacts.upsert": chat_events.contact,
        "contacts.update": chat_events.contact,
        "chats.set": chat_events.chat,
        "chats.upsert": chat_events.chat,
        "groups.upsert": chat_events.group,
        "group-participants.update": chat_events.group,
        "call": chat_events.call,
        **dict.fromkeys(
            (
                *("application.startup", "instance.create", "messaging-history.set", "presence.update"),
                *("chats.update", "chats.delete", "group.update", "groups.update", "labels.edit", "labels.association"),
                *("typebot.start", "typebot.change-status"),
            ),
            _nothing,
        ),
    }
)
