"""Units: make, change, archive."""

import re
from collections.abc import Collection
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import func
from sqlalchemy.exc import IntegrityError

from portal import phone, queue
from portal.clock import now
from portal.db import atomic, db, on_commit
from portal.errors import Conflict, Invalid
from portal.models import Connection, ConnectionStatus, Lane, Unit
from portal.services import audit, campaign_states, delivery
from portal.tenancy import TenantScope

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 120
LONGEST_SLUG = 60
MOST = {"message_lifetime_h": 168, "receipt_wait_min": 1440}
# What else than persons may write; each is left out unless the unit wants it.
KEEPS = ("keeps_groups", "keeps_stories", "keeps_broadcasts")


def create_unit(scope: TenantScope, *, name: str, slug: str) -> Unit:
    """Open a branch, with its lane and an empty connection. Raises Invalid, also when the slug is taken."""
    name, slug = checked_name(name), checked_slug(slug)
    try:
        with atomic():
            unit = scope.add(Unit(name=name, slug=slug))
            db.session.flush()
            scope.add(Lane(unit_id=unit.id))
            scope.add(Connection(unit_id=unit.id))
            audit.record(scope, "unit.created", ("unit", unit.id), after={"name": name, "slug": slug})
    except IntegrityError as e:
        raise Invalid({"slug": _("Another unit already uses this short name. Choose a different one.")}) from e
    return unit


def change_unit(
    scope: TenantScope,
    unit_id: UUID,
    *,
    name: str,
    message_lifetime_h: int | None,
    receipt_wait_min: int | None,
    expected_number: str | None = None,
    kept_chats: Collection[str] | None = None,
) -> Unit:
    """Give the unit these settings, all or none. Messages that wait keep the lifetime they were written with.

    `expected_number`: the number as typed; a blank one expects none. `kept_chats`: those of KEEPS that are wanted.
    What is None stays as it is. Raises Invalid, with a sentence for each field that is wrong.
    """
    settings = _checked_settings(name, message_lifetime_h, receipt_wait_min, expected_number)
    if kept_chats is not None:
        settings |= {field: field in kept_chats for field in KEEPS}
    with atomic():
        delivery.lock_unit(scope, unit_id)
        unit = scope.get(Unit, unit_id)
        before = {field: getattr(unit, field) for field in settings}
        changed = {field: value for field, value in settings.items() if value != before[field]}
        _refuse_number_of_another_phone(scope, unit_id, changed.get("expected_number"))
        for field, value in changed.items():
            setattr(unit, field, value)
        if changed:
            was = _told({field: before[field] for field in changed})
            audit.record(scope, "unit.changed", ("unit", unit.id), before=was, after=_told(changed))
        if not changed.keys().isdisjoint(KEEPS):
            _ask_for_check(scope, unit_id)
    return unit


def archive_unit(scope: TenantScope, unit_id: UUID) -> None:
    """Take the unit off the list; its conversations stay.

    Raises Conflict while its number is connected, and while a campaign of it could go on: nobody would find it there.
    """
    with atomic():
        delivery.lock_unit(scope, unit_id)
        unit = scope.get(Unit, unit_id)
        connection = db.session.scalars(scope.select(Connection).where(Connection.unit_id == unit_id)).one()
        if connection.status not in (ConnectionStatus.NOT_CONFIGURED, ConnectionStatus.DISCONNECTED):
            raise Conflict(_("Disconnect the number of %(unit)s first, then archive the unit.", unit=unit.name))
        if campaign_states.has_open(scope, unit_id):
            raise Conflict(_("Cancel the campaigns of %(unit)s first, then archive the unit.", unit=unit.name))
        unit.archived_at = now()
        audit.record(scope, "unit.archived", ("unit", unit.id), before={"name": unit.name})


def _checked_settings(
    name: str, message_lifetime_h: int | None, receipt_wait_min: int | None, expected_number: str | None
) -> dict[str, object]:
    problems: dict[str, str] = {}
    settings: dict[str, object] = {"message_lifetime_h": message_lifetime_h, "receipt_wait_min": receipt_wait_min}
    for field, most in MOST.items():
        number = settings[field]
        if not isinstance(number, int) or not 1 <= number <= most:
            problems[field] = _("Give a whole number from 1 to %(most)s.", most=most)
    try:
        settings["name"] = checked_name(name)
    except Invalid as e:
        problems |= e.fields
    try:
        settings |= _checked_number(expected_number)
    except Invalid as e:
        problems |= e.fields
    if problems:
        raise Invalid(problems)
    return settings


def _checked_number(typed: str | None) -> dict[str, object]:
    if typed is None:
        return {}
    try:
        return {"expected_number": phone.canonical(typed) if typed.strip() else None}
    except phone.NotAPhone as e:
        message = _("This is not a telephone number. Write it with country and area code, such as +55 11 99999-0001.")
        raise Invalid({"expected_number": message}) from e


def _refuse_number_of_another_phone(scope: TenantScope, unit_id: UUID, number: object) -> None:
    """The next check would unlink the phone that is linked: whoever wants that disconnects it."""
    if number is None:
        return
    linked = scope.select(Connection, Connection.phone).where(
        Connection.unit_id == unit_id,
        Connection.status.in_((ConnectionStatus.CONNECTED, ConnectionStatus.CONNECTING)),
        Connection.phone.is_not(None),
        Connection.phone != number,
    )
    if db.session.scalar(linked) is not None:
        message = _("The phone that is linked now has another number. Disconnect it first, or correct the number here.")
        raise Invalid({"expected_number": message})


def _ask_for_check(scope: TenantScope, unit_id: UUID) -> None:
    """Evolution drops what the unit does not want, so it has to hear of the change."""
    linked = scope.update(Connection).where(Connection.unit_id == unit_id, Connection.check_at.is_not(None))
    soon = linked.values(check_at=func.now(), webhook_checked_at=None)
    db.session.execute(soon.execution_options(synchronize_session=False))
    on_commit(queue.wake_outbox)


def _told(settings: dict[str, object]) -> dict[str, object]:
    """What the audit log says about them: of a number only its end."""
    number = settings.get("expected_number")
    return settings | ({"expected_number": phone.masked(number)} if isinstance(number, str) else {})


def checked_name(name: str) -> str:
    name = name.replace("\x00", "").strip()
    if not 1 <= len(name) <= LONGEST_NAME:
        raise Invalid({"name": _("Give a name of 1 to %(longest)s characters.", longest=LONGEST_NAME)})
    return name


def checked_slug(slug: str) -> str:
    slug = slug.strip().lower()
    if not SLUG.fullmatch(slug) or len(slug) > LONGEST_SLUG:
        message = _("Use small letters, digits and single hyphens, at most %(longest)s of them.", longest=LONGEST_SLUG)
        raise Invalid({"slug": message})
    return slug
