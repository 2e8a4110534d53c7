"""Incident: what is written here does not arrive."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from portal import queue
from portal.evolution import errors
from portal.models import ConnectionStatus
from portal.monitor.diagnose import shared
from portal.monitor.diagnose.asking import Answer
from portal.monitor.diagnose.facts import Facts
from portal.monitor.diagnose.findings import Cause, Finding, Incident, instant
from portal.queries.undelivered import Bucket, Group

OUTBOUND = Incident.OUTBOUND
# A lane is looked at many times a second.
STALLED_AFTER = timedelta(seconds=60)
# Once may be chance.
DEAD_AFTER_AWAY = 2
# Why a message surely did not leave, where the same message may leave later. All other reasons lie in itself.
FOR_NOW = frozenset(
    {
        errors.TIMED_OUT,
        errors.PREPARING_FAILED,
        errors.NOT_CONNECTED,
        errors.UNIT_AWAY,
        errors.INSTANCE_UNKNOWN,
        errors.UNREACHABLE,
        errors.KEY_REFUSED,
        errors.NOT_LICENSED,
    }
)


def look(facts: Facts, answer: Answer) -> Iterator[Finding]:
    """Every cause for it: first what holds all of them, then those that went wrong."""
    holding = list(_look_at_unit(facts, answer))
    yield from holding
    yield from _look_at_messages(facts, is_free=not any(finding.is_found for finding in holding))


def _look_at_unit(facts: Facts, answer: Answer) -> Iterator[Finding]:
    yield shared.suspension(OUTBOUND, facts)
    yield shared.workers(OUTBOUND, facts, queue.OUTBOX)
    yield from shared.evolution(OUTBOUND, facts, answer)
    yield shared.server_pause(OUTBOUND, facts)
    yield shared.link(OUTBOUND, facts)
    yield _lane(facts)
    yield from _away(facts, answer)
    yield from shared.new_chats(OUTBOUND, facts)


def _lane(facts: Facts) -> Finding:
    is_linked, is_open = facts.connection.status == ConnectionStatus.CONNECTED, facts.gates.lane.is_open
    detail = f"the lane is {'open' if is_open else 'closed'}"
    return Finding(OUTBOUND, Cause.LANE_CLOSED, is_linked and not is_open, detail)


def _away(facts: Facts, answer: Answer) -> Iterator[Finding]:
    lane = facts.gates.lane
    is_held = lane.is_open and lane.held_until is not None and lane.held_until > facts.at
    reason = lane.away_reason if is_held else None
    is_dead = reason == errors.UNIT_AWAY and lane.away_count >= DEAD_AFTER_AWAY and answer.state == "open"
    detail = f"{lane.away_reason or 'a try failed'}, {lane.away_count} times in a row" if is_held else "not held"
    until = lane.held_until if is_held else None
    codes = (reason,) if reason else ()
    yield Finding(OUTBOUND, Cause.SOCKET_DEAD, is_dead, detail, count=lane.away_count, codes=codes)
    is_away = reason is not None and not is_dead
    yield Finding(OUTBOUND, Cause.UNIT_AWAY, is_away, detail, passes=True, until=until, codes=codes)
    yield Finding(OUTBOUND, Cause.TRIED_AGAIN, is_held and not reason, detail, passes=True, until=until)


def _look_at_messages(facts: Facts, *, is_free: bool) -> Iterator[Finding]:
    yield _stalled(facts, is_free=is_free)
    abandoned = facts.abandoned
    detail = f"{abandoned.count} are being sent by no living worker"
    is_found = abandoned.count > 0
    yield Finding(OUTBOUND, Cause.SENDS_ABANDONED, is_found, detail, since=abandoned.since, count=abandoned.count)
    failed = [group for group in facts.undelivered if group.bucket == Bucket.FAILED]
    again = [group for group in facts.failed_and_free if group.reason in FOR_NOW]
    # What is sent again while the cause is still there only fails again.
    yield _of_groups(Cause.FAILED_FOR_NOW, again, can_fix=is_free)
    yield _of_groups(Cause.FAILED_FOR_GOOD, [group for group in failed if group.reason not in FOR_NOW])
    for cause, bucket in ((Cause.UNCONFIRMED, Bucket.UNCONFIRMED), (Cause.NO_RECEIPT, Bucket.NO_RECEIPT)):
        yield _of_groups(cause, [group for group in facts.undelivered if group.bucket == bucket])


def _stalled(facts: Facts, *, is_free: bool) -> Finding:
    """Whether something could leave and does not."""
    first, lane = facts.next_message, facts.gates.lane
    if first is None:
        return Finding(OUTBOUND, Cause.QUEUE_STALLED, False, "nothing waits")
    # A campaign's message waits for its turn, which is an incident of its own.
    is_late = not first.is_of_campaign and first.created_at < facts.at - STALLED_AFTER
    is_idle = lane.message_id is None and (not lane.has_work or lane.next_send_at < facts.at - STALLED_AFTER)
    detail = f"the next one waits since {instant(first.created_at)}"
    return Finding(OUTBOUND, Cause.QUEUE_STALLED, is_free and is_late and is_idle, detail, since=first.created_at)


def _of_groups(cause: Cause, groups: Sequence[Group], *, can_fix: bool = True) -> Finding:
    told = ", ".join(f"{group.reason or '-'}: {group.count}" for group in groups)
    return Finding(
        OUTBOUND,
        cause,
        bool(groups),
        told or "none lately",
        can_fix=can_fix,
        since=min((group.oldest for group in groups), default=None),
        count=sum(group.count for group in groups),
        codes=tuple(group.reason or "" for group in groups),
    )
