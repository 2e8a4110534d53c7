"""Older databases that somebody began to bring to this release by hand."""

import pytest

from tests.golive.sql.bench import Bench
from tests.golive.sql.older import CONTACT, CONVERSATION, DUPLICATES, MESSAGE, PLAIN, TABLES, UNIT, id_of


@pytest.fixture
def with_duplicates(bench: Bench) -> Bench:
    bench.begin(TABLES, PLAIN)
    bench.run(DUPLICATES)
    return bench


def test_duplicate_client_message_ids_are_told_before_the_index_is_made(with_duplicates: Bench, text: str) -> None:
    said = with_duplicates.run(text)

    told = f"WARNING: client_message_id c-1 is there 3 times in conversation {id_of(CONVERSATION, 1)}"
    first_revision = next(i for i, line in enumerate(said) if line.startswith("NOTICE: 0001: applied"))
    assert said.index(told) < first_revision
    assert "WARNING: messages: 2 have a client_message_id that an earlier one of the conversation has" in said


def test_first_message_keeps_a_duplicate_client_message_id(with_duplicates: Bench, text: str) -> None:
    with_duplicates.run(text)

    rows = with_duplicates.rows_of(
        "SELECT id, client_message_id AS ours, legacy_client_message_id AS kept, retry_count FROM messages"
        f" WHERE id >= '{id_of(MESSAGE, 11)}' ORDER BY id"
    )
    assert rows == [
        {"id": id_of(MESSAGE, 11), "ours": "c-1", "kept": None, "retry_count": 3},
        {"id": id_of(MESSAGE, 12), "ours": None, "kept": "c-1", "retry_count": 0},
        {"id": id_of(MESSAGE, 13), "ours": None, "kept": "c-1", "retry_count": 0},
        {"id": id_of(MESSAGE, 14), "ours": "c-1", "kept": None, "retry_count": 0},
    ]


def test_campaigns_of_before_are_kept_aside_when_they_have_rows(with_duplicates: Bench, text: str) -> None:
    campaign = f"INSERT INTO campaigns VALUES ('{id_of(7, 1)}', '{id_of(UNIT, 1)}', 'Natal');"
    recipient = f"INSERT INTO campaign_recipients VALUES ('{id_of(7, 1)}', '{id_of(CONTACT, 1)}');"
    with_duplicates.run(campaign, recipient)

    with_duplicates.run(text)

    assert with_duplicates.values_of("SELECT name FROM legacy_campaigns") == ["Natal"]
    assert with_duplicates.values_of("SELECT contact_id FROM legacy_campaign_recipients") == [id_of(CONTACT, 1)]
    assert with_duplicates.values_of("SELECT id FROM campaigns") == []
    # Only what the portal itself refers to may keep anybody from being erased.
    refer = (
        "SELECT conrelid::regclass::text FROM pg_constraint WHERE contype = 'f'"
        " AND confrelid IN ('units'::regclass, 'contacts'::regclass)"
    )
    closed = "SELECT relname FROM pg_class WHERE relname LIKE 'legacy_campaign%' AND relkind = 'r' AND relrowsecurity"
    assert not [name for name in with_duplicates.values_of(refer) if name.startswith("legacy_")]
    assert sorted(with_duplicates.values_of(closed)) == ["legacy_campaign_recipients", "legacy_campaigns"]
    with_duplicates.flask("db", "check")


def test_campaigns_of_before_without_rows_are_gone(with_duplicates: Bench, text: str) -> None:
    with_duplicates.run(text)

    assert with_duplicates.values_of("SELECT tablename FROM pg_tables WHERE tablename LIKE 'legacy%'") == []
