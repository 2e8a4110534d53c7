"""Pages and the JSON API of a large company, and of a small one beside it: how many rows they read, and how long."""

import argparse
import statistics
from collections.abc import Callable, Iterator

from flask.testing import FlaskClient

from bench import inbox, inbox_rows
from bench.inbox_rows import ID_AT
from bench.living import make_tokens
from bench.looks import look_often
from bench.stage import Stage, open_stage
from portal.permissions import ApiScope, Role

TIMES, WARM_UP = 5, 7
LARGE, SMALL = "bench", "small-1"
# Of 40 people with 5 messages each.
SMALL_ONES = (
    "SET session_replication_role = replica",
    "CREATE TEMP TABLE companies AS SELECT n, gen_random_uuid() AS id, gen_random_uuid() AS unit_id"
    " FROM generate_series(1, %(companies)s) n",
    "INSERT INTO tenants (id, name, slug) SELECT id, 'Small ' || n, 'small-' || n FROM companies",
    "INSERT INTO units (id, tenant_id, name, slug) SELECT unit_id, id, 'Unit', 'unit-2' FROM companies",
    "INSERT INTO unit_whatsapp_connections (id, tenant_id, unit_id, evolution_server_id, instance_name,"
    " instance_made_at, status, status_reason, connected_at) SELECT gen_random_uuid(), c.id, c.unit_id, s.id,"
    " 'unit_' || c.unit_id, now(), 'connected', 'scan_completed', now() FROM companies c, evolution_servers s",
    "INSERT INTO lanes (unit_id, tenant_id, evolution_server_id, is_open, has_work)"
    " SELECT c.unit_id, c.id, s.id, true, false FROM companies c, evolution_servers s",
    "CREATE TEMP TABLE theirs AS SELECT c.n, p, c.id AS tenant_id, c.unit_id, gen_random_uuid() AS id,"
    " now() - random() ^ 1.5 * interval '729 days' AS at, random() AS chance"
    " FROM companies c, generate_series(1, 40) p",
    f"ALTER TABLE theirs ADD conversation_id uuid; UPDATE theirs SET conversation_id = {ID_AT.format(at='at')}",
    "INSERT INTO contacts (id, tenant_id, phone, whatsapp_number, name) SELECT id, tenant_id,"
    " '55119' || lpad(p::text, 8, '0'), '55119' || lpad(p::text, 8, '0'), 'Ana ' || p FROM theirs",
    "INSERT INTO conversations (id, tenant_id, unit_id, contact_id, status, unread, last_message_at,"
    " last_message_preview, last_message_direction, last_message_kind, last_inbound_at) SELECT conversation_id,"
    " tenant_id, unit_id, id, CASE WHEN chance < 0.3 THEN 'open' ELSE 'closed' END, 0, at, 'Oi',"
    " CASE WHEN chance < 0.15 THEN 'inbound' ELSE 'outbound' END, 'text', at FROM theirs",
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, external_id,"
    f" occurred_at, created_at, sent_at, accepted_at, read_at) SELECT {ID_AT.format(at='w')}, tenant_id, unit_id,"
    " conversation_id, 'outbound', 'text', 'Oi entrega', 'read', 'person',"
    " '3EC0' || upper(substr(md5(n || '-' || p || '-' || k), 1, 18)), w, w, w, w, w"
    " FROM (SELECT theirs.*, k, at - k * interval '50 minutes' AS w FROM theirs, generate_series(0, 4) k) x ORDER BY w",
    "VACUUM ANALYZE",
)
# What is found by an index, and what is passed when a table is read without one.
ROWS_READ = (
    "SELECT (SELECT sum(idx_tup_read) FROM pg_stat_user_indexes) + (SELECT sum(seq_tup_read) FROM pg_stat_user_tables)"
)
# A process of the database tells what it read when it ends.
END_OTHERS = (
    "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity"
    " WHERE datname = current_database() AND backend_type = 'client backend' AND state = 'idle'"
)


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=200_000, help="of the large company")
    options.add_argument("--companies", type=int, default=300, help="beside it")
    chosen = options.parse_args()
    with open_stage(gateways=()) as (stage, _folder):
        inbox_rows.fill(stage, chosen.messages)
        large, _agent = inbox.browsers(stage)
        with stage.connect() as connection:
            for statement in SMALL_ONES:
                connection.execute(statement, {"companies": chosen.companies} if "%(" in statement else None)
        small = inbox.browser(stage, "admin@small.test", Role.TENANT_ADMIN, tenant=SMALL)
        looks_of_small = dict(looks(stage, small, SMALL))
        print(f"{'':<28}{'large':>20}{'small':>22}")
        for page, look in looks(stage, large, LARGE):
            print(f"{page:<28}{told(stage, look)}  {told(stage, looks_of_small[page])}", flush=True)


def looks(stage: Stage, client: FlaskClient, company: str) -> Iterator[tuple[str, Callable[[], object]]]:
    start, inbox_at = f"/t/{company}", f"/t/{company}/conversations"
    thread = f"{inbox_at}/{inbox_rows.quiet_conversation(stage, company)}"
    for page in (
        *(start + path for path in ("/home", "/", "/units/unit-2", "/contacts", "/contacts?q=Ana", "/undelivered")),
        *(inbox_at + query for query in ("", "?work=waiting", "?work=mine", "?work=resolved", "?unit=unit-2")),
        *(inbox_at + query for query in ("?unread=1", "?q=Ana", "?q=entrega", "?q=hipopótamo")),
    ):
        yield page.removeprefix(start), inbox.looking(client, page)
    yield "a thread", inbox.looking(client, thread)
    yield "poll of the list", inbox.looking(client, inbox.poll_in(client, inbox_at, "conversation-list"), status=204)
    yield "poll of the thread", inbox.looking(client, inbox.poll_in(client, thread, "messages"), status=204)
    (token,) = make_tokens(stage, 1, company=company, scopes=tuple(ApiScope))
    program = stage.app.test_client()
    program.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    for path in ("/messages", "/messages?unit=unit-2", "/contacts"):
        yield f"API {path}", inbox.looking(program, path)


def told(stage: Stage, look: Callable[[], object]) -> str:
    look()
    before = rows_read(stage)
    look()
    rows = rows_read(stage) - before
    look_often(look, WARM_UP)
    return f"{rows:>8,} rows {statistics.median(look_often(look, TIMES)[0]):5.1f} ms"


def rows_read(stage: Stage) -> int:
    """Of all tables, until now."""
    inbox.engine_of(stage).dispose()
    stage.count(END_OTHERS)
    return stage.count(ROWS_READ)


if __name__ == "__main__":
    main()
