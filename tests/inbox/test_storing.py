"""Deliveries that come at once share a commit; each gets its own answer, and none before that commit."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import text
from sqlalchemy.exc import OperationalError
from sqlalchemy.orm import Session

from portal import queue
from portal.clock import now
from portal.db import atomic, db
from portal.inbox import receive as receive_module
from portal.inbox import storing
from portal.inbox.receive import Reception, receive
from portal.inbox.storing import Delivery, Line
from portal.models import Connection, Unit
from portal.secrets import fingerprint
from portal.services import events
from portal.tenancy import TenantScope, acting_for
from tests.factories import SECRET, make_connected_unit, make_tenant
from tests.inbox.conftest import NAME, signature
from tests.inbox.payloads import as_bytes, message, webhook

pytestmark = pytest.mark.commits
PATIENCE_S = 10
AWAY = OperationalError("INSERT", {}, Exception("the server closed the connection"))


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope, instance_name=NAME)


def news(number: int, **changes: Any) -> Delivery:
    told = Delivery(NAME, fingerprint(SECRET), "messages.upsert", f"{number:064x}", f'{{"number": {number}}}')
    return replace(told, **changes)


def until(is_so: Callable[[], bool]) -> None:
    by = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < by
        time.sleep(0.002)


class Crowd:
    """Threads at a line: the first one's statement begins when all others stand behind it, in the order given."""

    def __init__(self, app: Flask, monkeypatch: pytest.MonkeyPatch, line: Line) -> None:
        self._app, self._line = app, line
        self._insert = storing._insert
        self._number = 0
        self.batches: list[int] = []
        self.answers: list[Future[Any]] = []
        monkeypatch.setattr(storing, "_insert", self._insert_late)

    def store(self, *deliveries: Delivery) -> list[Any]:
        return self.do([lambda one=one: self._line.store(one) for one in deliveries])

    def do(self, acts: Sequence[Callable[[], Any]]) -> list[Any]:
        """What became of each: what it gave, or what it raised."""
        self._number = len(acts)
        with ThreadPoolExecutor(len(acts)) as pool:
            for number, act in enumerate(acts):
                self.answers.append(pool.submit(self._act, act))
                # With the last one the first begins: whoever looks for it in the line may come too late.
                if number < len(acts) - 1:
                    until(lambda number=number: bool(self.batches) and len(self._line._places) == number)
        return [answer.exception() or answer.result() for answer in self.answers]

    def _act(self, act: Callable[[], Any]) -> Any:
        with self._app.app_context():
            return act()

    def _insert_late(self, deliveries: Sequence[Delivery]) -> Sequence[int]:
        self.batches.append(len(deliveries))
        if len(self.batches) == 1:
            until(lambda: len(self._line._places) == self._number - 1)
        return self._insert(deliveries)


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> Line:
    line = Line()
    monkeypatch.setattr(receive_module, "_line", line)
    return line


@pytest.fixture
def crowd(app: Flask, monkeypatch: pytest.MonkeyPatch, line: Line, unit: Unit) -> Crowd:
    return Crowd(app, monkeypatch, line)


def rows(columns: str = "body") -> list[Any]:
    with db.engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(f"SELECT {columns} FROM webhook_events ORDER BY id"))]


def test_those_who_come_while_one_is_stored_are_stored_together_and_in_order(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch
) -> None:
    rung: list[int] = []
    monkeypatch.setattr(queue, "wake_inbox", lambda: rung.append(1))
    told = [news(number) for number in range(6)]

    assert crowd.store(*told) == [True] * 6

    assert rows() == [(one.body,) for one in told]
    assert len(set(rows("xmin::text"))) == len(rung) == 2
    assert crowd.batches == [1, 5]


def test_nobody_is_answered_before_the_commit_returned(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, answered = Session.commit, []

    def note(session: Session) -> None:
        answered.append(sum(answer.done() for answer in crowd.answers))
        time.sleep(0.05)
        answered.append(sum(answer.done() for answer in crowd.answers))
        commit(session)

    monkeypatch.setattr(Session, "commit", note)

    crowd.store(*(news(number) for number in range(4)))

    # While the second commit is under way, at most the first one's is answered.
    assert answered[:2] == [0, 0]
    assert max(answered[2:]) <= 1


def test_a_commit_that_fails_acknowledges_nothing(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(session: Session) -> None:
        raise AWAY

    monkeypatch.setattr(Session, "commit", fail)

    assert crowd.store(*(news(number) for number in range(4))) == [AWAY] * 4
    assert rows() == []


def test_each_is_told_that_the_database_is_away(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, line: Line, unit: Unit
) -> None:
    def fail(deliveries: object) -> None:
        raise AWAY

    monkeypatch.setattr(crowd, "_insert", fail)

    assert crowd.store(*(news(number) for number in range(4))) == [AWAY] * 4

    monkeypatch.undo()
    assert line.store(news(9))


def test_one_that_is_refused_leaves_the_others_alone(crowd: Crowd, monkeypatch: pytest.MonkeyPatch) -> None:
    kept = events.kept_body
    # A character that no column takes.
    monkeypatch.setattr(events, "kept_body", lambda payload: kept(payload).replace("unstorable", "\x00"))

    def post(words: str) -> Reception:
        body = as_bytes(webhook("messages.upsert", message(text=words), instance=NAME))
        return receive(SECRET, signature(NAME), body)

    good, bad, *others = crowd.do([lambda words=words: post(words) for words in ("one", "unstorable", "two", "three")])

    assert [good, *others] == [Reception.STORED] * 3
    assert type(bad).__name__ == "DataError"
    assert len(rows()) == 3


@pytest.mark.parametrize("error", [SystemExit(1), RuntimeError("nobody foresaw this")])
def test_nobody_waits_for_a_leader_that_failed(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, line: Line, error: BaseException
) -> None:
    def fail(deliveries: Sequence[Delivery]) -> None:
        raise error

    monkeypatch.setattr(crowd, "_insert", fail)

    answers = crowd.store(*(news(number) for number in range(4)))

    # Whoever led may go down with it; of the others each looks after its own.
    assert set(map(type, answers)) <= {bool, type(error)}
    assert True not in answers
    assert answers[2:] == [False, False]
    monkeypatch.undo()
    assert line.store(news(9))


def test_each_tenant_gets_its_own(crowd: Crowd, scope: TenantScope, unit: Unit) -> None:
    other = make_tenant("outra")
    theirs = make_connected_unit(other, instance_name="unit_of_theirs")

    assert crowd.store(news(0), news(1), news(2, instance_name="unit_of_theirs"), news(3)) == [True] * 4

    mine = (scope.tenant_id, unit.id, NAME)
    assert rows("tenant_id, unit_id, instance_name") == [
        mine, mine, (other.tenant_id, theirs.id, "unit_of_theirs"), mine,
    ]  # fmt: skip


def test_only_those_are_stored_whose_secret_is_right(crowd: Crowd, scope: TenantScope) -> None:
    with acting_for(scope), atomic():
        db.session.execute(
            scope.update(Connection).values(
                previous_instance_name="unit_before",
                previous_webhook_secret_hash=fingerprint("before"),
                previous_accepted_until=now() + timedelta(minutes=1),
            )
        )
    before = {"instance_name": "unit_before", "secret_hash": fingerprint("before")}

    answers = crowd.store(
        news(0),
        news(1, **before),
        news(2, secret_hash=fingerprint("wrong")),
        news(3, secret_hash=before["secret_hash"]),
        news(4, **{**before, "secret_hash": fingerprint(SECRET)}),
        news(5, instance_name="unit_of_nobody"),
        news(6),
    )

    assert answers == [True, True, False, False, False, False, True]
    assert rows("instance_name") == [(NAME,), ("unit_before",), (NAME,)]


def test_the_same_twice_at_once_is_one_row_and_both_are_told_that_it_is_there(crowd: Crowd) -> None:
    assert crowd.store(news(0), news(1), news(1), news(0)) == [True] * 4
    assert len(rows()) == 2


@pytest.fixture
def held_unit(scope: TenantScope, unit: Unit) -> Iterator[str]:
    """The instance of a unit that somebody is about to delete."""
    held = make_connected_unit(scope, "praia", instance_name="unit_held")
    with ExitStack() as ending:
        connection = ending.enter_context(db.engine.connect())
        connection.execute(text("SELECT FROM units WHERE id = :id FOR UPDATE"), {"id": held.id})
        yield "unit_held"
        connection.rollback()


def test_one_that_has_to_wait_holds_up_the_others_for_a_moment_only(
    crowd: Crowd, held_unit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "LONGEST_WAIT", "20ms")

    answers = crowd.store(news(0), news(1, instance_name=held_unit), news(2))

    # The second and the third were stored together, and that was given up: each is looked at by itself.
    assert answers == [True, False, False]
    assert rows("instance_name") == [(NAME,)]


@pytest.mark.parametrize(
    ("limit", "most", "batches"),
    [("MOST_TOGETHER", 2, [1, 2, 2, 1]), ("MOST_CHARACTERS", 35, [1, 2, 2, 1]), ("MOST_CHARACTERS", 1, [1] * 6)],
)
def test_only_so_many_go_together(
    crowd: Crowd, monkeypatch: pytest.MonkeyPatch, limit: str, most: int, batches: list[int]
) -> None:
    monkeypatch.setattr(storing, limit, most)

    assert crowd.store(*(news(number) for number in range(6))) == [True] * 6
    assert crowd.batches == batches
