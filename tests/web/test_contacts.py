"""One person's page: what it shows to whom, and what people note there."""

from typing import Any
from uuid import UUID, uuid4

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    CampaignRecipient,
    Contact,
    ContactTag,
    Conversation,
    Direction,
    MessageSource,
    RecipientState,
    Tag,
    Unit,
)
from portal.permissions import Role
from portal.services.merging import merge_contacts
from portal.tenancy import TenantScope, acting_for
from tests.factories import (
    make_campaign,
    make_connected_unit,
    make_conversation,
    make_message,
    make_unit,
    make_user,
)
from tests.web.conftest import OpenBrowser

CONTACTS = "/t/acme/contacts"


@pytest.fixture
def page(conversation: Conversation) -> str:
    return f"{CONTACTS}/{conversation.contact_id}"


@pytest.fixture
def agent(acme: TenantScope, connected_unit: Unit, browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))


def contact_of(scope: TenantScope, phone: str) -> Contact | None:
    with acting_for(scope):
        wanted = scope.select(Contact).where(Contact.phone == phone).execution_options(populate_existing=True)
        return db.session.scalar(wanted)


def tags_of(scope: TenantScope, contact_id: UUID) -> list[str]:
    with acting_for(scope):
        borne = scope.select(Tag, Tag.name).join(ContactTag, ContactTag.tag_id == Tag.id)
        return sorted(db.session.scalars(borne.where(ContactTag.contact_id == contact_id)))


def test_page_shows_who_it_is_and_where_they_write(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, page: str
) -> None:
    make_message(acme, conversation, body="Quero <b>comprar</b>")

    shown = admin.get(page).text

    for words in ("Maria", "+55 11 99999-0002", "Jardins", "Quero &lt;b&gt;comprar&lt;/b&gt;", "None yet."):
        assert words in shown
    assert f"/t/acme/conversations/{conversation.id}" in shown
    assert "/t/acme/units/jardins/send?phone=%2B55+11+99999-0002" in shown.replace("%20", "+")


def test_page_lists_the_campaigns_that_the_person_was_in(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation, page: str
) -> None:
    campaign = make_campaign(acme, connected_unit, [conversation.contact_id], name="Black Friday")
    assert "Waits for their turn" in admin.get(page).text

    sent = make_message(acme, conversation, direction=Direction.OUTBOUND, source=MessageSource.CAMPAIGN)
    with acting_for(acme), atomic():
        handed = {"state": RecipientState.HANDED, "message_id": sent.id, "replied_at": now()}
        db.session.execute(acme.update(CampaignRecipient).values(handed))

    shown = admin.get(page).text
    assert f'href="/t/acme/campaigns/{campaign.id}"' in shown
    for words in ("Black Friday", "Answered", f"/t/acme/messages/{sent.id}"):
        assert words in shown


def test_thread_leads_to_the_person(admin: FlaskClient, thread: str, page: str) -> None:
    assert f'href="{page}"' in admin.get(thread).text


def test_merged_persons_page_leads_to_the_kept_one(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation, page: str
) -> None:
    other = make_conversation(acme, connected_unit, phone="5511977770001").contact_id
    with acting_for(acme):
        merge_contacts(acme, conversation.contact_id, other)

    assert admin.get(f"{CONTACTS}/{other}").headers["Location"].endswith(page)


def test_agent_sees_only_people_and_conversations_of_their_units(
    agent: FlaskClient, acme: TenantScope, conversation: Conversation, page: str
) -> None:
    elsewhere = make_connected_unit(acme, "praia", phone="5511999990009")
    make_message(acme, make_conversation(acme, elsewhere), body="segredo")
    stranger = make_conversation(acme, elsewhere, phone="5511977770001").contact_id

    assert agent.get(f"{CONTACTS}/{stranger}").status_code == 404
    shown = agent.get(page)
    assert (shown.status_code, "segredo" in shown.text, "Praia" in shown.text) == (200, False, False)


@pytest.mark.parametrize("words", ["Erase", "Export data", "Merge"])
def test_agent_is_offered_nothing_that_only_admins_do(
    admin: FlaskClient, agent: FlaskClient, page: str, words: str
) -> None:
    assert f">{words}</a>" in admin.get(page).text
    assert f">{words}</a>" not in agent.get(page).text


def test_contact_is_added_with_name_and_tags(admin: FlaskClient, acme: TenantScope) -> None:
    form = {"phone": "(11) 8888-0001", "name": " Ana  Lima ", "tags": "vip, praia"}

    response = admin.post(f"{CONTACTS}/new", data=form)

    ana = contact_of(acme, "5511988880001")
    assert ana is not None
    assert response.headers["Location"].endswith(f"{CONTACTS}/{ana.id}")
    assert (ana.name, ana.named_at, tags_of(acme, ana.id)) == ("Ana Lima", None, ["praia", "vip"])


def test_number_that_is_known_leads_to_its_contact_unchanged(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, page: str
) -> None:
    response = admin.post(f"{CONTACTS}/new", data={"phone": "11 99999-0002", "name": "Outra"})

    assert response.headers["Location"].endswith(page)
    assert "was a contact already" in admin.get(page).text
    maria = contact_of(acme, "5511999990002")
    assert maria is not None
    assert maria.name == "Maria"


@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"phone": "12"}, "not a telephone number"),
        ({"phone": "11988880001", "name": "x" * 121}, "at most 120 characters"),
        ({"phone": "11988880001", "tags": "x" * 61}, "1 to 60 characters"),
        ({"phone": "11988880001", "tags": ",".join(f"t{n}" for n in range(21))}, "At most 20 tags"),
    ],
    ids=["phone", "name", "tag", "tags"],
)
def test_refused_contact_says_why_beside_the_field(
    admin: FlaskClient, acme: TenantScope, form: dict[str, str], words: str
) -> None:
    response = admin.post(f"{CONTACTS}/new", data=form)

    assert (response.status_code, words in response.text) == (422, True)
    assert contact_of(acme, "5511988880001") is None


def test_agent_adds_a_contact_at_one_of_their_units_and_sees_it(
    agent: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    form = {"phone": "11988880001", "unit": str(connected_unit.id)}

    response = agent.post(f"{CONTACTS}/new", data=form, follow_redirects=True)

    assert (response.status_code, "+55 11 98888-0001" in response.text) == (200, True)
    assert agent.post(f"{CONTACTS}/new", data={**form, "unit": str(uuid4())}).status_code == 422


def test_contact_is_not_added_at_a_unit_of_another_company(
    admin: FlaskClient, acme: TenantScope, rival: TenantScope
) -> None:
    form = {"phone": "+55 11 98888-0001", "unit": str(make_unit(rival).id)}

    assert admin.post(f"{CONTACTS}/new", data=form).status_code == 404
    assert contact_of(acme, "5511988880001") is None


def test_name_given_by_hand_stays(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    admin.post(f"{page}/edit", data={"name": "Maria Souza"})

    maria = contact_of(acme, "5511999990002")
    assert maria is not None
    assert (maria.name, maria.named_at, maria.edited_at is not None) == ("Maria Souza", None, True)


def test_fields_are_added_changed_and_removed(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    admin.post(f"{page}/edit", data={"key": ["cidade", " plano "], "value": ["Santos", " Ouro "]})
    admin.post(f"{page}/edit", data={"key": ["cidade", "plano", ""], "value": ["Recife", "", ""]})

    maria = contact_of(acme, "5511999990002")
    assert maria is not None
    assert maria.attributes == {"cidade": "Recife"}


def test_contact_with_more_fields_than_a_person_may_write_can_be_renamed(
    admin: FlaskClient, acme: TenantScope, page: str
) -> None:
    fields = {f"campo {number}": "x" for number in range(60)}
    with acting_for(acme), atomic():
        acme.get(Contact, UUID(page.rpartition("/")[2])).attributes = fields
    typed = {"name": "Maria Souza", "key": list(fields), "value": list(fields.values())}

    renamed = admin.post(f"{page}/edit", data=typed)
    more = admin.post(f"{page}/edit", data=typed | {"key": [*fields, "mais um"], "value": ["x"] * 61})

    assert (renamed.status_code, more.status_code) == (303, 422)
    assert "At most 60 fields" in more.text


@pytest.mark.parametrize(
    ("keys", "values", "words"),
    [
        (["Cidade", "cidade"], ["a", "b"], "There are two fields “cidade”"),
        (["", ""], ["solto", ""], "Give the field with “solto” a name"),
        (["k" * 61], ["v"], "at most 60 characters for the name"),
        (["k"], ["v" * 501], "500 for the value"),
        ([f"k{n}" for n in range(51)], ["v"] * 51, "At most 50 fields"),
    ],
    ids=["twice", "nameless", "long_name", "long_value", "many"],
)
def test_refused_fields_keep_what_was_typed(
    admin: FlaskClient, acme: TenantScope, page: str, keys: list[str], values: list[str], words: str
) -> None:
    response = admin.post(f"{page}/edit", data={"name": "Nova", "key": keys, "value": values})

    assert (response.status_code, words in response.text, f'value="{values[0]}"' in response.text) == (422, True, True)
    maria = contact_of(acme, "5511999990002")
    assert maria is not None
    assert (maria.name, maria.attributes) == ("Maria", {})


def test_tag_is_added_once_in_whatever_capitals_and_removed(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, page: str
) -> None:
    for name in ("VIP", "vip", " Vip "):
        assert admin.post(f"{page}/tags", data={"tag": name}).status_code == 303
    assert tags_of(acme, conversation.contact_id) == ["VIP"]
    with acting_for(acme):
        tag_id = db.session.scalars(acme.select(Tag, Tag.id)).one()

    admin.post(f"{page}/tags/{tag_id}/remove")

    assert tags_of(acme, conversation.contact_id) == []


def test_empty_tag_is_refused(admin: FlaskClient, page: str) -> None:
    response = admin.post(f"{page}/tags", data={"tag": "  "})

    assert (response.status_code, "1 to 60 characters" in response.text) == (422, True)


def test_changes_are_logged_without_what_was_written(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    admin.post(f"{page}/edit", data={"name": "Maria Souza", "key": "cidade", "value": "Santos"})
    admin.post(f"{page}/tags", data={"tag": "vip"})

    with acting_for(acme):
        logged: list[Any] = list(db.session.scalars(acme.select(AuditEvent).order_by(AuditEvent.id)))
    said = [(one.action, one.after) for one in logged if one.action.startswith("contact.")]
    assert [action for action, _ in said] == ["contact.edited", "contact.tagged"]
    assert said[0][1] == {"changed": ["name", "attributes"]}


def test_nobody_else_wrote_in_the_log_when_nothing_changed(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    with acting_for(acme), atomic():
        before = len(list(db.session.scalars(acme.select(AuditEvent, AuditEvent.id))))

    admin.post(f"{page}/edit", data={"name": "Maria"})

    with acting_for(acme):
        assert len(list(db.session.scalars(acme.select(AuditEvent, AuditEvent.id)))) == before
