"""Incident: a unit's status stays unconnected."""

from collections.abc import Iterator
from datetime import timedelta

from portal import queue
from portal.models import ConnectionAction, ConnectionStatus, StatusReason
from portal.monitor.diagnose import shared
from portal.monitor.diagnose.asking import Answer
from portal.monitor.diagnose.facts import Facts
from portal.monitor.diagnose.findings import Cause, Finding, Incident, instant
from portal.outbox.reconcile import DEAD_AFTER, VAGUE, agrees
from portal.services.connections import is_reconnecting

UNCONNECTED = Incident.UNCONNECTED
# A worker takes up a wish within seconds; Evolution's longest call takes twenty.
ACTION_LATE_AFTER = timedelta(seconds=60)
# Evolution renews a code after 45 s (contract §12).
CODE_LATE_AFTER = timedelta(seconds=75)
# What the row itself says; of the last three that Evolution was away when a code was wanted.
OF_REASON = {
    StatusReason.QR_EXPIRED: Cause.QR_EXPIRED,
    StatusReason.LOGGED_OUT: Cause.LOGGED_OUT,
    StatusReason.CONNECTION_ERROR: Cause.CONNECTION_ERROR,
    StatusReason.NUMBER_BANNED: Cause.NUMBER_BANNED,
    StatusReason.WRONG_NUMBER: Cause.WRONG_NUMBER,
    StatusReason.NUMBER_IN_USE: Cause.NUMBER_IN_USE,
    StatusReason.EVOLUTION_FULL: Cause.EVOLUTION_FULL,
    StatusReason.EVOLUTION_UNREACHABLE: Cause.CONNECT_FAILED,
    StatusReason.EVOLUTION_KEY_REFUSED: Cause.CONNECT_FAILED,
    StatusReason.EVOLUTION_NOT_LICENSED: Cause.CONNECT_FAILED,
}


def look(facts: Facts, answer: Answer) -> Iterator[Finding]:
    """Every cause for it: first what all units share, then Evolution's side, then what the row says."""
    yield shared.workers(UNCONNECTED, facts, queue.OUTBOX, queue.INBOX)
    yield from shared.evolution(UNCONNECTED, facts, answer)
    yield shared.server_pause(UNCONNECTED, facts)
    yield _action(facts)
    yield from _instance(facts, answer)
    yield from shared.webhook(UNCONNECTED, facts, answer)
    yield from _code(facts)
    yield from _row(facts)
    yield _lost(facts)


def _action(facts: Facts) -> Finding:
    action, since = facts.connection.action, facts.connection.action_requested_at
    # A check is the portal's own question: nobody waits for it.
    if action in (None, ConnectionAction.CHECK) or since is None:
        return Finding(UNCONNECTED, Cause.ACTION_WAITS, False, "nothing was asked for")
    detail = f"{action} since {instant(since)}, tries: {facts.connection.action_attempts}"
    is_late = since < facts.at - ACTION_LATE_AFTER
    return Finding(UNCONNECTED, Cause.ACTION_WAITS, is_late, detail, since=since, codes=(str(action),))


def _instance(facts: Facts, answer: Answer) -> Iterator[Finding]:
    connection, is_asked = facts.connection, facts.has_instance and facts.connection.action is None
    never = connection.status == ConnectionStatus.NOT_CONFIGURED and connection.action is None
    yield Finding(UNCONNECTED, Cause.NEVER_CONNECTED, never, f"shown as {connection.status}")
    if not is_asked or (answer.error and answer.is_loaded is None):
        is_found = None if is_asked else False
        for cause in (Cause.INSTANCE_MISSING, Cause.INSTANCE_NOT_LOADED, Cause.STATE_DIFFERS):
            yield Finding(UNCONNECTED, cause, is_found, "there is none to ask about" if not is_asked else "not known")
        return
    said = answer.state or ("unknown" if answer.is_missing else "not loaded")
    detail = f"Evolution says {said}, the portal {connection.status}"
    # The row says so already: the rest is for somebody with the phone.
    is_told = connection.status == ConnectionStatus.DISCONNECTED and connection.status_reason not in VAGUE
    yield Finding(UNCONNECTED, Cause.INSTANCE_MISSING, answer.is_missing, detail, can_fix=not is_told)
    yield Finding(UNCONNECTED, Cause.INSTANCE_NOT_LOADED, answer.is_loaded is False, detail)
    differs = answer.state is not None and not agrees(connection.status, answer.state)
    yield Finding(UNCONNECTED, Cause.STATE_DIFFERS, differs, detail, codes=(said,))


def _code(facts: Facts) -> Iterator[Finding]:
    connection = facts.connection
    is_shown = connection.status == ConnectionStatus.QR and connection.qr_code is not None
    is_made = connection.status_reason == StatusReason.INITIALIZING and connection.action is None
    since = connection.qr_updated_at if is_shown else connection.instance_made_at
    is_late = (is_shown or is_made) and since is not None and since < facts.at - CODE_LATE_AFTER
    made = f"code {connection.qr_count}, made {instant(since)}" if is_shown and since else "no code is shown"
    yield Finding(UNCONNECTED, Cause.CODE_WAITS, is_shown and not is_late, made, since=since if is_shown else None)
    yield Finding(UNCONNECTED, Cause.CODE_STALE, is_late, made, since=since if is_late else None)
    lacks = is_shown and connection.pairing_number is not None and connection.pairing_code is None
    yield Finding(UNCONNECTED, Cause.NO_PAIRING_CODE, lacks, made)


def _row(facts: Facts) -> Iterator[Finding]:
    connection, reason = facts.connection, facts.connection.status_reason
    is_over = connection.status == ConnectionStatus.DISCONNECTED and connection.action is None
    for cause in dict.fromkeys(OF_REASON.values()):
        is_found = is_over and reason is not None and OF_REASON.get(StatusReason(reason)) == cause
        codes = (str(reason),) if is_found else ()
        yield Finding(UNCONNECTED, cause, is_found, f"reason: {reason or '-'}", since=connection.status_at, codes=codes)


def _lost(facts: Facts) -> Finding:
    """A link that was lost: one that comes back by itself may take some minutes."""
    connection, since = facts.connection, facts.connection.status_at
    detail = f"shown as {connection.status}: {connection.status_reason or '-'}"
    if is_reconnecting(connection):
        is_dead = since is not None and since < facts.at - DEAD_AFTER
        return Finding(
            UNCONNECTED, Cause.CONNECTION_LOST, True, detail, can_fix=is_dead, passes=not is_dead, since=since
        )
    is_over = connection.status == ConnectionStatus.DISCONNECTED and connection.action is None
    is_found = is_over and connection.status_reason == StatusReason.CONNECTION_LOST
    return Finding(
        UNCONNECTED, Cause.CONNECTION_LOST, is_found, detail, can_fix=False, since=since if is_found else None
    )
