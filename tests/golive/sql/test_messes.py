"""Everything that can be wrong with the rows of an older database: each finds its place, and none is lost."""

from typing import Any

import pytest

from tests.golive.sql.bench import Bench
from tests.golive.sql.older import (
    CONNECTION,
    CONTACT,
    CONVERSATION,
    LOOSE_TABLES,
    MESSAGE,
    MESSES,
    UNIT,
    USER,
    id_of,
    values,
)

ORDERS = f"""
CREATE TABLE orders (id integer PRIMARY KEY, contact_id uuid, conversation_id uuid, message_id uuid);
INSERT INTO orders VALUES {values((1, id_of(CONTACT, 2), id_of(CONVERSATION, 2), id_of(MESSAGE, 3)))};
"""


@pytest.fixture(scope="module")
def said(bench: Bench, text: str) -> list[str]:
    """What the script says of the messes, which are moved then."""
    bench.begin(LOOSE_TABLES, MESSES, ORDERS)
    said = bench.run(text)
    # No calendar in Python has what this one holds.
    bench.run("ALTER TABLE messages ALTER legacy_created_at TYPE text")
    return said


@pytest.fixture
def moved(bench: Bench, said: list[str]) -> Bench:
    return bench


def one(bench: Bench, table: str, id_: object) -> dict[str, Any]:
    (row,) = bench.rows_of(f"SELECT * FROM {table} WHERE id = '{id_}'")
    return row


def test_every_row_is_accounted_for(said: list[str]) -> None:
    assert [line.removeprefix("NOTICE: ") for line in said if " older rows, " in line] == [
        "units: 4 older rows, 4 copied, 0 in legacy_rows, 1 made",
        "unit_whatsapp_connections: 5 older rows, 3 copied, 2 in legacy_rows, 0 made",
        "users: 5 older rows, 5 copied, 0 in legacy_rows, 0 made",
        "contacts: 8 older rows, 6 copied, 2 in legacy_rows, 4 made",
        "conversations: 6 older rows, 5 copied, 1 in legacy_rows, 2 made",
        "messages: 8 older rows, 8 copied, 0 in legacy_rows, 0 made",
    ]


def test_units_get_names_and_short_names_that_the_portal_takes(moved: Bench) -> None:
    rows = moved.rows_of("SELECT left(name, 11) AS name, slug, legacy_slug FROM units ORDER BY slug")

    assert rows == [
        {"name": "loja-centro", "slug": "loja-centro", "legacy_slug": None},
        {"name": "Loja Centro", "slug": "loja-centro-2", "legacy_slug": "Loja Centro"},
        {"name": "São João", "slug": "sao-joao", "legacy_slug": None},
        {"name": "Sem número", "slug": "sem-numero", "legacy_slug": ""},
        {"name": "Without a u", "slug": "without-a-unit", "legacy_slug": None},
    ]
    assert one(moved, "units", id_of(UNIT, 1))["legacy_address"] == "Rua A, 1"
    assert one(moved, "units", id_of(UNIT, 1))["legacy_name"].endswith("x" * 130)


def test_instance_belongs_to_one_unit(moved: Bench) -> None:
    rows = {row["unit_id"]: row for row in moved.rows_of("SELECT * FROM unit_whatsapp_connections")}

    assert len(rows) == 5
    assert rows[id_of(UNIT, 1)]["instance_name"] == "loja"
    assert (rows[id_of(UNIT, 2)]["instance_name"], rows[id_of(UNIT, 2)]["legacy_instance_id"]) == (None, "loja")
    assert (rows[id_of(UNIT, 3)]["status"], rows[id_of(UNIT, 3)]["legacy_provider"]) == ("not_configured", "zapi")
    kept = moved.rows_of(
        "SELECT id, reason FROM legacy_rows WHERE table_name = 'unit_whatsapp_connections' ORDER BY id"
    )
    assert kept == [
        {"id": id_of(CONNECTION, 2), "reason": "its unit has another one"},
        {"id": id_of(CONNECTION, 5), "reason": "its unit is not there"},
    ]


def test_address_is_one_persons_and_whoever_was_shut_out_stays_out(moved: Bench) -> None:
    first, second, lost, nobody, former = (one(moved, "users", id_of(USER, number)) for number in range(1, 6))

    assert (first["email"], first["legacy_email"]) == ("chefe@older.test", "Chefe@Older.Test")
    assert (first["role"], first["legacy_unit_id"]) == ("tenant_admin", id_of(UNIT, 1))
    assert (second["email"].endswith("@legacy.invalid"), second["legacy_email"]) == (True, "chefe@older.test")
    assert (lost["role"], lost["legacy_role"], lost["legacy_unit_id"]) == ("agent", "manager", id_of(UNIT, 99))
    assert nobody["email"].endswith("@legacy.invalid")
    disabled = {row["id"] for row in (first, second, lost, nobody, former) if row["disabled_at"] is not None}
    assert disabled == {id_of(USER, 2), id_of(USER, 4), id_of(USER, 5)}


def test_one_number_is_one_person(moved: Bench) -> None:
    first = one(moved, "contacts", id_of(CONTACT, 1))

    assert (first["phone"], first["name"], first["legacy_tags"]) == ("5511999990001", "Maria", ["vip"])
    kept = moved.rows_of("SELECT * FROM legacy_rows WHERE table_name = 'contacts' ORDER BY id")
    assert [(row["id"], row["became_id"]) for row in kept] == [
        (id_of(CONTACT, 2), id_of(CONTACT, 1)),
        (id_of(CONTACT, 3), id_of(CONTACT, 1)),
    ]
    assert kept[0]["content"]["tags"] == ["new", "late"]


def test_contacts_without_a_number_can_still_be_read(moved: Bench) -> None:
    nobody, group, lid = (one(moved, "contacts", id_of(CONTACT, number)) for number in (4, 6, 7))

    assert (nobody["phone"], nobody["legacy_phone"]) == (None, "ask her")
    assert nobody["lid"].startswith("legacy-")
    assert (group["kind"], group["chat_jid"]) == ("group", "120363025246125486@g.us")
    assert lid["lid"] == "214130000000001"
    (other,) = moved.rows_of("SELECT * FROM contacts WHERE phone = '12125550100'")
    assert (other["name"], other["legacy_id"]) == ("same id", id_of(CONTACT, 1))


def test_conversations_of_one_person_become_one(moved: Bench) -> None:
    first = one(moved, "conversations", id_of(CONVERSATION, 1))

    assert (first["contact_id"], first["status"]) == (id_of(CONTACT, 1), "open")
    (alias,) = moved.rows_of("SELECT * FROM conversation_aliases")
    assert (alias["id"], alias["conversation_id"]) == (id_of(CONVERSATION, 2), id_of(CONVERSATION, 1))
    joined = moved.values_of(f"SELECT id FROM messages WHERE conversation_id = '{id_of(CONVERSATION, 1)}' ORDER BY id")
    assert joined == [id_of(MESSAGE, number) for number in (1, 2, 3, 4)]
    assert one(moved, "messages", id_of(MESSAGE, 2))["legacy_conversation_id"] == id_of(CONVERSATION, 2)


def test_whatever_hung_in_the_air_hangs_from_something_made_for_it(moved: Bench) -> None:
    (unit,) = moved.rows_of("SELECT * FROM units WHERE slug = 'without-a-unit'")

    assert one(moved, "conversations", id_of(CONVERSATION, 3))["legacy_unit_id"] == id_of(UNIT, 99)
    assert one(moved, "conversations", id_of(CONVERSATION, 4))["contact_id"] == id_of(CONTACT, 99)
    of_unit = set(moved.values_of(f"SELECT id FROM conversations WHERE unit_id = '{unit['id']}'"))
    assert {id_of(CONVERSATION, 3), id_of(CONVERSATION, 4), id_of(CONVERSATION, 99)} < of_unit
    assert one(moved, "messages", id_of(MESSAGE, 5))["conversation_id"] == id_of(CONVERSATION, 99)
    assert one(moved, "messages", id_of(MESSAGE, 6))["unit_id"] == unit["id"]


def test_nothing_is_sent_that_waited_and_nothing_is_claimed_that_is_not_known(moved: Bench) -> None:
    rows = {row["body"]: row for row in moved.rows_of("SELECT * FROM messages")}

    told = {body: (row["direction"], row["status"], row["legacy_status"]) for body, row in rows.items()}
    assert told == {
        "Oi": ("inbound", "received", None),
        "Olá": ("outbound", "sent", None),
        "Menu": ("outbound", "unconfirmed", "weird"),
        "": ("outbound", "cancelled", "pending"),
        "Alô?": ("inbound", "received", None),
        "?": ("outbound", "unconfirmed", None),
        "ok": ("outbound", "read", "READ"),
        "twice": ("outbound", "cancelled", "queued"),
    }
    assert (rows["Menu"]["source"], rows["Menu"]["legacy_sender"]) == (None, "bot")
    assert rows["Menu"]["legacy_urgency"] == "high"
    assert rows[""]["occurred_at"] == rows["Oi"]["occurred_at"]


def test_ids_are_the_first_messages_and_kept_of_the_others(moved: Bench) -> None:
    first, second = one(moved, "messages", id_of(MESSAGE, 1)), one(moved, "messages", id_of(MESSAGE, 2))
    (long,) = moved.rows_of("SELECT * FROM messages WHERE body = 'ok'")

    assert (first["external_id"], first["client_message_id"]) == ("X1", "c")
    assert (second["external_id"], second["client_message_id"]) == (None, None)
    assert (second["legacy_external_id"], second["legacy_client_message_id"]) == ("X1", "c")
    assert (long["external_id"], long["legacy_external_id"]) == (None, "Y" * 90)


@pytest.mark.parametrize(
    "told",
    [
        "contacts: 2 have no number that WhatsApp could know, and cannot be written to",
        "contacts: 2 are the same person as another one, by their number",
        "conversations: 1 are with a person who has another one at the unit, and join it",
        "users: 2 have no e-mail address that is theirs alone, and are disabled under a made-up one",
        "messages: 2 conversations were missing and are made",
        "older table messages: its policy nobody is not made again",
        "users: 1 are disabled, because their is_active says so",
    ],
)
def test_each_mess_is_told(said: list[str], told: str) -> None:
    assert f"WARNING: {told}" in said
