"""What each column of a list is, as a form: what the portal supposes, and what a person chose."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.models import Import
from portal.tables.columns import ColumnRole

KINDS = {
    "phone": _("Phone number"),
    "name": _("Name"),
    "tags": _("Tags"),
    "attribute": _("Field of your own"),
    "ignore": _("Leave out"),
}


@dataclass(frozen=True)
class Choice:
    """What the columns are, in their order, and the tags that everybody in the list gets."""

    roles: list[ColumnRole]
    tag_names: list[str]


def current_choice(listed: Import) -> Choice:
    """What was chosen before, else what the portal supposes."""
    roles = listed.mapping or columns_of(listed, "suggested")
    return Choice([ColumnRole.from_dict(role) for role in roles], listed.tag_names)


def chosen(listed: Import, form: Mapping[str, str]) -> Choice:
    """What the form says. Raises BadRequest when it is not about the columns of this list."""
    roles = [_role(form, number) for number in range(len(columns_of(listed)))]
    tag_names = [name.strip() for name in form.get("tags", "").split(",")]
    return Choice(roles, [name for name in tag_names if name])


def columns_of(listed: Import, part: str = "columns") -> list[dict[str, Any]]:
    """The columns as they stand in the file; none before it was read."""
    found: list[dict[str, Any]] = (listed.layout or {}).get(part, [])
    return found


def _role(form: Mapping[str, str], number: int) -> ColumnRole:
    kind = form.get(f"kind-{number}", "")
    if kind not in KINDS:
        raise BadRequest
    return ColumnRole.from_dict({"kind": kind, "field": form.get(f"field-{number}", "") if kind == "attribute" else ""})
