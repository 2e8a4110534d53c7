"""Tables to download around an import: an example, the wrong rows to be corrected, and numbers written differently."""

from collections.abc import Iterator, Sequence

from flask_babel import gettext as _

from portal.models import Import
from portal.queries import imports as queries
from portal.queries.imports import RenumberedRow
from portal.tables.columns import PROBLEM_NAMES, ColumnRole
from portal.tables.rows import WrongRow
from portal.tenancy import TenantScope, acting_for
from portal.web.formats import shown_phone
from portal.web.import_columns import columns_of, current_choice
from portal.web.import_words import ROW_PROBLEMS, change_words

Table = tuple[Sequence[object], Iterator[Sequence[object]]]


def example() -> Table:
    """A small list as it should look, with columns that are recognised by their names."""
    header = (_("Phone number"), _("Name"), _("Tags"), _("City"))
    rows = (
        ("+55 11 99999-0001", "Ana Souza", _("customer, newsletter"), "São Paulo"),
        ("+55 21 99999-0002", "Bruno Lima", _("customer"), "Rio de Janeiro"),
        ("+55 81 99999-0003", "Carla Dias", "", "Recife"),
    )
    return header, iter(rows)


def wrong(scope: TenantScope, listed: Import) -> Table:
    """The wrong rows in the columns of the file, and what is wrong with each: corrected, it can be uploaded as it is.

    Raises NotFound when the file is gone, or its columns are not known yet.
    """
    rows, names = queries.read_wrong(scope, listed.id), _header(listed)
    # What an earlier download said is no column of the company's.
    kept = [number for number, name in enumerate(names) if name.strip().casefold() not in PROBLEM_NAMES]
    return (*(names[number] for number in kept), _("Problem")), _wrong_lines(scope, rows, names, kept)


def renumbered(scope: TenantScope, listed: Import) -> Table:
    """The numbers as they stand in the file and as they will be written. Raises as `wrong`."""
    rows = queries.read_renumbered(scope, listed.id)
    return (_("Row"), _("In the file"), _("Will be"), _("Why")), _renumbered_lines(scope, rows)


def _header(listed: Import) -> list[str]:
    """The names of the columns; a file without any gets names by which they are recognised."""
    names = [column["name"] for column in columns_of(listed)]
    if (listed.layout or {}).get("has_header"):
        return names
    roles = current_choice(listed).roles
    return [_name_by_role(role) or name for role, name in zip(roles, names, strict=True)]


def _name_by_role(role: ColumnRole) -> str:
    names: dict[str, str] = {"phone": _("Phone number"), "name": _("Name"), "tags": _("Tags")}
    return names.get(role.kind, role.field)


def _wrong_lines(
    scope: TenantScope, rows: Iterator[WrongRow], names: Sequence[str], kept: Sequence[int]
) -> Iterator[Sequence[object]]:
    # It is read while it is sent, and the request has left the tenant by then.
    with acting_for(scope):
        for row in rows:
            cells = row.cells + [""] * (len(names) - len(row.cells))
            # Cells beyond the last column stand behind the reason, so that nothing is lost and no column moves.
            yield *(cells[number] for number in kept), _reason(row, names), *cells[len(names) :]


def _renumbered_lines(scope: TenantScope, rows: Iterator[RenumberedRow]) -> Iterator[Sequence[object]]:
    with acting_for(scope):
        for row in rows:
            yield row.line, row.typed, shown_phone(row.reading.number), change_words(row.changes)


def _reason(row: WrongRow, names: Sequence[str]) -> str:
    told = []
    for number, problem in sorted(row.problems.items()):
        where = f"{names[number]}: " if number < len(names) else ""
        told.append(f"{where}{ROW_PROBLEMS[problem]}")
    return "; ".join(told)
