"""One person has one number, however it was typed or reported."""

import time
from collections.abc import Callable

import pytest

from portal import phone
from portal.phone import Change, NotAPhone


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("5511999990001", "5511999990001"),
        ("+55 (11) 99999-0001", "5511999990001"),
        ("11 99999-0001", "5511999990001"),
        ("11999990001", "5511999990001"),
        ("1199990001", "5511999990001"),
        ("551199990001", "5511999990001"),
        ("+55 11 6234-5678", "5511962345678"),
        ("+55 11 94567-1234", "5511945671234"),
        ("5511912345678", "5511912345678"),
        ("(11) 3456-7890", "551134567890"),
        ("551123456789", "551123456789"),
        ("55 3222-1234", "555532221234"),
        ("55 99999-0001", "5555999990001"),
        ("+1 212 555 1234", "12125551234"),
        ("12125551234", "12125551234"),
        ("+52 1 55 1234 5678", "525512345678"),
        ("525512345678", "525512345678"),
        ("+54 9 11 1234 5678", "541112345678"),
        ("541112345678", "541112345678"),
        ("+351 912 345 678", "351912345678"),
        ("٥٥١١٩٩٩٩٩٠٠٠١", "5511999990001"),
        (" +5511999990001\n", "5511999990001"),
        ("+47 912 34 567", "4791234567"),
        ("(+47) 912 34 567", "4791234567"),
        ("＋47 912 34 567", "4791234567"),
        ("\u202a+47 912 34 567\u202c", "4791234567"),
        ("Tel.: +47 912 34 567", "4791234567"),
    ],
)
def test_every_way_to_write_a_number_leads_to_one_form(typed: str, expected: str) -> None:
    assert phone.canonical(typed) == expected


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "abc",
        "+",
        "0",
        "123",
        "99999-0001",
        "+55 11 9999-00",
        "+55 01 99999-0001",
        "+55 11 1234-5678",
        "+55 11 999999-0001",
        "5511",
        "+0119999900011",
        "9" * 40,
        "\x00",
        # Mobiles without their area code: read with a country code they would be somebody's in Iran or India.
        "98765-4321",
        "91234-5678",
        "97777-1234",
        # A date is no number of one Egyptian city.
        "2026-11-29",
        # Too short to be dialled from another country.
        "+4900",
    ],
)
def test_what_can_be_no_number_is_refused(typed: str) -> None:
    with pytest.raises(NotAPhone):
        phone.canonical(typed)


@pytest.mark.parametrize(
    "typed", ["5511999990001", "551134567890", "12125551234", "525512345678", "541112345678", "351912345678"]
)
def test_canonical_form_leads_to_itself(typed: str) -> None:
    assert phone.canonical(phone.canonical(typed)) == phone.canonical(typed) == typed


@pytest.mark.parametrize(
    ("jid", "expected"),
    [
        ("5511999990001@s.whatsapp.net", "5511999990001"),
        ("553199990003@s.whatsapp.net", "5531999990003"),
        ("5511999990001:17@s.whatsapp.net", "5511999990001"),
        # Ten digits here are a whole number with its country: no Brazilian one without it.
        ("3222212345@s.whatsapp.net", "3222212345"),
        ("123456789012345@lid", None),
        ("5511999990001-1600000000@g.us", None),
        ("120363000000000000@g.us", None),
        ("status@broadcast", None),
        # No such numbers are given out in Brazil, as far as is known.
        ("5511901234567@s.whatsapp.net", "5511901234567"),
        ("5599012345678:3@s.whatsapp.net", "5599012345678"),
        ("999123456789012@s.whatsapp.net", "999123456789012"),
        ("9991234567890123@s.whatsapp.net", None),
        ("12@s.whatsapp.net", None),
        ("@s.whatsapp.net", None),
        ("5511999990001", None),
        ("", None),
        (None, None),
    ],
)
def test_address_of_a_person_is_their_number_and_all_others_are_none(jid: str | None, expected: str | None) -> None:
    assert phone.from_jid(jid) == expected


@pytest.mark.parametrize(
    ("jid", "expected"),
    [
        ("5511999990001:17@s.whatsapp.net", "5511999990001@s.whatsapp.net"),
        ("123456789012345:2@lid", "123456789012345@lid"),
        ("5511999990001:17", "5511999990001"),
        ("5511999990001@s.whatsapp.net", "5511999990001@s.whatsapp.net"),
    ],
)
def test_device_is_no_part_of_the_person(jid: str, expected: str) -> None:
    assert phone.without_device(jid) == expected


@pytest.mark.parametrize(
    ("canonical", "shown"),
    [
        ("5511999990001", "+55 11 99999-0001"),
        ("551134567890", "+55 11 3456-7890"),
        ("12125551234", "+1 212-555-1234"),
        ("541112345678", "+54 11 1234-5678"),
        ("999", "+999"),
        # Grouped it would lose a zero.
        ("31000000", "+31000000"),
        ("", "+"),
    ],
)
def test_number_is_shown_as_people_write_it(canonical: str, shown: str) -> None:
    assert phone.display(canonical) == shown


def test_masked_number_keeps_its_last_four_digits() -> None:
    assert phone.masked("5511999990001") == "****0001"


@pytest.mark.parametrize(
    ("typed", "changes"),
    [
        ("5511999990001", ()),
        ("+55 (11) 99999-0001", ()),
        ("11 99999-0001", (Change.COUNTRY_CODE,)),
        ("551199990001", (Change.NINTH_DIGIT,)),
        ("1199990001", (Change.COUNTRY_CODE, Change.NINTH_DIGIT)),
        ("+52 1 55 1234 5678", (Change.EXTRA_DIGIT,)),
        ("+54 9 11 1234 5678", (Change.EXTRA_DIGIT,)),
        ("+351 912 345 678", ()),
    ],
)
def test_reading_says_what_was_done_to_a_number(typed: str, changes: tuple[Change, ...]) -> None:
    assert phone.read(typed).changes == changes


@pytest.mark.parametrize(
    ("typed", "is_landline"),
    [("(11) 3456-7890", True), ("551134567890", True), ("11 99999-0001", False), ("+351 212 345 678", False)],
)
def test_reading_tells_brazilian_landlines(typed: str, is_landline: bool) -> None:
    assert phone.read(typed).is_landline is is_landline


def test_plain_numbers_are_read_fast(measured: Callable[[str], None]) -> None:
    numbers = [f"55119{number:08d}" for number in range(60_000_000, 60_020_000)]
    began_at = time.process_time()

    for number in numbers:
        phone.read(number)

    pace = len(numbers) / (time.process_time() - began_at)
    measured(f"{pace:,.0f} plain numbers read a second")
    # A tenth of what an idle machine does.
    assert pace > 30_000


def test_short_number_that_whatsapp_names_is_somebody_and_typed_without_a_plus_is_none() -> None:
    assert phone.from_jid("987654321@s.whatsapp.net") == "987654321"
    with pytest.raises(NotAPhone):
        phone.read("987654321")
