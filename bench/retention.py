"""Old messages are deleted while their units send and receive: in how long, and how long each transaction takes."""

import argparse
import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import drain
from bench.rounds import percentile
from bench.stage import Stage, open_stage
from portal.background.retention import Retention

UNITS = 20
CHATS = 2_000
GAP_S = 1.0
SETTLE_S = 15
EVERY_S = 0.2
CUSTOMER = "5511988880002@s.whatsapp.net"


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", type=int, default=100_000)
    number = options.parse_args().messages
    with open_stage() as (stage, folder):
        stage.fill(units=UNITS, messages=600, gap_s=GAP_S)
        for statement in OLD:
            stage.run(statement.format(chats=CHATS, each=number // CHATS))
        old = stage.count(COUNT_OLD)
        print(f"{old} old messages in {CHATS} conversations of {UNITS} units, one in sixteen with a file")
        with at_work(stage, folder):
            time.sleep(SETTLE_S)
            stage.run(KEEP)
            stage.run(FORGET_WHAT_CAME_BEFORE)
            time.sleep(SETTLE_S)
            tell_delay(stage, "before")
            stage.run(FORGET_WHAT_CAME_BEFORE)
            began_at, before = time.monotonic(), stage.count(COUNT_SENT)
            batches = delete(stage)
            took_s, sent = time.monotonic() - began_at, stage.count(COUNT_SENT) - before
            time.sleep(3)
        tell(stage, number, took_s, batches, sent)


@contextmanager
def at_work(stage: Stage, folder: Path) -> Iterator[None]:
    """The worker sends for every unit, and takes in what comes meanwhile."""
    worker, ending = stage.start_worker(folder), threading.Event()
    hearing = threading.Thread(target=hear, args=(stage, ending))
    try:
        time.sleep(3)
        stage.run("UPDATE lanes SET is_open = true, next_send_at = now()")
        hearing.start()
        yield
    finally:
        ending.set()
        hearing.join()
        worker.terminate()
        worker.wait()


def hear(stage: Stage, ending: threading.Event) -> None:
    """A customer writes to each unit, over and over."""
    round_number = 0
    while not ending.wait(EVERY_S):
        round_number += 1
        with stage.connect() as connection:
            for tenant_id, unit_id, instance in connection.execute(UNITS_AND_INSTANCES).fetchall():
                id_ = f"3A{hashlib.md5(f'{unit_id}{round_number}'.encode()).hexdigest()[:18].upper()}"
                data = drain._message(id_, CUSTOMER, "text", int(time.time()), "")
                body = json.dumps({"event": "messages.upsert", "instance": instance, "data": data, "sender": drain.OWN})
                digest = hashlib.sha256(body.encode()).digest()
                values = (tenant_id, unit_id, instance, "messages.upsert", digest, body)
                connection.execute(STORE_EVENT, values)


def delete(stage: Stage) -> list[float]:
    """Seconds of each batch of one round."""
    retention, times = Retention(), []
    with stage.app.app_context():
        while True:
            began_at = time.monotonic()
            if not retention.work():
                return times
            times.append(time.monotonic() - began_at)


def tell(stage: Stage, number: int, took_s: float, batches: list[float], sent: int) -> None:
    left = stage.count(COUNT_OLD)
    print(f"deleted {number - left} of {number} in {took_s:.1f} s, {(number - left) / took_s:.0f} a second")
    for share in (0.5, 0.99, 1.0):
        print(f"transactions p{share * 100:g}: {percentile(batches, share) * 1000:.0f} ms")
    print(f"sent meanwhile: {sent}, {sent / took_s:.1f} a second of {UNITS / GAP_S:.0f} that the gaps allow")
    print(f"taken in: {stage.count(COUNT_HEARD)} events, left {stage.count(COUNT_NEW)}")
    tell_delay(stage, "meanwhile")


def tell_delay(stage: Stage, when: str) -> None:
    middle, late = (stage.count(DELAY_MS.replace("SHARE", share)) for share in ("0.5", "0.99"))
    print(f"from the webhook to the thread {when}: p50 {middle} ms, p99 {late} ms")


OLD = (
    "INSERT INTO contacts (id, tenant_id, phone) SELECT gen_random_uuid(), t.id, '55219' || lpad(n::text, 8, '0')"
    " FROM tenants t, generate_series(1, {chats}) n",
    "INSERT INTO conversations (id, tenant_id, unit_id, contact_id, last_message_at, last_message_preview, unread)"
    " SELECT gen_random_uuid(), c.tenant_id, u.id, c.id, now() - interval '60 days', 'Bom dia', 1"
    " FROM (SELECT *, row_number() OVER () n FROM contacts WHERE phone LIKE '55219%%') c"
    " JOIN (SELECT id, row_number() OVER () - 1 AS n, count(*) OVER () many FROM units) u ON c.n %% u.many = u.n",
    "INSERT INTO media (id, tenant_id, kind, file_name, mime_type, size, sha256, content, state)"
    " SELECT gen_random_uuid(), t.id, 'image', n || '.jpg', 'image/jpeg', 20000, repeat('0', 64),"
    " decode(repeat('00ff', 10000), 'hex'), 'stored' FROM tenants t, generate_series(1, {chats} * {each} / 10) n",
    "INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, occurred_at,"
    " external_id, media_id) SELECT gen_random_uuid(), c.tenant_id, c.unit_id, c.id, 'inbound', 'text',"
    " 'Bom dia, a que horas abre?', 'received', now() - interval '60 days' - n * interval '1 minute',"
    " '3B' || upper(substr(md5(c.id::text || n), 1, 18)),"
    " (SELECT id FROM media LIMIT 1)"
    " FROM conversations c, generate_series(1, {each}) n WHERE c.last_message_preview = 'Bom dia'",
    "UPDATE messages SET media_id = NULL WHERE substr(external_id, 3, 1) <> '0'",
    "UPDATE messages SET media_id = f.id FROM (SELECT id, row_number() OVER () n FROM media) f, (SELECT id,"
    " row_number() OVER () n FROM messages WHERE media_id IS NOT NULL) m WHERE messages.id = m.id AND m.n = f.n",
    "ANALYZE",
)
KEEP = "INSERT INTO tenant_settings (tenant_id, keep_messages_days) SELECT id, 30 FROM tenants"
UNITS_AND_INSTANCES = "SELECT tenant_id, unit_id, instance_name FROM unit_whatsapp_connections"
STORE_EVENT = (
    "INSERT INTO webhook_events (tenant_id, unit_id, instance_name, event, body_hash, body)"
    " VALUES (%s, %s, %s, %s, %s, %s)"
)
COUNT_OLD = "SELECT count(*) FROM messages WHERE occurred_at < now() - interval '30 days'"
COUNT_SENT = "SELECT count(*) FROM messages WHERE status IN ('sent', 'delivered', 'read') AND source = 'api'"
COUNT_HEARD = "SELECT count(*) FROM webhook_events WHERE state = 'done'"
FORGET_WHAT_CAME_BEFORE = "DELETE FROM webhook_events WHERE state = 'done'"
DELAY_MS = (
    "SELECT (1000 * percentile_cont(SHARE) WITHIN GROUP"
    " (ORDER BY extract(epoch FROM m.created_at - e.received_at)))::int"
    " FROM webhook_events e JOIN messages m ON m.unit_id = e.unit_id"
    " AND m.external_id = e.body::jsonb #>> '{data,key,id}'"
)
COUNT_NEW = "SELECT count(*) FROM webhook_events WHERE state = 'new'"


if __name__ == "__main__":
    main()
