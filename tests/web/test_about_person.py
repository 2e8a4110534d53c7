"""What stands beside a thread about whoever writes in it."""

import re

from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import CampaignRecipient, Contact, ContactKind, Conversation, Direction, RecipientState, Unit
from portal.permissions import Role
from portal.services import consent, contacts
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_connected_unit, make_conversation, make_message, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import PART


def about(page: str) -> str:
    """What the page says beside the thread, without tags."""
    found = re.search(r'<aside class="about".*?</aside>', page, re.S)
    assert found, "nothing stands beside the thread"
    return " ".join(re.sub(r"<[^>]+>", " ", found[0]).split())


def test_page_says_who_the_person_is(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    with acting_for(acme):
        contacts.edit_contact(acme, conversation.contact_id, name="Maria", attributes=[("Cidade", "Santos")])
        contacts.add_tag(acme, conversation.contact_id, name="vip")

    told = about(admin.get(thread).text)

    assert told.startswith("Maria +55 11 99999-0002 · About this person Unit Jardins")
    assert "Tags vip" in told
    assert "Cidade Santos" in told
    assert "Campaigns may reach this person." in told
    assert "At other units" not in told


def test_page_says_what_the_person_wants(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    told = []
    for change in (consent.opt_out, consent.opt_in):
        with acting_for(acme):
            change(acme, conversation.contact_id, note="said so at the counter")
        told.append(about(admin.get(thread).text))

    assert "Wants no campaigns since" in told[0]
    assert "Wants campaigns since" in told[1]


def test_conversations_at_other_units_are_linked_as_far_as_one_sees_them(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str, browser: OpenBrowser
) -> None:
    elsewhere = make_conversation(acme, make_connected_unit(acme, "praia", phone="5511999990077"))
    agent = browser(make_user("bia@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    seen, unseen = (client.get(thread).text for client in (admin, agent))

    assert "At other units Praia" in about(seen)
    assert f"/t/acme/conversations/{elsewhere.id}" in seen
    assert "Praia" not in about(unseen)


def test_last_campaign_that_reached_the_person_is_named(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, connected_unit: Unit, thread: str
) -> None:
    campaign_id = make_campaign(acme, connected_unit, [conversation.contact_id]).id
    before = about(admin.get(thread).text)
    message = make_message(acme, conversation, body="Oferta", direction=Direction.OUTBOUND)
    with acting_for(acme), atomic():
        line = acme.update(CampaignRecipient).where(CampaignRecipient.campaign_id == campaign_id)
        handed = {"state": RecipientState.HANDED, "message_id": message.id, "handed_at": now()}
        db.session.execute(line.values(handed))

    page = admin.get(thread).text

    assert "Last campaign" not in before
    assert "Last campaign" in about(page)
    assert f"/t/acme/campaigns/{campaign_id}" in page


def test_group_is_no_person(admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str) -> None:
    with acting_for(acme), atomic():
        contact = acme.get(Contact, conversation.contact_id)
        contact.kind, contact.chat_jid, contact.phone = ContactKind.GROUP, "1203@g.us", None

    told = about(admin.get(thread).text)

    assert told == "Maria Unit Jardins"


def test_look_for_news_asks_nothing_about_the_person(admin: FlaskClient, thread: str) -> None:
    assert "about" not in re.findall(r'id="([^"]+)"', admin.get(thread, headers=PART).text)
