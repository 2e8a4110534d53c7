"""What becomes of the rows of an older database, column by column."""

from typing import Any

import pytest

from tests.golive.sql.bench import Bench
from tests.golive.sql.older import CONNECTION, CONTACT, CONVERSATION, MESSAGE, PLAIN, TABLES, UNIT, USER, id_of


@pytest.fixture(scope="module")
def moved(bench: Bench, text: str) -> Bench:
    bench.begin(TABLES, PLAIN)
    bench.run(text)
    return bench


def the(rows: list[dict[str, Any]], **where: object) -> dict[str, Any]:
    (row,) = [row for row in rows if where.items() <= row.items()]
    return row


def test_all_become_one_company(moved: Bench) -> None:
    (tenant,) = moved.rows_of("SELECT * FROM tenants")

    assert (tenant["name"], tenant["slug"]) == ("Legacy", "legacy")
    for table in ("units", "users", "contacts", "conversations", "messages", "unit_whatsapp_connections", "lanes"):
        assert set(moved.values_of(f"SELECT tenant_id FROM {table}")) == {tenant["id"]}


def test_nothing_of_the_older_tables_is_left(moved: Bench) -> None:
    assert moved.values_of("SELECT nspname FROM pg_namespace WHERE nspname = 'portal_older'") == []
    assert moved.values_of("SELECT tablename FROM pg_tables WHERE tablename LIKE 'legacy%'") == []
    added = "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE column_name LIKE 'legacy_%'"
    assert set(moved.values_of(added)) == {
        "users.legacy_password",
        "contacts.legacy_phone",
        "unit_whatsapp_connections.legacy_webhook_secret",
        "unit_whatsapp_connections.legacy_status",
    }


def test_each_unit_has_a_lane_and_a_connection(moved: Bench) -> None:
    units = set(moved.values_of("SELECT id FROM units"))

    assert units == {id_of(UNIT, 1), id_of(UNIT, 2)}
    assert set(moved.values_of("SELECT unit_id FROM lanes WHERE NOT is_open")) == units
    assert set(moved.values_of("SELECT unit_id FROM unit_whatsapp_connections")) == units


def test_instance_waits_for_a_worker_to_ask_evolution(moved: Bench) -> None:
    rows = moved.rows_of("SELECT *, check_at <= now() AS is_due FROM unit_whatsapp_connections")
    linked, other = the(rows, unit_id=id_of(UNIT, 1)), the(rows, unit_id=id_of(UNIT, 2))

    assert linked["id"] == id_of(CONNECTION, 1)
    assert (linked["instance_name"], linked["status"]) == ("loja-centro", "disconnected")
    assert (linked["instance_made_at"] is not None, linked["is_due"]) == (True, True)
    assert (linked["webhook_secret_hash"], linked["legacy_webhook_secret"]) == (None, "a-secret-of-before")
    assert linked["legacy_status"] == "connected"
    assert (other["instance_name"], other["status"], other["check_at"]) == (None, "not_configured", None)


def test_people_choose_new_passwords(moved: Bench) -> None:
    rows = moved.rows_of("SELECT * FROM users")
    admin, agent = the(rows, id=id_of(USER, 1)), the(rows, id=id_of(USER, 2))

    assert (admin["email"], admin["role"]) == ("admin@older.test", "tenant_admin")
    assert (agent["email"], agent["role"]) == ("agent@older.test", "agent")
    assert {row["password_hash"] for row in rows} == {None}
    assert admin["legacy_password"] == "$2b$12$of-the-admin"
    limits = moved.rows_of("SELECT user_id, unit_id FROM user_units")
    assert limits == [{"user_id": id_of(USER, 2), "unit_id": id_of(UNIT, 1)}]


def test_contacts_have_canonical_numbers(moved: Bench) -> None:
    rows = moved.rows_of("SELECT id, phone, name, kind FROM contacts ORDER BY id")

    assert rows == [
        {"id": id_of(CONTACT, 1), "phone": "5511999990001", "name": "Maria", "kind": "person"},
        {"id": id_of(CONTACT, 2), "phone": "5511999990002", "name": None, "kind": "person"},
    ]


def test_conversations_say_what_their_newest_message_is(moved: Bench) -> None:
    rows = moved.rows_of("SELECT * FROM conversations")
    first, second = the(rows, id=id_of(CONVERSATION, 1)), the(rows, id=id_of(CONVERSATION, 2))

    assert (first["status"], first["unread"]) == ("open", 0)
    assert (first["last_message_preview"], first["last_message_direction"]) == ("Olá, Maria!", "outbound")
    assert first["last_inbound_at"] < first["last_message_at"]
    assert (second["status"], second["last_inbound_at"]) == ("closed", None)


def test_messages_are_history_that_waits_for_nobody(moved: Bench) -> None:
    rows = moved.rows_of("SELECT * FROM messages")
    heard, answered, sent = (the(rows, id=id_of(MESSAGE, number)) for number in (1, 2, 3))

    assert (heard["direction"], heard["status"], heard["body"]) == ("inbound", "received", "Bom dia")
    assert (heard["external_id"], heard["read_at"]) == ("3A01", heard["occurred_at"])
    assert (answered["direction"], answered["status"], answered["source"]) == ("outbound", "read", "person")
    assert answered["unit_id"] == id_of(UNIT, 1)
    assert (sent["status"], sent["accepted_at"]) == ("sent", sent["occurred_at"])
    assert all(row["is_history"] for row in rows)
    waiting = "status = 'queued' OR handled_at IS NULL AND status IN ('failed', 'unconfirmed')"
    assert moved.values_of(f"SELECT id FROM messages WHERE {waiting}") == []
