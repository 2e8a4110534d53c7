"""Customers' files that somebody wants to see: who fetches them when, and what becomes of them."""

import base64
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask

from portal.clock import now
from portal.db import atomic, db
from portal.models import Connection, Lane, Media, MediaState, Message, MessageKind
from portal.outbox import media_files
from portal.outbox import relay as relay_module
from portal.outbox.media_files import Wanted
from portal.outbox.relay import OutboxRelay
from portal.services import media
from portal.tenancy import acting_for
from tests import files
from tests.evolution.conftest import said
from tests.evolution.little_servers import Scripted, closed_port
from tests.factories import make_message, make_remote_media, make_server
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.desk import until

pytestmark = pytest.mark.commits

GONE = said(400, ["Message not found"])
BROKEN = said(400, ["TypeError: Cannot read properties of undefined (reading 'toString')"])


def want(shop: Shop, **columns: object) -> Message:
    """A customer's picture that somebody wants to see."""
    media_id = make_remote_media(shop.scope, **columns)  # type: ignore[arg-type]
    message = make_message(shop.scope, shop.conversation, kind=MessageKind.IMAGE, body="", media_id=media_id)
    with acting_for(shop.scope):
        media.request_fetch(shop.scope, message.id)
    return message


def work() -> list[Wanted]:
    wanted = media_files.claim()
    for one in wanted:
        media_files.fetch(one)
    return wanted


def file_of(message: Message) -> Media:
    return next(row for row in rows_of(Media) if row.id == message.media_id)


def hurry(shop: Shop) -> None:
    """Let the time of what was put off be now."""
    with acting_for(shop.scope), atomic():
        db.session.execute(
            shop.scope.update(Media).where(Media.fetch_at.is_not(None)).values(fetch_at=now() - timedelta(seconds=1))
        )


def content_of(shop: Shop, message: Message) -> bytes:
    with acting_for(shop.scope):
        found = shop.scope.select(Media, Media.content).where(Media.id == message.media_id)
        return bytes(db.session.scalars(found).one())


def test_file_is_fetched_and_kept_as_what_it_is(shop: Shop, scripted: Scripted) -> None:
    scripted.answer(201, {"base64": base64.b64encode(files.PNG).decode(), "mimetype": "text/html"})
    message = want(shop)

    (wanted,) = work()

    assert wanted.external_id == message.external_id
    kept = file_of(message)
    assert (kept.state, kept.kind, kept.mime_type, kept.file_name) == ("stored", "image", "image/png", "foto.png")
    assert (kept.size, kept.fetch_at, kept.fetch_error) == (len(files.PNG), None, None)
    assert content_of(shop, message) == files.PNG
    assert media_files.claim() == []


def test_nothing_is_fetched_that_nobody_wants(shop: Shop) -> None:
    media_id = make_remote_media(shop.scope)
    make_message(shop.scope, shop.conversation, kind=MessageKind.IMAGE, media_id=media_id)

    assert media_files.claim() == []


def test_asking_again_does_not_begin_again(shop: Shop, scripted: Scripted) -> None:
    scripted.answer(201, {"base64": base64.b64encode(files.PNG).decode()})
    message = want(shop)
    claimed = media_files.claim()
    with acting_for(shop.scope):
        media.request_fetch(shop.scope, message.id)

    assert media_files.claim() == []
    media_files.fetch(claimed[0])
    with acting_for(shop.scope):
        media.request_fetch(shop.scope, message.id)
    assert (file_of(message).state, media_files.claim()) == ("stored", [])


def test_file_that_is_gone_is_given_up_at_once_and_may_be_asked_for_again(shop: Shop, scripted: Scripted) -> None:
    scripted.answer(400, GONE)
    message = want(shop)

    work()

    given_up = file_of(message)
    assert (given_up.state, given_up.fetch_error, given_up.fetch_at) == ("unavailable", "media_gone", None)
    with acting_for(shop.scope):
        media.request_fetch(shop.scope, message.id)
    again = file_of(message)
    assert (again.state, again.fetch_error, again.fetch_attempts) == ("remote", None, 0)


def test_file_that_is_too_large_is_never_asked_for(shop: Shop) -> None:
    message = want(shop, size=media.LARGEST_FETCHED + 1)

    assert media_files.claim() == []
    assert (file_of(message).state, file_of(message).fetch_error) == ("unavailable", media.TOO_LARGE)


def test_what_went_wrong_is_tried_three_times_with_growing_pauses(shop: Shop, scripted: Scripted) -> None:
    scripted.answer(400, BROKEN)
    message = want(shop)
    pauses = []

    for _ in range(media_files.MOST_ATTEMPTS):
        assert len(work()) == 1
        at = file_of(message).fetch_at
        pauses.append(at and round((at - now()).total_seconds()))
        hurry(shop)

    assert pauses == [*media_files.PAUSES_S, None]
    assert (file_of(message).state, file_of(message).fetch_error) == ("unavailable", "unclear_answer")
    assert work() == []


def test_server_that_is_away_spends_no_attempt(shop: Shop, point_to: Callable[..., None]) -> None:
    point_to(f"http://127.0.0.1:{closed_port()}")
    message = want(shop)

    for _ in range(media_files.MOST_ATTEMPTS + 1):
        assert len(work()) == 1
        hurry(shop)

    assert (file_of(message).state, file_of(message).fetch_attempts) == ("remote", 0)


def test_unit_that_is_away_keeps_its_wishes_and_its_new_instance_is_asked(shop: Shop) -> None:
    want(shop)
    shop.change(Lane, is_open=False)
    waiting = media_files.claim()
    shop.change(Lane, is_open=True)
    shop.change(Connection, instance_name="unit_new")

    assert waiting == []
    assert [wanted.instance_name for wanted in media_files.claim()] == ["unit_new"]


def test_wish_of_a_worker_that_died_comes_back_and_is_given_up_in_the_end(shop: Shop) -> None:
    message = want(shop)
    claimed = [media_files.claim()]
    assert media_files.claim() == []

    for _ in range(media_files.MOST_ATTEMPTS):
        hurry(shop)
        claimed.append(media_files.claim())

    assert [len(wanted) for wanted in claimed] == [1, 1, 1, 0]
    assert (file_of(message).state, file_of(message).fetch_error) == ("unavailable", media_files.WORKER_LOST)


def test_each_server_gets_a_few_and_busy_ones_none(shop: Shop) -> None:
    other = Shop(shop.scope, "norte", phone="5511999990004", server_id=make_server().id)
    for _ in range(media_files.FILES_PER_SERVER + 1):
        want(shop)
        want(other)
    first = rows_of(Lane)[0].evolution_server_id

    of_others = media_files.claim(busy_servers=[first])
    of_all = media_files.claim()

    assert len(of_others) == media_files.FILES_PER_SERVER
    assert first not in {wanted.server_id for wanted in of_others}
    assert sorted(wanted.server_id == first for wanted in of_all) == [False, *[True] * media_files.FILES_PER_SERVER]


def test_two_workers_never_fetch_the_same(shop: Shop, app: Flask) -> None:
    want(shop)
    together = threading.Barrier(4)

    def claim(_: int) -> list[UUID]:
        with app.app_context():
            together.wait(10)
            return [wanted.media_id for wanted in media_files.claim()]

    with ThreadPoolExecutor(4) as pool:
        claimed = [media_id for ids in pool.map(claim, range(4)) for media_id in ids]

    assert len(claimed) == 1


def test_relay_fetches_what_is_wanted(
    shop: Shop, scripted: Scripted, relay: OutboxRelay, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(relay_module, "SETTLE_S", 0.05)
    scripted.answer(201, {"base64": base64.b64encode(files.PNG).decode()})
    message = want(shop)

    until(lambda: relay.drain() is None and file_of(message).state == MediaState.STORED)
