"""Plans of campaigns as workers make them: killed, disturbed or changed meanwhile, all of it is there or nothing."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from psycopg.errors import DeadlockDetected
from sqlalchemy.exc import OperationalError

from portal.background import planning as worker
from portal.background.relay import BackgroundRelay
from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict
from portal.models import Campaign, CampaignState, PlanProblem, PlanState, Relay, Unit
from portal.outbox import owners
from portal.services import campaign_drafts, campaign_states, planning
from portal.services.audience import Audience
from portal.tenancy import TenantScope, acting_for
from tests.background.work import Act, Disturbance
from tests.factories import make_connected_unit, make_tenant, make_unit
from tests.services.planned import add_people, bodies, look, make_draft

pytestmark = pytest.mark.commits

EVERYBODY = Audience(everybody=True)


@pytest.fixture
def scope(database: None, monkeypatch: pytest.MonkeyPatch) -> TenantScope:
    """A company of six people whose campaigns are looked after at every second person."""
    monkeypatch.setattr(planning, "BATCH", 2)
    monkeypatch.setattr(worker, "LOOK_S", 0.0)
    scope = make_tenant()
    add_people(scope, "Ana", "Bia", "Caio", "Davi", "Eva", "Fabio")
    return scope


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


def work(disturbance: Disturbance | None = None, owner: UUID | None = None) -> bool:
    return worker.work(owner or uuid4(), disturbance or (lambda: False))


def change(scope: TenantScope, campaign: Campaign, text: str) -> Act:
    def act() -> None:
        with acting_for(scope):
            campaign_drafts.set_message(scope, campaign.id, variants=[text])

    return act


def put(scope: TenantScope, campaign: Campaign, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Campaign).where(Campaign.id == campaign.id).values(columns))


def test_relay_plans_what_waits(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit, EVERYBODY, ["Oi"])

    assert BackgroundRelay(uuid4(), lambda: False).drain() == 0.0

    planned = look(scope, campaign.id)
    assert (planned.plan_state, planned.total, planned.relay_id) == (PlanState.DONE, 6, None)
    assert bodies(scope, campaign) == ["Oi"] * 6
    assert not work()


def test_draft_that_lacks_something_waits_for_no_worker(scope: TenantScope, unit: Unit) -> None:
    make_draft(scope, unit)

    assert not work()


def test_draft_that_is_changed_meanwhile_is_planned_again(
    scope: TenantScope, unit: Unit, elsewhere: Callable[[Act], object]
) -> None:
    campaign = make_draft(scope, unit, EVERYBODY, ["Oi"])

    work(Disturbance(3, lambda: elsewhere(change(scope, campaign, "Olá"))))
    left = look(scope, campaign.id)
    work()

    assert (left.plan_state, left.relay_id, left.plan_attempts, left.total) == (PlanState.WAITING, None, 0, 0)
    assert bodies(scope, campaign) == ["Olá"] * 6


def test_draft_that_is_planned_keeps_nobody_waiting(scope: TenantScope, elsewhere: Callable[[Act], object]) -> None:
    """Neither whoever renames it, nor whoever wants to delete or start it; the last two are told to wait."""
    campaign, told = make_draft(scope, make_connected_unit(scope), EVERYBODY), []

    def disturb() -> None:
        with acting_for(scope):
            campaign_drafts.rename(scope, campaign.id, "Outra")
            for act in (campaign_drafts.delete_draft, campaign_states.start):
                try:
                    act(scope, campaign.id)
                except Conflict as e:
                    told.append(e.code)

    work(Disturbance(3, lambda: elsewhere(disturb)))

    assert told == ["planning", "not_planned"]
    planned = look(scope, campaign.id)
    assert (planned.name, planned.plan_state) == ("Outra", PlanState.DONE)


def test_progress_is_seen_by_others_while_the_work_goes_on(
    scope: TenantScope, unit: Unit, elsewhere: Callable[[Act], object]
) -> None:
    campaign, seen = make_draft(scope, unit, EVERYBODY), []

    class Noting(Disturbance):
        def __call__(self) -> bool:
            row = elsewhere(lambda: look(scope, campaign.id))
            assert isinstance(row, Campaign)
            seen.append((row.plan_done, row.plan_total))
            return False

    work(Noting(0, lambda: None))

    assert seen == [(0, 0), (0, 6), (2, 6), (4, 6)]


def test_progress_waits_for_nobody_who_holds_the_campaign(scope: TenantScope, unit: Unit, app: Flask) -> None:
    campaign, is_over, is_held = make_draft(scope, unit, EVERYBODY), threading.Event(), threading.Event()

    def hold() -> None:
        with app.app_context(), acting_for(scope), atomic():
            db.session.execute(scope.select(Campaign, Campaign.id).with_for_update(key_share=True))
            is_held.set()
            is_over.wait(10)

    holder = threading.Thread(target=hold)

    def begin() -> None:
        holder.start()
        is_held.wait(10)

    # It is let go at the last look, before the plan itself wants to hold it.
    looks = Disturbance(2, begin)
    ends = Disturbance(4, is_over.set)
    worker.work(uuid4(), lambda: looks() or (ends(), False)[1])
    holder.join(10)

    assert look(scope, campaign.id).plan_state == PlanState.DONE


class Killed(BaseException):
    """The process ends here: its transaction is rolled back, and nothing else is said."""


def kill() -> None:
    raise Killed


def test_killed_worker_leaves_nothing_and_another_one_begins_anew(scope: TenantScope, unit: Unit) -> None:
    campaign, owner = make_draft(scope, unit, Audience(everybody=True, pasted="11 98888-0007")), uuid4()
    owners.beat(owner, "background")
    with pytest.raises(Killed):
        work(Disturbance(5, kill), owner)
    assert (bodies(scope, campaign), work()) == ([], False)

    bury(owner)

    assert work()
    assert (look(scope, campaign.id).plan_state, len(bodies(scope, campaign))) == (PlanState.DONE, 7)


def bury(owner: UUID) -> None:
    with db.engine.begin() as connection:
        connection.execute(
            Relay.__table__.update().where(Relay.id == owner).values(heartbeat_at=now() - timedelta(minutes=1))
        )
    owners.bury_dead()


def test_process_that_ends_lets_go_and_that_is_no_failed_attempt(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit, EVERYBODY)

    work(Disturbance(3, lambda: True))

    left = look(scope, campaign.id)
    assert (left.plan_state, left.relay_id, left.plan_attempts) == (PlanState.WAITING, None, 0)


def test_deadlock_is_no_failed_attempt(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit, EVERYBODY)

    def lose() -> None:
        raise OperationalError("INSERT", {}, DeadlockDetected("deadlock detected"))

    work(Disturbance(3, lose))

    assert look(scope, campaign.id).plan_attempts == 0
    assert work()
    assert len(bodies(scope, campaign)) == 6


def fail() -> None:
    raise RuntimeError("broken")


def test_campaign_that_fails_three_times_is_given_up(scope: TenantScope, unit: Unit) -> None:
    campaign, owner = make_draft(scope, unit, EVERYBODY), uuid4()
    for _ in range(worker.MOST_ATTEMPTS):
        with pytest.raises(RuntimeError, match="broken"):
            work(Disturbance(3, fail), owner)
        assert look(scope, campaign.id).state == CampaignState.DRAFT

    assert work(owner=owner)

    ended = look(scope, campaign.id)
    assert (ended.state, ended.plan_state, ended.relay_id) == (CampaignState.FAILED, PlanState.NONE, None)
    assert ended.plan_problem == PlanProblem.GAVE_UP
    assert not work(owner=owner)


def test_campaign_to_too_many_is_no_failed_attempt(
    scope: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planning, "LARGEST_PLAN", 5)
    campaign = make_draft(scope, unit, EVERYBODY)

    assert work()

    told = look(scope, campaign.id)
    assert (told.plan_state, told.plan_problem, told.state) == ("none", "too_many", "draft")
    assert not work()


def test_two_workers_never_take_the_same(scope: TenantScope, unit: Unit, app: Flask) -> None:
    campaign, together = make_draft(scope, unit, EVERYBODY), threading.Barrier(4)

    def take(_: int) -> bool:
        with app.app_context():
            together.wait(10)
            return work()

    with ThreadPoolExecutor(4) as pool:
        took = list(pool.map(take, range(4)))

    assert took.count(True) == 1
    assert len(bodies(scope, campaign)) == 6


def test_call_that_plans_and_a_worker_at_once_make_one_ledger(scope: TenantScope, unit: Unit, app: Flask) -> None:
    campaign, together = make_draft(scope, unit, EVERYBODY), threading.Barrier(2)

    def call() -> None:
        with app.app_context(), acting_for(scope):
            together.wait(10)
            planning.plan(scope, campaign.id)

    with ThreadPoolExecutor(1) as pool:
        called = pool.submit(call)
        together.wait(10)
        work()
        called.result(20)

    assert (look(scope, campaign.id).plan_state, len(bodies(scope, campaign))) == (PlanState.DONE, 6)


def test_person_who_writes_while_their_number_is_pasted_is_one_contact(
    scope: TenantScope, unit: Unit, elsewhere: Callable[[Act], object]
) -> None:
    campaign = make_draft(scope, unit, Audience(everybody=True, pasted="11 98888-0007"))

    def write() -> None:
        add_people(scope, "Gil", phone="5511988880007")

    work(Disturbance(3, lambda: elsewhere(write)))

    assert len(bodies(scope, campaign)) == 7
    assert look(scope, campaign.id).total == 7
