"""The page of a unit's pace."""

import re
from datetime import UTC, datetime

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import Lane, Unit
from portal.pacing import Pace
from portal.permissions import Role
from portal.queries.pacing import pace_of
from portal.tenancy import TenantScope, acting_for
from portal.web import paces
from tests.factories import make_user
from tests.web.conftest import OpenBrowser

PAGE = "/t/acme/units/centro/pace"
EVERY_DAY = ["1", "2", "3", "4", "5", "6", "7"]
NORMAL = {"preset": "normal", "window_days": EVERY_DAY}


def words_of(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def pace_now(scope: TenantScope, unit: Unit) -> Pace:
    with acting_for(scope):
        return pace_of(scope.get(Unit, unit.id))


def test_page_of_the_unit_leads_to_its_pace(admin: FlaskClient, unit: Unit) -> None:
    assert f'href="{PAGE}"' in admin.get("/t/acme/units/centro").text


def test_page_says_what_the_pace_comes_to(admin: FlaskClient, unit: Unit) -> None:
    words = words_of(admin.get(PAGE).text)

    assert "At this pace about 1,030 messages an hour; about 24,700 in a day like today." in words
    assert "Empty: no limit. In force now: no limit." in words
    assert "Both empty: the whole day. In force now: the whole day." in words
    assert "It is off: this number is not marked as new." in words


def test_saved_pace_is_told_in_words_and_shown_in_the_fields(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    typed = {"preset": "own", "min_s": "2.5", "max_s": "4,5", "daily_cap": "200", "window_days": EVERY_DAY}
    answer = admin.post(PAGE, data={**typed, "window_from": "00:00", "window_to": "23:59", "is_new": "y"})
    page = admin.get(answer.location).text

    assert (answer.status_code, answer.location) == (303, PAGE)
    assert "At this pace about 1,030 messages an hour; today at most 20." in words_of(page)
    assert "0 of 20" in words_of(page)
    assert "Empty: 2. In force now: 2.5." in words_of(page)
    assert re.search(r'name="max_s"[^>]*value="4.5"', page)
    assert re.search(r'placeholder="5"', page)
    assert re.search(r'aria-current="step">\s*<span>Days 1 to 4', page)
    assert pace_now(acme, unit).daily_cap == 200


def test_wrong_fields_are_explained_and_kept_as_typed(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    typed = {"preset": "own", "min_s": "9", "max_s": "4", "daily_cap": "many", "window_to": "18:00"}
    answer = admin.post(PAGE, data=typed)

    assert answer.status_code == 422
    for field in ("max_s", "daily_cap", "window_from", "window_days"):
        assert f'id="{field}-error"' in answer.text
    assert 'value="many"' in answer.text
    assert re.search(r'name="min_s"[^>]*value="9"', answer.text)
    assert pace_now(acme, unit) == Pace()


def test_used_share_of_the_day_is_shown(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    admin.post(PAGE, data={**NORMAL, "daily_cap": "200"})
    with acting_for(acme), atomic():
        this = acme.update(Lane).where(Lane.unit_id == unit.id)
        db.session.execute(this.values(campaign_day=Pace().day_of(now()), campaign_count=34))

    assert "34 of 200" in words_of(admin.get(PAGE).text)


def test_day_of_rest_says_when_the_next_message_may_leave(
    admin: FlaskClient, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin.post(PAGE, data={**NORMAL, "skips_holidays": "y", "window_from": "09:00", "window_to": "18:00"})
    monkeypatch.setattr(paces, "now", lambda: datetime(2026, 12, 25, 15, 0, tzinfo=UTC))
    words = words_of(admin.get(PAGE).text)

    assert "At this pace about 1,030 messages an hour; today none." in words
    assert "The next campaign message may leave from 12/26/26 9:00 AM on." in words.replace("\u202f", " ")


@pytest.mark.parametrize("method", ["get", "post"])
def test_only_who_manages_campaigns_sets_the_pace(
    browser: OpenBrowser, acme: TenantScope, unit: Unit, operator: FlaskClient, method: str
) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("centro",)))

    for client in (agent, operator):
        assert getattr(client, method)(PAGE, data=NORMAL).status_code == 403
        assert PAGE not in client.get("/t/acme/units/centro").text
    assert pace_now(acme, unit) == Pace()


def test_page_speaks_portuguese(admin: FlaskClient, unit: Unit) -> None:
    page = admin.get(PAGE, headers={"Accept-Language": "pt-BR"}).text

    assert "segunda-feira" in page
    assert re.search(r'placeholder="2"', page)
