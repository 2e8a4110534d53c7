"""The messages that a company prepared: what they say now, and what they said before."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Select, func
from sqlalchemy.orm import aliased

from portal.db import db
from portal.errors import NotFound
from portal.models import Media, MessageTemplate, TemplateVersion
from portal.tenancy import Form, TenantScope
from portal.wording import fold

MOST_VERSIONS = 100
MOST_QUICK = 20


@dataclass(frozen=True)
class TemplateRow:
    """A template with one of its versions, the file of that version without its content, and the newest number."""

    template: MessageTemplate
    version: TemplateVersion
    file: Media | None
    newest: int

    @property
    def is_current(self) -> bool:
        return self.version.number == self.newest


def list_templates(scope: TenantScope) -> list[TemplateRow]:
    """Every template that is not archived with its newest version, by name."""
    statement = _rows(scope).where(TemplateVersion.number == _newest(scope)).order_by(func.lower(MessageTemplate.name))
    return [TemplateRow(*row) for row in db.session.execute(statement).all()]


def list_names(scope: TenantScope) -> list[MessageTemplate]:
    """Every template that is not archived, by name, without what it says."""
    return list(scope.execute(_LIVING).scalars())


def list_quick(scope: TenantScope, text: str) -> list[TemplateRow]:
    """At most MOST_QUICK templates whose short cut begins with the text, or whose name holds it; "" fits all.

    Those whose short cut begins so come first, then others that have one, then those without, by name.
    """
    wanted, names = fold(text), list_names(scope)
    fitting = [one for one in names if _begins(one, wanted) or wanted in fold(one.name)]
    fitting.sort(key=lambda one: (one.shortcut is None, not _begins(one, wanted), fold(one.shortcut or one.name)))
    places = {one.id: place for place, one in enumerate(fitting[:MOST_QUICK])}
    newest = _rows(scope).where(TemplateVersion.number == _newest(scope), MessageTemplate.id.in_(places))
    rows = [TemplateRow(*row) for row in db.session.execute(newest).all()]
    return sorted(rows, key=lambda row: places[row.template.id])


def get_template(scope: TenantScope, template_id: UUID, number: int | None = None) -> TemplateRow:
    """The template with that version of it, or with the newest. Raises NotFound, also for an archived one."""
    wanted = TemplateVersion.number == (_newest(scope) if number is None else number)
    row = db.session.execute(_rows(scope).where(MessageTemplate.id == template_id, wanted)).one_or_none()
    if row is None:
        raise NotFound("no such template")
    return TemplateRow(*row)


def list_versions(scope: TenantScope, template_id: UUID) -> list[TemplateVersion]:
    """The versions of the template, the newest first, at most MOST_VERSIONS of them."""
    versions = scope.select(TemplateVersion).where(TemplateVersion.template_id == template_id)
    return list(db.session.scalars(versions.order_by(TemplateVersion.number.desc()).limit(MOST_VERSIONS)))


def get_file(scope: TenantScope, media_id: UUID) -> Media:
    """A file that a template carries, without its content. Raises NotFound: no other file is reached this way."""
    carried = scope.select(TemplateVersion, TemplateVersion.media_id).where(TemplateVersion.media_id == media_id)
    media: Media | None = db.session.scalar(scope.select(Media).where(Media.id.in_(carried)))
    if media is None:
        raise NotFound("no such file")
    return media


def _begins(template: MessageTemplate, wanted: str) -> bool:
    return template.shortcut is not None and fold(template.shortcut).startswith(wanted)


def _rows(scope: TenantScope) -> Select[Any]:
    its_version = (TemplateVersion.tenant_id == MessageTemplate.tenant_id) & (
        TemplateVersion.template_id == MessageTemplate.id
    )
    its_file = (Media.tenant_id == TemplateVersion.tenant_id) & (Media.id == TemplateVersion.media_id)
    return (
        scope.select(MessageTemplate, MessageTemplate, TemplateVersion, Media, _newest(scope))
        .join(TemplateVersion, its_version)
        .outerjoin(Media, its_file)
        .where(MessageTemplate.archived_at.is_(None))
    )


def _newest(scope: TenantScope) -> Any:
    other = aliased(TemplateVersion)
    numbers = scope.select(other, func.max(other.number)).where(other.template_id == MessageTemplate.id)
    return numbers.correlate(MessageTemplate).scalar_subquery()


def _living(scope: TenantScope) -> Select[Any]:
    living = scope.select(MessageTemplate).where(MessageTemplate.archived_at.is_(None))
    return living.order_by(func.lower(MessageTemplate.name))


_LIVING = Form(_living)
