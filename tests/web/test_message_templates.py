"""Templates at their pages: written with a preview, looked at with their versions, restored, archived."""

import re
from io import BytesIO
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from portal.db import atomic, db
from portal.models import Contact, Conversation, Unit
from portal.permissions import Role
from portal.queries import message_templates as queries
from portal.queries import variables
from portal.queries.message_templates import TemplateRow
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_template, make_user
from tests.files import JPEG, PDF
from tests.web.conftest import OpenBrowser
from tests.web.htmx import post_part

TEMPLATES = "/t/acme/templates"
NEW = f"{TEMPLATES}/new"


@pytest.fixture
def agent(acme: TenantScope, connected_unit: Unit, browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))


@pytest.fixture
def page(admin: FlaskClient) -> str:
    """The address of a template with one version of the admin's."""
    return write(admin, "Oi, ((nome))!", name="Boas-vindas")


def write(browser: FlaskClient, *texts: str, name: str = "Oferta", **fields: Any) -> str:
    """Write a template; its address."""
    response = browser.post(NEW, data=filled(*texts, name=name, **fields))
    assert response.status_code == 303, response.text
    return response.headers["Location"]


def filled(*texts: str, name: str = "Oferta", **fields: Any) -> dict[str, Any]:
    return {"name": name, **{f"variant_{number}": text for number, text in enumerate(texts, 1)}, **fields}


def row_of(scope: TenantScope, page: str) -> TemplateRow:
    with acting_for(scope):
        return queries.get_template(scope, UUID(page.rpartition("/")[2]))


def know(scope: TenantScope, conversation: Conversation, **attributes: str) -> None:
    with acting_for(scope), atomic():
        scope.get(Contact, conversation.contact_id).attributes = attributes


def test_list_teaches_while_it_is_empty(admin: FlaskClient, agent: FlaskClient) -> None:
    assert f'href="{NEW}"' in admin.get(TEMPLATES).text
    assert "No templates yet" in agent.get(TEMPLATES).text
    assert f'href="{NEW}"' not in agent.get(TEMPLATES).text


def test_list_shows_what_each_says(admin: FlaskClient, page: str) -> None:
    write(admin, "<b>um</b>", "dois", name="Oferta")

    shown = admin.get(TEMPLATES).text

    for words in ("Boas-vindas", "Oi, ((nome))!", "&lt;b&gt;um&lt;/b&gt;", "2 variants", f'href="{page}"'):
        assert words in shown


def test_short_cut_is_shown_and_edited(admin: FlaskClient) -> None:
    page = write(admin, "Oi", name="Preço", shortcut="/preco")

    assert "/preco</code>" in admin.get(TEMPLATES).text
    assert "/preco</code>" in admin.get(page).text
    assert re.search(r'id="shortcut"[^>]*value="preco"', admin.get(f"{page}/edit").text)


def test_taken_short_cut_is_told_beside_its_field(admin: FlaskClient) -> None:
    write(admin, "Oi", name="Preço", shortcut="preco")

    response = admin.post(NEW, data=filled("Oi", name="Outro", shortcut="Preco"))

    assert response.status_code == 422
    assert re.search(r'id="shortcut-error">Another template has this short cut already', response.text)


def test_contacts_lead_to_templates_and_stay_marked_there(admin: FlaskClient) -> None:
    assert f'href="{TEMPLATES}"' in admin.get("/t/acme/contacts").text
    assert re.search(r'href="/t/acme/contacts" aria-current="true"', admin.get(TEMPLATES).text)


def test_page_shows_text_file_author_and_who_lacks_a_value(admin: FlaskClient, conversation: Conversation) -> None:
    page = write(admin, "Oi, ((nome)), ((cidade))", "Olá!", file=(BytesIO(JPEG), "foto.jpg"))

    shown = admin.get(page).text

    for words in ("Oi, ((nome)), ((cidade))", "Variant 2", "admin@acme.test", "Nobody has a value for “cidade”"):
        assert words in shown
    assert f'src="{page}/versions/1/file"' in shown
    assert "“nome”" not in shown


def test_file_is_handed_out_as_a_message_s_is(admin: FlaskClient) -> None:
    page = write(admin, "Oi", file=(BytesIO(PDF), "boleto.pdf"))

    answer = admin.get(f"{page}/versions/1/file")

    assert (answer.data, answer.mimetype) == (PDF, "application/pdf")
    assert "attachment" in answer.headers["Content-Disposition"]
    assert "sandbox" in answer.headers["Content-Security-Policy"]


@pytest.mark.parametrize("path", ["versions/1/file", "versions/2", "versions/99999999999"], ids=["file", "one", "huge"])
def test_what_no_version_has_is_not_found(admin: FlaskClient, page: str, path: str) -> None:
    assert admin.get(f"{page}/{path}").status_code == 404


def test_template_is_edited(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    shown = admin.get(f"{page}/edit").text
    assert "Oi, ((nome))!</textarea>" in shown
    assert 'name="based_on" value="1"' in shown

    response = admin.post(f"{page}/edit", data=filled("Olá!", "Bom dia!", name="Boas-vindas", based_on="1"))

    row = row_of(acme, page)
    assert response.headers["Location"] == page
    assert (row.version.number, row.version.variants) == (2, ["Olá!", "Bom dia!"])


def test_file_is_taken_away_when_it_is_ticked(admin: FlaskClient, acme: TenantScope) -> None:
    page = write(admin, "Oi", file=(BytesIO(PDF), "boleto.pdf"))

    admin.post(f"{page}/edit", data=filled("Oi", based_on="1"))
    kept = row_of(acme, page)
    admin.post(f"{page}/edit", data=filled("Oi", based_on="1", removes_file="y"))

    assert (kept.version.number, kept.file is not None) == (1, True)
    assert row_of(acme, page).file is None


@pytest.mark.parametrize("path", ["new", "edit"])
def test_refused_template_keeps_what_was_written_and_says_why_beside_it(
    admin: FlaskClient, page: str, path: str
) -> None:
    address = NEW if path == "new" else f"{page}/edit"

    response = admin.post(address, data=filled("Bom dia, ((nome", "Segunda", name="x" * 61, based_on="1"))

    assert response.status_code == 422
    assert "Bom dia, ((nome</textarea>" in response.text
    assert re.search(r'id="variant_1-error">“\(\(nome” is not closed', response.text)
    assert re.search(r'id="name-error">A template&#39;s name has 1 to 60', response.text)


def test_file_has_to_be_chosen_again_after_a_refusal(admin: FlaskClient) -> None:
    response = admin.post(NEW, data=filled("", file=(BytesIO(PDF), "boleto.pdf")))

    assert (response.status_code, "Choose the file again." in response.text) == (422, True)


def test_second_of_two_who_save_sees_it_and_may_insist(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    admin.post(f"{page}/edit", data=filled("De outra pessoa", based_on="1"))

    refused = admin.post(f"{page}/edit", data=filled("Meu texto", based_on="1"))
    number = re.search(r'name="based_on" value="(\d+)"', refused.text)
    assert number
    before = row_of(acme, page).version.variants
    admin.post(f"{page}/edit", data=filled("Meu texto", based_on=number[1]))

    assert (refused.status_code, "Somebody else saved this template" in refused.text) == (409, True)
    assert "Meu texto</textarea>" in refused.text
    assert (before, row_of(acme, page).version.variants) == (["De outra pessoa"], ["Meu texto"])


@pytest.mark.parametrize("based_on", ["", "x", "-1", "²", "9" * 30], ids=["none", "word", "minus", "power", "huge"])
def test_form_that_began_with_no_version_saves_nothing(
    admin: FlaskClient, acme: TenantScope, page: str, based_on: str
) -> None:
    response = admin.post(f"{page}/edit", data=filled("Novo", based_on=based_on))

    assert (response.status_code, row_of(acme, page).version.number) == (409, 1)


def test_preview_without_a_script_is_the_page_with_what_was_written(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    shown = admin.post(NEW, data=filled("Oi, ((nome))!", preview="1")).text

    assert "Oi, ((nome))!</textarea>" in shown
    assert "Oi, Maria!</p>" in shown
    with acting_for(acme):
        assert queries.list_templates(acme) == []


def test_preview_by_htmx_is_the_part_only(admin: FlaskClient, conversation: Conversation, page: str) -> None:
    shown = post_part(admin, f"{page}/edit", filled("Oi, ((Primeiro Nome))", preview="1")).text

    assert shown.lstrip().startswith('<section class="template-preview"')
    assert "Oi, Maria</p>" in shown


def test_preview_tells_what_this_person_and_others_lack(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511977770001", name="Ana", attributes={"Cidade": "Natal"}))
    wanted = filled("((cidade))", "((cidade", "((bairro??x))", preview="1", preview_for="maria")

    shown = post_part(admin, NEW, wanted).text

    assert "This person has no value for: cidade" in shown
    assert "1 contact has no value for “cidade”" in shown
    assert "“((cidade” is not closed" in shown
    assert "bairro" not in shown
    assert "10 of 10,000 characters" in shown


def test_variable_of_two_variants_is_told_once(admin: FlaskClient, conversation: Conversation) -> None:
    shown = post_part(admin, NEW, filled("((Cidade))", "Oi ((cidade))", preview="1")).text

    assert shown.count("Nobody has a value for") == 1


def test_preview_of_many_people_says_whom_it_looked_at(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(variables, "MOST_LOOKED_AT", 2)
    with acting_for(acme), atomic():
        for number in range(2):
            acme.add(Contact(phone=f"551197777000{number}", attributes={"cidade": "Natal"} if number else {}))

    shown = post_part(admin, NEW, filled("((cidade))", preview="1")).text

    assert "Of your newest 2 contacts 1 have no value for “cidade”. Older ones were not looked at." in shown


def test_preview_for_nobody_who_fits_is_for_the_newest(admin: FlaskClient, conversation: Conversation) -> None:
    shown = post_part(admin, NEW, filled("Oi ((nome))", preview="1", preview_for="zz\x00z")).text

    assert "Nobody fits this search" in shown
    assert "Oi Maria</p>" in shown


def test_preview_of_a_company_without_people_keeps_the_variables(admin: FlaskClient) -> None:
    shown = post_part(admin, NEW, filled("Oi ((nome))", preview="1")).text

    assert "You have no contacts yet" in shown
    assert "Oi ((nome))</p>" in shown


def test_preview_below_a_chosen_file_counts_to_the_limit_there(admin: FlaskClient) -> None:
    shown = post_part(admin, NEW, filled("Oi", preview="1", file="[object File]")).text

    assert "2 of 1,024 characters" in shown


def test_form_offers_the_companys_own_fields(admin: FlaskClient, acme: TenantScope, conversation: Conversation) -> None:
    know(acme, conversation, **{"Última <compra>": "ontem"})

    shown = admin.get(NEW).text

    assert 'data-insert="((Última &lt;compra&gt;))"' in shown
    assert 'data-insert="((first name))"' in shown


def test_values_of_people_are_text_and_nothing_else(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    know(acme, conversation, cidade="<i>((nome))</i>")

    shown = post_part(admin, NEW, filled("((cidade))", preview="1")).text

    assert "&lt;i&gt;((nome))&lt;/i&gt;</p>" in shown


def test_old_version_is_looked_at_and_used_again(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    admin.post(f"{page}/edit", data=filled("Novo", name="Boas-vindas", based_on="1"))
    shown = admin.get(f"{page}/versions/1").text
    assert "This is version 1, not the one that is used." in shown
    assert "Oi, ((nome))!" in shown

    response = admin.post(f"{page}/versions/1/restore", data={"based_on": "2"})

    assert response.headers["Location"] == page
    assert row_of(acme, page).version.variants == ["Oi, ((nome))!"]


def test_long_list_of_versions_says_that_there_are_more(
    admin: FlaskClient, page: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = "Only the newest versions are listed."
    admin.post(f"{page}/edit", data=filled("Novo", name="Boas-vindas", based_on="1"))
    assert words not in admin.get(page).text

    monkeypatch.setattr(queries, "MOST_VERSIONS", 1)

    assert words in admin.get(page).text


def test_restoring_is_refused_when_somebody_saved_meanwhile(admin: FlaskClient, acme: TenantScope, page: str) -> None:
    admin.post(f"{page}/edit", data=filled("Novo", based_on="1"))

    response = admin.post(f"{page}/versions/1/restore", data={"based_on": "1"}, follow_redirects=True)

    assert "Somebody else saved this template" in response.text
    assert row_of(acme, page).version.variants == ["Novo"]


def test_template_is_archived_after_a_question(admin: FlaskClient, page: str) -> None:
    assert "Archive this template?" in admin.get(f"{page}/archive").text

    admin.post(f"{page}/archive")

    assert admin.get(page).status_code == 404
    assert page not in admin.get(TEMPLATES).text


def test_agent_reads_templates_and_is_offered_no_change(agent: FlaskClient, admin: FlaskClient, page: str) -> None:
    shown = agent.get(page)

    assert (shown.status_code, "Oi, ((nome))!" in shown.text) == (200, True)
    assert f"{page}/edit" not in shown.text
    assert f"{page}/archive" not in shown.text


@pytest.mark.parametrize("path", ["new", "edit", "archive", "versions/1/restore"])
def test_agent_changes_no_template(agent: FlaskClient, acme: TenantScope, path: str) -> None:
    template = make_template(acme)
    address = NEW if path == "new" else f"{TEMPLATES}/{template.id}/{path}"

    assert agent.post(address, data=filled("Oi", based_on="1")).status_code == 403
    with acting_for(acme):
        assert [row.newest for row in queries.list_templates(acme)] == [1]
    db.session.rollback()
