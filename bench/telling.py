"""What it costs messages that companies' programs are told of them: no trigger, no endpoint, one endpoint, three."""

import argparse
import itertools
import statistics
import time
from collections.abc import Iterator

import psycopg

from bench.stage import Stage, open_stage

MESSAGES = 2_000
ROUNDS = 7
# There before: PostgreSQL plans for tables as large as it finds them.
UNITS, EACH = 100, 200
STATUSES = ("sending", "sent", "delivered", "read")
TRIGGERS = ("note_received", "note_received_late", "note_status_made", "note_status")
# Name -> whether the triggers fire, and how many endpoints there are.
CASES = {"no trigger": (False, 0), "no endpoint": (True, 0), "one endpoint": (True, 1), "three endpoints": (True, 3)}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--together", type=int, nargs="+", default=[1, 50], help="messages in one transaction")
    with open_stage() as (stage, _):
        stage.fill(units=UNITS, messages=EACH)
        stage.run("VACUUM ANALYZE")
        numbers = itertools.count()
        for together in options.parse_args().together:
            took: dict[str, list[float]] = {name: [] for name in CASES}
            # In turn, so that what the machine does meanwhile falls on all of them.
            for _ in range(ROUNDS):
                for name, case in CASES.items():
                    took[name].append(measure(stage, *case, numbers=numbers, together=together))
            tell(took, together)


def measure(stage: Stage, fires: bool, endpoints: int, *, numbers: Iterator[int], together: int) -> float:
    """Seconds in which so many messages are written and come to `read`, each step a transaction."""
    for trigger in TRIGGERS:
        stage.run(f"ALTER TABLE messages {'ENABLE' if fires else 'DISABLE'} TRIGGER {trigger}")
    stage.run("DELETE FROM webhook_endpoints")
    stage.run(ADD_ENDPOINTS, endpoints)
    began_at = time.perf_counter()
    with stage.connect() as connection:
        for _ in range(MESSAGES // together):
            write(connection, [f"3C{next(numbers):018d}" for _ in range(together)])
    return time.perf_counter() - began_at


def write(connection: "psycopg.Connection[tuple[object, ...]]", ids: list[str]) -> None:
    connection.execute(WRITE, (ids,))
    for status in STATUSES:
        connection.execute(MOVE, (status, ids))


def tell(took: dict[str, list[float]], together: int) -> None:
    print(f"{MESSAGES} messages, {together} in a transaction, written and moved {len(STATUSES)} times:")
    usual = statistics.median(took["no trigger"])
    for name, times in took.items():
        middle = statistics.median(times)
        print(
            f"{name:>16}: {middle / MESSAGES * 1e6:5.0f} µs a message, {middle / usual:.2f} of no trigger"
            f" ({min(times) / usual:.2f} to {max(times) / usual:.2f})"
        )


ADD_ENDPOINTS = (
    "INSERT INTO webhook_endpoints (id, tenant_id, url, topics, secret_encrypted)"
    " SELECT gen_random_uuid(), t.id, 'https://crm.test/hook', '[\"message.received\", \"message.status\"]', ''"
    " FROM tenants t, generate_series(1, %s)"
)
WRITE = (
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, occurred_at,"
    " external_id) SELECT gen_random_uuid(), c.tenant_id, c.unit_id, c.id, 'outbound', 'text', 'Bom dia', 'queued',"
    " 'api', now(), told.id FROM (SELECT * FROM conversations LIMIT 1) c, unnest(%s::text[]) AS told (id)"
)
MOVE = (
    "UPDATE messages SET status = %s"
    " WHERE unit_id = (SELECT unit_id FROM conversations LIMIT 1) AND external_id = ANY(%s)"
)


if __name__ == "__main__":
    main()
