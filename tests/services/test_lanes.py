"""A lane's times: when it is woken, opened, limited, and how a limit ends."""

from datetime import datetime, timedelta

import pytest

from portal import queue
from portal.clock import now
from portal.db import atomic, db
from portal.models import ColdReason, Connection, ConnectionStatus, Lane, StatusReason, Unit
from portal.services import lanes
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_tenant

HOUR, DAY = timedelta(hours=1), timedelta(hours=24)


@pytest.fixture
def scope(database: None) -> TenantScope:
    return make_tenant()


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_connected_unit(scope)


class Keeper:
    """One unit's lane, and who changes it."""

    def __init__(self, scope: TenantScope, unit: Unit) -> None:
        self.scope, self.unit_id = scope, unit.id

    @property
    def lane(self) -> Lane:
        statement = self.scope.select(Lane).where(Lane.unit_id == self.unit_id)
        with acting_for(self.scope):
            lane: Lane = db.session.scalars(statement.execution_options(populate_existing=True)).one()
            return lane

    def change(self, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            this = self.scope.update(Lane).where(Lane.unit_id == self.unit_id)
            db.session.execute(this.values(columns).execution_options(synchronize_session=False))

    def wake(self) -> None:
        with acting_for(self.scope), atomic():
            lanes.wake(self.scope, self.unit_id)

    def move(self, status: ConnectionStatus, reason: StatusReason, **columns: object) -> None:
        with acting_for(self.scope), atomic():
            connection: Connection = lock_connection(self.scope, self.unit_id)
            for name, value in columns.items():
                setattr(connection, name, value)
            set_status(connection, status, reason)

    def limit(self, reason: ColdReason = ColdReason.NEW_CHATS_REFUSED) -> None:
        with acting_for(self.scope), atomic():
            lanes.limit_new_chats(self.scope, self.unit_id, reason)

    def end_pause(self) -> None:
        """The pause is over: it ended a second ago."""
        past = now() - timedelta(seconds=1)
        self.change(cold_paused_until=past, next_cold_at=past)

    def ease(self, sent_at: datetime | None = None) -> None:
        with acting_for(self.scope), atomic():
            lanes.ease_limits(self.scope, [(self.unit_id, sent_at or now())])

    @property
    def pause(self) -> timedelta:
        """How long new chats are paused from now, in whole minutes."""
        until = self.lane.cold_paused_until
        assert until is not None
        return timedelta(minutes=round((until - now()).total_seconds() / 60))


@pytest.fixture
def keeper(scope: TenantScope, unit: Unit) -> Keeper:
    return Keeper(scope, unit)


def test_a_lane_is_woken_at_once(keeper: Keeper) -> None:
    keeper.change(has_work=False, next_send_at=now() + HOUR)

    keeper.wake()

    assert keeper.lane.has_work is True
    assert keeper.lane.next_send_at <= now()


def test_a_lane_that_is_held_is_woken_when_it_may_send_again(keeper: Keeper) -> None:
    held_until = now() + HOUR
    keeper.change(held_until=held_until, next_send_at=now() + DAY)

    keeper.wake()

    assert keeper.lane.next_send_at == held_until


def test_waking_puts_off_nothing(keeper: Keeper) -> None:
    due_at = now() - HOUR
    keeper.change(held_until=now() + HOUR, next_send_at=due_at)

    keeper.wake()

    assert keeper.lane.next_send_at == due_at


def test_the_outbox_is_told_once_it_is_on_disk(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(queue, "wake_outbox", lambda: told.append("told"))

    with acting_for(keeper.scope), atomic():
        lanes.wake(keeper.scope, keeper.unit_id)
        before = list(told)

    assert (before, told) == ([], ["told"])


def test_a_lane_closes_and_opens_with_its_connection(keeper: Keeper) -> None:
    keeper.move(ConnectionStatus.DISCONNECTED, StatusReason.LOGGED_OUT)
    closed = keeper.lane.is_open
    keeper.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert (closed, keeper.lane.is_open) == (False, True)


def test_a_lane_that_opens_forgets_the_absence_but_not_the_limit(keeper: Keeper) -> None:
    keeper.limit()
    until = keeper.lane.cold_paused_until
    keeper.change(away_count=7, away_reason="unit_not_connected", held_until=now() + HOUR, next_send_at=now() + HOUR)
    keeper.move(ConnectionStatus.CONNECTING, StatusReason.CONNECTION_LOST)
    keeper.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    lane = keeper.lane
    assert (lane.away_count, lane.away_reason, lane.held_until) == (0, None, None)
    assert lane.next_send_at <= now()
    assert (lane.cold_paused_until, lane.next_cold_at) == (until, until)


def test_the_same_news_again_does_not_end_a_pause(keeper: Keeper) -> None:
    held_until = now() + HOUR
    keeper.change(away_count=3, held_until=held_until)

    keeper.move(ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)

    assert (keeper.lane.away_count, keeper.lane.held_until) == (3, held_until)


def test_a_limit_pauses_new_chats_for_an_hour_and_says_why(keeper: Keeper) -> None:
    keeper.limit(ColdReason.RATE_LIMITED)

    lane = keeper.lane
    assert (lane.cold_reason, lane.cold_pauses, keeper.pause) == (ColdReason.RATE_LIMITED, 1, HOUR)
    assert lane.next_cold_at == lane.cold_paused_until
    assert lane.cold_gap_s == lanes.FIRST_COLD_GAP_S


def test_each_limit_after_a_pause_lasts_twice_as_long_up_to_a_day(keeper: Keeper) -> None:
    pauses = []
    for _ in range(7):
        keeper.limit()
        pauses.append(keeper.pause)
        keeper.end_pause()

    assert pauses == [HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY, DAY]


def test_a_limit_that_never_ends_can_go_on_for_months(keeper: Keeper) -> None:
    keeper.change(cold_pauses=200)

    keeper.limit()

    assert (keeper.pause, keeper.lane.cold_pauses) == (DAY, 201)


@pytest.mark.parametrize("reason", [ColdReason.NEW_CHATS_REFUSED, ColdReason.RATE_LIMITED])
def test_signs_during_a_pause_do_not_lengthen_it(keeper: Keeper, reason: ColdReason) -> None:
    keeper.limit()
    until = keeper.lane.cold_paused_until

    keeper.limit(reason)

    assert (keeper.lane.cold_paused_until, keeper.lane.cold_pauses) == (until, 1)


def test_a_ban_pauses_new_chats_for_a_day_and_closes_the_lane(keeper: Keeper) -> None:
    keeper.move(ConnectionStatus.DISCONNECTED, StatusReason.NUMBER_BANNED)

    assert (keeper.lane.is_open, keeper.lane.cold_reason) == (False, ColdReason.NUMBER_BANNED)
    assert keeper.pause == DAY


def test_a_ban_during_a_pause_is_a_reason_of_its_own(keeper: Keeper) -> None:
    keeper.limit()

    keeper.move(ConnectionStatus.DISCONNECTED, StatusReason.NUMBER_BANNED)

    assert (keeper.lane.cold_reason, keeper.pause) == (ColdReason.NUMBER_BANNED, DAY)


def test_a_ban_that_is_told_twice_counts_once(keeper: Keeper) -> None:
    keeper.move(ConnectionStatus.DISCONNECTED, StatusReason.NUMBER_BANNED)
    keeper.change(cold_paused_until=now() + HOUR)

    keeper.move(ConnectionStatus.DISCONNECTED, StatusReason.NUMBER_BANNED)
    keeper.limit()

    assert (keeper.pause, keeper.lane.cold_pauses) == (HOUR, 1)


def test_what_arrives_after_a_pause_halves_the_gap_until_the_limit_is_gone(keeper: Keeper) -> None:
    keeper.limit()
    keeper.end_pause()
    gaps = []
    for _ in range(5):
        keeper.ease()
        gaps.append(keeper.lane.cold_gap_s)

    lane = keeper.lane
    assert gaps == [150.0, 75.0, 37.5, 18.75, 0.0]
    assert (lane.cold_reason, lane.cold_paused_until, lane.next_cold_at, lane.cold_pauses) == (None, None, None, 0)


def test_a_limit_that_is_gone_begins_with_an_hour_again(keeper: Keeper) -> None:
    keeper.limit()
    keeper.end_pause()
    for _ in range(5):
        keeper.ease()

    keeper.limit()

    assert keeper.pause == HOUR


def test_a_new_sign_while_a_limit_eases_begins_a_longer_pause(keeper: Keeper) -> None:
    keeper.limit()
    keeper.end_pause()
    keeper.ease()

    keeper.limit()

    assert (keeper.pause, keeper.lane.cold_gap_s) == (2 * HOUR, lanes.FIRST_COLD_GAP_S)


def test_what_was_sent_before_the_pause_eases_nothing(keeper: Keeper) -> None:
    keeper.limit()
    keeper.end_pause()

    keeper.ease(sent_at=now() - HOUR)

    assert keeper.lane.cold_gap_s == lanes.FIRST_COLD_GAP_S


def test_what_arrives_without_a_limit_changes_nothing(keeper: Keeper) -> None:
    keeper.ease()

    assert (keeper.lane.cold_gap_s, keeper.lane.cold_paused_until) == (0.0, None)
