"""Causes that lead to more than one incident."""

from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

from portal.evolution import errors
from portal.extensions import parts
from portal.models import ConnectionStatus
from portal.monitor.diagnose.asking import Answer
from portal.monitor.diagnose.facts import REFUSED_LATELY, Facts
from portal.monitor.diagnose.findings import Cause, Finding, Incident, instant
from portal.outbox import servers
from portal.queries.sending import Cause as HoldCause

# Evolution tells of a new instance within seconds.
FIRST_NEWS_AFTER = timedelta(seconds=60)
OF_EVOLUTION = {
    errors.UNREACHABLE: Cause.EVOLUTION_UNREACHABLE,
    errors.TIMED_OUT: Cause.EVOLUTION_SLOW,
    errors.KEY_REFUSED: Cause.EVOLUTION_KEY_REFUSED,
    servers.UNREADABLE_KEY: Cause.EVOLUTION_KEY_REFUSED,
    errors.NOT_LICENSED: Cause.EVOLUTION_NOT_LICENSED,
}
# Of a webhook's fields those by which the portal knows Evolution.
WHO_POSTS = frozenset({"missing", "url", "headers"})
LOOPBACK = ("localhost", "127.0.0.1", "::1")


def workers(incident: Incident, facts: Facts, *queues: str) -> Finding:
    """Whether somebody works at these queues."""
    ages = facts.worker_ages_s
    told = ", ".join(
        f"{queue}: {f'heard {ages[queue]:.0f} s ago' if queue in ages else 'no worker'}" for queue in queues
    )
    away = facts.lacks_worker(*queues)
    return Finding(incident, Cause.WORKER_AWAY, bool(away), told, codes=away)


def evolution(incident: Incident, facts: Facts, answer: Answer) -> Iterator[Finding]:
    """Whether the server answers, takes the key, and is licensed."""
    name = facts.server.name if facts.server else servers.DEFAULT
    cause = OF_EVOLUTION.get(answer.error, Cause.EVOLUTION_UNCLEAR) if answer.error else None
    for one in (*dict.fromkeys(OF_EVOLUTION.values()), Cause.EVOLUTION_UNCLEAR):
        is_found = one == cause
        detail = f"server {name}: {answer.error or 'answers'}"
        yield Finding(incident, one, is_found, detail, codes=(answer.error,) if is_found and answer.error else ())


def server_pause(incident: Incident, facts: Facts) -> Finding:
    """Whether nothing is sent through the server for now."""
    server = facts.server
    if server is None or server.pause_reason is None:
        return Finding(incident, Cause.SERVER_PAUSED, False, "the server is not paused")
    detail = f"{server.pause_reason} since {instant(server.paused_at)}, tried again {instant(server.paused_until)}"
    return Finding(
        incident,
        Cause.SERVER_PAUSED,
        True,
        detail,
        since=server.paused_at,
        until=server.paused_until,
        codes=(server.pause_reason,),
    )


def suspension(incident: Incident, facts: Facts) -> Finding:
    at = facts.gates.suspended_at
    return Finding(
        incident, Cause.COMPANY_SUSPENDED, at is not None, "" if at is None else f"since {instant(at)}", since=at
    )


def link(incident: Incident, facts: Facts) -> Finding:
    """Whether the unit is shown as connected: if not, that is an incident of its own."""
    connection = facts.connection
    is_linked = connection.status == ConnectionStatus.CONNECTED
    reason = "" if is_linked else f": {connection.status_reason or '-'}"
    return Finding(
        incident,
        Cause.UNIT_UNCONNECTED,
        not is_linked,
        f"shown as {connection.status}{reason}",
        since=connection.disconnected_at,
    )


def webhook(incident: Incident, facts: Facts, answer: Answer) -> Iterator[Finding]:
    """Whether Evolution posts to the portal, with a secret and a signature that the portal takes."""
    yield _address(incident, facts, answer)
    mismatch = _secret(incident, facts, answer)
    yield mismatch
    yield _stranger(incident, facts, mismatch)
    yield _arrival(incident, facts, answer)


def new_chats(incident: Incident, facts: Facts) -> Iterator[Finding]:
    """Whether WhatsApp limits how many chats the number begins."""
    hold = facts.gates.new_chats_hold()
    for cause, of_hold in (
        (Cause.NEW_CHATS_PAUSED, HoldCause.NEW_CHATS_PAUSED),
        (Cause.NEW_CHATS_SLOW, HoldCause.NEW_CHATS_SLOW),
    ):
        if hold is None or hold.cause != of_hold:
            yield Finding(incident, cause, False, "no limit")
            continue
        yield Finding(
            incident,
            cause,
            True,
            f"{hold.reason} until {instant(hold.until)}",
            passes=cause == Cause.NEW_CHATS_SLOW,
            until=hold.until,
            codes=(str(hold.reason),),
        )


def not_asked(facts: Facts) -> tuple[bool | None, str]:
    """Where there is no instance, nothing can be wrong with it; where there is one, Evolution should have said."""
    return (None, "Evolution did not say") if facts.has_instance else (False, "there is no instance")


def _address(incident: Incident, facts: Facts, answer: Answer) -> Finding:
    faults = answer.webhook_faults
    if faults is None:
        return Finding(incident, Cause.WEBHOOK_WRONG, *not_asked(facts))
    wrong = tuple(fault for fault in faults if not (fault == "url" and answer.has_other_secret))
    if answer.has_secret_of_before:
        detail = "it has the secret of before, which is still taken, until the new one is registered"
        return Finding(incident, Cause.WEBHOOK_WRONG, True, detail, passes=True, codes=wrong)
    detail = f"wrong: {', '.join(wrong)}" if wrong else "as it is to be"
    return Finding(incident, Cause.WEBHOOK_WRONG, bool(wrong), detail, codes=wrong)


def _secret(incident: Incident, facts: Facts, answer: Answer) -> Finding:
    if not facts.has_instance:
        return Finding(incident, Cause.SECRET_MISMATCH, *not_asked(facts))
    is_right = answer.has_secret_of_before or not WHO_POSTS.intersection(answer.webhook_faults or ())
    told = {
        "the stored secret cannot be read": facts.secret is None,
        "the stored secret is not the one that is taken": facts.secret is not None and not facts.is_secret_known,
        "Evolution has another secret": answer.has_other_secret,
        _refused(facts): facts.refused > 0 and answer.webhook_faults is not None and not is_right,
    }
    found = [detail for detail, is_so in told.items() if is_so]
    if not found and answer.webhook_faults is None:
        return Finding(incident, Cause.SECRET_MISMATCH, None, f"{_refused(facts)}; Evolution did not say")
    detail = "; ".join(found) or "the same in both places"
    count = facts.refused or None if found else None
    return Finding(incident, Cause.SECRET_MISMATCH, bool(found), detail, count=count)


def _stranger(incident: Incident, facts: Facts, mismatch: Finding) -> Finding:
    """Whether what is refused comes from somebody else: anybody may post with a wrong secret, and gains nothing."""
    # Where Evolution did not say, it may be Evolution itself.
    is_found = None if mismatch.is_found is None else facts.refused > 0 and not mismatch.is_found
    return Finding(incident, Cause.STRANGER_POSTS, is_found, _refused(facts), passes=True, count=facts.refused or None)


def _refused(facts: Facts) -> str:
    return f"{facts.refused} deliveries refused in the last {REFUSED_LATELY.total_seconds() / 60:.0f} minutes"


def _arrival(incident: Incident, facts: Facts, answer: Answer) -> Finding:
    made_at, heard_at = facts.connection.instance_made_at, facts.connection.last_event_at
    if made_at is None or answer.webhook_faults is None:
        return Finding(incident, Cause.NOTHING_ARRIVES, *not_asked(facts))
    is_heard = facts.backlog.count > 0 or (heard_at is not None and heard_at >= made_at)
    is_long = made_at < facts.at - FIRST_NEWS_AFTER
    is_found = not is_heard and is_long and not answer.webhook_faults
    detail = f"nothing since the instance was made; Evolution posts to {_host()}" if is_found else "events arrive"
    return Finding(incident, Cause.NOTHING_ARRIVES, is_found, detail, since=made_at if is_found else None)


def _host() -> str:
    host = urlsplit(parts.config.base_url).hostname or ""
    return f"{host}, which is this machine only" if host in LOOPBACK else host
