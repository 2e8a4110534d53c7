"""Campaigns over several days, on a clock that is held still: each unit keeps its hours, its caps and its holidays."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import Campaign, CampaignRecipient, Contact, Lane, Message, MessageStatus, RecipientState, Unit
from portal.outbox import feeding, servers
from portal.services import campaign_states
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.sending import claim, record, sent_of

pytestmark = pytest.mark.commits

GAP = timedelta(hours=1)
HOURLY = {"pace_min_s": GAP.total_seconds(), "pace_max_s": GAP.total_seconds()}
MORNINGS = {"window_from": time(9), "window_to": time(12)}
# All of it lies ahead: PostgreSQL's own clock has not reached any time that is waited for.
WEDNESDAY = datetime(2031, 4, 9, 18, 0, tzinfo=UTC)  # 15:00 in São Paulo; Good Friday is the 11th
LISBON_SPRING = datetime(2031, 3, 29, 12, 0, tzinfo=UTC)  # At 01:00 of the 30th it is 02:00


class Days:
    """A clock that jumps from one turn to the next, and a sender that sends at once what had its turn."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.at = WEDNESDAY
        monkeypatch.setattr(feeding, "now", lambda: self.at)

    def pass_until(self, end: datetime) -> None:
        while (due := self._next_turn()) is not None and due < end:
            self.look(max(self.at, due))
            self.send()

    def look(self, at: datetime) -> int:
        self.at = at
        self._tell_due(at)
        return feeding.feed([server.id for server in servers.list_servers()])

    def send(self) -> list[UUID]:
        """What the lanes let out now; the gap after it is one on this clock."""
        self._tell_due(self.at)
        claimed = claim()
        lanes = {lane.unit_id: lane for lane in rows_of(Lane)}
        for message in claimed:
            record(message, sent_of(message))
            set_lane(lanes[message.unit_id], campaign_at=self.at + GAP)
        return [message.id for message in claimed]

    def _tell_due(self, at: datetime) -> None:
        """Tell PostgreSQL, whose clock is years behind, which lanes are due by then."""
        for lane in rows_of(Lane):
            if lane.campaign_at is not None and lane.campaign_at <= at:
                set_lane(lane, campaign_at=now() - timedelta(seconds=1), next_send_at=now())

    def _next_turn(self) -> datetime | None:
        return min((lane.campaign_at for lane in rows_of(Lane) if lane.campaign_at is not None), default=None)


@pytest.fixture
def days(monkeypatch: pytest.MonkeyPatch, database: None) -> Days:
    return Days(monkeypatch)


def set_lane(lane: Lane, **columns: object) -> None:
    scope = TenantScope(lane.tenant_id)
    with acting_for(scope), atomic():
        this = scope.update(Lane).where(Lane.unit_id == lane.unit_id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def open_shop(scope: TenantScope, slug: str, *, people: int, campaigns: int = 1, **pace: object) -> Shop:
    """A unit with this pace and campaigns that run, each to that many people."""
    number = sum(slug.encode())
    shop = Shop(scope, slug, phone=f"551198000{number:04d}")
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Unit).where(Unit.id == shop.unit.id).values(**HOURLY, **pace))
    for turn in range(campaigns):
        first = f"5511{number % 10}{turn}"
        campaign = make_campaign(scope, shop.unit, add_people(scope, first, people))
        with acting_for(scope):
            campaign_states.start(scope, campaign.id)
    return shop


def add_people(scope: TenantScope, first_digits: str, number: int) -> list[UUID]:
    with acting_for(scope), atomic():
        people = [scope.add(Contact(phone=f"{first_digits}{index:07d}")) for index in range(number)]
        db.session.flush()
        return [person.id for person in people]


def turns_of(shop: Shop) -> list[datetime]:
    """When each recipient of the unit had their turn, by its clock."""
    of_unit = {campaign.id for campaign in rows_of(Campaign) if campaign.unit_id == shop.unit.id}
    handed = [one.handed_at for one in rows_of(CampaignRecipient) if one.campaign_id in of_unit and one.handed_at]
    with acting_for(shop.scope):
        zone = ZoneInfo(shop.scope.get(Unit, shop.unit.id).time_zone)
    return sorted(moment.astimezone(zone) for moment in handed)


def by_day(shop: Shop) -> dict[str, int]:
    return dict(Counter(f"{moment:%a %d}" for moment in turns_of(shop)))


def shown(shop: Shop) -> list[str]:
    return [f"{moment:%a %d %H:%M}" for moment in turns_of(shop)]


def test_units_of_every_kind_keep_their_pace_over_days(scope: TenantScope, days: Days) -> None:
    office = open_shop(scope, "office", people=9, **MORNINGS, window_days=[1, 2, 3, 4, 5], skips_holidays=True)
    capped = open_shop(scope, "capped", people=6, campaigns=2, daily_cap=5, time_zone="Asia/Tokyo")
    warming = open_shop(scope, "warming", people=31, warm_up_from=date(2031, 4, 7))

    days.pass_until(datetime(2031, 4, 15, 3, 0, tzinfo=UTC))

    # Not on Good Friday, not at the weekend.
    assert shown(office) == [f"{day} {hour:02d}:00" for day in ("Thu 10", "Mon 14") for hour in (9, 10, 11)]
    # It is Thursday in Tokyo, and its days turn at 15:00 UTC. Two campaigns share the cap.
    assert by_day(capped) == {"Thu 10": 5, "Fri 11": 5, "Sat 12": 2}
    assert shown(capped)[:6] == [
        "Thu 10 03:00",
        "Thu 10 04:00",
        "Thu 10 05:00",
        "Thu 10 06:00",
        "Thu 10 07:00",
        "Fri 11 00:00",
    ]
    # The third day of the number, of which nine hours are left, and the fourth.
    assert by_day(warming) == {"Wed 09": 9, "Thu 10": 20, "Fri 11": 2}

    assert Counter(message.status for message in rows_of(Message)) == {MessageStatus.SENT: 6 + 12 + 31}
    left = Counter(one.state for one in rows_of(CampaignRecipient))
    assert left == {RecipientState.HANDED: 6 + 12 + 31, RecipientState.PENDING: 3}
    # Where nobody is left the lane rests; the office is looked at again as it opens.
    assert [shop.lane().campaign_at for shop in (capped, warming)] == [None, None]
    assert office.lane().campaign_at == datetime(2031, 4, 15, 12, 0, tzinfo=UTC)


def test_hours_follow_the_clock_on_the_wall_when_it_changes(scope: TenantScope, days: Days) -> None:
    shop = open_shop(
        scope, "lisboa", people=20, window_from=time(0, 30), window_to=time(3, 30), time_zone="Europe/Lisbon"
    )
    days.at = LISBON_SPRING

    days.pass_until(LISBON_SPRING + timedelta(days=2))

    # On Sunday there is no 01:30.
    assert shown(shop) == ["Sun 30 00:30", "Sun 30 02:30", "Mon 31 00:30", "Mon 31 01:30", "Mon 31 02:30"]


def test_closed_window_is_looked_at_again_as_it_opens(scope: TenantScope, days: Days) -> None:
    shop = open_shop(scope, "centro", people=1, **MORNINGS)

    assert days.look(WEDNESDAY) == 0

    lane, opens = shop.lane(), datetime(2031, 4, 10, 12, 0, tzinfo=UTC)
    # Also until when: a worker that is away all day must not let out at night what waits in the lane.
    assert (lane.campaign_at, lane.campaign_until) == (opens, opens + timedelta(hours=3))
    assert days.look(opens - timedelta(seconds=1)) == 0
    assert days.look(opens) == 1


def test_window_that_never_opens_is_looked_at_again_some_day(scope: TenantScope, days: Days) -> None:
    shop = open_shop(scope, "centro", people=1, window_days=[])

    assert days.look(WEDNESDAY) == 0

    assert (shop.lane().campaign_at, shop.lane().campaign_until) == (WEDNESDAY + feeding.NEVER, WEDNESDAY)


def test_message_that_could_not_leave_in_time_waits_for_the_next_opening(scope: TenantScope, days: Days) -> None:
    shop = open_shop(scope, "centro", people=2, **MORNINGS)
    opens = datetime(2031, 4, 10, 12, 0, tzinfo=UTC)
    days.look(WEDNESDAY)
    assert days.look(opens + timedelta(hours=2)) == 1

    # The window closed while it waited, and then opens again.
    assert days.look(opens + timedelta(hours=4)) == 0
    assert days.send() == []
    assert shop.lane().campaign_at == opens + timedelta(days=1)
    # However short a message may wait: it does not grow old while nothing may leave.
    assert [message.expires_at for message in rows_of(Message)] == [opens + timedelta(days=2)]
    days.look(opens + timedelta(days=1))

    assert len(days.send()) == 1
    assert len(turns_of(shop)) == 1


def test_what_was_handed_over_just_now_stays_due_for_whoever_claims_it(scope: TenantScope, days: Days) -> None:
    """Two workers: both look before either claims."""
    shop = open_shop(scope, "centro", people=2)

    assert [days.look(WEDNESDAY), days.look(WEDNESDAY)] == [1, 0]

    assert len(days.send()) == 1
    assert len(turns_of(shop)) == 1


def test_last_message_of_the_day_leaves_on_that_day(scope: TenantScope, days: Days) -> None:
    """Also when it is looked at again before it is claimed: it is the one that makes the day full."""
    open_shop(scope, "centro", people=2, daily_cap=1)

    assert [days.look(WEDNESDAY), days.look(WEDNESDAY)] == [1, 0]

    assert len(days.send()) == 1


def test_message_that_waited_since_yesterday_counts_for_the_day_on_which_it_leaves(
    scope: TenantScope, days: Days
) -> None:
    shop = open_shop(scope, "centro", people=6, daily_cap=2, **MORNINGS)
    opens = datetime(2031, 4, 10, 12, 0, tzinfo=UTC)
    days.look(WEDNESDAY)
    days.look(opens + timedelta(hours=2))
    days.look(opens + timedelta(hours=4))

    days.look(opens + timedelta(days=1))
    days.send()
    days.pass_until(opens + timedelta(days=1, hours=12))

    sent = [message for message in rows_of(Message) if message.status == MessageStatus.SENT]
    assert (len(sent), len(turns_of(shop))) == (2, 2)
