"""Whether a portal that was disturbed comes to rest, and what is found of it then; `rules` says what must be true."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import psycopg
import requests

from local.programs import answers
from portal.queue import QUEUES
from tests.chaos.accounts import Account, take_account
from tests.chaos.load import Load
from tests.chaos.rules import WORKERS, Found, broken_rules, still_waiting
from tests.chaos.site import Site
from tests.running.campaigns import Organiser, Verdict, judge
from tests.running.clients import Rows
from tests.running.leaks import leaks_of
from tests.running.waiting import until

REST_S = 180
# Sent, delivered, read, and a refusal that turned out to be wrong.
RECEIPTS_OF_ONE_LINE = 4
PROBE_S = 20
OPEN_EVENTS = "webhook_events WHERE state = 'new' AND unit_id IS NOT NULL"
PARKED = "SELECT event, error, count(*) AS number FROM webhook_events WHERE state = 'parked' GROUP BY 1, 2"
BACKENDS = "pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
# Nothing of a portal at rest stands in a transaction for so long.
TRANSACTION_S = 5
IN_TRANSACTION = (
    f"{BACKENDS} AND state LIKE 'idle in transaction%%' AND state_change < clock_timestamp() - %s * interval '1 second'"
)
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
    waiting = stuck_lanes(site, load.word)
    rows = site.stack.rows
    counts, verdict = counted_and_judged(site, organiser, campaign_id)
    found = Found(
        questions=load.questions,
        received=rows.received(load.questions),
        parked=parked_events(rows),
        replies=load.replies,
        account=take_account(site.stack, load.replies),
        falls=load.heights.falls,
        verdict=verdict,
        counts=counts,
        waiting=waiting,
        open_transactions=open_transactions(rows),
        connections=rows.count(BACKENDS),
        leaks=leaks_of(site.stack),
    )
    return Rest(rested_s, found.account, found.verdict, found.connections, broken_rules(found))


def parked_events(rows: Rows) -> list[dict[str, object]]:
    return rows.fetch(PARKED)


def open_transactions(rows: Rows, *, for_s: float = TRANSACTION_S) -> int:
    return rows.count(IN_TRANSACTION, for_s)


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


def counted_and_judged(site: Site, organiser: Organiser, campaign_id: UUID) -> tuple[Counter[str], Verdict]:
    """The campaign's counts and its rows at one moment: who reads late is told of while it is looked at."""
    for _attempt in range(RECEIPTS_OF_ONE_LINE * len(judge_of(site, campaign_id).lines)):
        before = judge_of(site, campaign_id)
        counts = organiser.counts([campaign_id])[campaign_id]
        after = judge_of(site, campaign_id)
        if before.rungs == after.rungs:
            return Counter({str(rung): number for rung, number in counts.by_rung.items() if number}), after
    raise AssertionError("the campaign's rows change without an end")


def stuck_lanes(site: Site, word: str) -> list[str]:
    """The units from which one more text does not leave soon."""
    texts = {f"{word} last reply of {unit}, to be sent once": unit for unit in site.instances}
    for place, (text, unit) in enumerate(texts.items()):
        site.stack.api.send(unit, phone=f"+5511933330{place:03d}", text=text)

    def waiting() -> list[str]:
        return still_waiting(texts, site.stack.rows.statuses(list(texts)))

    try:
        until(lambda: not waiting(), "last replies", within_s=PROBE_S)
    except AssertionError:
        return waiting()
    return []
