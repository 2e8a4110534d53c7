"""A backlog of webhooks, against reading the same events and writing one bare row for each."""

import json
import time

from bench import drain
from bench.rounds import Figures, Measured, compare, ratios
from bench.stage import open_stage

AREA = "process"
PER_S = "events/s"
RELAY, FLOOR = "relay", "bare rows"
TOGETHER = 500
NEXT = "SELECT id, body FROM webhook_events WHERE state = 'new' ORDER BY id LIMIT %s"
WRITE = (
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, occurred_at)"
    " SELECT gen_random_uuid(), c.tenant_id, c.unit_id, c.id, 'inbound', 'text', %s, 'received', now()"
    " FROM conversations c JOIN unit_whatsapp_connections w USING (unit_id) WHERE w.instance_name = %s"
)
APPLIED = "UPDATE webhook_events SET state = 'done' WHERE id = ANY(%s)"


def measure(*, is_quick: bool) -> Figures:
    rounds, events = (1, 2_000) if is_quick else (3, 30_000)
    found = compare(AREA, rounds, {RELAY: lambda: by_relay(events), FLOOR: lambda: by_rows(events)})
    return found | ratios(found, AREA, PER_S, [(RELAY, FLOOR)])


def by_relay(events: int) -> Measured:
    with open_stage() as (stage, folder):
        stage.fill(units=drain.UNITS, messages=0)
        drain.store(stage, events)
        drained = drain.drain(stage, folder)
    return {
        PER_S: events / drained.seconds,
        "CPU ms each": drained.cpu_s * 1000 / events,
        "MB of memory more, once a tenth is drained": drained.growth_mb,
    }


def by_rows(events: int) -> Measured:
    """As a program would that understands nothing: 500 events in a transaction, a text of each."""
    with open_stage() as (stage, _folder), stage.connect() as connection:
        stage.fill(units=drain.UNITS, messages=0)
        drain.store(stage, events)
        began_at = time.monotonic()
        while found := connection.execute(NEXT, (TOGETHER,)).fetchall():
            told = [(json.loads(str(body)), id_) for id_, body in found]
            with connection.transaction():
                connection.cursor().executemany(WRITE, [(json.dumps(one["data"]), one["instance"]) for one, _ in told])
                connection.execute(APPLIED, ([id_ for _, id_ in told],))
        return {PER_S: events / (time.monotonic() - began_at)}
