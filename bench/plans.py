"""How PostgreSQL goes about each statement of the paths that are taken most: EXPLAIN (ANALYZE, BUFFERS) on the way.

Right before a statement is executed it is executed explained, with its own values, and undone.
"""

import argparse
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from flask.testing import FlaskClient
from sqlalchemy import Engine, event

from bench import inbox, inbox_rows
from bench.living import KEEP_SECRET, LivingUnit, bearer, make_tokens
from bench.stage import Stage, open_stage
from portal.extensions import parts
from portal.inbox import relay
from portal.secrets import fingerprint, new_secret, webhook_jwt_purpose

EXPLAIN = "EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) "
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
WARM_UP_ROUNDS = 8
SHOWN = ("thread: of 5,000 messages", "poll: list without news", "poll: thread without news")
UNIT = "SELECT unit_id, instance_name, '', '', '5511999990001' FROM unit_whatsapp_connections ORDER BY unit_id LIMIT 1"


@dataclass(frozen=True)
class Explained:
    """A statement by its verb and tables, and what it took: `pages` of 8 KB that were looked at, milliseconds."""

    statement: str
    rows: int
    pages: int
    planning_ms: float
    execution_ms: float
    whole_tables: frozenset[str]
    indexes: frozenset[str]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=100_000)
    messages = options.parse_args().messages
    with open_stage(gateways=()) as (stage, _folder):
        inbox_rows.fill(stage, messages)
        for path, take in paths(stage):
            for _round in range(WARM_UP_ROUNDS):
                take()
            with explaining(inbox.engine_of(stage)) as found:
                take()
            show(path, found)


def paths(stage: Stage) -> Iterator[tuple[str, Callable[[], object]]]:
    unit, client, (token,) = _living(stage), stage.app.test_client(), make_tokens(stage, 1)
    numbers = iter(range(1_000))
    yield "a webhook is stored", lambda: ask(client, unit.next_post().request)
    yield "an event is applied", lambda: (ask(client, unit.next_post().request), _in_app(stage, relay.drain))
    yield "a message is queued by the API", lambda: ask(client, unit.send(next(numbers), token))
    admin, _agent = inbox.browsers(stage)
    yield from ((page, look) for page, look in inbox.pages(stage, admin) if page in SHOWN)


def ask(client: FlaskClient, request: bytes) -> None:
    """Ask what was written to be sent over the wire. Raises RuntimeError when it is refused."""
    head, _, body = request.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    answer = client.open(first.split(" ")[1], method=first.split(" ")[0], headers=headers, data=body)
    if answer.status_code not in (200, 202):
        raise RuntimeError(f"{answer.status_code}: {answer.text}")


@contextmanager
def explaining(engine: Engine) -> Iterator[list[Explained]]:
    """Each statement inside the block, explained."""
    found: list[Explained] = []

    def explain(connection: object, cursor: Any, statement: str, values: Any, context: object, many: bool) -> None:
        if not statement.lstrip().startswith(EXPLAINED):
            return
        beside = cursor.connection.cursor()
        beside.execute("SAVEPOINT explained")
        told = beside.execute(EXPLAIN + statement, values[0] if many else values).fetchone()[0][0]
        beside.execute("ROLLBACK TO SAVEPOINT explained")
        found.append(_explained(statement, told))

    event.listen(engine, "before_cursor_execute", explain)
    yield found
    event.remove(engine, "before_cursor_execute", explain)


def show(path: str, found: list[Explained]) -> None:
    planning_ms, execution_ms = sum(one.planning_ms for one in found), sum(one.execution_ms for one in found)
    print(f"\n{path}: {len(found)} statements, planned in {planning_ms:.2f} ms, executed in {execution_ms:.2f} ms")
    print("| Statement | Rows | Pages | Planning, ms | Execution, ms | Indexes | Tables read as a whole |")
    print("| --- | ---: | ---: | ---: | ---: | --- | --- |")
    for one in found:
        took = f"{one.rows} | {one.pages} | {one.planning_ms:.2f} | {one.execution_ms:.2f}"
        by = f"{', '.join(sorted(one.indexes))} | {', '.join(sorted(one.whole_tables))}"
        print(f"| {one.statement} | {took} | {by} |")


def _explained(statement: str, told: dict[str, Any]) -> Explained:
    plan = told["Plan"]
    nodes = list(_nodes(plan))
    verb, tables = statement.split(None, 1)[0], re.findall(r"(?:FROM|JOIN|INTO|UPDATE) ([a-z_]+)", statement)
    return Explained(
        statement=f"{verb} {', '.join(dict.fromkeys(tables))}",
        rows=plan["Actual Rows"],
        pages=plan["Shared Hit Blocks"] + plan["Shared Read Blocks"],
        planning_ms=told["Planning Time"],
        execution_ms=told["Execution Time"],
        whole_tables=frozenset(node["Relation Name"] for node in nodes if node["Node Type"] == "Seq Scan"),
        indexes=frozenset(node["Index Name"] for node in nodes if "Index Name" in node),
    )


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from _nodes(part)


def _living(stage: Stage) -> LivingUnit:
    secret = new_secret()
    with stage.connect() as connection, stage.app.app_context():
        row = connection.execute(UNIT).fetchone()
        if row is None:
            raise RuntimeError("no unit is there")
        kept = (fingerprint(secret), parts.vault.encrypt(secret), row[0])
        connection.execute(KEEP_SECRET, kept)  # type: ignore[arg-type]
        key = parts.vault.derived(webhook_jwt_purpose(str(row[1])))[0]
    return LivingUnit(1, row, secret, bearer(key))


def _in_app(stage: Stage, act: Callable[[], object]) -> None:
    with stage.app.app_context():
        act()


if __name__ == "__main__":
    main()
