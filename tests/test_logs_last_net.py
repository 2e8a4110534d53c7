"""The last look at each line of the log: what masking left is masked there, and counted, without false alarms."""

import io
import json
import logging
import sys
from collections.abc import Callable, Iterator

import pytest
import structlog

from portal import logs
from portal.config import Config
from portal.logs import MASK, LastNet

Take = Callable[[], dict[str, int]]
KEY = 'a "quoted" key-of-32-characters\\!'
SECRETS = (KEY, "p4ssw0rd-of-the-database", "short")


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the process logs, as it does in production."""
    root, stream = logging.getLogger(), io.StringIO()
    handlers, level = root.handlers, root.level
    monkeypatch.setattr(sys, "stderr", stream)
    logs.configure(level="INFO", as_json=True, own_secrets=SECRETS)
    structlog.contextvars.clear_contextvars()
    yield stream
    root.handlers = handlers
    root.setLevel(level)


@pytest.mark.parametrize("secret", SECRETS[:2])
@pytest.mark.parametrize(
    "say",
    [
        lambda log, secret: log.info("it is %s", secret),
        lambda log, secret: log.info("it is", extra={"note": secret}),
        lambda log, secret: log.info("it is", extra={secret: "a field's name"}),
        lambda log, secret: log.info("it is", extra={"note": {"within": [secret]}}),
        lambda log, secret: log.getChild(secret).info("a logger's name"),
    ],
    ids=["text", "field", "name_of_a_field", "nested", "logger"],
)
def test_own_secret_never_stands_in_a_line(
    written: io.StringIO, counted: Take, say: Callable[[logging.Logger, str], None], secret: str
) -> None:
    say(logging.getLogger("some.library"), secret)

    line = written.getvalue()
    assert MASK in line
    assert secret not in line
    assert json.dumps(secret)[1:-1] not in line
    assert counted() == {"secrets_in_logs": 1}


def test_secret_too_short_to_be_told_from_a_word_is_left(written: io.StringIO, counted: Take) -> None:
    logging.getLogger("some.library").info("a short line")

    assert "a short line" in written.getvalue()
    assert counted() == {}


# As the masking of fields would have it, had it looked: a hole is made by logging it as the name of a field.
@pytest.mark.parametrize(
    ("hole", "masked"),
    [
        ("/webhooks/whatsapp/evolution/abc123", f"/webhooks/whatsapp/evolution/{MASK}"),
        ("/scan/ImFiYyI.abc", f"/scan/{MASK}"),
        ("Bearer eyJhbGci.eyJl.c2ln", f"Bearer {MASK}"),
        ("redis://:abc@cache.test:6379/0", f"redis://:{MASK}@cache.test:6379/0"),
        ("5511999990001", "****0001"),
        ("+55 (11) 99999-0001", "****0001"),
    ],
)
def test_what_masking_should_have_caught_is_caught(written: io.StringIO, counted: Take, hole: str, masked: str) -> None:
    logging.getLogger("some.library").info("asked", extra={hole: "a field's name"})

    assert masked in written.getvalue()
    assert hole not in written.getvalue()
    assert counted() == {"secrets_in_logs": 1}


def test_line_is_counted_once_however_much_it_held(written: io.StringIO, counted: Take) -> None:
    logging.getLogger("some.library").info("asked", extra={KEY: 1, "5511999990001": 2, "Bearer abc": 3})

    assert counted() == {"secrets_in_logs": 1}


@pytest.mark.parametrize("as_json", [True, False], ids=["json", "for_people"])
def test_what_was_masked_well_raises_no_alarm(
    written: io.StringIO, counted: Take, monkeypatch: pytest.MonkeyPatch, as_json: bool
) -> None:
    monkeypatch.setattr(sys, "stderr", written)
    logs.configure(level="INFO", as_json=as_json, own_secrets=SECRETS)
    log = logging.getLogger("some.library")
    log.warning("sent to +55 11 99999-0001", extra={"token": "abc", "cookie": "a=b", "url": "https://a:b@c.test/d"})
    log.info("POST /webhooks/whatsapp/evolution/abc/messages-upsert", extra={"ms": 12.5, "status": 200, "id": 1234567})
    log.info(
        "numbers", extra={"a": 99999999, "b": 1234567.5, "c": 0.123456789012, "d": -1, "at": "2026-03-01T10:00:00Z"}
    )
    log.info("ids", extra={"id": "018f3b1c-1234-7abc-8def-123456789012", "request_id": "0" * 31 + "a"})
    log.info("Authorization: Bearer abc", extra={"to": "ana@acme.test", "host": "http://a.test:8000", "why": "x@y"})
    try:
        raise ValueError('DETAIL: Key (phone)=(5511999990001) exists.\n[SQL: INSERT] password="a b"')
    except ValueError:
        log.exception("failed")

    assert len(written.getvalue().splitlines()) >= 6
    assert counted() == {}


def test_own_secrets_are_those_of_the_settings() -> None:
    config = Config.load(
        {
            "DATABASE_URL": "postgresql://portal:a%40pass@db.test/portal",
            "REDIS_URL": "redis://:of-[redis@cache.test/0",
            "SECRET_KEY": "s" * 32,
            "SECRET_KEY_FALLBACKS": "f" * 32,
            "ENCRYPTION_KEYS": f"{'e' * 32},{'g' * 32}",
            "BASE_URL": "https://portal.test",
            "EVOLUTION_API_URL": "https://evolution.test",
            "EVOLUTION_API_KEY": "k" * 16,
            "SMTP_URL": "smtp://me:of-mail@mail.test:587",
            "MAIL_FROM": "portal@portal.test",
            "METRICS_TOKEN": "m" * 16,
            "ALERT_WEBHOOK_URL": "https://chat.test/hook/abc",
        }
    )

    keys = {"s" * 32, "f" * 32, "e" * 32, "g" * 32, "k" * 16, "m" * 16, "https://chat.test/hook/abc"}
    assert config.secrets == keys | {"a%40pass", "a@pass", "of-[redis", "of-mail"}


def test_net_without_own_secrets_still_looks() -> None:
    assert LastNet(())(None, "info", {"5511999990001": 1}) == {"****0001": 1}


# What is masked once in a text, with what is around it, and how it stands there then.
MASKED_ONCE = {
    "see http://a.test/scan/abcdef\nmore text": f"see http://a.test/scan/{MASK}\nmore text",
    "POST /webhooks/whatsapp/evolution/abc\nFile x": f"POST /webhooks/whatsapp/evolution/{MASK}\nFile x",
    '{"url": "https://a.test/webhooks/whatsapp/evolution/abc"}': (
        f'{{"url": "https://a.test/webhooks/whatsapp/evolution/{MASK}"}}'
    ),
    '{\\"url\\": \\"https://a.test/scan/abc\\"}': f'{{\\"url\\": \\"https://a.test/scan/{MASK}\\"}}',
    'GET "http://a.test/invitation/abc" 500': f'GET "http://a.test/invitation/{MASK}" 500',
    "redis://:pw12@cache.test:6379\nfoo@bar": f"redis://:{MASK}@cache.test:6379\nfoo@bar",
    "http://cache.test:6379\nfoo@bar": "http://cache.test:6379\nfoo@bar",
    "5511999990001 4321-1234": "****0001 4321-1234",
    "5511999990001 12345678": "****0001 12345678",
    "Bearer abc.def\nnext": f"Bearer {MASK}\nnext",
    'Traceback:\n  File "/app/templates/scan/show.html", line 3, in block\nValueError': (
        f'Traceback:\n  File "/app/templates/scan/{MASK}", line 3, in block\nValueError'
    ),
}


@pytest.mark.parametrize(("text", "masked"), MASKED_ONCE.items())
def test_what_stands_around_a_masked_value_is_kept_and_raises_no_alarm(
    written: io.StringIO, counted: Take, text: str, masked: str
) -> None:
    logging.getLogger("some.library").info("asked", extra={"said": text})

    assert json.loads(written.getvalue())["said"] == masked
    assert counted() == {}


def test_traceback_is_masked_without_an_alarm(written: io.StringIO, counted: Take) -> None:
    try:
        raise ValueError('GET "/invitation/abcd"\n  second line 5511999990001 4321-1234')
    except ValueError:
        logging.getLogger("some.library").exception("failed")

    assert json.loads(written.getvalue())["exception"].endswith(
        f'ValueError: GET "/invitation/{MASK}"\n  second line ****0001 4321-1234'
    )
    assert counted() == {}
