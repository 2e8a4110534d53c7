"""Campaigns of a running portal: made and steered through its services, judged by their ledgers and by what left."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from uuid import UUID

from sqlalchemy import select

from local.people import TENANT
from portal.clock import now
from portal.db import among, atomic, db
from portal.models import Campaign, CampaignRecipient, Contact, PlanState, RecipientState, Tenant, Unit
from portal.queries import campaigns as queries
from portal.queries.campaign_forecasts import forecast_campaign
from portal.services import campaign_states, units
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.running.clients import Rows, SimulatorApi
from tests.running.inside import app_of

GONE = ("sent", "delivered", "read", "replied")
# Whose turn is still to come or under way.
OPEN = ("pending", "queued")


class Organiser:
    """Somebody who runs the demo company's campaigns."""

    def __init__(self, scope: TenantScope) -> None:
        self._scope = scope

    def open_unit(self, slug: str) -> None:
        with acting_for(self._scope):
            units.create_unit(self._scope, name=slug, slug=slug)

    def set_pace(self, min_s: float, max_s: float) -> None:
        """The pace of every unit, quicker than a person may choose."""
        with acting_for(self._scope), atomic():
            db.session.execute(self._scope.update(Unit).values(pace_min_s=min_s, pace_max_s=max_s))

    def plan(self, unit_slug: str, name: str, numbers: Sequence[str]) -> UUID:
        """A planned draft to these numbers, each with a text of their own that says the campaign's name."""
        with acting_for(self._scope), atomic():
            unit = db.session.scalars(self._scope.select(Unit).where(Unit.slug == unit_slug)).one()
            self._scope.insert_missing(Contact, [{"phone": number, "name": f"Pessoa {number}"} for number in numbers])
            found = self._scope.select(Contact, Contact.phone, Contact.id).where(among(Contact.phone, numbers))
            ids = dict(db.session.execute(found).all())
            planned = {"plan_state": PlanState.DONE, "planned_at": now(), "total": len(numbers)}
            campaign = self._scope.add(Campaign(unit_id=unit.id, name=name, variants=["((telefone))"], **planned))
            db.session.flush()
            self._scope.insert_missing(
                CampaignRecipient,
                [
                    {
                        "campaign_id": campaign.id,
                        "position": position,
                        "contact_id": ids[number],
                        "state": RecipientState.PENDING,
                        "body": f"{name} for {number}",
                        "variant": 1,
                    }
                    for position, number in enumerate(numbers, start=1)
                ],
            )
            return campaign.id

    def start(self, campaign_id: UUID) -> None:
        with acting_for(self._scope):
            campaign_states.start(self._scope, campaign_id)

    def pause(self, campaign_id: UUID) -> None:
        with acting_for(self._scope):
            campaign_states.pause(self._scope, campaign_id)

    def resume(self, campaign_id: UUID) -> None:
        with acting_for(self._scope):
            campaign_states.resume(self._scope, campaign_id)

    def cancel(self, campaign_id: UUID) -> None:
        with acting_for(self._scope):
            campaign_states.cancel(self._scope, campaign_id)

    def finish_time(self, campaign_id: UUID, *, messages: int) -> datetime:
        """When the portal says that so many messages will have left if the campaign starts now."""
        with acting_for(self._scope):
            campaign = queries.get_campaign(self._scope, campaign_id)
            told = forecast_campaign(self._scope, campaign, messages=messages)
        assert told is not None, "the campaign never ends"
        return told.finishes_at

    def counts(self, campaign_ids: Sequence[UUID]) -> dict[UUID, queries.Counts]:
        """As the pages and the API show them."""
        with acting_for(self._scope):
            return queries.count_recipients(self._scope, campaign_ids)


@contextmanager
def organiser_of(env: Mapping[str, str]) -> Iterator[Organiser]:
    """Act on the rows of a portal that runs with this environment."""
    with app_of(env) as app, app.app_context():
        with across_tenants("whoever measures looks for the demo's company"):
            tenant_id = db.session.scalars(select(Tenant.id).where(Tenant.slug == TENANT)).one()
        yield Organiser(TenantScope(tenant_id))
        db.session.remove()


@dataclass(frozen=True)
class Line:
    """One line of a ledger, with what its newest message says."""

    campaign_id: UUID
    number: str
    body: str
    rung: str
    is_resent: bool


@dataclass(frozen=True)
class Left:
    """One text that left through the API."""

    body: str
    number: str
    at: datetime


@dataclass(frozen=True)
class Verdict:
    """What became of every recipient: by the ledgers on one side, and by what left on the other."""

    lines: list[Line]
    left: list[Left]

    @cached_property
    def times_left(self) -> Counter[str]:
        return Counter(one.body for one in self.left)

    @property
    def rungs(self) -> Counter[str]:
        return Counter(line.rung for line in self.lines)

    @property
    def open(self) -> list[str]:
        return [line.body for line in self.lines if line.rung in OPEN]

    @property
    def lost(self) -> list[str]:
        """Said to be gone, but it never left."""
        return [line.body for line in self.lines if line.rung in GONE and not self.times_left[line.body]]

    @property
    def unsaid(self) -> list[str]:
        """It left, and the ledger says that it did not."""
        not_gone = ("pending", "skipped", "cancelled", "failed")
        return [line.body for line in self.lines if line.rung in not_gone and self.times_left[line.body]]

    @property
    def repeated(self) -> list[str]:
        """It left more than once, and nothing says so."""
        return [
            line.body
            for line in self.lines
            if self.times_left[line.body] > 1 and not (line.is_resent or line.rung == "unconfirmed")
        ]

    @property
    def astray(self) -> list[str]:
        """It went to another number than that of its recipient."""
        numbers = {line.body: line.number for line in self.lines}
        return [one.body for one in self.left if numbers[one.body] != one.number]

    @property
    def summary(self) -> str:
        return ", ".join(f"{number} {rung}" for rung, number in sorted(self.rungs.items()))


def judge(rows: Rows, simulator: SimulatorApi, campaign_ids: Sequence[UUID]) -> Verdict:
    """Compare the ledgers of these campaigns with what left the simulator."""
    found = rows.fetch(LEDGER, list(campaign_ids))
    lines = [
        Line(row["campaign_id"], row["phone"], row["body"], rung_of(row), row["resend_of_id"] is not None)
        for row in found
    ]
    bodies = {line.body for line in lines}
    left = [
        Left(send["text"], send["number"], datetime.fromisoformat(send["time"]))
        for send in simulator.sends()
        if send["text"] in bodies
    ]
    return Verdict(lines, left)


# By hand, so that it does not repeat a mistake of the portal's own query.
LEDGER = (
    "SELECT campaign_id, phone, campaign_recipients.body, campaign_recipients.state, replied_at, resend_of_id,"
    " coalesce(status, outcome) AS status, error_code FROM campaign_recipients"
    " JOIN contacts ON contacts.id = contact_id LEFT JOIN messages ON messages.id = message_id"
    " WHERE campaign_id = ANY(%s) ORDER BY campaign_id, position"
)


def rung_of(row: Mapping[str, object]) -> str:
    """The one outcome of a line; a word of no meaning to R6 where there is none."""
    if row["state"] != "handed":
        return str(row["state"])
    if row["replied_at"] is not None:
        return "replied"
    if row["status"] == "sending":
        return "queued"
    # Asked for no more while their message waited.
    return "skipped" if (row["status"], row["error_code"]) == ("cancelled", "opted_out") else str(row["status"])
