"""What was erased stays erased: old messages that are told once more are left out.

A phone that is linked anew sends its whole history, and a comparison finds what is missing here.
"""

from collections.abc import Iterable

from portal import phone
from portal.inbox.facts import MessageSeen
from portal.phone import LID_SUFFIX
from portal.services import suppression
from portal.tenancy import TenantScope


class Erased:
    """Who of those in these messages was erased, and when."""

    def __init__(self, scope: TenantScope, messages: Iterable[MessageSeen]) -> None:
        addresses = {address for message in messages for address in _addresses_in(message)}
        self._at = suppression.find_erased(scope, addresses)

    def covers(self, message: MessageSeen) -> bool:
        """Whether it was written before its writer, or whoever it was written to, was erased."""
        return any(message.at <= self._at[address] for address in _addresses_in(message) if address in self._at)


def _addresses_in(message: MessageSeen) -> set[str]:
    """The person in the chat, and in a group whoever wrote it."""
    number = phone.of_whatsapp(message.chat.number) if message.chat.number else None
    lid = message.chat.lid + LID_SUFFIX if message.chat.lid else None
    return {address for address in (number, lid, (message.details or {}).get("sender")) if address}
