"""The people and the campaign that a newcomer finds."""

from collections import Counter

from flask import Flask

from local.evolution.numbers import look_up
from local.examples import CAMPAIGN, TAG, VARIANTS, add_examples, people
from portal import phone, wording
from portal.db import db
from portal.models import (
    Campaign,
    CampaignRecipient,
    CampaignState,
    Contact,
    ContactTag,
    PlanState,
    RecipientState,
    Tag,
)
from portal.services import campaign_states, planning
from portal.services.audience import Audience
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_tenant, make_unit


def rows_of(scope: TenantScope, model: type) -> list:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(model)))


def test_examples_are_people_under_a_tag_and_a_draft_that_waits_for_its_plan(app: Flask) -> None:
    scope = make_tenant()
    unit = make_unit(scope)

    with acting_for(scope):
        add_examples(scope, unit.slug)

    (tag,), (campaign,) = rows_of(scope, Tag), rows_of(scope, Campaign)
    assert (tag.name, campaign.name, campaign.unit_id) == (TAG, CAMPAIGN, unit.id)
    assert (campaign.state, campaign.plan_state) == (CampaignState.DRAFT, PlanState.WAITING)
    assert Audience.from_row(campaign.audience) == Audience(tag_ids=(tag.id,))
    borne = {one.contact_id for one in rows_of(scope, ContactTag)}
    assert {one.id for one in rows_of(scope, Contact)} == borne
    assert len(borne) == 300


def test_the_draft_can_be_planned_and_started(app: Flask) -> None:
    scope = make_tenant()
    unit = make_connected_unit(scope)
    with acting_for(scope):
        add_examples(scope, unit.slug)
        campaign_id = rows_of(scope, Campaign)[0].id

        planning.plan(scope, campaign_id)
        campaign_states.start(scope, campaign_id)

    lines = rows_of(scope, CampaignRecipient)
    assert Counter(line.state for line in lines) == {RecipientState.PENDING: 300}
    assert {line.variant for line in lines} == {1, 2}
    # Some have no city, so that the check has something to say.
    assert 0 < sum(line.has_gaps for line in lines) < 100


def test_a_second_run_changes_nothing_even_what_a_person_changed_since(app: Flask) -> None:
    scope = make_tenant()
    unit = make_unit(scope)
    with acting_for(scope):
        add_examples(scope, unit.slug)
        db.session.execute(scope.update(Campaign).values(name="Minha campanha"))
        db.session.execute(scope.delete(ContactTag).where(ContactTag.contact_id.is_not(None)))

        add_examples(scope, unit.slug)

    assert [one.name for one in rows_of(scope, Campaign)] == ["Minha campanha"]
    assert rows_of(scope, ContactTag) == []
    assert len(rows_of(scope, Contact)) == 300


def test_everybody_has_a_phone_in_the_simulator_and_an_own_name() -> None:
    rows = list(people())

    numbers = [str(row["phone"]) for row in rows]
    assert [number for number in numbers if phone.canonical(number) != number] == []
    # One ends like the numbers that are on no WhatsApp, so that the check has somebody to leave out.
    assert sum(not look_up(number, can_check_lids=False).exists for number in numbers) == 1
    assert len({row["name"] for row in rows}) == len(set(numbers)) == len(rows)


def test_what_the_examples_are_told_can_be_read() -> None:
    variables = {name for text in VARIANTS for name in wording.parse(text).variables}

    assert variables == {"primeiro nome", "cidade"}
