"""Whether a portal that was disturbed comes to rest, and what must be true of it then."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import psycopg
import requests

from local.programs import answers
from portal.queue import QUEUES
from tests.chaos.accounts import GONE, Account, take_account
from tests.chaos.load import Load
from tests.chaos.site import WORKERS, Site
from tests.running.campaigns import Organiser, Verdict, judge
from tests.running.leaks import leaks_of
from tests.running.waiting import until

REST_S = 180
PROBE_S = 20
ENDS = {*GONE, "failed", "unconfirmed"}
# Two processes serve, and a worker has one for each queue. Of each the pool keeps so many connections.
PROCESSES, KEPT = 2 + WORKERS * len(QUEUES), 10
OPEN_EVENTS = "webhook_events WHERE state = 'new' AND unit_id IS NOT NULL"
PARKED = "SELECT event, error, count(*) AS number FROM webhook_events WHERE state = 'parked' GROUP BY 1, 2"
BACKENDS = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# Nothing of a portal at rest stands in a transaction for so long.
IN_TRANSACTION = f"{BACKENDS} AND state LIKE 'idle in transaction%%' AND state_change < now() - interval '5 s'"
ALIVE = "relays WHERE heartbeat_at > now() - interval '3 s'"


@dataclass(frozen=True)
class Rest:
    """How it stood before and how it stands after: `broken` names each rule that does not hold, with what breaks it."""

    rested_s: float
    account: Account
    verdict: Verdict
    connections: int
    broken: dict[str, object]


def come_to_rest(site: Site, load: Load, organiser: Organiser, campaign_id: UUID) -> Rest:
    """Wait until nothing is on its way any more, and look at everything."""
    try:
        rested_s = until(lambda: not unrest(site, load, campaign_id), "rest", within_s=REST_S)
    except AssertionError as e:
        e.add_note(f"still: {unrest(site, load, campaign_id)}")
        raise
    stuck = stuck_lanes(site, load.word)
    account, verdict = take_account(site.stack, load.replies), judge_of(site, campaign_id)
    connections = site.stack.rows.count(BACKENDS)
    counts = organiser.counts([campaign_id])[campaign_id]
    told = Counter({str(rung): number for rung, number in counts.by_rung.items() if number})
    found = {
        "questions not there once": not_once(site, load.questions),
        "events that could not be applied": site.stack.rows.fetch(PARKED),
        "replies without an end": [text for text, status in account.statuses.items() if status not in ENDS],
        "replies without a row": [text for text in load.replies if text not in account.statuses],
        "replies that left twice": account.left_twice,
        "replies said to be gone": account.said_gone_but_never_left,
        "statuses that fell": load.falls,
        "campaign": [verdict.open, verdict.lost, verdict.unsaid, verdict.repeated, verdict.astray],
        "counts against the ledger": [] if told == verdict.rungs else [told, verdict.rungs],
        "stuck lanes": stuck,
        "transactions left open": site.stack.rows.count(IN_TRANSACTION),
        "connections": connections if connections > PROCESSES * KEPT else 0,
        "secrets in logs": leaks_of(site.stack),
    }
    return Rest(rested_s, account, verdict, connections, {name: what for name, what in found.items() if any_of(what)})


def any_of(what: object) -> bool:
    return any(what) if isinstance(what, list) else bool(what)


def unrest(site: Site, load: Load, campaign_id: UUID) -> dict[str, object]:
    """What is still under way, by what it is."""
    try:
        return {name: what for name, what in under_way(site, load, campaign_id).items() if what}
    except (psycopg.OperationalError, requests.RequestException) as e:
        return {"unreachable": type(e).__name__}


def under_way(site: Site, load: Load, campaign_id: UUID) -> dict[str, object]:
    rows = site.stack.rows
    account = take_account(site.stack, load.replies)
    port = int(site.stack.env["PORT"])
    return {
        "web does not answer": not answers(port, "/health"),
        "workers missing": max(0, WORKERS * len(QUEUES) - rows.count(ALIVE)),
        "replies on their way": [text for text in account.not_at_an_end if account.statuses[text] != "failed"],
        "left but not said": account.left_but_not_said,
        "events": rows.count(OPEN_EVENTS),
        "campaign open": rows.count("campaigns WHERE id = %s AND state <> 'completed'", campaign_id),
        "campaign messages": judge_of(site, campaign_id).open,
        "lanes with a message": rows.busy_lanes(),
    }


def judge_of(site: Site, campaign_id: UUID) -> Verdict:
    return judge(site.stack.rows, site.stack.simulator, [campaign_id])


def not_once(site: Site, questions: list[str]) -> list[str]:
    times = Counter(site.stack.rows.received(questions))
    return [f"{text}: {times[text]}" for text in questions if times[text] != 1]


def stuck_lanes(site: Site, word: str) -> list[str]:
    """The units from which one more text does not leave soon."""
    texts = {f"{word} last reply of {unit}, to be sent once": unit for unit in site.instances}
    for place, (text, unit) in enumerate(texts.items()):
        site.stack.api.send(unit, phone=f"+5511933330{place:03d}", text=text)

    def waiting() -> list[str]:
        statuses = site.stack.rows.statuses(list(texts))
        return [f"{unit}: {statuses[text]}" for text, unit in texts.items() if statuses[text] not in GONE]

    try:
        until(lambda: not waiting(), "last replies", within_s=PROBE_S)
    except AssertionError:
        return waiting()
    return []
