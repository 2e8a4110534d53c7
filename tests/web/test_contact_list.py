"""The list of contacts: who is found how, whom a campaign would reach, tags for many, and the list as a table."""

import csv
import io
import re
from datetime import timedelta
from typing import Any

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import AuditEvent, Contact, ContactKind, ContactTag, Import, ImportSource, Tag, Unit
from portal.permissions import Role
from portal.queries.contacts import PAGE
from portal.services.tagging import MOST_AT_ONCE
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_user
from tests.web.conftest import OpenBrowser

LIST = "/t/acme/contacts"
JOSE, ANA = "5511988880001", "5521977770002"


@pytest.fixture
def people(acme: TenantScope) -> dict[str, Contact]:
    """José of São Paulo, Ana of Rio who opted out, and somebody of whom only a LID is known."""
    with acting_for(acme), atomic():
        rows = {
            "jose": acme.add(Contact(phone=JOSE, name="José da Conceição")),
            "ana": acme.add(Contact(phone=ANA, name="Ana <i>Müller</i>", opted_out_at=now())),
            "anonymous": acme.add(Contact(lid="99", name="Sem Número")),
        }
        db.session.flush()
        tag = acme.add(Tag(name="vip"))
        db.session.flush()
        acme.add(ContactTag(contact_id=rows["jose"].id, tag_id=tag.id))
    return rows


@pytest.fixture
def agent(acme: TenantScope, connected_unit: Unit, browser: OpenBrowser) -> FlaskClient:
    return browser(make_user("agent@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))


def shown(page: str) -> list[str]:
    """The names in the list, in their order."""
    return re.findall(r'class="people__who"><a [^>]*>([^<]*)</a>', page)


def borne(scope: TenantScope) -> int:
    with acting_for(scope):
        return len(db.session.execute(scope.select(ContactTag, ContactTag.contact_id)).all())


def test_empty_list_teaches_how_people_come(admin: FlaskClient, acme: TenantScope) -> None:
    assert "No contacts yet" in admin.get(LIST).text


@pytest.mark.usefixtures("people")
def test_newest_come_first_with_number_tags_and_consent(admin: FlaskClient) -> None:
    page = admin.get(LIST).text

    assert shown(page) == ["Sem Número", "Ana &lt;i&gt;Müller&lt;/i&gt;", "José da Conceição"]
    for words in ("+55 11 98888-0001", ">vip</a>", ">Opted out</span>", "No number"):
        assert words in page


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("q=jose", ["José da Conceição"]),
        ("q=CONCEICAO", ["José da Conceição"]),
        ("q=concei%C3%A7%C3%A3o", ["José da Conceição"]),
        ("q=conceic%CC%A7a%CC%83o+jos", ["José da Conceição"]),
        ("q=m%C3%BCller", ["Ana &lt;i&gt;Müller&lt;/i&gt;"]),
        ("q=muller+jose", []),
        ("q=.*", []),
        ("q=%25", []),
        ("q=(", []),
        ("q=%5C", []),
        ("q=%E0%A4%BE", []),
        ("q=%F0%9F%98%80", []),
        ("q=%00", ["Sem Número", "Ana &lt;i&gt;Müller&lt;/i&gt;", "José da Conceição"]),
        ("q=8888-0001", ["José da Conceição"]),
        ("q=(11)+98888-0001", ["José da Conceição"]),
        ("q=(11)+8888-0001", ["José da Conceição"]),
        ("q=%2B55+11+8888", ["José da Conceição"]),
        ("q=011+98888", ["José da Conceição"]),
        ("q=5521", ["Ana &lt;i&gt;Müller&lt;/i&gt;"]),
        ("tag=VIP", ["José da Conceição"]),
        ("consent=opted_out", ["Ana &lt;i&gt;Müller&lt;/i&gt;"]),
        ("consent=not_opted_out", ["Sem Número", "José da Conceição"]),
        ("number=none", ["Sem Número"]),
        ("q=jose&consent=opted_out", []),
    ],
)
def test_people_are_found(admin: FlaskClient, query: str, found: list[str]) -> None:
    assert shown(admin.get(f"{LIST}?{query}").text) == found


def test_merged_one_is_not_listed_but_leads_to_the_kept_one(
    admin: FlaskClient, acme: TenantScope, people: dict[str, Contact]
) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511966660001", name="Zeca", merged_into_id=people["jose"].id))

    assert [shown(admin.get(f"{LIST}?q={text}").text) for text in ("zeca", "96666", "6666-0001")] == [
        ["José da Conceição"]
    ] * 3
    assert len(shown(admin.get(LIST).text)) == 3


def test_groups_are_nobodys_contacts(admin: FlaskClient, acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(kind=ContactKind.GROUP, chat_jid="1@g.us", name="Família"))

    assert shown(admin.get(LIST).text) == []


def test_people_of_an_import_are_those_it_added_changed_or_tagged(
    admin: FlaskClient, acme: TenantScope, people: dict[str, Contact]
) -> None:
    file = {"file_name": "clientes.csv", "size": 1, "sha256": "0" * 64, "source": ImportSource.FILE}
    with acting_for(acme), atomic():
        listed = acme.add(Import(**file))
        db.session.flush()
        acme.get(Contact, people["ana"].id).import_id = listed.id
        acme.add(ContactTag(contact_id=people["anonymous"].id, tag_id=_tag_id(acme), import_id=listed.id))

    page = admin.get(f"{LIST}?import={listed.id}").text

    assert len(shown(page)) == 2
    assert "clientes.csv" in page


def _tag_id(scope: TenantScope) -> Any:
    return db.session.scalars(scope.select(Tag, Tag.id)).one()


@pytest.mark.parametrize("query", ["tag=nada", "import=0190a1c8-0000-7000-8000-000000000000"])
def test_filter_by_what_is_not_there_is_not_found(admin: FlaskClient, acme: TenantScope, query: str) -> None:
    assert admin.get(f"{LIST}?{query}").status_code == 404


@pytest.mark.parametrize("query", ["consent=maybe", "import=x", "before=x"])
def test_filter_that_nobody_can_have_chosen_is_refused(admin: FlaskClient, acme: TenantScope, query: str) -> None:
    assert admin.get(f"{LIST}?{query}").status_code == 400


@pytest.mark.usefixtures("people")
def test_list_says_whom_a_campaign_would_reach(admin: FlaskClient) -> None:
    assert "A campaign would reach 1 of 3: 1 opted out, 1 without a number." in admin.get(LIST).text
    assert "1 person. A campaign would reach them." in admin.get(f"{LIST}?q=jose").text


def test_older_ones_are_a_page_further(admin: FlaskClient, acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        for number in range(PAGE + 1):
            acme.add(Contact(phone=f"55119888800{number:02}", name=f"n{number}"))
            db.session.flush()

    first = admin.get(LIST).text

    assert shown(first)[0] == f"n{PAGE}"
    older = re.search(r'href="([^"]*before=[^"]*)"', first)
    assert older is not None
    assert shown(admin.get(older[1].replace("&amp;", "&")).text) == ["n0"]


@pytest.mark.usefixtures("people")
def test_agent_finds_only_people_who_write_to_their_units(
    agent: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    make_conversation(acme, connected_unit, phone=JOSE)

    assert shown(agent.get(LIST).text) == ["José da Conceição"]
    assert shown(agent.get(f"{LIST}?q=ana").text) == []


def test_tag_is_given_to_those_that_are_ticked_and_taken_again(
    admin: FlaskClient, acme: TenantScope, people: dict[str, Contact]
) -> None:
    ids = [str(people[name].id) for name in ("jose", "ana")]

    page = admin.post(f"{LIST}/tags", data={"ids": ids, "tag": "Vip", "change": "tag"}, follow_redirects=True).text

    assert ("1 contact was changed." in page, borne(acme)) == (True, 2)
    admin.post(f"{LIST}/tags", data={"ids": ids, "tag": "vip", "change": "untag"})
    assert borne(acme) == 0


@pytest.mark.usefixtures("people")
def test_admin_tags_the_whole_filter_and_nobody_else(admin: FlaskClient, acme: TenantScope) -> None:
    admin.post(f"{LIST}/tags?consent=not_opted_out", data={"every": "1", "tag": "julho", "change": "tag"})

    assert shown(admin.get(f"{LIST}?tag=julho").text) == ["Sem Número", "José da Conceição"]
    with acting_for(acme):
        logged = db.session.scalars(acme.select(AuditEvent).where(AuditEvent.action == "contacts.tagged")).one()
    assert logged.after == {"count": 2}


@pytest.mark.usefixtures("people")
def test_agent_does_not_tag_a_whole_filter(agent: FlaskClient, acme: TenantScope) -> None:
    response = agent.post(f"{LIST}/tags", data={"every": "1", "tag": "julho"})

    assert (response.status_code, borne(acme)) == (403, 1)


def test_agent_does_not_tag_somebody_of_another_unit(
    agent: FlaskClient, acme: TenantScope, people: dict[str, Contact]
) -> None:
    agent.post(f"{LIST}/tags", data={"ids": [str(people["ana"].id)], "tag": "julho"})

    assert borne(acme) == 1


@pytest.mark.usefixtures("people")
@pytest.mark.parametrize(
    ("form", "words"),
    [
        ({"tag": ""}, "1 to 60 characters"),
        ({"tag": "x", "ids": ["0190a1c8-0000-7000-8000-000000000000"] * (MOST_AT_ONCE + 1)}, "At most 1000 contacts"),
    ],
    ids=["no_tag", "too_many"],
)
def test_refused_tagging_says_why(admin: FlaskClient, form: dict[str, Any], words: str) -> None:
    response = admin.post(f"{LIST}/tags", data=form)

    assert (response.status_code, words in response.text) == (422, True)


@pytest.mark.usefixtures("people")
def test_table_holds_the_filter_and_runs_nothing(admin: FlaskClient, acme: TenantScope) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511966660001", name="=HYPERLINK(1)", created_at=now() - timedelta(days=1)))

    response = admin.get(f"{LIST}.csv?consent=not_opted_out")

    lines = list(csv.reader(io.StringIO(response.text.lstrip("\ufeff"))))
    assert [line[:3] for line in lines] == [
        ["Name", "Phone number", "Tags"],
        ["'=HYPERLINK(1)", "+55 11 96666-0001", ""],
        ["Sem Número", "", ""],
        ["José da Conceição", "+55 11 98888-0001", "vip"],
    ]
    with acting_for(acme):
        logged = db.session.scalars(acme.select(AuditEvent).where(AuditEvent.action == "contacts.exported")).one()
    assert logged.after == {"count": 3}


@pytest.mark.usefixtures("people")
def test_agent_takes_no_list_out(agent: FlaskClient) -> None:
    assert agent.get(f"{LIST}.csv").status_code == 403


@pytest.mark.usefixtures("people")
def test_search_while_typing_gets_the_list_alone(admin: FlaskClient) -> None:
    part = admin.get(f"{LIST}?q=jose", headers={"HX-Request": "true"}).text

    assert part.lstrip().startswith("<section")
    assert shown(part) == ["José da Conceição"]
