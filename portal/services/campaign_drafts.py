"""Preparing a campaign: its name, whom it is for and what it says, until somebody starts it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import Select, func

from portal import queue
from portal.db import among, atomic, db, on_commit
from portal.errors import Conflict, Forbidden, Invalid, NotFound
from portal.models import (
    Campaign,
    CampaignState,
    Contact,
    Import,
    Media,
    MediaState,
    MessageKind,
    PlanState,
    Tag,
)
from portal.queries import contacts
from portal.services import audit, campaign_states, deleting, media, planning
from portal.services.audience import Audience
from portal.services.media import Upload
from portal.services.template_checks import check_message, check_upload, one_line
from portal.tenancy import TenantScope

LONGEST_NAME = 80
MIB = 1024 * 1024
LARGEST_PASTE = 1 * MIB
DELETABLE = (CampaignState.DRAFT, CampaignState.FAILED)


def create_draft(scope: TenantScope, *, unit_id: UUID, name: str) -> Campaign:
    """Begin to prepare a campaign of the unit; a test token's reaches nobody.

    Raises Invalid for `name`, and NotFound.
    """
    name = _checked_name(name)
    with atomic():
        campaign_states.check_in_use(scope, unit_id)
        made_by = {"created_by_id": scope.user_id, "is_test": scope.is_test}
        campaign = scope.add(Campaign(unit_id=unit_id, name=name, audience={}, **made_by))
        db.session.flush()
        audit.record(scope, "campaign.created", ("campaign", campaign.id), after={"name": name, "unit": str(unit_id)})
    return campaign


def rename(scope: TenantScope, campaign_id: UUID, name: str) -> Campaign:
    """Raises Invalid for `name`, Conflict when it is no draft, and NotFound."""
    name = _checked_name(name)
    with atomic():
        campaign = _lock(scope, campaign_id)
        if campaign.name != name:
            before, campaign.name = campaign.name, name
            audit.record(
                scope, "campaign.renamed", ("campaign", campaign_id), before={"name": before}, after={"name": name}
            )
    return campaign


def set_audience(scope: TenantScope, campaign_id: UUID, audience: Audience) -> Campaign:
    """Choose whom the draft is for, and let a worker plan it if it says something.

    Raises Invalid for `audience` (nobody chosen, or by what is not there) and `pasted` (too large), Forbidden for
    whoever sees some units only, Conflict when it is no draft, and NotFound.
    """
    if scope.unit_ids is not None and scope.token is None:
        raise Forbidden(_("Only an administrator chooses among all contacts of the company."))
    audience = _cleaned(audience)
    with atomic():
        campaign = _lock(scope, campaign_id)
        _check_audience(scope, audience)
        campaign.audience = audience.as_row()
        _ask_for_plan(campaign)
        counts = {name: len(value) for name, value in campaign.audience.items() if isinstance(value, list)}
        chosen = {**counts, "everybody": audience.everybody, "pasted": bool(audience.pasted)}
        audit.record(scope, "campaign.audience_chosen", ("campaign", campaign_id), after=chosen)
    return campaign


def set_message(
    scope: TenantScope,
    campaign_id: UUID,
    *,
    variants: Sequence[str],
    upload: Upload | None = None,
    keeps_file: bool = True,
    media_id: UUID | None = None,
) -> Campaign:
    """Write what the draft says, and let a worker plan it if somebody is chosen.

    It carries the upload, else the stored file `media_id` (a template's, say), else the file of before if it is kept.
    Raises Invalid for `variant_1`, `variant_2` … and `file`, Conflict when it is no draft, and NotFound.
    """
    new = check_upload(upload)
    with atomic():
        campaign = _lock(scope, campaign_id)
        before = _find_file(scope, campaign.media_id)
        kept = _find_file(scope, media_id) or (before if keeps_file else None)
        texts = check_message(variants, new, kept=kept)
        carried = media.store_unless_same(scope, new.file, before=kept or before, keeps_before=kept is not None)
        carried_file = _find_file(scope, carried)
        campaign.variants, campaign.media_id = texts, carried
        campaign.kind = carried_file.kind if carried_file else MessageKind.TEXT
        _ask_for_plan(campaign)
        _drop_file(scope, before.id if before else None)
        written = {"variants": len(texts), "kind": campaign.kind}
        audit.record(scope, "campaign.message_written", ("campaign", campaign_id), after=written)
    return campaign


def clone(scope: TenantScope, campaign_id: UUID) -> Campaign:
    """A new draft of the same unit, to the same people, that says the same; the copy of a test is a test.

    Raises NotFound, also if the unit is archived.
    """
    with atomic():
        other = scope.get(Campaign, campaign_id)
        campaign_states.check_in_use(scope, other.unit_id)
        # The name may be as long as a name can be.
        room = LONGEST_NAME - len(_("%(name)s (copy)", name=""))
        campaign = scope.add(
            Campaign(
                unit_id=other.unit_id,
                name=str(_("%(name)s (copy)", name=other.name[:room])),
                is_test=other.is_test or scope.is_test,
                created_by_id=scope.user_id,
                audience=other.audience,
                variants=other.variants,
                media_id=other.media_id,
                kind=other.kind,
            )
        )
        _ask_for_plan(campaign)
        db.session.flush()
        audit.record(scope, "campaign.cloned", ("campaign", campaign.id), after={"of": str(campaign_id)})
    return campaign


def delete_draft(scope: TenantScope, campaign_id: UUID) -> None:
    """Delete what was never started, with its ledger. Raises Conflict for others and while it is planned; NotFound."""
    with atomic():
        # Before the row: whoever plans it writes its progress there.
        if not planning.try_hold(campaign_id):
            scope.get(Campaign, campaign_id)
            message = _("The recipients are being checked at this moment. Try again when that is done.")
            raise Conflict(message, code="planning")
        campaign = _lock(scope, campaign_id, *DELETABLE)
        audit.record(scope, "campaign.deleted", ("campaign", campaign_id), before={"name": campaign.name})
        this = scope.delete(Campaign).where(Campaign.id == campaign_id)
        db.session.execute(this.execution_options(synchronize_session=False))
        db.session.expunge(campaign)
        _drop_file(scope, campaign.media_id)


def _lock(scope: TenantScope, campaign_id: UUID, *states: CampaignState) -> Campaign:
    """The campaign, held. Raises NotFound, and Conflict when it is in another state: without any given, no draft."""
    # The weaker lock: lines that are planned at this moment name the campaign, and nobody should wait for them.
    this = scope.select(Campaign).where(Campaign.id == campaign_id).with_for_update(key_share=True)
    campaign: Campaign | None = db.session.scalar(this.execution_options(populate_existing=True))
    if campaign is None:
        raise NotFound("no such campaign")
    if campaign.state not in (states or (CampaignState.DRAFT,)):
        message = _("This campaign is no draft any more. Copy it to change something.")
        raise Conflict(message, code=f"campaign_{campaign.state}")
    return campaign


def _ask_for_plan(campaign: Campaign) -> None:
    """The ledger fits no more; the old one stays until the new one is there."""
    is_ready = bool(campaign.variants) and not Audience.from_row(campaign.audience).is_empty
    campaign.plan_state = PlanState.WAITING if is_ready else PlanState.NONE
    campaign.plan_attempts = campaign.plan_done = campaign.plan_total = 0
    campaign.plan_problem = campaign.plan_problem_details = campaign.number_check_at = None
    if is_ready:
        on_commit(queue.wake_background)


def _checked_name(name: str) -> str:
    name = one_line(name)
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid({"name": _("A campaign's name has 1 to %(longest)s characters.", longest=LONGEST_NAME)})
    return name


def _cleaned(audience: Audience) -> Audience:
    """The same as the database takes it."""
    pasted = audience.pasted.replace("\x00", "").encode("utf-8", "replace").decode()
    ids = {name: tuple(dict.fromkeys(getattr(audience, name))) for name in _OWNERS}
    return Audience(everybody=audience.everybody, pasted=pasted if pasted.strip() else "", **ids)


def _check_audience(scope: TenantScope, audience: Audience) -> None:
    if audience.is_empty:
        raise Invalid({"audience": _("Nobody is chosen yet. Choose people in one of these ways, or paste a list.")})
    if len(audience.pasted.encode()) > LARGEST_PASTE:
        message = _(
            "This list is too large: at most %(limit)s MB can be pasted. Import it as a file, and choose the import.",
            limit=LARGEST_PASTE // MIB,
        )
        raise Invalid({"pasted": message})
    for name, model in _OWNERS.items():
        ids = getattr(audience, name)
        known = _seen(scope, model).with_only_columns(func.count()).where(among(model.id, ids))
        if ids and db.session.scalar(known) != len(ids):
            raise Invalid({"audience": _("Some of what you chose is not there any more. Choose again.")})


def _seen(scope: TenantScope, model: Any) -> Select[Any]:
    """A token for some units chooses among the people of these."""
    return contacts.everybody(scope) if model is Contact and scope.unit_ids is not None else scope.select(model)


# What the ids of an audience are of.
_OWNERS: dict[str, type[Tag | Import | Contact | Campaign]] = {
    "tag_ids": Tag,
    "import_ids": Import,
    "contact_ids": Contact,
    "without_tag_ids": Tag,
    "without_campaign_ids": Campaign,
}


def _drop_file(scope: TenantScope, media_id: UUID | None) -> None:
    """The campaign may have been the last to carry it."""
    if media_id is not None:
        db.session.flush()
        deleting.delete_unused_files(scope, [media_id])


def _find_file(scope: TenantScope, media_id: UUID | None) -> Media | None:
    """Raises NotFound for one that is not here."""
    if media_id is None:
        return None
    file = scope.get(Media, media_id)
    if file.state != MediaState.STORED:
        raise NotFound("this file is not stored")
    return file
