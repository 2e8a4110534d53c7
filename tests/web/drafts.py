"""A campaign as somebody prepares it at its pages."""

import re
from uuid import UUID

from flask.testing import FlaskClient
from uuid_utils.compat import uuid7
from werkzeug.test import TestResponse

from portal.db import atomic, db
from portal.models import Campaign, CampaignRecipient, Contact, Lane, Unit
from portal.queries import campaigns
from portal.services import planning
from portal.tenancy import TenantScope, acting_for

CAMPAIGNS = "/t/acme/campaigns"
NEW = f"{CAMPAIGNS}/new"


def begin(browser: FlaskClient, *, name: str = "Black Friday", unit: str = "jardins") -> str:
    """Begin a campaign; the address under which its steps are."""
    response = browser.post(NEW, data={"name": name, "unit": unit})
    assert response.status_code == 303, response.text
    return response.headers["Location"].rpartition("/")[0]


def prepare(browser: FlaskClient, scope: TenantScope, *texts: str, pasted: str = "") -> str:
    """A campaign to everybody, or to those of a pasted list, with a message, planned."""
    address = begin(browser)
    browser.post(f"{address}/audience", data={"pasted": pasted} if pasted else {"everybody": "1"})
    written = {f"variant_{number}": text for number, text in enumerate(texts or ("Oi, ((nome))!",), 1)}
    response = browser.post(f"{address}/message", data=written)
    assert response.headers["Location"] == f"{address}/check", response.text
    plan(scope, address)
    return address


def plan(scope: TenantScope, address: str) -> None:
    with acting_for(scope):
        planning.plan(scope, id_of(address))


def campaign_of(scope: TenantScope, address: str) -> Campaign:
    with acting_for(scope):
        campaign = campaigns.get_campaign(scope, id_of(address))
        # Read now, since the row is detached afterwards.
        assert campaign.audience is not None
        return campaign


def id_of(address: str) -> UUID:
    return UUID(address.rpartition("/")[2])


def start(browser: FlaskClient, address: str, **fields: str) -> TestResponse:
    """Press the button that the check page shows."""
    page = browser.get(f"{address}/check").text
    return browser.post(f"{address}/start", data={**hidden(page), "when": "now", **fields})


def hidden(page: str) -> dict[str, str]:
    """What the form that starts it remembers of what was seen."""
    names = ("recipients", "absent", "plan")
    found = {name: re.search(rf'name="{name}" value="([^"]*)"', page) for name in names}
    return {name: match[1].replace("&#43;", "+") for name, match in found.items() if match}


def make_people(scope: TenantScope, number: int) -> list[UUID]:
    rows = [{"id": uuid7(), "phone": f"55119888{place:05d}", "name": f"Pessoa {place}"} for place in range(number)]
    with acting_for(scope), atomic():
        scope.insert_missing(Contact, rows)
    return [UUID(str(row["id"])) for row in rows]


def change(scope: TenantScope, model: type[Unit] | type[Lane] | type[CampaignRecipient], **values: object) -> None:
    with acting_for(scope), atomic():
        db.session.execute(scope.update(model).values(**values).execution_options(synchronize_session=False))
