"""Webhooks that repeat, cross and fail while web and worker are killed: every one counts once."""

import json
import os
import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from local.people import TENANT
from tests.chaos.news import Event, World
from tests.running.door import Door
from tests.running.stack import Stack
from tests.running.waiting import until

SEED = 20_261_123
COUNT, KILLS = (2_000, 12) if os.environ.get("PORTAL_CHAOS_LONG") else (300, 3)
POSTERS = 8
# Of the webhooks so many are posted once more, and each may overtake so many others.
REPEATED = 0.2
DISORDER = 60
BEGAN_AT = 1_760_000_000
SETTLE_S = 60
OPENED = "connection.update"


@pytest.mark.timeout(600)
def test_every_acknowledged_webhook_counts_once_whatever_dies(stack: Stack, measured: Callable[[str], None]) -> None:
    chance = random.Random(SEED)
    # Units of their own: what other tests left at Evolution may still be told.
    wild, calm = (open_unit(stack, slug, number) for slug, number in (("wild", "01"), ("calm", "02")))
    kept_before = events_of(stack, wild)
    began_at = time.monotonic()

    posts = disordered(World(1, began_at=BEGAN_AT, seed=SEED).news(COUNT), chance)
    door = Door(stack, wild)
    with ThreadPoolExecutor(POSTERS) as pool:
        posting = pool.map(lambda post: door.post_until_taken(*post), posts)
        # Here and not in a thread: the programs end with the thread that started them.
        killed = [kill_one(stack, chance) for _ in range(KILLS)]
        failed = sum(posting)
    settle(stack, wild)
    took_s = time.monotonic() - began_at
    in_order = Door(stack, calm)
    for event, data in World(2, began_at=BEGAN_AT, seed=SEED).news(COUNT):
        assert in_order.post(event, data)
    settle(stack, calm)

    rows = {instance: snapshot(stack, instance) for instance in (wild, calm)}
    measured(
        f"{COUNT} webhooks, posted {len(posts)} times in disorder while web and worker were killed {len(killed)} times"
        f" (seed {SEED}): {failed} posts failed and were repeated,"
        f" {events_of(stack, wild) - kept_before} kept once each, {len(rows[wild]['messages'])} messages; applied after"
        f" {took_s:.0f} s, as in the run in order"
    )
    assert events_of(stack, wild) - kept_before == COUNT
    assert rows[calm]["messages"]
    for name, theirs in rows[wild].items():
        assert [row for row in theirs if row not in rows[calm][name]] == [], name
        assert len(theirs) == len(rows[calm][name]), name


def open_unit(stack: Stack, slug: str, number: str) -> str:
    """A unit that has told all there is to tell of its linking; gives its instance."""
    stack.flask("units", "create", "--tenant", TENANT, "--name", slug, "--slug", slug)
    instance = stack.link(slug, number=f"55119777700{number}")
    until(
        lambda: stack.rows.count("webhook_events WHERE instance_name = %s AND event = %s", instance, OPENED) > 0, "it"
    )
    time.sleep(1)
    return instance


def disordered(news: Sequence[Event], chance: random.Random) -> list[Event]:
    """Each may be overtaken by later ones, and some come twice."""
    placed = [(place + chance.uniform(0, DISORDER), told) for place, told in enumerate(news)]
    repeats = [(place + chance.uniform(0, 3 * DISORDER), told) for place, told in placed if chance.random() < REPEATED]
    return [told for _, told in sorted([*placed, *repeats], key=lambda one: one[0])]


def kill_one(stack: Stack, chance: random.Random) -> str:
    """Kill web or worker in the middle of its work, and start it again; gives its name."""
    program = chance.choice([stack.web, stack.worker])
    time.sleep(chance.uniform(0.2, 1.5))
    program.kill()
    time.sleep(chance.uniform(0.0, 0.5))
    program.start()
    return program.name


def settle(stack: Stack, instance: str) -> None:
    waiting = "webhook_events WHERE instance_name = %s AND state <> 'done'"
    try:
        until(lambda: stack.rows.count(waiting, instance) == 0, "end of all events", within_s=SETTLE_S)
    except AssertionError as e:
        states = "SELECT state, event, error, count(*) FROM webhook_events WHERE state <> 'done' GROUP BY 1, 2, 3"
        e.add_note(f"{stack.rows.fetch(states)}")
        raise


def events_of(stack: Stack, instance: str) -> int:
    return stack.rows.count("webhook_events WHERE instance_name = %s", instance)


QUERIES = {
    "conversations": (
        "SELECT {person} AS person, c.lid IS NOT NULL AS has_lid, c.name IS NOT NULL AS is_named, v.unread, v.status,"
        " v.last_message_at, v.last_message_preview, v.last_message_kind, v.last_inbound_at"
        " FROM conversations v {joins} ORDER BY person"
    ),
    "messages": (
        "SELECT {person} AS person, {id} AS external_id, m.direction, m.kind, m.body, m.status,"
        " m.occurred_at, regexp_replace(m.refers_to, '^(3A|3C).', '') AS refers_to, m.original_body, m.edited_at,"
        " m.details,"
        " m.deleted_at IS NOT NULL AS is_deleted, m.accepted_at IS NOT NULL AS is_accepted,"
        " m.delivered_at IS NOT NULL AS is_delivered, m.read_at IS NOT NULL AS is_read,"
        " m.media_id IS NOT NULL AS has_file"
        " FROM messages m JOIN conversations v ON v.id = m.conversation_id {joins} ORDER BY external_id, person"
    ),
    "early": (
        "SELECT regexp_replace(external_id, '^(3A|3C).', '') AS external_id, receipt FROM early_receipts e"
        " JOIN unit_whatsapp_connections w ON w.unit_id = e.unit_id WHERE w.instance_name = %s ORDER BY 1, 2"
    ),
}
# The world's own digit stands before the last ones of an address and of an id.
PERSON = "right(coalesce(c.phone, c.lid), 6)"
ID = "regexp_replace(m.external_id, '^(3A|3C|call:).', '')"
JOINS = (
    "JOIN contacts c ON c.id = v.contact_id JOIN unit_whatsapp_connections w ON w.unit_id = v.unit_id"
    " WHERE w.instance_name = %s"
)


def snapshot(stack: Stack, instance: str) -> dict[str, list[str]]:
    """What a person sees of the unit, without ids and without the times at which we heard of it."""
    return {
        name: [
            json.dumps(row, default=str, sort_keys=True)
            for row in stack.rows.fetch(query.format(person=PERSON, id=ID, joins=JOINS), instance)
        ]
        for name, query in QUERIES.items()
    }
