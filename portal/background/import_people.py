"""Checking a file: every row by itself, then its person among the tenant's contacts."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from psycopg.types.json import Jsonb
from uuid_utils import uuid7

from portal.background import import_statements as statements
from portal.background.import_watch import Watch
from portal.db import db
from portal.models import Import, RowKind, Suppression
from portal.queries import imports as queries
from portal.services import suppression
from portal.tables.rows import GoodRow, RowCheck, WrongRow
from portal.tables.text import Row
from portal.tenancy import TenantScope

BATCH = 2_500
# Of each kind; all of them are found again in the file.
MOST_KEPT = 1_000
# Of a row that has more cells than the file has columns, and of a cell: what is held in memory and shown.
MOST_SURPLUS = 10
LONGEST_KEPT = 500


@dataclass
class Findings:
    """What a file holds: how many rows of which kind, and the first rows about which there is something to say."""

    phone_column: int
    counts: Counter[str] = field(default_factory=Counter)
    by_change: Counter[str] = field(default_factory=Counter)
    rows: list[dict[str, Any]] = field(default_factory=list)
    _kept: Counter[RowKind] = field(default_factory=Counter)

    def note_wrong(self, row: WrongRow) -> None:
        self.counts["wrong"] += 1
        self._keep(
            RowKind.WRONG, row.line, row.cells, {str(index): {"code": code} for index, code in row.problems.items()}
        )

    def note_good(self, row: GoodRow, cells: list[str]) -> None:
        number, changes, is_landline = row.reading
        self.counts["landlines"] += is_landline
        if not changes:
            return
        self.counts["renumbered"] += 1
        for change in changes:
            self.by_change[change] += 1
        if self._kept[RowKind.RENUMBERED] < MOST_KEPT:
            note = {"code": "renumbered", "number": number, "changes": changes, "is_landline": is_landline}
            self._keep(RowKind.RENUMBERED, row.line, cells, {str(self.phone_column): note})

    def note_person(self, kind: RowKind, line: int, cells: list[str], note: dict[str, int] | None = None) -> None:
        self._keep(kind, line, cells, {str(self.phone_column): {"code": kind, **(note or {})}})

    def to_counts(self) -> dict[str, Any]:
        names = ("rows", "good", "wrong", "repeated", "renumbered", "landlines")
        people = ("new", "changed", "unchanged", "opted_out", "erased")
        return {**{name: self.counts[name] for name in (*names, *people)}, "by_change": dict(self.by_change)}

    def _keep(self, kind: RowKind, line: int, cells: list[str], notes: dict[str, Any]) -> None:
        if self._kept[kind] < MOST_KEPT:
            self._kept[kind] += 1
            shown = [cell[:LONGEST_KEPT] for cell in cells]
            self.rows.append({"kind": kind, "line": line, "cells": shown, "notes": notes})


def find_people(scope: TenantScope, listed: Import, watch: Watch, *, end: float = 1.0) -> Findings:
    """Check all rows, and hold the people among them ready in the table `import_people` of this transaction.

    `end`: what share of the whole work this is.
    """
    for statement in statements.MAKE_TABLES:
        db.session.execute(statement)
    roles = queries.roles_of(listed)
    check = RowCheck(roles)
    findings = Findings(check.phone_column)
    has_erased = db.session.scalar(scope.select(Suppression, Suppression.fingerprint).limit(1)) is not None
    table = queries.read_table(listed, watch.follow(queries.chunks(scope, listed.id), end=end))
    for rows in _batches(_narrowed(table, len(roles))):
        good = _check(rows, check, findings)
        if good:
            _place(scope, good, {row.line: row.cells for row in rows}, findings, has_erased=has_erased)
    findings.counts.update(dict(db.session.execute(statements.COUNT_PEOPLE).mappings().one()))
    findings.counts["good"] = sum(findings.counts[name] for name in ("new", "changed", "unchanged"))
    return findings


def _narrowed(rows: Iterable[Row], width: int) -> Iterator[Row]:
    """The rows; of one that is far too wide only what is in its surplus cells first."""
    for row in rows:
        if len(row.cells) <= width + MOST_SURPLUS:
            yield row
        else:
            surplus = islice(filter(str.strip, row.cells[width:]), MOST_SURPLUS)
            yield Row(row.line, [*row.cells[:width], *surplus])


def _batches(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while batch := list(islice(rows, BATCH)):
        yield batch


def _check(rows: Sequence[Row], check: RowCheck, findings: Findings) -> list[GoodRow]:
    findings.counts["rows"] += len(rows)
    good = []
    for row in rows:
        checked = check(row)
        if isinstance(checked, WrongRow):
            findings.note_wrong(checked)
        else:
            findings.note_good(checked, row.cells)
            good.append(checked)
    return good


def _place(
    scope: TenantScope, good: Sequence[GoodRow], cells: dict[int, list[str]], findings: Findings, *, has_erased: bool
) -> None:
    _copy(_person(row, has_erased=has_erased) for row in good)
    values = {"tenant_id": scope.tenant_id}
    for line, first_line, is_opted_out, is_erased in db.session.execute(statements.ADD_PEOPLE, values):
        if line > first_line:
            findings.counts["repeated"] += 1
            findings.note_person(RowKind.REPEATED, line, cells[line], {"line": first_line})
        elif is_erased:
            findings.note_person(RowKind.ERASED, line, cells[line])
        elif is_opted_out:
            findings.note_person(RowKind.OPTED_OUT, line, cells[line])


def _copy(people: Iterable[tuple[object, ...]]) -> None:
    """Write them to the table of what comes in, in the place of those before, by the driver's COPY."""
    db.session.execute(statements.EMPTY_INCOMING)
    cursor: Any = db.session.connection().connection.cursor()
    with cursor, cursor.copy(statements.COPY_INCOMING) as copy:
        for person in people:
            copy.write_row(person)


def _person(row: GoodRow, *, has_erased: bool) -> tuple[object, ...]:
    """In the order of the columns of COPY_INCOMING."""
    number = row.reading.number
    prints = suppression.fingerprints(number) if has_erased else None
    return row.line, str(uuid7()), number, row.name, Jsonb(row.attributes), row.tags, prints
