"""What a company prepares to write: templates, each change of which is a new version."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from flask_babel import gettext as _
from psycopg import Error
from sqlalchemy.exc import IntegrityError

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, Invalid
from portal.models import MessageTemplate, TemplateVersion
from portal.queries import message_templates as queries
from portal.queries.message_templates import TemplateRow
from portal.services import audit, media
from portal.services.template_checks import Checked, Content, check, check_upload
from portal.tenancy import TenantScope

SHORTCUT_INDEX = "uq_message_templates_tenant_id_shortcut"


def create_template(scope: TenantScope, content: Content) -> UUID:
    """Prepare a message; the template's id. Raises Invalid as `template_checks.check` does.

    A taken name or short cut is refused likewise.
    """
    checked = check(content, check_upload(content.upload), before=None)
    with _names_of_its_own():
        template = scope.add(MessageTemplate(name=checked.name, shortcut=checked.shortcut))
        db.session.flush()
        media_id = None if checked.file is None else media.store(scope, checked.file)
        _add_version(scope, template.id, 1, checked.variants, media_id)
        told = {"name": checked.name} | ({"shortcut": checked.shortcut} if checked.shortcut else {})
        audit.record(scope, "message_template.created", ("message_template", template.id), after=told)
    return template.id


def save_template(scope: TenantScope, template_id: UUID, content: Content, *, based_on: int) -> int:
    """Let the template say this from now on; the number of its newest version, which is a new one if anything changed.

    `based_on` is the version that was looked at: raises Conflict when somebody saved another one meanwhile, Invalid as
    `create_template` does, and NotFound.
    """
    new = check_upload(content.upload)
    with _names_of_its_own():
        row = _hold(scope, template_id, based_on)
        checked = check(content, new, before=row.file)
        _rename(scope, row.template, checked)
        media_id = media.store_unless_same(scope, checked.file, before=row.file, keeps_before=content.keeps_file)
        return _next_version(scope, row, checked.variants, media_id, "message_template.saved")


def restore_version(scope: TenantScope, template_id: UUID, number: int, *, based_on: int) -> int:
    """Let the template say again what that version said; the newest number. Raises Conflict and NotFound likewise."""
    with atomic():
        row, old = _hold(scope, template_id, based_on), queries.get_template(scope, template_id, number).version
        return _next_version(scope, row, old.variants, old.media_id, "message_template.restored")


def archive_template(scope: TenantScope, template_id: UUID) -> None:
    """Take the template out of use; what was written with it stays. Raises NotFound."""
    with atomic():
        row = queries.get_template(scope, template_id)
        row.template.archived_at = now()
        before = {"name": row.template.name}
        audit.record(scope, "message_template.archived", ("message_template", template_id), before=before)


@contextmanager
def _names_of_its_own() -> Iterator[None]:
    """A transaction in which the indexes on names decide, also between two people who save at once."""
    try:
        with atomic():
            yield
    except IntegrityError as e:
        if isinstance(e.orig, Error) and e.orig.diag.constraint_name == SHORTCUT_INDEX:
            raise Invalid({"shortcut": _("Another template has this short cut already. Choose another one.")}) from e
        raise Invalid({"name": _("There is a template of this name already. Choose another one.")}) from e


def _rename(scope: TenantScope, template: MessageTemplate, checked: Checked) -> None:
    """Let it be called so from now on, and be begun by that short cut."""
    subject = ("message_template", template.id)
    if checked.name != template.name:
        old, template.name = template.name, checked.name
        audit.record(scope, "message_template.renamed", subject, before={"name": old}, after={"name": checked.name})
    if checked.shortcut != template.shortcut:
        before, template.shortcut = {"shortcut": template.shortcut}, checked.shortcut
        after = {"shortcut": checked.shortcut}
        audit.record(scope, "message_template.shortcut_changed", subject, before=before, after=after)


def _hold(scope: TenantScope, template_id: UUID, based_on: int) -> TemplateRow:
    """Raises Conflict unless that is still the newest version."""
    this = scope.select(MessageTemplate, MessageTemplate.id).where(MessageTemplate.id == template_id)
    db.session.execute(this.with_for_update())
    row = queries.get_template(scope, template_id)
    if row.version.number != based_on:
        raise Conflict(
            _("Somebody else saved this template meanwhile. See what it says now; if you save again, yours counts."),
            code="template_changed",
        )
    return row


def _next_version(
    scope: TenantScope, row: TemplateRow, variants: Sequence[str], media_id: UUID | None, action: str
) -> int:
    if (list(variants), media_id) == (row.version.variants, row.version.media_id):
        return row.version.number
    number = row.version.number + 1
    _add_version(scope, row.template.id, number, variants, media_id)
    audit.record(scope, action, ("message_template", row.template.id), after={"version": number})
    return number


def _add_version(
    scope: TenantScope, template_id: UUID, number: int, variants: Sequence[str], media_id: UUID | None
) -> None:
    version = TemplateVersion(template_id=template_id, number=number, variants=list(variants), media_id=media_id)
    version.created_by_id = scope.user_id
    scope.add(version)
