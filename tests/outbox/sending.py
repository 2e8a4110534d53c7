"""Claiming and recording as the relay does it, one call at a time."""

import time
from uuid import UUID

from portal.evolution.errors import EvolutionError
from portal.evolution.types import SentMessage
from portal.outbox import lanes, outcomes, owners, servers
from portal.outbox.lanes import ClaimedMessage
from portal.outbox.outcomes import Outcome

OWNER = owners.new_owner()
SENT_BODY = {"key": {"remoteJid": "551199990002@s.whatsapp.net", "fromMe": True, "id": "3EB00123456789ABCDEF01"}}


def claim(owner_id: UUID = OWNER, *, limit: int = 10) -> list[ClaimedMessage]:
    """At most so many from each server."""
    known = servers.list_servers()
    keeping_ids = [server.id for server in known if server.keeps_ids]
    return lanes.claim(owner_id, free={server.id: limit for server in known}, keeping_ids=keeping_ids)


def claim_one() -> ClaimedMessage:
    claimed = claim()
    assert len(claimed) == 1
    return claimed[0]


def seconds_to_next() -> float | None:
    return lanes.seconds_to_next([server.id for server in servers.list_servers()])


def wait_of(claimed: ClaimedMessage) -> float:
    """How many seconds from now the send begins."""
    return max(0.0, claimed.start_at - time.monotonic())


def outcome(
    claimed: ClaimedMessage, ended: SentMessage | EvolutionError, *, age_s: float = 0.1, is_server_away: bool = False
) -> Outcome:
    """A send that began so long ago and ended just now."""
    sent = ended if isinstance(ended, SentMessage) else None
    error = ended if isinstance(ended, EvolutionError) else None
    return Outcome(claimed, time.monotonic() - age_s, sent=sent, error=error, is_server_away=is_server_away)


def record(
    claimed: ClaimedMessage, ended: SentMessage | EvolutionError, *, age_s: float = 0.1, is_server_away: bool = False
) -> None:
    """Note how the send of this message ended."""
    left = outcomes.record([outcome(claimed, ended, age_s=age_s, is_server_away=is_server_away)])
    assert left == [], "somebody holds the unit"


def sent_of(message: ClaimedMessage) -> SentMessage:
    """The answer to a send that went well, under an id of its own."""
    return SentMessage(f"3EB0{message.id.hex[-18:].upper()}", f"{message.number}@s.whatsapp.net")
