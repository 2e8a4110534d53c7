"""All that is kept of a company, table by table: as lines of JSON, read as they are wanted, and the files beside them.

Which tables and columns these are follows from the models, so that a new one cannot be forgotten.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

from sqlalchemy import LargeBinary, Table, func, tuple_

from portal.db import Base, db, end_read
from portal.models import Media, MediaState
from portal.queries.person_messages import file_path
from portal.tenancy import TenantScope

# Rows that are in memory at a time.
BATCH = 500
# What lets somebody in, what a number could be guessed from, and what only this portal can read.
SECRET = re.compile(r"(hash|sha256|encrypted|fingerprint|qr_code|pairing_code|hint)$")


@dataclass(frozen=True)
class Files:
    """How many files are stored here, and how many bytes they are."""

    number: int
    size: int


def models_of_tenants() -> list[type[Base]]:
    """Those whose rows belong to a company: each after the ones that it refers to."""
    by_table = {mapper.local_table: mapper.class_ for mapper in Base.registry.mappers}
    return [by_table[table] for table in Base.metadata.sorted_tables if is_of_tenants(table)]


def is_of_tenants(table: Table) -> bool:
    return table.name == "tenants" or "tenant_id" in table.c


def columns_of(model: type[Base]) -> list[Any]:
    """What may be handed out: neither secrets nor contents of files."""
    columns = model.__table__.columns
    return [one for one in columns if not SECRET.search(one.name) and not isinstance(one.type, LargeBinary)]


def read_lines(scope: TenantScope, model: type[Base]) -> Iterator[bytes]:
    """Each of the tenant's rows as a line of JSON."""
    columns = columns_of(model)
    names = [column.name for column in columns]
    for row in _iterate(scope, model, columns):
        line = json.dumps(dict(zip(names, row, strict=True)), default=_plain, ensure_ascii=False)
        yield line.encode() + b"\n"


def read_files(scope: TenantScope) -> Iterator[tuple[str, bytes]]:
    """The stored files, one at a time: the name in the archive, and the content."""
    for id_, name in _iterate(scope, Media, [Media.id, Media.file_name], Media.state == MediaState.STORED):
        content = db.session.scalar(scope.select(Media, Media.content).where(Media.id == id_))
        end_read()
        yield file_path(id_, name), content or b""


def measure_files(scope: TenantScope) -> Files:
    stored = scope.select(Media, func.count(), func.coalesce(func.sum(Media.size), 0))
    return Files(*db.session.execute(stored.where(Media.state == MediaState.STORED)).one())


def _iterate(scope: TenantScope, model: type[Base], columns: list[Any], *conditions: Any) -> Iterator[Sequence[Any]]:
    """These columns of the tenant's rows, by their key; no connection is held while the caller is at a batch."""
    key = list(model.__table__.primary_key)
    # The key comes along behind the columns: where it is a secret, it is none of them.
    wanted = scope.select(model, *columns, *key).where(*conditions).order_by(*key).limit(BATCH)
    batch = wanted
    while True:
        rows = db.session.execute(batch).all()
        end_read()
        for row in rows:
            yield row[: len(columns)]
        if len(rows) < BATCH:
            return
        batch = wanted.where(tuple_(*key) > tuple(rows[-1][len(columns) :]))


def _plain(value: object) -> str:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat()
    return value.isoformat() if isinstance(value, date | time) else str(value)
