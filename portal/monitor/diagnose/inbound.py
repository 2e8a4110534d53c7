"""Incident: customers write, and nothing appears."""

from collections.abc import Iterator
from datetime import timedelta

from portal import queue
from portal.monitor.diagnose import shared
from portal.monitor.diagnose.asking import Answer
from portal.monitor.diagnose.facts import Facts
from portal.monitor.diagnose.findings import Cause, Finding, Incident, instant

INBOUND = Incident.INBOUND
# The inbox applies an event within a second; under load it may take some.
BACKLOG_LATE_AFTER = timedelta(seconds=30)


def look(facts: Facts, answer: Answer) -> Iterator[Finding]:
    """Every cause for it, along the way that a message takes."""
    yield shared.link(INBOUND, facts)
    yield from shared.webhook(INBOUND, facts, answer)
    yield _settings(facts, answer)
    yield shared.workers(INBOUND, facts, queue.INBOX)
    yield _backlog(facts)
    yield _parked(facts)
    yield _missed(facts, answer)
    yield _silent(facts)
    yield _left_out(facts, answer)


def _settings(facts: Facts, answer: Answer) -> Finding:
    faults = answer.settings_faults
    if faults is None:
        return Finding(INBOUND, Cause.SETTINGS_WRONG, *shared.not_asked(facts))
    detail = f"wrong: {', '.join(faults)}" if faults else "as the unit wants them"
    return Finding(INBOUND, Cause.SETTINGS_WRONG, bool(faults), detail, codes=faults)


def _backlog(facts: Facts) -> Finding:
    waiting = facts.backlog
    is_late = waiting.since is not None and waiting.since < facts.at - BACKLOG_LATE_AFTER
    detail = f"{waiting.count} events" + (f", the oldest of {instant(waiting.since)}" if waiting.since else "")
    return Finding(INBOUND, Cause.EVENTS_WAIT, is_late, detail, since=waiting.since, count=waiting.count)


def _parked(facts: Facts) -> Finding:
    detail = f"{facts.parked} events"
    return Finding(INBOUND, Cause.EVENTS_PARKED, facts.parked > 0, detail, count=facts.parked)


def _missed(facts: Facts, answer: Answer) -> Finding:
    if answer.missed is None:
        return Finding(INBOUND, Cause.MESSAGES_MISSED, *shared.not_asked(facts))
    detail = f"{answer.missed} messages that Evolution has are missing here"
    return Finding(INBOUND, Cause.MESSAGES_MISSED, answer.missed > 0, detail, count=answer.missed)


def _silent(facts: Facts) -> Finding:
    silent_s = facts.checked.silent_for_s
    detail = "not unusually" if silent_s is None else f"for {silent_s / 60:.0f} minutes, while other units hear"
    since = facts.checked.last_event_at if silent_s is not None else None
    return Finding(INBOUND, Cause.UNUSUALLY_SILENT, silent_s is not None, detail, since=since)


def _left_out(facts: Facts, answer: Answer) -> Finding:
    unit = facts.unit
    kept = {"groups": unit.keeps_groups, "stories": unit.keeps_stories, "broadcasts": unit.keeps_broadcasts}
    out = tuple(name for name, is_kept in kept.items() if not is_kept)
    count = answer.left_out
    detail = f"left out: {', '.join(out) or 'nothing'}; of those stored lately: {'-' if count is None else count}"
    is_found = shared.not_asked(facts)[0] if count is None else count > 0
    return Finding(INBOUND, Cause.LEFT_OUT, is_found, detail, passes=True, count=count, codes=out)
