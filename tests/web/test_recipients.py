"""The ledger of a campaign: its lines, its filters, and as a table."""

import csv
import io
import re
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic
from portal.models import Campaign, MessageStatus, RecipientState, Unit
from portal.permissions import Role
from portal.queries.campaigns import PAGE
from portal.services import conversations
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_campaign, make_user
from tests.web.campaigns import ADDRESS, change_recipient, hand, run_campaign, unit_of
from tests.web.conftest import OpenBrowser


@pytest.fixture
def campaign(acme: TenantScope, connected_unit: Unit) -> Campaign:
    """Five people: one failed, one answered, one opted out, one waits, and one is a line that is no number."""
    made = run_campaign(acme, connected_unit, 5, name="Natal")
    hand(acme, made, 1, MessageStatus.FAILED, error_code="not_on_whatsapp")
    hand(acme, made, 2, MessageStatus.READ)
    change_recipient(acme, made, 2, replied_at=now())
    change_recipient(acme, made, 3, state=RecipientState.SKIPPED, reason="opted_out", has_gaps=True)
    skipped = {"state": RecipientState.SKIPPED, "reason": "invalid", "contact_id": None, "body": None}
    change_recipient(acme, made, 5, typed="=1+1", line=12, is_renumbered=True, **skipped)
    return made


def lines(page: str) -> list[str]:
    return re.findall(r'id="recipient-(\d+)"', page)


def add_contact(scope: TenantScope, phone: str) -> UUID:
    with acting_for(scope), atomic():
        return conversations.find_or_add_contact(scope, phone=phone)


def table(text: str, delimiter: str = ",") -> list[list[str]]:
    return list(csv.reader(io.StringIO(text.lstrip("\ufeff")), delimiter=delimiter))


def test_line_says_who_how_far_and_why(admin: FlaskClient, campaign: Campaign) -> None:
    page = admin.get(f"{ADDRESS}/{campaign.id}/recipients").text

    assert lines(page) == ["1", "2", "3", "4", "5"]
    assert "Pessoa 0" in page
    assert "This number is not on WhatsApp." in page
    assert "Answered" in page
    assert "Wants no campaigns." in page
    assert "Waits for their turn" in page
    assert "=1+1" in page
    assert "Line 12" in page
    assert page.count("#message-") == 2


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("rung=failed", ["1"]),
        ("rung=replied", ["2"]),
        ("rung=skipped", ["3", "5"]),
        ("reason=invalid", ["5"]),
        ("renumbered=1", ["5"]),
        ("gaps=1", ["3"]),
        ("gaps=1&rung=failed", []),
        ("after=3", ["4", "5"]),
    ],
)
def test_lines_are_filtered_by_the_address(
    admin: FlaskClient, campaign: Campaign, query: str, shown: list[str]
) -> None:
    assert lines(admin.get(f"{ADDRESS}/{campaign.id}/recipients?{query}").text) == shown


def test_agent_is_led_only_to_people_whom_they_may_see(
    acme: TenantScope, campaign: Campaign, browser: OpenBrowser
) -> None:
    stranger = make_campaign(acme, unit_of(acme, campaign), [add_contact(acme, "5511977770001")])
    agent = browser(make_user("agente@acme.test", role=Role.AGENT, unit_slugs=("jardins",)))

    pages = [agent.get(f"{ADDRESS}/{one.id}/recipients").text for one in (campaign, stranger)]

    links = [re.findall(r'href="(/t/acme/contacts/[0-9a-f-]+)"', page) for page in pages]
    assert [len(found) for found in links] == [2, 0]
    assert {agent.get(link).status_code for link in links[0]} == {200}
    assert lines(pages[1]) == ["1"]


@pytest.mark.parametrize("query", ["rung=nonsense", "reason=nonsense", "after=x"])
def test_crooked_filter_is_refused(admin: FlaskClient, campaign: Campaign, query: str) -> None:
    assert admin.get(f"{ADDRESS}/{campaign.id}/recipients?{query}").status_code == 400


def test_lines_come_page_by_page(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = run_campaign(acme, connected_unit, PAGE + 1)
    page = admin.get(f"{ADDRESS}/{campaign.id}/recipients?rung=pending").text
    link = re.search(r'href="([^"]*after=[^"]*)"', page)
    assert link

    following = admin.get(link[1].replace("&amp;", "&")).text

    assert len(lines(page)) == PAGE
    assert lines(following) == [str(PAGE + 1)]


def test_campaign_without_a_ledger_says_so(admin: FlaskClient, acme: TenantScope, connected_unit: Unit) -> None:
    campaign = make_campaign(acme, connected_unit, [])

    assert "Nobody is on the list yet" in admin.get(f"{ADDRESS}/{campaign.id}/recipients").text


def test_table_has_every_line_and_runs_nothing(admin: FlaskClient, campaign: Campaign) -> None:
    response = admin.get(f"{ADDRESS}/{campaign.id}/recipients.csv")

    rows = table(response.text)
    assert rows[0][:4] == ["Place", "Person", "Phone number", "Line of the list"]
    assert [row[0] for row in rows[1:]] == ["1", "2", "3", "4", "5"]
    assert rows[1][1:3] == ["Pessoa 0", "+55 11 98880-0000"]
    assert rows[5][3:5] == ["12", "'=1+1"]
    assert rows[3][6:8] == ["Gets nothing", "Wants no campaigns."]
    assert response.headers["Content-Disposition"].endswith('filename="campaign.csv"')


def test_table_respects_the_filter_and_the_language(admin: FlaskClient, campaign: Campaign) -> None:
    response = admin.get(f"{ADDRESS}/{campaign.id}/recipients.csv?rung=replied", headers={"Accept-Language": "pt-BR"})

    assert [row[0] for row in table(response.text, ";")[1:]] == ["2"]


def test_table_is_read_in_batches(admin: FlaskClient, campaign: Campaign, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("portal.queries.campaign_ledgers.BATCH", 2)

    rows = table(admin.get(f"{ADDRESS}/{campaign.id}/recipients.csv").text)

    assert len(rows) == 6
