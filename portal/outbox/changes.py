"""Edits and deletions of our own messages: sent as Evolution takes them, and shown once they were."""

from collections.abc import Iterable
from dataclasses import replace

from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionRejected, EvolutionUnavailable
from portal.evolution.types import MessageKey, Reference, SentMessage
from portal.models import CHANGES, MessageKind
from portal.outbox.lanes import ClaimedMessage
from portal.services import changes, changing
from portal.tenancy import TenantScope


def carry_out(client: EvolutionClient, message: ClaimedMessage, reference: Reference) -> SentMessage:
    """Let Evolution change that message. Raises EvolutionError, for one that WhatsApp would ignore before anything."""
    if reference.written_at is not None and changing.is_too_late(message.kind, reference.written_at):
        raise EvolutionRejected(errors.TOO_LATE)
    key = _as_stored(client, message.instance_name, reference.key)
    if message.kind == MessageKind.EDIT:
        return client.edit_message(message.instance_name, key=key, text=message.text)
    return client.delete_message(message.instance_name, key=key)


def _as_stored(client: EvolutionClient, instance_name: str, key: MessageKey) -> MessageKey:
    """The key with the address that Evolution knows, which may be a LID where we have a number.

    An edit under another one is refused, and a deletion taken and ignored by every phone.
    """
    try:
        address = client.find_address(instance_name, key.external_id)
    except EvolutionUnavailable:
        raise
    except EvolutionError:
        # Nothing is known, and nothing was sent.
        address = None
    return replace(key, jid=address) if address else key


def note_made(sent: Iterable[tuple[ClaimedMessage, SentMessage]]) -> None:
    """Let the messages show the changes of them that were sent. Their units must be locked."""
    for message, answer in sent:
        if message.kind in CHANGES and message.refers_to is not None:
            made = changes.made_here(message.refers_to, message.kind, text=message.text, told_ms=answer.told_ms)
            changes.apply(TenantScope(message.tenant_id), message.unit_id, [made])
