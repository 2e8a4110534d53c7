"""Drafts of campaigns: what may be chosen and written, until somebody starts them; each change asks for a new plan."""

from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from portal.db import atomic, db
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.models import (
    AuditEvent,
    Campaign,
    CampaignRecipient,
    CampaignState,
    Import,
    ImportSource,
    Media,
    MessageKind,
    PlanState,
    Unit,
)
from portal.permissions import Role
from portal.services import campaign_drafts, planning, units
from portal.services.audience import Audience
from portal.services.drafts import LONGEST_CAPTION, LONGEST_TEXT
from portal.services.media import Upload
from portal.tenancy import TenantScope, acting_for
from tests.factories import (
    make_campaign,
    make_media,
    make_remote_media,
    make_template,
    make_tenant,
    make_unit,
    make_user,
)
from tests.files import JPEG, MP3, PDF
from tests.services.planned import add_people, look, make_draft, plan, recipients, tag

EVERYBODY = Audience(everybody=True)
BOLETO, PHOTO, SOUND = Upload("boleto.pdf", PDF), Upload("foto.jpg", JPEG), Upload("som.mp3", MP3)
Act = Callable[[TenantScope, UUID], object]


@pytest.fixture
def unit(scope: TenantScope) -> Unit:
    return make_unit(scope)


def write(scope: TenantScope, campaign: Campaign, *texts: str, **message: object) -> Campaign:
    with acting_for(scope):
        return campaign_drafts.set_message(scope, campaign.id, variants=texts or ("Oi",), **message)


def choose(scope: TenantScope, campaign: Campaign, audience: Audience) -> Campaign:
    with acting_for(scope):
        return campaign_drafts.set_audience(scope, campaign.id, audience)


def refused(act: Callable[[], object]) -> dict[str, str]:
    with pytest.raises(Invalid) as error:
        act()
    return error.value.fields


def put(scope: TenantScope, campaign: Campaign, **columns: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(Campaign).where(Campaign.id == campaign.id).values(columns))


def file_of(scope: TenantScope, campaign: Campaign) -> str | None:
    with acting_for(scope):
        return None if campaign.media_id is None else scope.get(Media, campaign.media_id).file_name


def count_files(scope: TenantScope) -> int:
    with acting_for(scope):
        return len(db.session.scalars(scope.select(Media, Media.id)).all())


def audited(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        mine = scope.select(AuditEvent, AuditEvent.action).where(AuditEvent.subject_type == "campaign")
        return list(db.session.scalars(mine.order_by(AuditEvent.id)))


def test_draft_begins_with_its_name_and_unit(scope: TenantScope, unit: Unit) -> None:
    ana = make_user()
    by_ana = TenantScope(scope.tenant_id, ana.id)

    with acting_for(by_ana):
        campaign = campaign_drafts.create_draft(by_ana, unit_id=unit.id, name=" Dia  das mães ")

    assert (campaign.name, campaign.unit_id, campaign.created_by_id) == ("Dia das mães", unit.id, ana.id)
    assert (campaign.state, campaign.plan_state) == (CampaignState.DRAFT, PlanState.NONE)


@pytest.mark.parametrize(("name", "is_taken"), [("", False), (" ", False), ("x" * 80, True), ("x" * 81, False)])
def test_name_has_1_to_80_characters(scope: TenantScope, unit: Unit, name: str, is_taken: bool) -> None:
    campaign = make_draft(scope, unit)

    with acting_for(scope):
        if is_taken:
            assert campaign_drafts.rename(scope, campaign.id, name).name == name
        else:
            assert list(refused(lambda: campaign_drafts.rename(scope, campaign.id, name))) == ["name"]
            assert list(refused(lambda: campaign_drafts.create_draft(scope, unit_id=unit.id, name=name))) == ["name"]


def test_unit_that_is_archived_or_anothers_gets_no_campaign(scope: TenantScope, unit: Unit) -> None:
    rivals = make_unit(make_tenant("rival"))
    with acting_for(scope):
        units.archive_unit(scope, unit.id)

        for unit_id in (unit.id, rivals.id, uuid4()):
            with pytest.raises(NotFound):
                campaign_drafts.create_draft(scope, unit_id=unit_id, name="Promoção")


def test_draft_waits_for_its_plan_once_it_has_both_people_and_message(scope: TenantScope, unit: Unit) -> None:
    with acting_for(scope):
        campaign = campaign_drafts.create_draft(scope, unit_id=unit.id, name="Promoção")

    assert choose(scope, campaign, EVERYBODY).plan_state == PlanState.NONE
    assert write(scope, campaign).plan_state == PlanState.WAITING


@pytest.mark.parametrize("act", [lambda s, c: choose(s, c, EVERYBODY), lambda s, c: write(s, c)])
def test_every_change_asks_for_a_new_plan_from_its_beginning(
    scope: TenantScope, unit: Unit, act: Callable[[TenantScope, Campaign], Campaign]
) -> None:
    campaign = plan(scope, unit, EVERYBODY)
    put(scope, campaign, plan_attempts=2, plan_problem="too_long")

    changed = act(scope, campaign)

    assert (changed.plan_state, changed.plan_attempts, changed.plan_problem) == (PlanState.WAITING, 0, None)


def test_audience_is_kept_as_it_was_chosen(scope: TenantScope, unit: Unit) -> None:
    campaign, people = make_draft(scope, unit), add_people(scope, "Ana")
    vip, staff = tag(scope, "vip", people), tag(scope, "staff", [])
    earlier = make_campaign(scope, unit, [])
    chosen = Audience(
        tag_ids=(vip,),
        contact_ids=tuple(people),
        pasted="11 99999-0001\n",
        without_tag_ids=(staff,),
        without_campaign_ids=(earlier.id,),
    )

    choose(scope, campaign, chosen)

    assert Audience.from_row(look(scope, campaign.id).audience) == chosen


def test_what_no_database_takes_is_left_out_of_a_pasted_list(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)

    choose(scope, campaign, Audience(pasted="11 99999-0001\x00\n\ud800"))

    assert look(scope, campaign.id).audience == {"pasted": "11 99999-0001\n?"}


def test_audience_of_nobody_is_refused(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)
    staff = tag(scope, "staff", [])

    for nobody in (Audience(), Audience(pasted=" \n"), Audience(without_tag_ids=(staff,))):
        assert list(refused(lambda nobody=nobody: choose(scope, campaign, nobody))) == ["audience"]


@pytest.mark.parametrize("name", ["tag_ids", "import_ids", "contact_ids", "without_tag_ids", "without_campaign_ids"])
def test_what_is_not_there_or_anothers_cannot_be_chosen(scope: TenantScope, unit: Unit, name: str) -> None:
    rival, campaign = make_tenant("rival"), make_draft(scope, unit)
    theirs = {
        "tag_ids": lambda: tag(rival, "vip", []),
        "import_ids": lambda: make_import(rival),
        "contact_ids": lambda: add_people(rival, "Rui")[0],
        "without_tag_ids": lambda: tag(rival, "vip", []),
        "without_campaign_ids": lambda: make_draft(rival, make_unit(rival)).id,
    }[name]()

    for id_ in (theirs, uuid4()):
        audience = Audience(everybody=True, **{name: (id_,)})
        assert list(refused(lambda audience=audience: choose(scope, campaign, audience))) == ["audience"]


def make_import(scope: TenantScope) -> UUID:
    with acting_for(scope), atomic():
        listed = Import(source=ImportSource.FILE, file_name="lista.csv", size=1, sha256=uuid4().hex * 2, counts={})
        scope.add(listed)
        db.session.flush()
        return listed.id


def test_pasted_list_has_at_most_a_mebibyte(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)

    choose(scope, campaign, Audience(pasted="1" * campaign_drafts.LARGEST_PASTE))
    fields = refused(lambda: choose(scope, campaign, Audience(pasted="é" * (campaign_drafts.LARGEST_PASTE // 2 + 1))))

    assert list(fields) == ["pasted"]
    assert "Import it as a file" in fields["pasted"]


def test_message_is_checked_as_a_template_is(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)
    long, longer = "x" * (LONGEST_CAPTION + 1), "x" * (LONGEST_TEXT + 1)

    assert list(refused(lambda: write(scope, campaign, ""))) == ["variant_1"]
    assert list(refused(lambda: write(scope, campaign, "Oi", "((nome"))) == ["variant_2"]
    assert list(refused(lambda: write(scope, campaign, "Oi", "Oi"))) == ["variant_2"]
    assert list(refused(lambda: write(scope, campaign, *"abcdef"))) == ["variant_1"]
    assert list(refused(lambda: write(scope, campaign, longer))) == ["variant_1"]
    assert list(refused(lambda: write(scope, campaign, long, upload=BOLETO))) == ["variant_1"]
    assert list(refused(lambda: write(scope, campaign, "Oi", upload=SOUND))) == ["file"]
    assert write(scope, campaign, long, "", " Oi ").variants == [long, "Oi"]


def test_nobody_is_kept_waiting_while_a_picture_is_written_anew(
    scope: TenantScope, unit: Unit, pictures: list[bool]
) -> None:
    write(scope, make_draft(scope, unit), "Oi", upload=PHOTO)

    assert pictures == [False]


def test_file_stays_unless_it_is_taken_away_or_another_comes(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit, upload=BOLETO)
    assert (file_of(scope, campaign), campaign.kind) == ("boleto.pdf", MessageKind.DOCUMENT)

    kept = write(scope, campaign, "Olá")
    assert file_of(scope, kept) == "boleto.pdf"

    again = write(scope, campaign, "Olá", upload=BOLETO)
    assert (file_of(scope, again), count_files(scope)) == ("boleto.pdf", 1)

    other = write(scope, campaign, "Olá", upload=PHOTO)
    assert (file_of(scope, other), other.kind) == ("foto.jpg", MessageKind.IMAGE)

    none = write(scope, campaign, "Olá", keeps_file=False)
    assert (file_of(scope, none), none.kind) == (None, MessageKind.TEXT)


def test_message_may_carry_a_file_that_is_kept_already(scope: TenantScope, unit: Unit) -> None:
    campaign, template_file = make_draft(scope, unit, upload=PHOTO), make_media(scope)

    changed = write(scope, campaign, media_id=template_file)

    assert (changed.media_id, changed.kind) == (template_file, MessageKind.DOCUMENT)


def test_file_that_is_anothers_or_not_stored_cannot_be_carried(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)

    for media_id in (make_media(make_tenant("rival")), make_remote_media(scope), uuid4()):
        with pytest.raises(NotFound):
            write(scope, campaign, media_id=media_id)


CHANGES: dict[str, Act] = {
    "rename": lambda scope, id_: campaign_drafts.rename(scope, id_, "Outra"),
    "set_audience": lambda scope, id_: campaign_drafts.set_audience(scope, id_, EVERYBODY),
    "set_message": lambda scope, id_: campaign_drafts.set_message(scope, id_, variants=["Oi"]),
    "delete_draft": campaign_drafts.delete_draft,
}


@pytest.mark.parametrize("act", CHANGES.values(), ids=CHANGES)
def test_what_was_started_is_no_draft_any_more(scope: TenantScope, unit: Unit, act: Act) -> None:
    campaign = make_campaign(scope, unit, add_people(scope, "Ana"), state=CampaignState.COMPLETED)

    with acting_for(scope), pytest.raises(Conflict) as error:
        act(scope, campaign.id)

    assert error.value.code == "campaign_completed"


@pytest.mark.parametrize("act", [*CHANGES.values(), campaign_drafts.clone], ids=[*CHANGES, "clone"])
def test_campaign_of_another_company_or_unit_does_not_exist(scope: TenantScope, unit: Unit, act: Act) -> None:
    campaign, other = make_draft(scope, unit), make_unit(scope, "norte")
    agent = TenantScope(scope.tenant_id, role=Role.AGENT, unit_ids=frozenset({other.id}))

    for stranger in (make_tenant("rival"), agent):
        # Whoever sees some units only chooses among nobody's people.
        with acting_for(stranger), pytest.raises((NotFound, Forbidden)):
            act(stranger, campaign.id)


def test_agent_who_sees_some_units_does_not_choose_among_all_people(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)
    agent = TenantScope(scope.tenant_id, role=Role.AGENT, unit_ids=frozenset({unit.id}))

    with acting_for(agent), pytest.raises(Forbidden):
        campaign_drafts.set_audience(agent, campaign.id, EVERYBODY)


@pytest.mark.parametrize("state", list(CampaignState))
def test_copy_is_a_draft_to_the_same_people_that_says_the_same(
    scope: TenantScope, unit: Unit, state: CampaignState
) -> None:
    add_people(scope, "Ana")
    campaign = plan(scope, unit, EVERYBODY, ["Oi", "Olá"], BOLETO)
    put(scope, campaign, state=state, total=1)

    with acting_for(scope):
        copy = campaign_drafts.clone(scope, campaign.id)

    assert (copy.name, copy.state, copy.plan_state) == ("Promoção (copy)", "draft", "waiting")
    assert (copy.audience, copy.variants) == ({"everybody": True}, ["Oi", "Olá"])
    assert (copy.unit_id, copy.media_id, copy.kind, copy.total) == (unit.id, campaign.media_id, "document", 0)
    assert recipients(scope, copy) == []


def test_copy_of_a_long_name_is_not_too_long(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit)
    with acting_for(scope):
        campaign_drafts.rename(scope, campaign.id, "x" * 80)

        copy = campaign_drafts.clone(scope, campaign.id)

    assert copy.name == "x" * 73 + " (copy)"


@pytest.mark.parametrize("state", [CampaignState.DRAFT, CampaignState.FAILED])
def test_draft_goes_with_its_ledger(scope: TenantScope, unit: Unit, state: CampaignState) -> None:
    add_people(scope, "Ana")
    campaign = plan(scope, unit, EVERYBODY)
    put(scope, campaign, state=state)

    with acting_for(scope):
        campaign_drafts.delete_draft(scope, campaign.id)

        assert db.session.scalars(scope.select(Campaign)).all() == []
        assert db.session.scalars(scope.select(CampaignRecipient)).all() == []


def test_draft_that_is_planned_at_this_moment_stays(
    scope: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    campaign = make_draft(scope, unit, EVERYBODY)
    monkeypatch.setattr(planning, "try_hold", lambda _id: False)

    with acting_for(scope), pytest.raises(Conflict) as error:
        campaign_drafts.delete_draft(scope, campaign.id)

    assert error.value.code == "planning"


def test_every_change_is_audited_without_texts_and_numbers(scope: TenantScope, unit: Unit) -> None:
    campaign = make_draft(scope, unit, Audience(everybody=True, pasted="11 99999-0001"))
    with acting_for(scope):
        campaign_drafts.rename(scope, campaign.id, "Outra")
        campaign_drafts.rename(scope, campaign.id, "Outra")
        campaign_drafts.delete_draft(scope, campaign_drafts.clone(scope, campaign.id).id)
        chosen = scope.select(AuditEvent, AuditEvent.after).where(AuditEvent.action == "campaign.audience_chosen")
        after = db.session.scalars(chosen).one()

    assert audited(scope) == [
        "campaign.created",
        "campaign.audience_chosen",
        "campaign.message_written",
        "campaign.renamed",
        "campaign.cloned",
        "campaign.deleted",
    ]
    assert after == {"everybody": True, "pasted": True}


def test_file_goes_with_the_last_draft_that_carries_it(scope: TenantScope, unit: Unit) -> None:
    first = write(scope, make_draft(scope, unit), "Oi", upload=BOLETO)
    with acting_for(scope):
        copy = campaign_drafts.clone(scope, first.id)

    write(scope, first, "Oi", upload=PHOTO)
    assert kept_files(scope) == ["boleto.pdf", "foto.jpg"]

    for campaign_id in (first.id, copy.id):
        with acting_for(scope):
            campaign_drafts.delete_draft(scope, campaign_id)
    assert kept_files(scope) == []


def test_file_of_a_template_stays_when_a_draft_lets_go_of_it(scope: TenantScope, unit: Unit) -> None:
    media_id = make_media(scope)
    make_template(scope, "Boleto", "Oi", media_id=media_id)
    draft = write(scope, make_draft(scope, unit), "Oi", media_id=media_id)

    write(scope, draft, "Oi", keeps_file=False)

    assert kept_files(scope) == ["boleto.pdf"]


def kept_files(scope: TenantScope) -> list[str]:
    with acting_for(scope):
        return sorted(db.session.scalars(scope.select(Media, Media.file_name)))
