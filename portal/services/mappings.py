"""What a person says the columns of a list are, checked."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from flask_babel import gettext as _

from portal.errors import Invalid
from portal.models import Import
from portal.tables.columns import LONGEST_FIELD, ColumnRole
from portal.tables.rows import LONGEST_TAG, MOST_TAGS


def column_names(listed: Import) -> list[str]:
    """The names of the file's columns."""
    return [column["name"] for column in (listed.layout or {}).get("columns", [])]


def checked_roles(roles: Sequence[ColumnRole], names: Sequence[str]) -> list[dict[str, str]]:
    """The roles as they are stored. Raises Invalid for `columns`, with a sentence about the first thing wrong."""
    if len(roles) != len(names):
        raise Invalid({"columns": _("Say of every column what it is.")})
    roles = [replace(role, field=" ".join(role.field.split()) if role.kind == "attribute" else "") for role in roles]
    for problem in (_wrong_kinds(roles), _wrong_fields(roles, names)):
        if problem:
            raise Invalid({"columns": problem})
    return [role.to_dict() for role in roles]


def checked_tags(tag_names: Sequence[str]) -> list[str]:
    """Each tag once. Raises Invalid for `tags`."""
    tags = {name.lower(): name for raw in tag_names if (name := " ".join(raw.replace("\x00", "").split()))}
    if any(len(tag) > LONGEST_TAG for tag in tags.values()):
        raise Invalid({"tags": _("A tag has at most %(most)s characters.", most=LONGEST_TAG)})
    if len(tags) > MOST_TAGS:
        raise Invalid({"tags": _("At most %(most)s tags.", most=MOST_TAGS)})
    return list(tags.values())


def _wrong_kinds(roles: Sequence[ColumnRole]) -> str:
    kinds = Counter(role.kind for role in roles)
    if not kinds["phone"]:
        return str(_("Say which column holds the phone number."))
    if kinds["phone"] > 1:
        return str(_("Only one column can be the phone number."))
    return str(_("Only one column can be the name.")) if kinds["name"] > 1 else ""


def _wrong_fields(roles: Sequence[ColumnRole], names: Sequence[str]) -> str:
    seen: set[str] = set()
    for role, column in zip(roles, names, strict=True):
        if role.kind != "attribute":
            continue
        if not role.field or "\x00" in role.field:
            return str(_("Give the field of the column “%(column)s” a name.", column=column))
        if len(role.field) > LONGEST_FIELD:
            return str(_("The name of a field has at most %(most)s characters.", most=LONGEST_FIELD))
        if role.field.lower() in seen:
            return str(_("Two columns go into the field “%(field)s”. Give one of them another name.", field=role.field))
        seen.add(role.field.lower())
    return ""
