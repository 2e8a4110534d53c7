"""The ledger: one line for everybody chosen and for every pasted line, once, with what each gets or why nothing."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid, NotFound
from portal.models import (
    Campaign,
    CampaignRecipient,
    Contact,
    ContactKind,
    ContactTag,
    Import,
    ImportChange,
    ImportSource,
    PlanProblem,
    PlanState,
    RecipientState,
    SuppressionReason,
    Unit,
)
from portal.services import campaign_drafts, campaign_states, merging, planning, suppression
from portal.services.audience import Audience
from portal.services.drafts import LONGEST_CAPTION
from portal.services.media import Upload
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_tenant, make_unit
from tests.files import PDF
from tests.services.planned import add_people, bodies, change, ledger, look, make_draft, phones, plan, recipients, tag

EVERYBODY = Audience(everybody=True)


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two lines at a time, so that what spans batches is met."""
    monkeypatch.setattr(planning, "BATCH", 2)


def make_import(scope: TenantScope) -> UUID:
    with acting_for(scope), atomic():
        listed = Import(source=ImportSource.FILE, file_name="lista.csv", size=1, sha256=uuid4().hex * 2, counts={})
        scope.add(listed)
        db.session.flush()
        return listed.id


def merge(scope: TenantScope, kept_id: UUID, other_id: UUID) -> None:
    with acting_for(scope):
        merging.merge_contacts(scope, kept_id, other_id)


def test_everybody_is_one_line_each_and_the_campaign_knows_how_many(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana", "Bia", "Caio", "Davi", "Eva")

    campaign = plan(scope, unit, EVERYBODY)

    assert ledger(scope, campaign) == [("pending", None, name) for name in ("Ana", "Bia", "Caio", "Davi", "Eva")]
    assert (campaign.plan_state, campaign.state, campaign.total) == (PlanState.DONE, "draft", 5)
    assert (campaign.plan_done, campaign.plan_total, campaign.plan_problem) == (5, 5, None)
    assert campaign.planned_at is not None


def test_nobody_is_chosen_twice_however_many_ways_lead_to_them(scope: TenantScope, unit: Unit) -> None:
    ana, bia, caio, _davi = add_people(scope, "Ana", "Bia", "Caio", "Davi")
    vip, new = tag(scope, "vip", [ana, bia]), tag(scope, "new", [bia])

    campaign = plan(scope, unit, Audience(tag_ids=(vip, new), contact_ids=(ana, caio)))

    assert [name for _, _, name in ledger(scope, campaign)] == ["Ana", "Bia", "Caio"]


def test_import_means_whom_it_added_changed_or_tagged(scope: TenantScope, unit: Unit) -> None:
    listed = make_import(scope)
    add_people(scope, "Added", import_id=listed)
    changed, tagged, _other = add_people(scope, "Changed", "Tagged", "Other")
    tag_id = tag(scope, "vip", [])
    with acting_for(scope), atomic():
        scope.add(ImportChange(import_id=listed, contact_id=changed, before={}, after={}))
        scope.add(ContactTag(contact_id=tagged, tag_id=tag_id, import_id=listed))

    campaign = plan(scope, unit, Audience(import_ids=(listed,)))

    assert [name for _, _, name in ledger(scope, campaign)] == ["Added", "Changed", "Tagged"]


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"opted_out_at": now()}, "opted_out"),
        ({"phone": None, "lid": "123"}, "without_number"),
        ({"is_on_whatsapp": False}, "not_on_whatsapp"),
        ({"is_on_whatsapp": True}, "pending"),
        ({"phone": None, "lid": "123", "whatsapp_number": "551188880001"}, "pending"),
        ({"phone": None, "lid": "123", "opted_out_at": now()}, "opted_out"),
    ],
)
def test_whoever_cannot_or_shall_not_be_written_to_is_skipped_with_the_reason(
    scope: TenantScope, unit: Unit, columns: dict[str, object], reason: str
) -> None:
    (ana,) = add_people(scope, "Ana")
    change(scope, ana, **columns)

    campaign = plan(scope, unit, EVERYBODY)

    assert ledger(scope, campaign) == [(reason, None, "Ana")]
    assert (recipients(scope, campaign)[0].body is None) is (reason != "pending")


def test_groups_and_those_who_became_somebody_else_are_no_recipients(scope: TenantScope, unit: Unit) -> None:
    ana, ana_too = add_people(scope, "Ana", "Ana too")
    with acting_for(scope), atomic():
        scope.add(Contact(kind=ContactKind.GROUP, chat_jid="1@g.us", name="Group"))
    merge(scope, ana, ana_too)

    campaign = plan(scope, unit, EVERYBODY)

    assert ledger(scope, campaign) == [("pending", None, "Ana")]


def test_somebody_who_was_chosen_before_they_were_merged_is_the_one_they_became(scope: TenantScope, unit: Unit) -> None:
    ana, ana_too, _bia = add_people(scope, "Ana", "Ana too", "Bia")
    merge(scope, ana, ana_too)

    campaign = plan(scope, unit, Audience(contact_ids=(ana_too,), pasted="11 99999-0002\n11 99999-0001"))

    assert ledger(scope, campaign) == [("pending", "11 99999-0002", "Ana"), ("duplicate", "11 99999-0001", None)]


def test_who_bears_a_tag_or_got_a_campaign_is_left_out(scope: TenantScope, unit: Unit) -> None:
    ana, bia, caio, davi = add_people(scope, "Ana", "Bia", "Caio", "Davi")
    staff = tag(scope, "staff", [ana])
    earlier = make_campaign(scope, unit, [bia, caio])
    with acting_for(scope), atomic():
        handed = scope.update(CampaignRecipient).where(CampaignRecipient.contact_id == bia)
        db.session.execute(handed.values(state=RecipientState.HANDED))
    left_out = {"without_tag_ids": (staff,), "without_campaign_ids": (earlier.id,)}

    by_tag = plan(scope, unit, Audience(tag_ids=(tag(scope, "all", [ana, bia, caio, davi]),), **left_out))
    pasted = plan(scope, unit, Audience(pasted="11999990001\n11999990002\n11999990003", **left_out))

    reasons = {"Ana": "excluded", "Bia": "excluded", "Caio": "pending", "Davi": "pending"}
    assert {name: reason for reason, _, name in ledger(scope, by_tag)} == reasons
    assert [reason for reason, _, _ in ledger(scope, pasted)] == ["excluded", "excluded", "pending"]


def test_whoever_got_the_earlier_campaign_before_they_were_merged_is_left_out_too(
    scope: TenantScope, unit: Unit
) -> None:
    ana, ana_too = add_people(scope, "Ana", "Ana too")
    earlier = make_campaign(scope, unit, [ana_too])
    with acting_for(scope), atomic():
        db.session.execute(scope.update(CampaignRecipient).values(state=RecipientState.HANDED))
    merge(scope, ana, ana_too)

    campaign = plan(scope, unit, Audience(everybody=True, without_campaign_ids=(earlier.id,)))

    assert ledger(scope, campaign) == [("excluded", None, "Ana")]


def test_text_is_filled_in_for_each_and_gaps_are_marked(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana Lima", attributes={"Cidade": "Recife"})
    add_people(scope, "Bia")

    campaign = plan(scope, unit, EVERYBODY, ["Oi, ((primeiro nome)) de ((cidade))!"])

    assert bodies(scope, campaign) == ["Oi, Ana de Recife!", "Oi, Bia de ((cidade))!"]
    assert [line.has_gaps for line in recipients(scope, campaign)] == [False, True]


def test_value_with_accents_that_stand_apart_becomes_a_text_like_any_other(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana", attributes={"Cidade": "Sa\u0303o Paulo"})

    campaign = plan(scope, unit, EVERYBODY, ["Oi, ((cidade))!"])

    assert bodies(scope, campaign) == ["Oi, São Paulo!"]


def test_variants_take_turns_among_those_who_get_one(scope: TenantScope, unit: Unit) -> None:
    people = add_people(scope, "Ana", "Bia", "Caio", "Davi", "Eva")
    change(scope, people[1], opted_out_at=now())

    campaign = plan(scope, unit, EVERYBODY, ["A", "B"])

    assert [line.variant for line in recipients(scope, campaign)] == [1, None, 2, 1, 2]
    assert bodies(scope, campaign) == ["A", "B", "A", "B"]


@pytest.mark.parametrize(
    ("columns", "is_asked"),
    [
        ({"is_on_whatsapp": None}, True),
        ({"is_on_whatsapp": True, "number_checked_at": now() - timedelta(days=31)}, True),
        ({"is_on_whatsapp": True, "number_checked_at": now() - timedelta(days=29)}, False),
        ({"opted_out_at": now()}, False),
    ],
    ids=["never looked up", "long ago", "lately", "gets nothing"],
)
def test_numbers_are_looked_up_where_whatsapp_was_not_asked_lately(
    scope: TenantScope, unit: Unit, columns: dict[str, object], is_asked: bool
) -> None:
    (ana,) = add_people(scope, "Ana")
    change(scope, ana, **columns)

    campaign = plan(scope, unit, EVERYBODY)

    assert (campaign.number_check_at is not None) is is_asked


def test_new_ledger_replaces_the_old_one(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana", "Bia")
    campaign = plan(scope, unit, EVERYBODY, ["Oi"])
    with acting_for(scope):
        campaign_drafts.set_message(scope, campaign.id, variants=["Olá"])
        waiting = bodies(scope, campaign)
        planning.plan(scope, campaign.id)

    assert (waiting, bodies(scope, campaign)) == (["Oi", "Oi"], ["Olá", "Olá"])
    assert len(ledger(scope, campaign)) == 2


def test_ledger_that_is_there_is_not_made_again(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Ana")
    campaign = plan(scope, unit, EVERYBODY)
    add_people(scope, "Bia")

    with acting_for(scope):
        planning.plan(scope, campaign.id)

    assert len(ledger(scope, campaign)) == 1


def test_campaign_to_nobody_has_an_empty_ledger(scope: TenantScope, unit: Unit) -> None:
    campaign = plan(scope, unit, EVERYBODY)

    assert (ledger(scope, campaign), campaign.plan_state, campaign.total) == ([], PlanState.DONE, 0)


def test_draft_without_audience_cannot_be_planned(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)

    with acting_for(scope), pytest.raises(Conflict) as error:
        planning.plan(scope, campaign.id)

    assert error.value.code == "not_ready"


def test_text_that_becomes_too_long_keeps_the_campaign_from_starting(scope: TenantScope, unit: Unit) -> None:
    text = "x" * (LONGEST_CAPTION - 8) + "((nome))"
    add_people(scope, "Ana", "Bernardo", "Bernardino", "Maximiliano")

    campaign = plan(scope, unit, EVERYBODY, [text], Upload("boleto.pdf", PDF))

    assert campaign.plan_problem == PlanProblem.TOO_LONG
    assert campaign.plan_problem_details == {"recipients": 2, "longest": LONGEST_CAPTION, "position": 3}
    assert [len(body or "") for body in bodies(scope, campaign)][2:] == [LONGEST_CAPTION + 2, LONGEST_CAPTION + 3]
    with acting_for(scope), pytest.raises(Invalid, match="2 recipients .* 1024 characters"):
        campaign_states.start(scope, campaign.id)


def test_problem_is_over_once_the_text_is_shorter(scope: TenantScope, unit: Unit) -> None:
    add_people(scope, "Maximiliano")
    text = "x" * (LONGEST_CAPTION - 8) + "((nome))"
    campaign = plan(scope, unit, EVERYBODY, [text], Upload("boleto.pdf", PDF))

    with acting_for(scope):
        campaign_drafts.set_message(scope, campaign.id, variants=["((nome))"])
        planning.plan(scope, campaign.id)

    assert look(scope, campaign.id).plan_problem is None


def test_campaign_to_too_many_says_so_and_keeps_its_old_ledger(
    scope: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_people(scope, "Ana")
    campaign = plan(scope, unit, EVERYBODY)
    monkeypatch.setattr(planning, "LARGEST_PLAN", 2)
    with acting_for(scope):
        campaign_drafts.set_audience(scope, campaign.id, Audience(everybody=True, pasted="1\n2"))

    with acting_for(scope), pytest.raises(Invalid) as error:
        planning.plan(scope, campaign.id)

    told = look(scope, campaign.id)
    assert "Choose fewer people" in error.value.fields["audience"]
    assert (told.plan_state, told.plan_problem, told.relay_id) == (PlanState.NONE, PlanProblem.TOO_MANY, None)
    assert len(ledger(scope, campaign)) == 1


@pytest.mark.parametrize(
    "act",
    [
        lambda scope, id_: campaign_drafts.set_audience(scope, id_, Audience(pasted="11 98888-0007")),
        lambda scope, id_: campaign_drafts.set_message(scope, id_, variants=["Olá"]),
    ],
    ids=["audience", "message"],
)
def test_draft_that_is_changed_meanwhile_keeps_its_old_ledger_and_waits_again(
    scope: TenantScope, unit: Unit, act: Callable[[TenantScope, UUID], Campaign]
) -> None:
    add_people(scope, "Ana")
    campaign = plan(scope, unit, EVERYBODY, ["Oi"])
    with acting_for(scope):
        campaign_drafts.set_message(scope, campaign.id, variants=["Oi de novo"])

    def disturb(_done: int, _total: int) -> None:
        act(scope, campaign.id)

    with acting_for(scope), pytest.raises(Conflict) as error:
        planning.plan(scope, campaign.id, on_progress=disturb)

    assert error.value.code == "campaign_changed"


def test_another_companys_people_and_numbers_stay_theirs(scope: TenantScope, unit: Unit) -> None:
    rival = make_tenant("rival")
    rivals = add_people(rival, "Rui")
    add_people(scope, "Ana")
    with acting_for(rival), atomic():
        suppression.add(rival, ["5511988880007"], SuppressionReason.ERASED)

    campaign = plan(scope, unit, Audience(everybody=True, pasted="11 98888-0007"))

    assert ledger(scope, campaign) == [("pending", None, "Ana"), ("pending", "11 98888-0007", None)]
    assert (phones(rival), len(rivals)) == (["5511999990001"], 1)
    with acting_for(rival), pytest.raises(NotFound):
        planning.plan(rival, campaign.id)
