"""The keys that encrypt secrets at rest: what is still written with an older one, and writing it anew.

What a key signs or fingerprints cannot be written anew: the webhooks that Evolution is to sign are registered again by
the checks of connections, and a fingerprint of an erased person stays with its key, since nobody knows the number.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import Column, Table, func, or_, select, tuple_, update

from portal.clock import now
from portal.db import Base, atomic, db
from portal.extensions import parts
from portal.models import Connection, ConnectionStatus, StatusReason, Suppression, Unit
from portal.secrets import MARK_LENGTH, Unreadable
from portal.tenancy import across_tenants

log = structlog.get_logger(__name__)

WHY = "the keys of the settings encrypt the secrets of every tenant"
SUFFIX = "_encrypted"
BATCH = 500
CURRENT = 0
# Evolution retries a webhook for up to 24 minutes with the signature it began with (contract §10.2).
SIGNATURES_LAST = timedelta(minutes=30)


@dataclass
class Values:
    """The values of one encrypted column, counted by the key that wrote them; None: no key of the settings."""

    name: str
    by_key: Counter[int | None] = field(default_factory=Counter)
    rewritten: int = 0

    @property
    def checked(self) -> int:
        return self.by_key.total()

    @property
    def unreadable(self) -> int:
        return self.by_key[None]


@dataclass(frozen=True)
class Needs:
    """What still needs which key. Of fingerprints, None stands for those that do not say which key made them."""

    values: list[Values]
    fingerprints: Counter[int | None]
    unsigned: int

    @property
    def unreadable(self) -> int:
        return sum(values.unreadable for values in self.values)

    def of_values(self, key: int) -> int:
        return sum(values.by_key[key] for values in self.values)


def encrypted_columns() -> list[tuple[Table, Column[Any]]]:
    """Every column that holds what the vault wrote, by its name, so that none can be forgotten."""
    tables = Base.metadata.sorted_tables
    return [(table, column) for table in tables for column in table.columns if column.name.endswith(SUFFIX)]


def rotate(*, is_dry_run: bool = False) -> Iterator[Values]:
    """Write every value anew that an older key wrote, column by column; a run that was killed is simply run again.

    One short transaction for each value: whoever works at that row waits for nothing, and a value that was changed
    meanwhile stays as it was changed.
    """
    for table, column in encrypted_columns():
        found = Values(f"{table.name}.{column.name}")
        for identity, encrypted in _values(table, column):
            key = parts.vault.key_of(encrypted)
            found.by_key[key] += 1
            if key not in (CURRENT, None) and (is_dry_run or _rewrite(table, column, identity, encrypted)):
                found.rewritten += 1
        yield found


def check() -> Needs:
    """Count what needs which key, and change nothing."""
    values = list(rotate(is_dry_run=True))
    with across_tenants(WHY):
        return Needs(values, _fingerprints(), _unsigned())


def warn_of_unreadable() -> None:
    """Say in the log that secrets are lost, as they are when a key was taken out too early."""
    for values in rotate(is_dry_run=True):
        if values.unreadable:
            log.error("no key of ENCRYPTION_KEYS reads these", column=values.name, values=values.unreadable)


def _values(table: Table, column: Column[Any]) -> Iterator[tuple[tuple[Any, ...], str]]:
    """The rows' ids and what stands in the column, some at a time, in the order of the ids."""
    ids = tuple(table.primary_key.columns)
    after: tuple[Any, ...] | None = None
    while True:
        some = select(*ids, column).where(column.is_not(None)).order_by(*ids).limit(BATCH)
        if after is not None:
            some = some.where(tuple_(*ids) > tuple_(*after))
        with across_tenants(WHY):
            rows = [tuple(row) for row in db.session.execute(some)]
            db.session.rollback()
        yield from ((row[:-1], row[-1]) for row in rows)
        if len(rows) < BATCH:
            return
        after = rows[-1][:-1]


def _rewrite(table: Table, column: Column[Any], identity: tuple[Any, ...], encrypted: str) -> bool:
    """False when the value is another one by now: whoever wrote it used the current key."""
    anew = parts.vault.encrypt(parts.vault.decrypt(encrypted))
    this = update(table).where(tuple_(*table.primary_key.columns) == tuple_(*identity), column == encrypted)
    with across_tenants(WHY), atomic():
        done = db.session.execute(this.values({column.name: anew}).returning(column))
        return done.first() is not None


def _fingerprints() -> Counter[int | None]:
    mark = func.left(Suppression.fingerprint, MARK_LENGTH)
    keys = {mark: key for key, mark in enumerate(parts.vault.marks)}
    found: Counter[int | None] = Counter()
    # Fingerprints without a mark begin with anything: the current key's and the older ones' are singled out.
    for of_key, count in db.session.execute(
        select(mark, func.count()).where(mark.in_(keys)).group_by(mark).order_by(mark)
    ):
        found[keys[of_key]] = count
    found[None] = (db.session.scalar(select(func.count()).select_from(Suppression)) or 0) - found.total()
    return found


def _unsigned() -> int:
    """How many instances may still sign their webhooks with a secret derived from an older key.

    The check of a connection registers the webhook anew; it counts when it is younger than the current key, which is
    at least as old as the secret that the key wrote. Units that are never checked would keep the key for ever: those
    in the archive, and those whose instance is still to be made, once the one before is no longer listened to.
    """
    is_made = Connection.instance_made_at.is_not(None)
    at_evolution = (
        Unit.archived_at.is_(None),
        or_(is_made, Connection.previous_accepted_until > now()),
        Connection.webhook_secret_encrypted.is_not(None),
        Connection.status != ConnectionStatus.NOT_CONFIGURED,
        Connection.status_reason.is_distinct_from(StatusReason.INSTANCE_GONE),
    )
    signed = (
        select(Connection.webhook_secret_encrypted, Connection.webhook_checked_at)
        .join(Unit, (Unit.tenant_id == Connection.tenant_id) & (Unit.id == Connection.unit_id))
        .where(*at_evolution)
    )
    return sum(not _is_signed_anew(*row) for row in db.session.execute(signed))


def _is_signed_anew(secret: str | None, checked_at: Any) -> bool:
    try:
        written_at = parts.vault.written_at(secret or "")
    except Unreadable:
        return False
    is_current = parts.vault.key_of(secret or "") == CURRENT
    is_checked = checked_at is not None and checked_at > written_at
    return is_current and is_checked and now() - written_at > SIGNATURES_LAST
