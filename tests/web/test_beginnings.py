"""A message to one person that begins with a template: filled in, looked at, changed, and sent as it then stands."""

from io import BytesIO
from typing import Any
from uuid import uuid4

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from portal.db import atomic, db
from portal.models import Contact, Conversation, Media, MessageTemplate, Unit
from portal.permissions import Role
from portal.services.merging import merge_contacts
from portal.services.message_templates import archive_template
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_connected_unit, make_conversation, make_template, make_tenant, make_user
from tests.files import JPEG, PDF
from tests.web.conftest import OpenBrowser
from tests.web.templates import file_id_of, sent

SEND = "/t/acme/units/jardins/send"
MARIA = "+55 11 99999-0002"
TEXT = "Oi, ((nome))! Seu plano: ((plano)).((cidade?? Até já!))"


@pytest.fixture
def template(acme: TenantScope, conversation: Conversation) -> MessageTemplate:
    with acting_for(acme), atomic():
        acme.get(Contact, conversation.contact_id).attributes = {"cidade": "Natal"}
    return make_template(acme, "Plano", TEXT)


def begin(browser: FlaskClient, template: MessageTemplate, phone: str = MARIA) -> str:
    response = browser.get(SEND, query_string={"template": str(template.id), "phone": phone})
    assert response.status_code == 200
    return response.text


def send(browser: FlaskClient, template: MessageTemplate, text: str, **fields: Any) -> TestResponse:
    asked = {"template": str(template.id), "phone": MARIA}
    return browser.post(SEND, query_string=asked, data={"phone": MARIA, "text": text, **fields})


def test_message_is_filled_in_for_the_person(admin: FlaskClient, template: MessageTemplate) -> None:
    shown = begin(admin, template)

    assert "Oi, Maria! Seu plano: ((plano)). Até já!</textarea>" in shown
    assert f'value="{MARIA}"' in shown
    assert "There is no value of Maria for: plano." in shown


def test_message_to_somebody_unknown_says_that_nothing_is_known(admin: FlaskClient, template: MessageTemplate) -> None:
    shown = begin(admin, template, "+55 11 98888-0001")

    assert "Oi, ((nome))! Seu plano: ((plano)).</textarea>" in shown
    assert "Nobody of this number is among your contacts, so these have no value: nome, plano." in shown


def test_person_is_found_by_a_number_of_somebody_merged_into_them(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit, conversation: Conversation, template: MessageTemplate
) -> None:
    other = make_conversation(acme, connected_unit, phone="5511977770001", name="Mari").contact_id
    with acting_for(acme):
        merge_contacts(acme, conversation.contact_id, other)

    assert "Oi, Maria!" in begin(admin, template, "11 97777-0001")


def test_agent_learns_no_name_of_a_person_whom_they_do_not_see(
    acme: TenantScope, connected_unit: Unit, template: MessageTemplate, browser: OpenBrowser
) -> None:
    agent = browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))
    make_conversation(
        acme, make_connected_unit(acme, "praia", phone="5511999990009"), phone="5511977770001", name="Eva"
    )

    assert "Evangelina" not in begin(agent, template, "11 97777-0001")
    assert "Maria" in begin(agent, template)


def test_what_is_sent_is_what_stands_in_the_form_with_the_templates_file(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    file_id = file_id_of(begin(admin, template))

    response = send(admin, template, "Oi, Maria! Seu plano: ouro.", template_file=file_id)

    assert response.status_code == 303
    assert sent(acme) == [("Oi, Maria! Seu plano: ouro.", "boleto.pdf")]


def test_templates_file_stays_at_home_when_it_is_not_ticked(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    send(admin, template, "Oi, Maria!")

    assert sent(acme) == [("Oi, Maria!", None)]


def test_chosen_file_goes_in_the_place_of_the_templates(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    file_id = file_id_of(begin(admin, template))

    send(admin, template, "Oi!", template_file=file_id, file=(BytesIO(JPEG), "foto.jpg"))

    assert sent(acme) == [("Oi!", "foto.jpg")]


def test_variable_that_was_left_in_the_text_is_not_sent(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    file_id = file_id_of(begin(admin, template))

    response = send(admin, template, "Seu plano: ((plano)).", template_file=file_id)

    assert response.status_code == 422
    assert "Write something in the place of ((plano))." in response.text
    assert "Seu plano: ((plano)).</textarea>" in response.text
    assert f'name="template_file" value="{file_id}" checked' in response.text
    assert sent(acme) == []


def test_brackets_of_ones_own_are_sent(admin: FlaskClient, acme: TenantScope, template: MessageTemplate) -> None:
    send(admin, template, "Oi ((outra coisa))")

    assert sent(acme) == [("Oi ((outra coisa))", None)]


def test_second_click_sends_nothing(admin: FlaskClient, acme: TenantScope, template: MessageTemplate) -> None:
    fields = {"template_file": file_id_of(begin(admin, template)), "form_id": uuid4().hex}

    for _click in range(2):
        send(admin, template, "Oi!", **fields)

    assert sent(acme) == [("Oi!", "boleto.pdf")]


def test_only_a_templates_file_is_sent_by_its_id(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    make_template(rival := make_tenant("rival"))
    with acting_for(rival):
        theirs = str(db.session.scalars(rival.select(Media, Media.id)).one())

    answers = [send(admin, template, "Oi!", template_file=other) for other in (theirs, str(uuid4()), "x")]

    assert [answer.status_code for answer in answers] == [422, 422, 422]
    assert all("file is not here any more" in answer.text for answer in answers)
    assert sent(acme) == []


@pytest.mark.parametrize("asked", ["", "x", "00000000-0000-0000-0000-000000000000"], ids=["none", "word", "unknown"])
def test_page_without_such_a_template_is_the_empty_form(
    admin: FlaskClient, template: MessageTemplate, asked: str
) -> None:
    response = admin.get(SEND, query_string={"template": asked, "phone": MARIA})

    assert (response.status_code, "Oi, Maria" in response.text) == (200, False)


def test_message_that_began_with_an_archived_template_is_still_sent(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    file_id = file_id_of(begin(admin, template))
    with acting_for(acme):
        archive_template(acme, template.id)

    send(admin, template, "Oi!", template_file=file_id)

    assert sent(acme) == [("Oi!", "boleto.pdf")]


def test_template_is_chosen_on_the_form_and_on_the_persons_page(
    admin: FlaskClient, conversation: Conversation, template: MessageTemplate
) -> None:
    choice = f'<option value="{template.id}"'

    assert choice in admin.get(SEND).text
    shown = admin.get(f"/t/acme/contacts/{conversation.contact_id}").text
    assert choice in shown
    assert f'formaction="{SEND}"' in shown


def test_without_templates_nothing_is_offered(admin: FlaskClient, conversation: Conversation) -> None:
    for page in (SEND, f"/t/acme/contacts/{conversation.contact_id}"):
        assert "Begin with a template" not in admin.get(page).text


def test_template_without_gaps_says_where_the_text_is_from(
    admin: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    plain = make_template(acme, "Simples", "Bom dia!")

    assert "Filled in from “Simples”." in begin(admin, plain)


def test_files_of_messages_and_of_the_template_are_two(
    admin: FlaskClient, acme: TenantScope, template: MessageTemplate
) -> None:
    file_id = file_id_of(begin(admin, template))

    send(admin, template, "Oi!", template_file=file_id)

    with acting_for(acme):
        contents = list(db.session.scalars(acme.select(Media, Media.content)))
    assert contents == [PDF, PDF]
