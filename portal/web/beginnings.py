"""Messages that begin with a template: filled in for one person, then read, changed and sent by somebody."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask_babel import gettext as _

from portal.errors import Invalid, NotFound
from portal.models import Contact
from portal.queries import contacts, media, message_templates, variables
from portal.queries.message_templates import TemplateRow
from portal.services.media import Upload
from portal.tenancy import TenantScope
from portal.wording import Rendered, as_variable, parse, render


@dataclass(frozen=True)
class Beginning:
    """A template as it is for one person, who may be nobody yet."""

    row: TemplateRow
    person: Contact | None
    rendered: Rendered


def find_beginning(scope: TenantScope, asked: Mapping[str, str]) -> Beginning | None:
    """What `template` and `phone` of an address ask for; None where they name no template, or one that is gone."""
    row = _find_template(scope, asked.get("template"))
    return begin(row, contacts.find_by_phone(scope, asked.get("phone", ""))) if row else None


def find_beginning_for(scope: TenantScope, person: Contact, template_id: str | None) -> Beginning | None:
    """The same where the person is known already."""
    row = _find_template(scope, template_id)
    return begin(row, person) if row else None


def begin(row: TemplateRow, person: Contact | None) -> Beginning:
    """The template filled in for the person, or for nobody."""
    values = variables.values_of(person) if person else {}
    return Beginning(row, person, render(parse(row.version.variants[0]), values))


def check_filled_in(beginning: Beginning | None, text: str) -> None:
    """Raises Invalid for `text` where a variable of the template still stands in it."""
    names = parse(beginning.row.version.variants[0]).variables if beginning else ()
    left = [as_variable(name) for name in names if as_variable(name) in text]
    if left:
        raise Invalid({"text": _("Write something in the place of %(variables)s.", variables=", ".join(left))})


def find_file(scope: TenantScope, media_id: str | None) -> Upload | None:
    """The file of a template that a form sends along. Raises Invalid for `file` where it is none."""
    if not media_id:
        return None
    try:
        found = message_templates.get_file(scope, UUID(media_id))
    except (ValueError, NotFound) as e:
        raise Invalid({"file": _("The template's file is not here any more. Choose one yourself.")}) from e
    return Upload(found.file_name, media.read_content(scope, found))


def _find_template(scope: TenantScope, template_id: str | None) -> TemplateRow | None:
    try:
        return message_templates.get_template(scope, UUID(template_id or ""))
    except (ValueError, NotFound):
        return None
