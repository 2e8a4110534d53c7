"""No secret and no telephone number leaves the process in a log line, whoever wrote it."""

import json
import logging
import sys
from collections.abc import Callable, Iterator
from io import StringIO
from uuid import uuid4

import pytest
import structlog

from portal import logs
from portal.logs import MASK, mask

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJleHAiOjF9.c2lnbmF0dXJl"
Lines = Callable[[], list[dict[str, object]]]


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[StringIO]:
    """What the process logs, as it does in production."""
    root, stream = logging.getLogger(), StringIO()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(level="INFO", as_json=True)
    structlog.contextvars.clear_contextvars()
    yield stream
    root.handlers = handlers
    root.setLevel(level)


@pytest.fixture
def lines(written: StringIO) -> Lines:
    return lambda: [json.loads(line) for line in written.getvalue().splitlines()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"Authorization: Bearer {JWT}", f"Authorization: {MASK} {MASK}"),
        (f"used bearer {JWT}, refused", f"used bearer {MASK}, refused"),
        ("Proxy sent basic dXNlcjpwYXNz", f"Proxy sent basic {MASK}"),
        ("apikey: abc123", f"apikey: {MASK}"),
        ("api_key=abc123&x=1", f"api_key={MASK}&x=1"),
        ("EVOLUTION_API_KEY=abc123", f"EVOLUTION_API_KEY={MASK}"),
        ('{"apikey": "abc123", "event": "qrcode.updated"}', f'{{"apikey": "{MASK}", "event": "qrcode.updated"}}'),
        ('{"password":"correct horse battery"}', f'{{"password":"{MASK}"}}'),
        ('{"secret":"with \\" quote","n":1}', f'{{"secret":"{MASK}","n":1}}'),
        ("{'jwt_key': 'abc', 'n': 1}", f"{{'jwt_key': '{MASK}', 'n': 1}}"),
        ('{"refreshToken": "abc", "expiresIn": 3600}', f'{{"refreshToken": "{MASK}", "expiresIn": 3600}}'),
        ("webhookSecret=abc", f"webhookSecret={MASK}"),
        ("?token=abc&page=2", f"?token={MASK}&page=2"),
        ("Cookie: session=abc; remember_token=def", f"Cookie: {MASK}"),
        ("set-cookie: session=abc; HttpOnly", f"set-cookie: {MASK}"),
        ("asked with Cookie: a=b; session=abc", f"asked with Cookie: {MASK}"),
        ("postgresql://portal:a@b@db.test/portal", f"postgresql://portal:{MASK}@db.test/portal"),
        ("redis://:abc@cache.test:6379/0", f"redis://:{MASK}@cache.test:6379/0"),
        (
            "POST https://p.test/webhooks/whatsapp/evolution/abc/messages-upsert 200",
            f"POST https://p.test/webhooks/whatsapp/evolution/{MASK}/messages-upsert 200",
        ),
        ('"/webhooks/whatsapp/evolution/abc"', f'"/webhooks/whatsapp/evolution/{MASK}"'),
        (
            "null value\nDETAIL:  Failing row contains (7, Dear Ana,\n\nI am ill).\n[SQL: INSERT]",
            f"null value\nDETAIL:  {MASK}\n[SQL: INSERT]",
        ),
        ("duplicate\nDETAIL:  Key (email)=(ana@acme.test) already exists.", f"duplicate\nDETAIL:  {MASK}"),
        (
            'invalid input syntax for type integer: "Ana\nSouza"\n[SQL: x]',
            f"invalid input syntax for type integer: {MASK}\n[SQL: x]",
        ),
        (
            "syntax for type json\nDETAIL:  Token is invalid.\nCONTEXT:  JSON data, line 1: Ana...\n[SQL: x]",
            f"syntax for type json\nDETAIL:  {MASK}\nCONTEXT:  JSON data, line 1: {MASK}\n[SQL: x]",
        ),
        ("GET /scan/ImFiYyI.abc?pairing=1", f"GET /scan/{MASK}?pairing={MASK}"),
    ],
)
def test_secret_is_masked_and_what_surrounds_it_stays(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize(
    "written",
    [
        "5511999990001",
        "+5511999990001",
        "%2B5511999990001",
        "551199990001",
        "11999990001",
        "+55 11 99999-0001",
        "+55 (11) 99999-0001",
        "+55(11)99999-0001",
        "+55-11-99999-0001",
        "(11) 99999-0001",
        "11 99999-0001",
        "11 9999-0001",
        "55 11 999990001",
        "11.99999.0001",
        "+1 (212) 555-0001",
        "+1 212 555 0001",
        "212-555-0001",
        "+44 20 7946 0001",
    ],
)
@pytest.mark.parametrize("around", ["{}", "to {}, again", '{{"number":"{}"}}', "phone={}", "wa.me/{} ", "<{}>"])
def test_number_is_masked_in_every_form(written: str, around: str) -> None:
    assert mask(around.format(written)) == around.format("****0001")


@pytest.mark.parametrize("suffix", ["@s.whatsapp.net", ":17@s.whatsapp.net", "@c.us", "@lid"])
def test_number_in_an_address_is_masked(suffix: str) -> None:
    assert mask(f"from 5511999990001{suffix}") == f"from ****0001{suffix}"


@pytest.mark.parametrize(
    "text",
    [
        "018f3b1c-1234-7abc-8def-123456789012",
        "12345678-1234-1234-1234-123456789012",
        "unit_12345678-1234-4234-8234-123456789012",
        "2026-03-01T10:00:00.123456+00:00",
        "2026-03-01T10:00:00Z",
        "2026-03-01 10:00:00,123 2026-03-02 10:00:00+0000",
        "took 1234567.8901 ms",
        "3EB0A1B2C3D4E5F6",
        "10.0.0.12:5432",
        "version 2.3.7",
        "request 200 in 12 ms",
        "",
    ],
)
def test_ids_instants_and_plain_words_stay_as_they_are(text: str) -> None:
    assert mask(text) == text


def test_random_ids_are_never_taken_for_numbers() -> None:
    texts = [f"unit_{uuid4()} ({uuid4()})" for _ in range(2000)]

    assert [text for text in texts if mask(text) != text] == []


def test_masking_twice_changes_nothing_more() -> None:
    once = mask(f"token=abc Bearer {JWT} redis://:abc@h/0 +55 11 99999-0001 Cookie: a")

    assert mask(once) == once


@pytest.mark.parametrize(
    "text", ["a-" * 20_000, "1 " * 20_000, "secret" * 7_000, "+1" * 20_000, "DETAIL:\n" * 5_000, '"' * 40_000]
)
@pytest.mark.timeout(5)
def test_hostile_text_does_not_hold_up_the_process(text: str) -> None:
    assert len(mask(text)) > 0


@pytest.mark.parametrize(
    "name",
    ["token", "access_token", "secret", "webhook_secret", "apikey", "api_key", "password", "jwt", "qr_code"],
)
def test_field_with_the_name_of_a_secret_is_masked_whole(name: str) -> None:
    assert logs.mask_fields(None, "info", {name: "anything at all"}) == {name: MASK}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (5511999990001, "****0001"),
        (42, 42),
        (True, True),
        (12.5, 12.5),
        (None, None),
        ({"phone": "5511999990001", "apikey": "abc"}, f"{{'phone': '****0001', 'apikey': '{MASK}'}}"),
        (["+55 11 99999-0001"], "['****0001']"),
    ],
    ids=["number", "small-number", "bool", "float", "none", "mapping", "list"],
)
def test_field_of_any_kind_is_masked_inside(value: object, expected: object) -> None:
    assert logs.mask_fields(None, "info", {"detail": value}) == {"detail": expected}


def test_our_own_line_is_masked(lines: Lines) -> None:
    structlog.get_logger("portal.test").info("sent to +55 11 99999-0001", token="abc", unit_id="centro")

    (line,) = lines()
    assert (line["event"], line["token"], line["unit_id"]) == ("sent to ****0001", MASK, "centro")
    assert (line["level"], line["logger"]) == ("info", "portal.test")


def test_line_of_another_library_is_masked(lines: Lines) -> None:
    logging.getLogger("some.library").warning(
        "POST /webhooks/whatsapp/evolution/%s to %s", "abc", "5511999990001", extra={"api_key": "abc"}
    )

    (line,) = lines()
    assert line["event"] == f"POST /webhooks/whatsapp/evolution/{MASK} to ****0001"
    assert (line["api_key"], line["logger"]) == (MASK, "some.library")


@pytest.mark.parametrize("logger", [structlog.get_logger("portal.test"), logging.getLogger("some.library")])
def test_exception_with_secrets_in_it_is_masked(lines: Lines, logger: logging.Logger) -> None:
    try:
        raise ValueError('{"apikey": "hunter two", "number": "5511999990001"}')
    except ValueError:
        logger.exception("failed")

    (line,) = lines()
    assert f'ValueError: {{"apikey": "{MASK}", "number": "****0001"}}' in str(line["exception"])
    assert "hunter" not in json.dumps(line)
    assert "99999" not in json.dumps(line)


def test_bound_context_is_masked(lines: Lines) -> None:
    with structlog.contextvars.bound_contextvars(request_id="a1", caller="5511999990001"):
        logging.getLogger("some.library").info("asked")

    (line,) = lines()
    assert (line["request_id"], line["caller"]) == ("a1", "****0001")


@pytest.mark.parametrize("name", ["rq", "rq.worker", "werkzeug", "alembic"])
def test_chatty_libraries_say_warnings_only(lines: Lines, name: str) -> None:
    logging.getLogger(name).info("GET /scan/abc")
    logging.getLogger(name).warning("slow")

    assert [line["event"] for line in lines()] == ["slow"]


@pytest.mark.parametrize("name", ["urllib3.connection", "urllib3.connectionpool", "requests_hardened.ip_filter"])
def test_libraries_whose_warnings_name_addresses_say_errors_only(lines: Lines, name: str) -> None:
    logging.getLogger(name).warning("Failed to parse headers (url=https://crm.test/hook?key=a)")
    logging.getLogger(name).error("broken")

    assert [line["event"] for line in lines()] == ["broken"]


def test_development_writes_for_people_and_masks_as_well(written: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(level="INFO", as_json=False)

    structlog.get_logger("portal.test").info("sent", to="5511999990001")

    assert "****0001" in written.getvalue()
    assert "99999" not in written.getvalue()
