"""A campaign is prepared: begun, its audience chosen, its message written, and left again."""

import re
from io import BytesIO

import pytest
from flask.testing import FlaskClient

from portal.db import atomic
from portal.models import Campaign, CampaignState, Contact, Conversation, Media, Tag, Unit
from portal.permissions import Role
from portal.queries import campaigns, contacts
from portal.services.audience import Audience
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_conversation, make_template, make_user
from tests.files import PDF
from tests.web.conftest import OpenBrowser
from tests.web.drafts import CAMPAIGNS, NEW, begin, campaign_of, prepare
from tests.web.htmx import post_part


@pytest.fixture
def address(admin: FlaskClient, connected_unit: Unit) -> str:
    return begin(admin)


def audience_of(scope: TenantScope, address: str) -> Audience:
    return Audience.from_row(campaign_of(scope, address).audience)


def tag(scope: TenantScope, conversation: Conversation, name: str) -> str:
    """Let the person bear a tag; its id."""
    from portal.services.tagging import Choice, tag_contacts

    with acting_for(scope):
        tag_contacts(scope, Choice(ids=[conversation.contact_id]), name=name)
        found = contacts.find_tag(scope, name)
        assert found is not None
        return str(found.id)


def test_first_page_says_which_units_are_connected(admin: FlaskClient, unit: Unit, connected_unit: Unit) -> None:
    page = admin.get(NEW).text

    assert "Centro · Not connected yet</option>" in page
    assert "Jardins · Connected</option>" in page


def test_company_without_a_unit_is_led_to_make_one(admin: FlaskClient) -> None:
    assert 'href="/t/acme/new-unit"' in admin.get(NEW).text


@pytest.mark.parametrize(
    ("form", "field", "sentence"),
    [
        ({"name": " ", "unit": "jardins"}, "name", "1 to 80"),
        ({"name": "Oferta", "unit": ""}, "unit", "Choose the unit"),
    ],
    ids=["name", "unit"],
)
def test_campaign_does_not_begin_without_a_name_and_a_unit(
    admin: FlaskClient, connected_unit: Unit, form: dict[str, str], field: str, sentence: str
) -> None:
    response = admin.post(NEW, data=form)

    assert response.status_code == 422
    assert re.search(rf'id="{field}-error">[^<]*{sentence}', response.text)


def test_steps_are_reached_in_their_order(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    address = begin(admin)
    early = admin.get(f"{address}/check")
    chosen = admin.post(f"{address}/audience", data={"everybody": "1"})
    still_early = admin.get(f"{address}/check")
    written = admin.post(f"{address}/message", data={"variant_1": "Oi!"})

    steps = [response.headers["Location"] for response in (early, chosen, still_early, written)]
    assert steps == [f"{address}/{step}" for step in ("audience", "message", "message", "check")]
    assert 'href="' + address + '/check#send"' not in admin.get(f"{address}/audience").text


def test_audience_is_kept_and_shown_as_it_was_chosen(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, address: str
) -> None:
    vip, lost = tag(acme, conversation, "vip"), tag(acme, conversation, "perdido")
    form = {"tags": vip, "pasted": "11 98888-0001\n1199", "without_tags": lost}

    admin.post(f"{address}/audience", data=form)
    page = admin.get(f"{address}/audience").text

    kept = audience_of(acme, address)
    assert [str(id_) for id_ in (*kept.tag_ids, *kept.without_tag_ids)] == [vip, lost]
    assert kept.pasted.splitlines() == ["11 98888-0001", "1199"]
    assert len(re.findall(rf'value="{vip}" checked', page)) == 1
    assert re.search(rf'name="without_tags" value="{lost}" checked', page)
    assert re.search(r">\s*11 98888-0001\s+1199</textarea>", page)
    assert "and 2 pasted lines" in page


def test_number_of_people_follows_the_choice_before_it_is_saved(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, address: str
) -> None:
    make_conversation(acme, connected_unit, phone="5511999990077", name="Ana")
    vip = tag(acme, conversation, "vip")

    all_of_them = post_part(admin, f"{address}/audience", {"everybody": "1", "count": "1"}).text
    without = post_part(admin, f"{address}/audience", {"everybody": "1", "without_tags": vip, "count": "1"}).text
    plain = admin.post(f"{address}/audience", data={"tags": vip, "count": "1"}).text

    assert '<p class="reach__number">2</p>' in all_of_them
    assert all_of_them.lstrip().startswith('<section class="reach"')
    assert '<p class="reach__number">1</p>' in without
    assert '<p class="reach__number">1</p>' in plain
    assert re.search(rf'name="tags" value="{vip}" checked', plain)
    assert audience_of(acme, address).is_empty


def test_those_who_opted_out_are_counted_apart(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, address: str
) -> None:
    from portal.clock import now

    with acting_for(acme), atomic():
        acme.get(Contact, conversation.contact_id).opted_out_at = now()
        acme.add(Contact(lid="1", name="Sem número"))

    shown = post_part(admin, f"{address}/audience", {"everybody": "1", "count": "1"}).text

    assert "1 more opted out" in shown
    assert "1 more has no number" in shown


def test_imports_and_campaigns_are_offered_with_their_numbers(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, address: str
) -> None:
    from portal.clock import now
    from portal.models import Import, ImportSource, ImportState

    with acting_for(acme), atomic():
        columns = {"source": ImportSource.FILE, "file_name": "clientes.csv", "size": 1, "sha256": "0" * 64}
        acme.add(Import(**columns, state=ImportState.DONE, counts={"added": 3, "updated": 2}))
        acme.add(Import(**columns | {"file_name": "recusado.csv"}, state=ImportState.REFUSED))
    make_campaign(acme, connected_unit, [conversation.contact_id], name="Natal", started_at=now())
    make_campaign(acme, connected_unit, [conversation.contact_id], name="Nunca enviada")

    page = admin.get(f"{address}/audience").text

    assert re.search(r"clientes\.csv</span>\s*<span class=\"muted\">5 people", page)
    assert "recusado.csv" not in page
    assert re.search(r"Natal</span>\s*<span class=\"muted\">0 people", page)
    assert "Nunca enviada" not in page


def test_nobody_chosen_is_refused_in_a_sentence(admin: FlaskClient, address: str) -> None:
    response = admin.post(f"{address}/audience", data={"pasted": " \n"})

    assert (response.status_code, "Nobody is chosen yet" in response.text) == (422, True)


def test_list_that_is_too_large_is_refused_beside_it(admin: FlaskClient, address: str) -> None:
    response = admin.post(f"{address}/audience", data={"pasted": "11988880001\n" * 90_000})

    assert response.status_code == 422
    assert re.search(r'id="pasted-error">This list is too large', response.text)


@pytest.mark.parametrize("tags", ["x", "0"], ids=["word", "number"])
def test_ids_that_are_none_are_a_bad_request(admin: FlaskClient, address: str, tags: str) -> None:
    assert admin.post(f"{address}/audience", data={"tags": tags}).status_code == 400


def test_people_chosen_by_a_program_stay_or_go_as_one(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, address: str
) -> None:
    with acting_for(acme), atomic():
        chosen = Audience(contact_ids=(conversation.contact_id,))
        acme.get(Campaign, campaign_of(acme, address).id).audience = chosen.as_row()
    shown = admin.get(f"{address}/audience").text

    admin.post(f"{address}/audience", data={"contacts": "1", "everybody": "1"})
    kept = audience_of(acme, address)
    admin.post(f"{address}/audience", data={"everybody": "1"})

    assert "Those who were chosen one by one" in shown
    assert kept.contact_ids == (conversation.contact_id,)
    assert audience_of(acme, address).contact_ids == ()


def test_campaign_is_renamed(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    admin.post(f"{address}/name", data={"name": "Natal"})
    refused = admin.post(f"{address}/name", data={"name": ""})

    assert (campaign_of(acme, address).name, refused.status_code) == ("Natal", 422)


def test_message_begins_with_a_template_and_its_file(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, address: str
) -> None:
    template = make_template(acme, "Oferta", "Oi, ((nome))!", "Olá, ((nome))!")
    page = admin.get(f"{address}/message?template={template.id}").text
    file = re.search(r'name="template_file" value="([^"]+)" checked', page)
    assert file

    admin.post(f"{address}/message", data={"variant_1": "Oi, ((nome))!", "template_file": file[1]})

    assert "Oi, ((nome))!</textarea>" in page
    assert "Olá, ((nome))!</textarea>" in page
    assert "Oi, Maria!</p>" in page
    campaign = campaign_of(acme, address)
    with acting_for(acme):
        assert acme.get(Media, campaign.media_id).file_name == "boleto.pdf"
    assert campaign.variants == ["Oi, ((nome))!"]
    assert "boleto.pdf" in admin.get(f"{address}/message").text


def test_file_of_a_message_is_kept_until_it_is_taken_away(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, address: str
) -> None:
    admin.post(f"{address}/message", data={"variant_1": "Oi", "file": (BytesIO(PDF), "oferta.pdf")})
    admin.post(f"{address}/message", data={"variant_1": "Olá"})
    kept = campaign_of(acme, address).media_id
    admin.post(f"{address}/message", data={"variant_1": "Olá", "removes_file": "y"})

    assert kept is not None
    assert campaign_of(acme, address).media_id is None


def test_preview_is_for_somebody_of_the_audience(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, address: str
) -> None:
    vip = tag(acme, conversation, "vip")
    make_conversation(acme, connected_unit, phone="5511999990077", name="Zélia")
    admin.post(f"{address}/audience", data={"tags": vip})

    shown = post_part(admin, f"{address}/message", {"variant_1": "Oi, ((nome))", "preview": "1"}).text
    other = post_part(
        admin, f"{address}/message", {"variant_1": "Oi, ((nome))", "preview": "1", "preview_for": "zélia"}
    ).text

    assert "Oi, Maria</p>" in shown
    assert "Nobody fits this search" in other
    assert campaign_of(acme, address).variants == []


def test_message_to_numbers_that_are_nobody_yet_is_shown_for_a_contact(
    admin: FlaskClient, conversation: Conversation, address: str
) -> None:
    admin.post(f"{address}/audience", data={"pasted": "11 97777-0001"})

    assert "Oi, Maria</p>" in post_part(admin, f"{address}/message", {"variant_1": "Oi, ((nome))", "preview": "1"}).text


def test_refused_message_keeps_what_was_written(admin: FlaskClient, address: str) -> None:
    response = admin.post(f"{address}/message", data={"variant_1": "Oi, ((nome"})

    assert response.status_code == 422
    assert re.search(r'id="variant_1-error">“\(\(nome” is not closed', response.text)
    assert "Oi, ((nome</textarea>" in response.text


def test_draft_is_deleted_after_a_question(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    asked = admin.get(f"{address}/delete").text

    admin.post(f"{address}/delete")

    assert "Delete this draft?" in asked
    assert admin.get(f"{address}/audience").status_code == 404
    with acting_for(acme):
        assert campaigns.list_campaigns(acme) == []


@pytest.mark.parametrize("step", ["audience", "message", "check", "delete"])
def test_what_began_is_looked_at_on_its_own_page(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, step: str
) -> None:
    begun = make_campaign(acme, connected_unit, [conversation.contact_id], state=CampaignState.PROCESSING)

    response = admin.get(f"{CAMPAIGNS}/{begun.id}/{step}")
    by_poll = admin.get(f"{CAMPAIGNS}/{begun.id}/{step}", headers={"HX-Request": "true"})

    assert response.headers["Location"] == f"{CAMPAIGNS}/{begun.id}"
    assert (by_poll.status_code, by_poll.headers["HX-Redirect"]) == (204, f"{CAMPAIGNS}/{begun.id}")


def test_agent_prepares_no_campaign(acme: TenantScope, connected_unit: Unit, browser: OpenBrowser) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    assert (agent.get(NEW).status_code, agent.post(NEW, data={"name": "x", "unit": "jardins"}).status_code) == (
        403,
        403,
    )


def test_failed_draft_says_what_to_do_and_changes_no_more(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    from portal.models import PlanProblem, PlanState

    address = prepare(admin, acme)
    with acting_for(acme), atomic():
        campaign = acme.get(Campaign, campaign_of(acme, address).id)
        campaign.state, campaign.plan_state = CampaignState.FAILED, PlanState.NONE
        campaign.plan_problem = PlanProblem.GAVE_UP

    page = admin.get(f"{address}/check").text
    changed = admin.post(f"{address}/message", data={"variant_1": "Oi"})

    assert "Copy this campaign and try again" in page
    assert f'action="{address}/clone"' in page
    assert changed.headers["Location"] == f"{address}/check"


def test_more_than_a_thousand_tags_can_be_chosen(admin: FlaskClient, acme: TenantScope, address: str) -> None:
    with acting_for(acme), atomic():
        tags = [acme.add(Tag(name=f"Bairro {number}")) for number in range(1_001)]
    ids = [str(tag.id) for tag in tags]

    response = admin.post(f"{address}/audience", data={"tags": ids}, content_type="multipart/form-data")

    assert response.status_code == 303
    assert len(audience_of(acme, address).tag_ids) == len(ids)
