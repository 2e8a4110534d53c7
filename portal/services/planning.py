"""Making the ledger of a campaign: one line for everybody chosen and for every pasted line, with what each gets.

All of it in one transaction, in which the ledger of before is replaced. People are read from the database some
thousand at a time, and the draft may be changed meanwhile: then nothing of it stays.
"""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from itertools import islice
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func, select

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid
from portal.models import Campaign, CampaignRecipient, CampaignState, Contact, PlanProblem, PlanState
from portal.services import choosing, pasted, pasted_people
from portal.services.audience import Audience
from portal.services.ledger_lines import PERSON_COLUMNS, Ledger
from portal.services.pasted import PastedLine
from portal.services.plan_problems import LARGEST_PLAN, problem_words
from portal.tenancy import TenantScope

BATCH = 5_000
Progress = Callable[[int, int], None]


def no_progress(done: int, total: int) -> None:
    """For whoever waits for the end."""


def plan(scope: TenantScope, campaign_id: UUID, *, on_progress: Progress = no_progress) -> None:
    """Make the ledger of a draft that waits for it; of one that has it already, nothing.

    `on_progress` is told how many lines are done, of how many. Raises Invalid for `audience` when there would be too
    many lines (the campaign says so too), Conflict when it is no draft, lacks its audience or message, or was changed
    meanwhile, and NotFound.
    """
    with atomic():
        _hold(campaign_id)
        campaign = _read(scope, campaign_id)
        if campaign.plan_state == PlanState.DONE:
            return
        _check(campaign)
        planned = _content_of(campaign)
        audience = Audience.from_row(campaign.audience)
        total = choosing.count_people(scope, audience) + pasted.count_lines(audience.pasted)
        ledger = _fill(scope, campaign, audience, on_progress, total) if total <= LARGEST_PLAN else None
        _settle(_lock_unchanged(scope, campaign_id, planned), ledger)
    if ledger is None:
        raise Invalid({"audience": problem_words(campaign)})


def try_hold(campaign_id: UUID) -> bool:
    """Keep others from planning it until the transaction ends; False when somebody is at it."""
    return bool(db.session.scalar(select(func.pg_try_advisory_xact_lock(_key(campaign_id)))))


def _hold(campaign_id: UUID) -> None:
    """Wait for whoever plans it at this moment: no row may be locked for so long."""
    db.session.execute(select(func.pg_advisory_xact_lock(_key(campaign_id))))


def _key(campaign_id: UUID) -> Any:
    return func.hashtextextended(f"plan {campaign_id}", 0)


def _read(scope: TenantScope, campaign_id: UUID) -> Campaign:
    campaign = scope.get(Campaign, campaign_id)
    # As it is now: the session may have read it before the wait.
    db.session.refresh(campaign)
    return campaign


def _check(campaign: Campaign) -> None:
    if campaign.state != CampaignState.DRAFT:
        raise Conflict(_("This campaign is no draft any more."), code=f"campaign_{campaign.state}")
    if campaign.plan_state == PlanState.NONE:
        message = _("Choose whom the campaign is for and write its message first.")
        raise Conflict(message, code="not_ready")


def _content_of(campaign: Campaign) -> tuple[object, ...]:
    """What the ledger follows from."""
    return campaign.audience, campaign.variants, campaign.media_id


def _fill(scope: TenantScope, campaign: Campaign, audience: Audience, on_progress: Progress, total: int) -> Ledger:
    earlier = scope.delete(CampaignRecipient).where(CampaignRecipient.campaign_id == campaign.id)
    db.session.execute(earlier.execution_options(synchronize_session=False))
    ledger = Ledger(scope, campaign)
    on_progress(0, total)
    with closing(_chosen_people(scope, audience)) as batches:
        for batch in batches:
            left_out = choosing.find_left_out(scope, audience, [person.id for person in batch])
            for person in batch:
                ledger.add_person(person, is_left_out=person.id in left_out)
            ledger.write()
            on_progress(ledger.size, total)
    people = pasted_people.PastedPeople(scope, campaign.id, audience)
    for lines in _batches(pasted.read_lines(audience.pasted)):
        people.add_to(ledger, lines)
        ledger.write()
        on_progress(min(ledger.size, total), total)
    return ledger


def _chosen_people(scope: TenantScope, audience: Audience) -> Generator[Sequence[Any], None, None]:
    """Batches of rows, as all of them were when the first was read, from a cursor that is open for so long."""
    chosen = choosing.people(scope, audience)
    if chosen is None:
        return
    statement = chosen.with_only_columns(*PERSON_COLUMNS).order_by(Contact.id)
    with db.session.execute(statement.execution_options(yield_per=BATCH)) as rows:
        yield from rows.partitions()


def _batches(lines: Iterator[PastedLine]) -> Iterator[list[PastedLine]]:
    while batch := list(islice(lines, BATCH)):
        yield batch


def _lock_unchanged(scope: TenantScope, campaign_id: UUID, planned: tuple[object, ...]) -> Campaign:
    """The draft, held at last. Raises Conflict when it says something else by now."""
    this = scope.select(Campaign).where(Campaign.id == campaign_id).with_for_update(key_share=True)
    campaign: Campaign = db.session.scalars(this.execution_options(populate_existing=True)).one()
    if campaign.state != CampaignState.DRAFT or _content_of(campaign) != planned:
        raise Conflict(_("This campaign was changed while its recipients were checked."), code="campaign_changed")
    return campaign


def _settle(campaign: Campaign, ledger: Ledger | None) -> None:
    campaign.relay_id, campaign.plan_attempts = None, 0
    if ledger is None:
        campaign.plan_state, campaign.plan_problem = PlanState.NONE, PlanProblem.TOO_MANY
        campaign.plan_problem_details = None
        return
    campaign.plan_state, campaign.planned_at = PlanState.DONE, now()
    campaign.total = campaign.plan_done = campaign.plan_total = ledger.size
    # A test asks WhatsApp nothing.
    is_to_check = ledger.has_unknown_numbers and not campaign.is_test
    campaign.number_check_at = campaign.planned_at if is_to_check else None
    too_long = ledger.too_long
    campaign.plan_problem = PlanProblem.TOO_LONG if too_long else None
    campaign.plan_problem_details = asdict(too_long) if too_long else None
