"""Numbers in SQL are read as the portal reads them."""

import phonenumbers
import pytest

from portal import phone
from portal.monitor.golive_sql.script import TEMPLATES
from tests.golive.sql.bench import Bench
from tests.golive.sql.older import values

TYPED = [
    "+55 11 99999-0001",
    "(11) 99999-0001",
    "11999990001",
    "551199990001",
    "5511999990001",
    "55 11 3222-1234",
    "1132221234",
    "+55 (0) 11 99999-0001",
    "011 99999-0001",
    "99999-0001",
    "999990001",
    "+521 55 1234 5678",
    "5215512345678",
    "+54 9 11 1234-5678",
    "+1 212 555 0100",
    "12125550100",
    "tel: +351 912 345 678",
    "\u200e+55 11 99999-0001",
    "＋55 11 99999-0001",
    "0055 11 99999-0001",
    "5500999990001",
    "55",
    "+55 11 1234",
    "abc",
    "",
    "1",
    "3222-1234",
    "5511999990001, 5511999990002",
]


def as_portal(typed: str) -> str | None:
    try:
        return phone.canonical(typed)
    except phone.NotAPhone:
        return None


@pytest.fixture(scope="module")
def sql_reads(bench: Bench) -> Bench:
    bench.begin("CREATE SCHEMA portal_older", (TEMPLATES / "values.sql").read_text(encoding="utf-8"))
    return bench


def read(bench: Bench, typed: list[str]) -> dict[str, str | None]:
    rows = values(*((one,) for one in typed))
    found = bench.rows_of(f"SELECT typed, portal_older.as_phone(typed) AS number FROM (VALUES {rows}) AS t (typed)")
    return {row["typed"]: row["number"] for row in found}


def test_numbers_as_people_type_them(sql_reads: Bench) -> None:
    assert read(sql_reads, TYPED) == {typed: as_portal(typed) for typed in TYPED}


@pytest.mark.parametrize("typed", ["+1800555", "+3970877"])
def test_numbers_too_short_for_any_country_are_none(sql_reads: Bench, typed: str) -> None:
    assert read(sql_reads, [typed]) == {typed: as_portal(typed)} == {typed: None}


def test_mobile_numbers_of_every_country(sql_reads: Bench) -> None:
    examples = [
        phonenumbers.example_number_for_type(region, phonenumbers.PhoneNumberType.MOBILE)
        for region in phonenumbers.SUPPORTED_REGIONS
    ]
    typed = [phonenumbers.format_number(one, phonenumbers.PhoneNumberFormat.INTERNATIONAL) for one in examples if one]

    assert len(typed) > 200
    assert read(sql_reads, typed) == {one: as_portal(one) for one in typed}


def test_addresses_of_whatsapp_are_those_of_their_numbers(sql_reads: Bench) -> None:
    addresses = {
        "551199990001@s.whatsapp.net": "5511999990001",
        "5511999990001:17@s.whatsapp.net": "5511999990001",
        "351912345678@c.us": "351912345678",
        "120363025246125486@g.us": None,
        "214130000000001@lid": None,
        "ana@example.test": None,
    }

    assert read(sql_reads, list(addresses)) == addresses
