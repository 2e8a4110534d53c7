"""The first steps of a new company: ticked by what there is, gone when a number is linked and a message was sent."""

import re

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic
from portal.models import Conversation, Direction, Import, ImportSource, ImportState, Message, MessageSource, Unit
from portal.permissions import Role
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.homes import PAGE

GUIDE = 'id="first-steps"'


def done(page: str) -> list[str]:
    return re.findall(r'first-step--done" id="step-(\w+)"', page)


def links(page: str) -> dict[str, str]:
    return dict(re.findall(r'id="go-(\w+)" href="([^"]*)"', page))


def write(scope: TenantScope, conversation: Conversation, **columns: object) -> Message:
    row = {"sent_at": now(), "source": MessageSource.PERSON, **columns}
    return make_message(scope, conversation, direction=Direction.OUTBOUND, **row)  # type: ignore[arg-type]


def test_new_company_is_told_what_to_do_first(admin: FlaskClient) -> None:
    page = admin.get(PAGE).text

    assert GUIDE in page
    assert done(page) == []
    assert links(page) == {
        "unit": "/t/acme/new-unit",
        "contacts": "/t/acme/contacts/import",
        "team": "/t/acme/members/new",
    }


def test_each_step_leads_to_the_next_one(admin: FlaskClient, acme: TenantScope) -> None:
    make_unit(acme)

    page = admin.get(PAGE).text

    assert done(page) == ["unit"]
    assert links(page)["number"] == "/t/acme/units/centro/connect"
    assert "message" not in links(page)


def test_linked_number_lets_a_test_message_be_written(admin: FlaskClient, connected_unit: Unit) -> None:
    page = admin.get(PAGE).text

    assert done(page) == ["unit", "number"]
    assert admin.get(links(page)["message"]).status_code == 200


@pytest.mark.parametrize(
    "columns",
    [{"client_message_id": "form-1", "source": None}, {"source": MessageSource.API}],
    ids=["by the form", "by a program"],
)
def test_first_steps_are_gone_when_a_message_was_sent(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, columns: dict[str, object]
) -> None:
    write(acme, conversation, **columns)

    assert GUIDE not in admin.get(PAGE).text


@pytest.mark.parametrize(
    "columns",
    [{"source": MessageSource.PHONE}, {"sent_at": None}, {"is_test": True}],
    ids=["by the phone", "not sent yet", "rehearsed"],
)
def test_first_steps_stay_until_the_portal_itself_sent_something(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, columns: dict[str, object]
) -> None:
    write(acme, conversation, client_message_id=None if "source" in columns else "form-1", **columns)

    assert GUIDE in admin.get(PAGE).text


def test_steps_that_nobody_has_to_take_are_ticked_as_well(
    admin: FlaskClient, acme: TenantScope, browser: OpenBrowser
) -> None:
    make_user("bia@acme.test", role=Role.AGENT)
    with acting_for(acme), atomic():
        row = {"source": ImportSource.PASTED, "file_name": "", "size": 1, "sha256": "0" * 64}
        acme.add(Import(**row, state=ImportState.DONE))

    assert done(admin.get(PAGE).text) == ["contacts", "team"]


def test_first_steps_are_put_away_and_taken_out_again(admin: FlaskClient) -> None:
    answer = admin.post(f"{PAGE}/first-steps")
    away = admin.get(PAGE).text
    admin.post(f"{PAGE}/first-steps", data={"shown": "1"})

    assert (answer.status_code, answer.location) == (303, PAGE)
    assert 'id="step-unit"' not in away
    assert "Show the first steps" in away
    assert 'id="step-unit"' in admin.get(PAGE).text


def test_only_whoever_sets_the_company_up_sees_them(
    acme: TenantScope, operator: FlaskClient, browser: OpenBrowser
) -> None:
    agent = browser(make_user("bia@acme.test", role=Role.AGENT))

    assert GUIDE not in agent.get(PAGE).text
    assert "An administrator of your company decides" in agent.get(PAGE).text
    assert GUIDE not in operator.get(PAGE).text
    assert agent.post(f"{PAGE}/first-steps").status_code == 403
