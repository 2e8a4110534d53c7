"""Each rule about a portal at rest, broken on purpose: it is named, and no other is."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from uuid import UUID

import psycopg
import pytest
from flask import Flask

from portal.db import db
from portal.models import Direction
from tests.chaos.accounts import Account, take_account
from tests.chaos.invariants import BACKENDS, open_transactions, parked_events
from tests.chaos.rules import KEPT, PROCESSES, Found, Heights, broken_rules, judged, still_waiting
from tests.factories import make_conversation, make_message, make_parked_event, make_tenant, make_unit
from tests.running.campaigns import Left, Line, Verdict
from tests.running.clients import Rows
from tests.running.leaks import kinds_in

CAMPAIGN = UUID(int=1)
AT = datetime(2026, 12, 1, tzinfo=UTC)
NUMBER, OTHER_NUMBER = "5511988880001", "5511988880002"
BODIES = ("offer for one", "offer for two")


def line(body: str, rung: str = "sent") -> Line:
    return Line(CAMPAIGN, NUMBER, body, rung, is_resent=False)


def left(*bodies: str, number: str = NUMBER) -> list[Left]:
    return [Left(body, number, AT) for body in bodies]


def verdict(*lines: Line, sends: Sequence[Left] | None = None) -> Verdict:
    return Verdict(list(lines), left(*BODIES) if sends is None else list(sends))


def account(statuses: dict[str, str], *, gone: Sequence[str], rows: Sequence[str] | None = None) -> Account:
    return Account(statuses, Counter(gone), Counter(list(statuses) if rows is None else rows))


WELL = Found(
    questions=["q1", "q2"],
    received=["q2", "q1"],
    parked=[],
    replies=["r1", "r2", "r3"],
    account=account({"r1": "read", "r2": "failed", "r3": "unconfirmed"}, gone=["r1"]),
    falls=[],
    verdict=verdict(*map(line, BODIES)),
    counts=Counter(sent=2),
    waiting=[],
    open_transactions=0,
    connections=PROCESSES * KEPT,
    leaks=[],
)


def with_replies(*, gone: Sequence[str] = ("r1",), rows: Sequence[str] | None = None, **statuses: str) -> Found:
    return replace(WELL, account=account({"r1": "read", "r2": "failed", **statuses}, gone=gone, rows=rows))


def with_campaign(told: Verdict) -> Found:
    return replace(WELL, verdict=told, counts=told.rungs)


BREAKING = {
    "question lost": (replace(WELL, received=["q1"]), "questions not there once"),
    "question twice": (replace(WELL, received=["q1", "q2", "q2"]), "questions not there once"),
    "event parked": (replace(WELL, parked=[{"event": "messages.upsert"}]), "events that could not be applied"),
    "reply never sent": (with_replies(r3="queued"), "replies without an end"),
    "reply in flight for ever": (with_replies(r3="sending"), "replies without an end"),
    "reply lost": (with_replies(), "replies without a row"),
    "echo as a row of its own": (
        with_replies(r3="sent", gone=["r1", "r3"], rows=["r1", "r2", "r3", "r3"]),
        "replies with several rows",
    ),
    "reply sent twice": (with_replies(r3="sent", gone=["r1", "r3", "r3"]), "replies that left twice"),
    "doubt sent twice": (with_replies(r3="unconfirmed", gone=["r1", "r3", "r3"]), "replies that left twice"),
    "reply said to be gone": (with_replies(r3="delivered"), "replies said to be gone"),
    "status fell": (replace(WELL, falls=["r1: sent"]), "statuses that fell"),
    "recipient forgotten": (
        with_campaign(verdict(line(BODIES[0]), line(BODIES[1], "pending"), sends=left(BODIES[0]))),
        "campaign",
    ),
    "recipient said to be reached": (with_campaign(verdict(*map(line, BODIES), sends=left(BODIES[0]))), "campaign"),
    "recipient said not to be reached": (
        with_campaign(verdict(line(BODIES[0]), line(BODIES[1], "failed"))),
        "campaign",
    ),
    "recipient reached twice": (with_campaign(verdict(*map(line, BODIES), sends=left(*BODIES, BODIES[1]))), "campaign"),
    "another reached instead": (
        with_campaign(verdict(line(BODIES[0]), sends=left(BODIES[0], number=OTHER_NUMBER))),
        "campaign",
    ),
    "page counts otherwise": (replace(WELL, counts=Counter(sent=1, failed=1)), "counts against the ledger"),
    "unit sends no more": (replace(WELL, waiting=["centro: queued"]), "stuck lanes"),
    "transaction left open": (replace(WELL, open_transactions=1), "transactions left open"),
    "connection leaked": (replace(WELL, connections=PROCESSES * KEPT + 1), "connections"),
    "secret told": (replace(WELL, leaks=["web: password"]), "secrets in logs"),
}


def test_portal_that_kept_its_word_breaks_no_rule() -> None:
    assert broken_rules(WELL) == {}


@pytest.mark.parametrize(("found", "rule"), BREAKING.values(), ids=BREAKING)
def test_broken_rule_is_named_and_no_other(found: Found, rule: str) -> None:
    assert list(broken_rules(found)) == [rule]


def test_every_rule_is_broken_here() -> None:
    assert {rule for _, rule in BREAKING.values()} == judged(WELL).keys()


@pytest.mark.parametrize(
    ("seen", "falls"),
    [
        ("queued sending sent delivered read", []),
        ("sending unconfirmed sent read", []),
        # The refusal turned out to be wrong.
        ("sent failed delivered", []),
        # Tried again before it left.
        ("sending queued sending", []),
        ("sent queued", ["r1: queued"]),
        ("sent unconfirmed", ["r1: unconfirmed"]),
        ("read delivered", ["r1: delivered"]),
        ("delivered failed read", ["r1: failed"]),
    ],
)
def test_status_that_stands_lower_than_before_fell(seen: str, falls: list[str]) -> None:
    heights = Heights()
    for status in seen.split():
        heights.note([{"id": 1, "body": "r1", "status": status}, {"id": 2, "body": "r2", "status": "queued"}])

    assert heights.falls == falls


def test_unit_waits_whose_text_is_not_gone() -> None:
    texts = {"t1": "centro", "t2": "norte", "t3": "sul", "t4": "leste"}

    assert still_waiting(texts, {"t1": "sent", "t2": "queued", "t3": "unconfirmed"}) == [
        "norte: queued",
        "sul: unconfirmed",
        "leste: None",
    ]


@pytest.mark.parametrize("kind", ["password", "phone number"])
def test_secret_in_what_a_program_said_is_found(kind: str) -> None:
    secrets = {"password": {"hunter22"}, "phone number": {"5511988880001"}}

    assert kinds_in(f"let {min(secrets[kind])} in", secrets) == [kind]
    assert kinds_in("let nobody in", secrets) == []


@pytest.fixture
def url(app: Flask) -> str:
    return db.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)


@pytest.fixture
def rows(url: str) -> Rows:
    return Rows(url)


@pytest.mark.commits
def test_event_that_is_parked_is_found(rows: Rows) -> None:
    scope = make_tenant()
    before = parked_events(rows)
    make_parked_event(scope, make_unit(scope), error="ValueError")

    assert (before, parked_events(rows)) == ([], [{"event": "messages.upsert", "error": "ValueError", "number": 1}])


@pytest.mark.commits
def test_texts_are_found_as_often_as_they_have_rows(rows: Rows) -> None:
    scope = make_tenant()
    conversation = make_conversation(scope, make_unit(scope))
    for text, direction in (("q", "inbound"), ("q", "inbound"), ("r", "outbound"), ("r", "outbound")):
        make_message(scope, conversation, body=text, direction=Direction(direction))
    simulator = SimpleNamespace(sent_texts=lambda: ["r", "other"])
    found = take_account(SimpleNamespace(rows=rows, simulator=simulator), ["r", "lost"])  # type: ignore[arg-type]

    assert rows.received(["q", "lost"]) == ["q", "q"]
    assert (found.doubled, found.left, list(found.statuses)) == (["r"], {"r": 1}, ["r"])


@pytest.mark.commits
def test_transaction_that_stands_open_is_found_after_its_time(url: str, rows: Rows) -> None:
    before = open_transactions(rows, for_s=0)
    with psycopg.connect(url) as connection:
        connection.execute("SELECT 1")
        found = open_transactions(rows, for_s=0), open_transactions(rows, for_s=60)

    assert found == (before + 1, 0)


@pytest.mark.commits
def test_every_connection_is_counted(url: str, rows: Rows) -> None:
    before = rows.count(BACKENDS)
    with psycopg.connect(url), psycopg.connect(url):
        assert rows.count(BACKENDS) == before + 2
