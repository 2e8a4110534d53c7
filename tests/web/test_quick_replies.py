"""Quick replies: what "/" offers in a conversation, and a reply that begins with a template."""

import re
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.models import Contact, Conversation, Media, MessageTemplate, Unit
from portal.permissions import Role
from portal.services.message_templates import archive_template
from portal.tenancy import TenantScope, acting_for
from tests.factories import (
    make_connected_unit,
    make_conversation,
    make_message,
    make_template,
    make_tenant,
    make_unit,
    make_user,
)
from tests.web.conftest import OpenBrowser
from tests.web.htmx import EACH_WAY, PART
from tests.web.templates import file_id_of, sent

TEXT = "Oi, ((nome))! Seu plano: ((plano))."


@pytest.fixture
def template(acme: TenantScope) -> MessageTemplate:
    return make_quick(acme, "Plano", TEXT, shortcut="plano")


def make_quick(scope: TenantScope, name: str, *texts: str, shortcut: str | None = None) -> MessageTemplate:
    template = make_template(scope, name, *texts)
    with acting_for(scope), atomic():
        scope.get(MessageTemplate, template.id).shortcut = shortcut
    return template


def offered(browser: FlaskClient, thread: str, text: str = "") -> list[str]:
    """The names of the templates that are offered for that text, in their order."""
    page = browser.get(f"{thread}/quick-replies", query_string={"q": text}).text
    return re.findall(r'<strong dir="auto">([^<]*)</strong>', page)


def reply(browser: FlaskClient, thread: str, text: str, **fields: Any) -> TestResponse:
    return browser.post(f"{thread}/messages", data={"text": text, **fields}, headers=PART)


def test_offers_are_filled_in_for_the_person(admin: FlaskClient, thread: str, template: MessageTemplate) -> None:
    page = admin.get(f"{thread}/quick-replies").text

    assert 'data-text="Oi, Maria! Seu plano: ((plano))."' in page
    assert f'data-template="{template.id}"' in page
    assert 'data-file-name="boleto.pdf"' in page
    assert "/plano" in page


def test_offers_with_a_short_cut_come_first_and_follow_what_is_typed(
    admin: FlaskClient, acme: TenantScope, thread: str
) -> None:
    for name, shortcut in (("Adeus", None), ("Preço à vista", "vista"), ("Boas-vindas", "oi"), ("Vista cansada", None)):
        make_quick(acme, name, "Oi", shortcut=shortcut)

    assert offered(admin, thread) == ["Boas-vindas", "Preço à vista", "Adeus", "Vista cansada"]
    assert offered(admin, thread, "VIS") == ["Preço à vista", "Vista cansada"]
    assert offered(admin, thread, "preco a") == ["Preço à vista"]
    assert offered(admin, thread, "as-v") == ["Boas-vindas"]


def test_short_cut_that_begins_so_comes_before_a_name_that_holds_it(
    admin: FlaskClient, acme: TenantScope, thread: str
) -> None:
    make_quick(acme, "Horário de sábado", "Oi", shortcut="aberto")
    make_quick(acme, "Endereço", "Oi", shortcut="sabor")

    assert offered(admin, thread, "sab") == ["Endereço", "Horário de sábado"]


def test_at_most_twenty_are_offered(admin: FlaskClient, acme: TenantScope, thread: str) -> None:
    for number in range(21):
        make_quick(acme, f"Oferta {number:02d}", "Oi")

    assert offered(admin, thread) == [f"Oferta {number:02d}" for number in range(20)]


def test_nothing_that_fits_says_what_enter_does(admin: FlaskClient, thread: str, template: MessageTemplate) -> None:
    page = admin.get(f"{thread}/quick-replies?q=zzz").text

    assert "No quick reply begins so." in page
    assert "role=" not in page


def test_archived_and_others_templates_are_not_offered(
    admin: FlaskClient, acme: TenantScope, thread: str, template: MessageTemplate
) -> None:
    make_quick(make_tenant("rival"), "Deles", "Oi", shortcut="deles")
    with acting_for(acme):
        archive_template(acme, template.id)

    assert offered(admin, thread) == []


def test_agent_gets_offers_in_their_own_units_only(
    acme: TenantScope, thread: str, template: MessageTemplate, browser: OpenBrowser
) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))
    elsewhere = make_conversation(
        acme, make_connected_unit(acme, "praia", phone="5511999990009"), phone="5511977770001"
    )

    assert offered(agent, thread) == ["Plano"]
    assert agent.get(f"/t/acme/conversations/{elsewhere.id}/quick-replies").status_code == 404


def test_composer_begins_with_a_template_without_a_script(
    admin: FlaskClient, thread: str, template: MessageTemplate
) -> None:
    page = admin.get(f"{thread}?template={template.id}").text

    assert "Oi, Maria! Seu plano: ((plano)).</textarea>" in page
    assert f'name="template" value="{template.id}"' in page
    assert re.search(r'name="template_file" value="[0-9a-f-]{36}" checked', page)
    assert "There is no value of Maria for: plano." in page
    assert f'<option value="{template.id}" selected>' in page


@pytest.mark.parametrize("asked", ["", "x", "00000000-0000-0000-0000-000000000000"], ids=["none", "word", "unknown"])
def test_composer_without_such_a_template_is_empty(
    admin: FlaskClient, thread: str, template: MessageTemplate, asked: str
) -> None:
    page = admin.get(thread, query_string={"template": asked}).text

    assert re.search(r'id="composer-text"[^>]*></textarea>', page)
    assert 'name="template" value=""' in page


@EACH_WAY
def test_variable_that_was_left_in_the_text_is_not_sent(
    admin: FlaskClient, acme: TenantScope, thread: str, template: MessageTemplate, headers: dict[str, str]
) -> None:
    file_id = file_id_of(admin.get(f"{thread}?template={template.id}").text)
    fields = {"template": str(template.id), "template_file": file_id, "text": "Seu plano: ((plano))."}

    answer = admin.post(f"{thread}/messages", data=fields, headers=headers)

    assert answer.status_code == 422
    assert "Write something in the place of ((plano))." in answer.text
    assert "Seu plano: ((plano)).</textarea>" in answer.text
    assert f'name="template_file" value="{file_id}" checked' in answer.text
    assert sent(acme) == []


def test_brackets_of_ones_own_are_sent(admin: FlaskClient, acme: TenantScope, thread: str) -> None:
    reply(admin, thread, "Oi ((plano))")

    assert sent(acme) == [("Oi ((plano))", None)]


def test_templates_file_goes_along_unless_it_was_removed(
    admin: FlaskClient, acme: TenantScope, thread: str, template: MessageTemplate
) -> None:
    file_id = file_id_of(admin.get(f"{thread}?template={template.id}").text)

    reply(admin, thread, "Oi, Maria!", template=str(template.id), template_file=file_id)
    reply(admin, thread, "De novo!", template=str(template.id))

    assert sent(acme) == [("Oi, Maria!", "boleto.pdf"), ("De novo!", None)]


def test_only_a_templates_file_is_sent_by_its_id(admin: FlaskClient, acme: TenantScope, thread: str) -> None:
    make_template(rival := make_tenant("rival"))
    with acting_for(rival):
        theirs = str(db.session.scalars(rival.select(Media, Media.id)).one())

    answers = [reply(admin, thread, "Oi!", template_file=other) for other in (theirs, str(uuid4()), "x")]

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert sent(acme) == []


def test_second_click_on_a_message_with_a_templates_file_sends_nothing(
    admin: FlaskClient, acme: TenantScope, thread: str, template: MessageTemplate
) -> None:
    file_id = file_id_of(admin.get(f"{thread}?template={template.id}").text)

    for _click in range(2):
        reply(admin, thread, "Oi!", template_file=file_id, form_id="a" * 32)

    assert sent(acme) == [("Oi!", "boleto.pdf")]


def test_archived_unit_says_why_nothing_is_written_and_leads_to_another(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation, thread: str
) -> None:
    make_message(acme, conversation)
    with acting_for(acme), atomic():
        acme.get(Unit, connected_unit.id).archived_at = now()

    page, refused = admin.get(thread).text, reply(admin, thread, "Oi")

    assert "was archived, so nothing is sent from it any more." in page
    assert f'<a href="/t/acme/contacts/{conversation.contact_id}">Write from another unit</a>' in page
    assert 'id="composer-text"' not in page
    assert (refused.status_code, "was archived" in refused.text) == (409, True)
    assert sent(acme) == []


def test_operator_with_leave_to_read_is_told_why_they_cannot_write(
    admin: FlaskClient, operator: FlaskClient, thread: str
) -> None:
    admin.post("/t/acme/access", data={"reason": "A fault", "hours": "8"})

    page = operator.get(thread).text

    assert "You may read here." in page
    assert '<a href="/t/acme/units/jardins">See how the unit is</a>' in page
    assert 'id="composer-text"' not in page
    assert operator.get(f"{thread}/quick-replies").status_code == 403


def test_person_who_wants_no_more_messages_can_be_answered(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    with acting_for(acme), atomic():
        acme.get(Contact, conversation.contact_id).opted_out_at = now()

    page = admin.get(thread).text

    assert "has wanted no more messages since" in page
    assert 'id="composer-text"' in page


def test_composer_of_a_unit_without_a_number_offers_no_template(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    conversation = make_conversation(acme, make_unit(acme, "centro"))

    page = admin.get(f"/t/acme/conversations/{conversation.id}").text

    assert "was never connected to WhatsApp" in page
    assert "Begin with a template" not in page
