"""Every body of the table, alone and all together: the same rows however often and in whatever order (§10.3)."""

import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from sqlalchemy import select

from portal.db import atomic, db
from portal.inbox import relay
from portal.inbox.events import NotUnderstood, parse
from portal.inbox.receive import Malformed, receive
from portal.models import EventState, Media, Message, Unit
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import SECRET, make_connected_unit, make_tenant
from tests.inbox.bodies import Body
from tests.inbox.bodies_told import BODIES, CONNECTED
from tests.inbox.bodies_written import deep
from tests.inbox.conftest import NAME, Evolution, signature
from tests.inbox.payloads import message, webhook
from tests.inbox.picture import Picture, connection, picture
from tests.inbox.versions import PICTURE, VERSIONS

Rows = Callable[..., list[Any]]
BY_NAME = {body.name: body for body in BODIES}
SECTIONS = ("contacts", "conversations", "messages", "files", "early", "changes")


@pytest.fixture
def unit_of_all(unit: Unit, scope: TenantScope) -> None:
    """A unit that keeps groups, stories and lists as well."""
    keep_all(scope, unit)


def keep_all(scope: TenantScope, unit: Unit) -> None:
    with acting_for(scope), atomic():
        kept = scope.get(Unit, unit.id)
        kept.keeps_groups = kept.keeps_stories = kept.keeps_broadcasts = True


def moments() -> Iterator[str]:
    """Evolution's clock, which never stands still."""
    return (f"2026-05-17T{10 + s // 3600:02d}:{s // 60 % 60:02d}:{s % 60:02d}.000Z" for s in range(10_000))


def post(body: Body, *, copy: int = 0, instance: str = NAME) -> None:
    """Post it; a further copy comes from the global webhook, so that it is another body."""
    told_at = next(at for one, at in zip(BODIES, moments(), strict=False) if one.name == body.name)
    payload = body.posted(instance, told_at) | ({"server_url": f"https://copy-{copy}.test"} if copy else {})
    receive(SECRET, signature(instance), json.dumps(payload).encode())


def full(rows: Picture) -> Picture:
    """Sections that are not named are empty, and the order within one means nothing."""
    told = {section: rows.get(section, []) for section in SECTIONS}
    return {section: sorted(found, key=repr_of) for section, found in told.items()}


def repr_of(row: dict[str, Any]) -> list[tuple[str, str]]:
    return sorted((name, str(value)) for name, value in row.items())


def test_the_table_is_large_and_its_names_are_its_own() -> None:
    assert len(BODIES) >= 75
    assert len(BY_NAME) == len(BODIES)
    assert {body.version for body in BODIES} >= set(VERSIONS) - {"2.3.3"}


@pytest.mark.usefixtures("unit_of_all")
@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_each_body_alone_once_and_twice(evolution: Evolution, rows: Rows, body: Body) -> None:
    for name in body.after:
        post(BY_NAME[name])
        relay.drain()
    expected = (EventState.NEW, 1) if body.is_put_off else (EventState.DONE, 0)

    for copy in range(2):
        post(body, copy=copy)
        relay.drain()

        assert picture(rows) == full(body.rows)
        assert connection(rows) == (body.connection or CONNECTED)
        states = [(event.state, event.attempts) for event in evolution.events() if event.event == body.event]
        assert states[-copy - 1 :] == ([] if body.is_dropped else [expected] * (copy + 1))


ORDERS: dict[str, Callable[[list[Body]], list[Body]]] = {
    "given": list,
    "reversed": lambda bodies: bodies[::-1],
    "shuffled": lambda bodies: random.Random(7).sample(bodies, len(bodies)),
}


@pytest.mark.usefixtures("database")
def test_all_bodies_end_the_same_in_any_order_each_told_twice(rows: Rows) -> None:
    ends = {}
    for order, arrange in ORDERS.items():
        scope = make_open_unit(order)
        for body in arrange(BODIES):
            for copy in range(2):
                post(body, copy=copy, instance=order)
            relay.drain()
        ends[order] = picture_of(scope, rows)

    assert len(ends["given"]["messages"]) > 60
    for order, end in ends.items():
        assert end == ends["given"], order


@pytest.mark.usefixtures("database")
def test_all_bodies_end_the_same_one_by_one_and_in_one_batch(rows: Rows) -> None:
    understood = [body for body in BODIES if not body.is_put_off]
    one_by_one, together = make_open_unit("one-by-one"), make_open_unit("together")

    for body in understood:
        post(body, instance="one-by-one")
        relay.drain()
    for body in random.Random(9).sample(understood, len(understood)):
        post(body, instance="together")
    relay.drain()

    end = picture_of(one_by_one, rows)
    assert end["messages"]
    assert picture_of(together, rows) == end


@pytest.mark.usefixtures("database")
def test_all_bodies_end_the_same_at_two_units_in_one_transaction(rows: Rows, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both are told the same, by the same people and under the same ids at WhatsApp, as in a group that both are in."""
    understood = [body for body in BODIES if not body.is_put_off]
    one_by_one, both = make_open_unit("one-by-one"), make_open_unit("first")
    keep_all(both, make_connected_unit(both, "second", instance_name="second"))
    monkeypatch.setattr(relay, "FEW_EVENTS", 2 * len(BODIES))
    for body in understood:
        post(body, instance="one-by-one")
        relay.drain()
    told = [(body, instance) for body in understood for instance in ("first", "second")]

    for body, instance in random.Random(5).sample(told, len(told)):
        post(body, instance=instance)
    relay.drain()

    with acting_for(both):
        units = db.session.scalars(both.select(Unit)).all()
    end = picture_of(one_by_one, rows)
    assert len(units) == 2
    for unit in units:
        assert picture(partial(rows_of_unit, unit, rows)) == end, unit.slug


def rows_of_unit(unit: Unit, rows: Rows, model: Any) -> list[Any]:
    found = [row for row in rows(model) if row.tenant_id == unit.tenant_id]
    if model is Media:
        files = {message.media_id for message in rows_of_unit(unit, rows, Message)}
        return [row for row in found if row.id in files]
    # Contacts are the company's.
    return [row for row in found if getattr(row, "unit_id", unit.id) == unit.id]


@pytest.mark.usefixtures("unit")
@pytest.mark.parametrize("version", VERSIONS)
def test_the_small_picture_of_a_photo_is_kept(version: str) -> None:
    post(BY_NAME[f"image {version}"])
    relay.drain()

    with across_tenants("a test looks at the pictures"):
        assert list(db.session.scalars(select(Media.thumbnail))) == [PICTURE]


def make_open_unit(name: str) -> TenantScope:
    """A company of its own with one unit that keeps all chats, and an instance of that name."""
    scope = make_tenant(name)
    keep_all(scope, make_connected_unit(scope, name, instance_name=name))
    return scope


def picture_of(scope: TenantScope, rows: Rows) -> Picture:
    return picture(lambda model: [row for row in rows(model) if row.tenant_id == scope.tenant_id])


def test_what_is_nested_beyond_reason_is_refused_at_the_door(unit: Unit, evolution: Evolution) -> None:
    payload = webhook("messages.upsert", message("3A01", message=deep(400)), instance=NAME)
    body = json.dumps(payload).replace('"no fundo"', "[" * 100_000 + "]" * 100_000)

    with pytest.raises(Malformed):
        receive(SECRET, signature(NAME), body.encode())
    assert evolution.events() == []


def mutations(body: Body, seed: int) -> Iterator[str]:
    """The body with one value after the other replaced by what it should not be."""
    chance = random.Random(seed)
    odd = [
        None,
        7,
        -1,
        1e308,
        "",
        "\x00\ud83d",
        [],
        {},
        [[]],
        {"low": {}},
        True,
        "x" * 500,
        {"message": {"message": 1}},
    ]
    payload = json.dumps(body.posted(NAME, "2026-05-17T10:00:00.000Z"))
    for _ in range(12):
        changed = json.loads(payload)
        at: Any = changed
        while isinstance(at, dict | list) and at:
            places = list(at) if isinstance(at, dict) else list(range(len(at)))
            place = chance.choice(places)
            if not isinstance(at[place], dict | list) or chance.random() < 0.2:
                at[place] = chance.choice(odd)
                break
            at = at[place]
        yield json.dumps(changed)


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_a_body_gone_wrong_is_understood_or_not_and_nothing_else(body: Body) -> None:
    for changed in mutations(body, seed=len(body.name)):
        try:
            facts = parse(body.event, changed).facts
        except NotUnderstood:
            continue
        for fact in facts:
            kept = json.dumps(getattr(fact, "details", None), allow_nan=False)
            assert "\\u0000" not in kept
            assert "\\ud83d" not in kept
