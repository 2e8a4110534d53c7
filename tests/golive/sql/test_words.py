"""What the words, times and names of an older database mean, whatever language and habit they are of."""

import pytest

from tests.golive.sql.bench import Bench
from tests.golive.sql.older import CONTACT, CONVERSATION, MESSAGE, TABLES, UNIT, USER, id_of, values

CUSTOMERS = ["customer", "Cliente ", "contato", "user", "lead"]
OTHERS = ["agent", "bot", None]
# Two columns of the same first 56 letters, one of letters of two bytes, and one whose name is taken.
LONG = "a" * 56
COLUMNS = f"""
ALTER TABLE users ADD active text, ADD status text, ADD blocked integer, ADD banned_at timestamptz;
ALTER TABLE units ADD {LONG}_one text, ADD {LONG}_two text, ADD {"é" * 31} text, ADD note text, ADD legacy_note text;
"""
ROWS = f"""
INSERT INTO units VALUES {values((id_of(UNIT, 1), "Centro", "centro", "one", "two", "três", "four", "five"))};
INSERT INTO contacts VALUES {values((id_of(CONTACT, 1), "+1800555", "Toll"))};
INSERT INTO conversations VALUES {values((id_of(CONVERSATION, 1), id_of(UNIT, 1), id_of(CONTACT, 1), "open"))};
INSERT INTO messages VALUES {
    values(
        *(
            (id_of(MESSAGE, n), id_of(CONVERSATION, 1), sender, "Oi", None, None, f"2024-03-0{n + 1} 12:00+00")
            for n, sender in enumerate([*CUSTOMERS, *OTHERS])
        ),
        (id_of(MESSAGE, 90), id_of(CONVERSATION, 1), "lead", "do futuro", None, None, "2999-01-01 00:00+00"),
    )
};
"""
# active, status, blocked, banned_at
SHUT_OUT = [
    ("0", None, None, None),
    (" F", None, None, None),
    ("No", None, None, None),
    ("n", None, None, None),
    (None, "Inactive", None, None),
    (None, "BLOCKED", None, None),
    (None, "disabled", None, None),
    ("true", "banned", 0, None),
    ("1", "active", 1, None),
    ("1", "active", 0, "2024-01-01 00:00+00"),
]
WELCOME = [(None, None, None, None), ("1", "active", 0, None), ("yes", "online", None, None)]
PEOPLE = f"""
INSERT INTO users (id, email, role, active, status, blocked, banned_at) VALUES {
    values(*((id_of(USER, n), f"user{n}@older.test", "agent", *told) for n, told in enumerate([*SHUT_OUT, *WELCOME])))
};
"""


@pytest.fixture(scope="module")
def said(bench: Bench, text: str) -> list[str]:
    bench.begin(TABLES, COLUMNS, ROWS, PEOPLE)
    return bench.run(text)


@pytest.fixture
def moved(bench: Bench, said: list[str]) -> Bench:
    return bench


def test_customers_are_known_by_whatever_they_were_called(moved: Bench) -> None:
    rows = moved.rows_of("SELECT direction, count(*) AS n FROM messages WHERE body = 'Oi' GROUP BY 1 ORDER BY 1")

    assert rows == [{"direction": "inbound", "n": len(CUSTOMERS)}, {"direction": "outbound", "n": len(OTHERS)}]


def test_sender_that_is_unknown_is_told(said: list[str]) -> None:
    assert "WARNING: messages: 2 are of a sender that is unknown here; see messages.legacy_sender" in said


def test_nothing_comes_from_the_future(moved: Bench, said: list[str]) -> None:
    (message,) = moved.rows_of(
        "SELECT occurred_at <= now() AS has_come, extract(year FROM legacy_created_at) AS year FROM messages"
        " WHERE body = 'do futuro'"
    )

    assert message == {"has_come": True, "year": 2999}
    assert moved.values_of("SELECT last_message_at <= now() FROM conversations") == [True]
    assert "WARNING: messages: 1 have a time that is still to come, and get that of this move" in said


def test_people_who_were_shut_out_stay_out_however_it_was_said(moved: Bench) -> None:
    disabled = moved.values_of("SELECT id FROM users WHERE disabled_at IS NOT NULL ORDER BY id")

    assert disabled == [id_of(USER, n) for n in range(len(SHUT_OUT))]


@pytest.mark.parametrize(("column", "times"), [("active", 4), ("status", 4), ("blocked", 1), ("banned_at", 1)])
def test_columns_that_shut_people_out_are_told(said: list[str], column: str, times: int) -> None:
    assert f"WARNING: users: {times} are disabled, because their {column} says so" in said


def test_columns_of_long_names_and_names_that_are_taken_are_kept_apart(moved: Bench) -> None:
    (unit,) = moved.rows_of("SELECT * FROM units")

    kept = {name: value for name, value in unit.items() if name.startswith("legacy_")}
    assert kept == {
        f"legacy_{'a' * 54}_4": "one",
        f"legacy_{'a' * 54}_5": "two",
        f"legacy_{'é' * 27}_6": "três",
        "legacy_note_7": "four",
        "legacy_note": "five",
    }


def test_contact_of_a_number_that_is_none_is_kept(moved: Bench) -> None:
    (contact,) = moved.rows_of("SELECT * FROM contacts")

    assert (contact["id"], contact["phone"], contact["legacy_phone"]) == (id_of(CONTACT, 1), None, "+1800555")
