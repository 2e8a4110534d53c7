"""Units: make, change, archive."""

import re
from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy.exc import IntegrityError

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid
from portal.models import Connection, ConnectionStatus, Lane, Unit
from portal.services import audit
from portal.tenancy import TenantScope

SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
LONGEST_NAME = 120
LONGEST_SLUG = 60
LONGEST_LIFETIME_H = 168
LONGEST_RECEIPT_WAIT_MIN = 1440


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
    scope: TenantScope, unit_id: UUID, *, name: str, message_lifetime_h: int | None, receipt_wait_min: int | None
) -> Unit:
    """Give the unit these settings, all or none. Messages that wait keep the lifetime they were written with.

    Raises Invalid, with a sentence for each field that is wrong.
    """
    settings = _checked_settings(name, message_lifetime_h, receipt_wait_min)
    with atomic():
        unit = scope.get(Unit, unit_id)
        before = {field: getattr(unit, field) for field in settings}
        changed = {field: value for field, value in settings.items() if value != before[field]}
        for field, value in changed.items():
            setattr(unit, field, value)
        if changed:
            was = {field: before[field] for field in changed}
            audit.record(scope, "unit.changed", ("unit", unit.id), before=was, after=changed)
    return unit


def archive_unit(scope: TenantScope, unit_id: UUID) -> None:
    """Take the unit off the list; its conversations stay. Raises Conflict while its number is connected."""
    with atomic():
        unit = scope.get(Unit, unit_id)
        connection = db.session.scalars(scope.select(Connection).where(Connection.unit_id == unit_id)).one()
        if connection.status not in (ConnectionStatus.NOT_CONFIGURED, ConnectionStatus.DISCONNECTED):
            raise Conflict(_("Disconnect the number of %(unit)s first, then archive the unit.", unit=unit.name))
        unit.archived_at = now()
        audit.record(scope, "unit.archived", ("unit", unit.id))


def _checked_settings(name: str, message_lifetime_h: int | None, receipt_wait_min: int | None) -> dict[str, object]:
    problems: dict[str, str] = {}
    try:
        name = checked_name(name)
    except Invalid as e:
        problems |= e.fields
    numbers = {
        "message_lifetime_h": (message_lifetime_h, LONGEST_LIFETIME_H),
        "receipt_wait_min": (receipt_wait_min, LONGEST_RECEIPT_WAIT_MIN),
    }
    for field, (number, most) in numbers.items():
        if number is None or not 1 <= number <= most:
            problems[field] = _("Give a whole number from 1 to %(most)s.", most=most)
    if problems:
        raise Invalid(problems)
    return {"name": name} | {field: number for field, (number, _most) in numbers.items()}


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
