"""Imports that are cancelled, interrupted, killed or disturbed: all of it is done, or nothing."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError

from portal.background import import_merging, import_people, import_watch, imports
from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, Import, ImportState, Relay
from portal.outbox import owners
from portal.services import conversations, merging
from portal.services import imports as services
from portal.tenancy import TenantScope, acting_for
from tests.background.lists import bring, check, contact, dump, import_list, look, map_as_suggested, phones, tags_of
from tests.background.work import Act, Disturbance, work_off
from tests.factories import make_tenant

pytestmark = pytest.mark.commits

ROWS = 60
LIST = "Telefone;Nome;Tags\n" + "".join(
    f"55119{number:08d};Ana;vip\n" for number in range(60_000_000, 60_000_000 + ROWS)
)
FIRST, LAST = "5511960000000", f"55119{60_000_000 + ROWS - 1}"


@pytest.fixture
def scope(database: None, monkeypatch: pytest.MonkeyPatch) -> TenantScope:
    """A company whose imports are looked after at each of six pieces of a file, then at each of seven slices."""
    monkeypatch.setattr(services, "MIB", 256)
    monkeypatch.setattr(import_people, "BATCH", 10)
    monkeypatch.setattr(import_merging, "SLICE", 10)
    monkeypatch.setattr(import_watch, "LOOK_S", 0.0)
    return make_tenant()


def ready(scope: TenantScope) -> Import:
    """A list that is to be imported now."""
    listed = check(scope, LIST)
    with acting_for(scope):
        services.confirm(scope, listed.id)
    return listed


def cancel(scope: TenantScope, listed: Import) -> Act:
    def act() -> None:
        with acting_for(scope):
            services.cancel(scope, listed.id)

    return act


def write_to(scope: TenantScope, phone: str) -> Act:
    """What the inbox and a send do at any moment."""

    def act() -> None:
        with acting_for(scope), atomic():
            conversations.find_or_add_contact(scope, phone=phone, name="Do chat")

    return act


@pytest.mark.parametrize("at", [1, 4, 7, 11], ids=["at once", "reading", "before the writing", "writing"])
def test_import_that_is_cancelled_half_way_leaves_the_base_as_before(
    scope: TenantScope, elsewhere: Callable[[Act], object], at: int
) -> None:
    with acting_for(scope), atomic():
        scope.add(Contact(phone=FIRST, name="Antes"))
    before, listed = dump(), ready(scope)
    disturbance = Disturbance(at, lambda: elsewhere(cancel(scope, listed)))

    assert imports.work(uuid4(), disturbance)

    ended = look(scope, listed.id)
    assert (ended.state, ended.relay_id, ended.content_until) == (ImportState.CANCELLED, None, None)
    assert disturbance.looks <= at + 1
    assert dump() == before
    assert dump(["import_chunks", "import_rows"]) == {"import_chunks": [], "import_rows": []}


@pytest.mark.parametrize("state", [ImportState.READING, ImportState.CHECKING])
def test_every_stage_can_be_cancelled(
    scope: TenantScope, elsewhere: Callable[[Act], object], state: ImportState
) -> None:
    listed = bring(scope, LIST)
    if state == ImportState.CHECKING:
        map_as_suggested(scope, listed)
    else:
        put(scope, listed, state=state)

    imports.work(uuid4(), Disturbance(1, lambda: elsewhere(cancel(scope, listed))))

    assert look(scope, listed.id).state == ImportState.CANCELLED


def put(scope: TenantScope, listed: Import, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Import).where(Import.id == listed.id).values(columns))


def test_import_that_waits_for_a_worker_is_cancelled_at_once(scope: TenantScope) -> None:
    listed = ready(scope)

    cancel(scope, listed)()

    assert look(scope, listed.id).state == ImportState.CANCELLED
    assert work_off() == 0


@pytest.mark.parametrize("at", [4, 11], ids=["reading", "writing"])
def test_process_that_ends_lets_go_and_the_next_one_begins_anew(scope: TenantScope, at: int) -> None:
    before, listed = dump(), ready(scope)

    imports.work(uuid4(), Disturbance(at, lambda: True))

    released = look(scope, listed.id)
    assert (released.state, released.relay_id, released.attempts) == (ImportState.IMPORTING, None, 0)
    assert dump() == before
    assert work_off() == 1
    assert len(phones(scope)) == ROWS


class Killed(BaseException):
    """The process ends here: its transaction is rolled back, and nothing else is said."""


def kill() -> None:
    raise Killed


def test_killed_worker_leaves_nothing_and_another_one_begins_anew(scope: TenantScope) -> None:
    before, listed, owner = dump(), ready(scope), uuid4()
    owners.beat(owner, "background")
    with pytest.raises(Killed):
        imports.work(owner, Disturbance(11, kill))
    assert dump() == before
    assert work_off() == 0

    with acting_for(scope):
        db.session.rollback()
    bury(owner)

    assert work_off() == 1
    assert (look(scope, listed.id).state, len(phones(scope))) == (ImportState.DONE, ROWS)


def bury(owner: UUID) -> None:
    with db.engine.begin() as connection:
        connection.execute(
            Relay.__table__.update().where(Relay.id == owner).values(heartbeat_at=now() - timedelta(minutes=1))
        )
    owners.bury_dead()


def test_worker_that_was_taken_for_dead_does_not_finish(scope: TenantScope, elsewhere: Callable[[Act], object]) -> None:
    before, listed = dump(), ready(scope)
    disturbance = Disturbance(11, lambda: elsewhere(lambda: put(scope, listed, relay_id=None)))

    imports.work(uuid4(), disturbance)

    assert dump() == before
    assert look(scope, listed.id).state == ImportState.IMPORTING


def fail(*_: object) -> None:
    raise RuntimeError("broken")


def work_and_fail(owner: UUID, times: int) -> None:
    for _ in range(times):
        with pytest.raises(RuntimeError, match="broken"):
            imports.work(owner, Disturbance(9, fail))


def test_import_that_fails_three_times_is_given_up(scope: TenantScope) -> None:
    before, listed, owner = dump(), ready(scope), uuid4()
    work_and_fail(owner, imports.MOST_ATTEMPTS)

    work_off(owner)

    ended = look(scope, listed.id)
    assert (ended.state, ended.problem, ended.relay_id) == (ImportState.FAILED, "gave_up", None)
    assert dump() == before


def test_undoing_that_fails_three_times_leaves_the_import_done(scope: TenantScope) -> None:
    listed, owner = import_list(scope, LIST), uuid4()
    before = dump()
    with acting_for(scope):
        services.undo(scope, listed.id)
    for _ in range(imports.MOST_ATTEMPTS):
        with pytest.raises(RuntimeError, match="broken"):
            imports.work(owner, Disturbance(1, fail))

    work_off(owner)

    ended = look(scope, listed.id)
    assert (ended.state, ended.problem, dump()) == (ImportState.DONE, "gave_up", before)


def test_person_whom_the_inbox_adds_between_check_and_writing_is_found(
    scope: TenantScope, elsewhere: Callable[[Act], object]
) -> None:
    listed = ready(scope)
    # The first look of the writing: by then all people of the file were looked up.
    disturbance = Disturbance(7, lambda: elsewhere(write_to(scope, LAST)))

    imports.work(uuid4(), disturbance)

    counts = look(scope, listed.id).counts or {}
    assert (counts["added"], counts["updated"], counts["tagged"]) == (ROWS - 1, 1, ROWS)
    assert (contact(scope, LAST).name, contact(scope, LAST).import_id) == ("Ana", None)


def test_what_the_file_says_of_somebody_who_is_merged_meanwhile_goes_to_the_kept_one(
    scope: TenantScope, elsewhere: Callable[[Act], object]
) -> None:
    with acting_for(scope), atomic():
        kept, other = (scope.add(Contact(phone=phone, name="Bia")) for phone in ("5511988880001", LAST))

    def merge() -> None:
        with acting_for(scope):
            merging.merge_contacts(scope, kept.id, other.id)

    listed = ready(scope)
    imports.work(uuid4(), Disturbance(7, lambda: elsewhere(merge)))
    left = look(scope, listed.id)
    work_off()

    assert (left.state, left.attempts) == (ImportState.IMPORTING, 0)
    assert (contact(scope, kept.phone or "").name, contact(scope, LAST).name) == ("Ana", "Bia")
    assert tags_of(scope, kept.phone or "") == ["vip"]
    assert (look(scope, listed.id).counts or {})["updated"] == 1


def test_person_who_writes_while_the_import_adds_them_waits_and_is_the_same_one(scope: TenantScope, app: Flask) -> None:
    listed, waiting = ready(scope), []

    def begin_to_write() -> None:
        def act() -> None:
            with app.app_context():
                write_to(scope, FIRST)()

        waiting.append(threading.Thread(target=act))
        waiting[0].start()
        waiting[0].join(0.2)

    imports.work(uuid4(), Disturbance(10, begin_to_write))
    waiting[0].join(10)

    assert (contact(scope, FIRST).name, contact(scope, FIRST).import_id) == ("Ana", listed.id)
    assert len(phones(scope)) == ROWS


def test_deadlock_is_no_failed_attempt(scope: TenantScope, monkeypatch: pytest.MonkeyPatch) -> None:
    listed = ready(scope)

    def lose() -> None:
        raise OperationalError("INSERT", {}, DeadlockDetected("deadlock detected"))

    imports.work(uuid4(), Disturbance(9, lose))

    assert look(scope, listed.id).attempts == 0
    assert work_off() == 1
    assert len(phones(scope)) == ROWS


def test_two_workers_never_take_the_same(scope: TenantScope, app: Flask) -> None:
    ready(scope)
    together = threading.Barrier(4)

    def take(_: int) -> bool:
        with app.app_context():
            together.wait(10)
            return imports.work(uuid4(), lambda: False)

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(take, range(4)))

    assert took.count(True) == 1
    assert len(phones(scope)) == ROWS


def test_small_list_goes_before_a_large_one(scope: TenantScope) -> None:
    with acting_for(scope):
        large = services.begin_pasted(scope, text=LIST)
        small = services.begin_pasted(scope, text="Telefone\n11 99999-0001")

    imports.work(uuid4(), lambda: False)

    assert (look(scope, small.id).state, look(scope, large.id).state) == (ImportState.MAPPING, ImportState.READING)


def test_progress_is_seen_by_others_while_the_work_goes_on(
    scope: TenantScope, elsewhere: Callable[[Act], object]
) -> None:
    listed, seen = ready(scope), []

    def note() -> None:
        seen.append(elsewhere(lambda: look(scope, listed.id).done))

    class Noting(Disturbance):
        def __call__(self) -> bool:
            note()
            return False

    imports.work(uuid4(), Noting(0, note))

    assert seen == sorted(seen)
    assert len(set(seen)) > 3
    assert max(seen) <= listed.total


@pytest.mark.parametrize(
    ("state", "after"),
    [
        (ImportState.DONE, ImportState.DONE),
        (ImportState.MAPPING, ImportState.CANCELLED),
        (ImportState.CHECKED, ImportState.CANCELLED),
    ],
)
def test_content_is_forgotten_after_its_time(scope: TenantScope, state: ImportState, after: ImportState) -> None:
    listed = import_list(scope, LIST + "xx;Bia;\n")
    put(scope, listed, state=state, content_until=now() - timedelta(seconds=1))

    assert work_off() == 1

    ended: Any = look(scope, listed.id)
    assert (ended.state, ended.content_until) == (after, None)
    assert dump(["import_chunks", "import_rows"]) == {"import_chunks": [], "import_rows": []}
    assert [column["samples"] for column in ended.layout["columns"]] == [[], [], []]
    assert work_off() == 0
