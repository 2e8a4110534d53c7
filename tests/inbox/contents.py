"""The message that one content is understood as, and contents of several tests."""

from typing import Any

from portal.inbox.facts import MessageSeen
from tests.inbox.parsing import facts
from tests.inbox.payloads import message


def read(content: object, type_: object = None, **data: Any) -> MessageSeen | None:
    """Gives nothing where the content is no message."""
    found = facts("messages.upsert", message("3A01", message=content, messageType=type_, **data))
    if not found:
        return None
    assert isinstance(found[0], MessageSeen)
    return found[0]


def seen(content: object, type_: object = None, **data: Any) -> MessageSeen:
    found = read(content, type_, **data)
    assert found is not None
    return found


def vcard(name: str, *lines: str) -> str:
    return "\n".join(["BEGIN:VCARD", "VERSION:3.0", f"N:;{name};;;", f"FN:{name}", *lines, "END:VCARD"])
