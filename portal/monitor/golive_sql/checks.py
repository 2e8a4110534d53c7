"""What must be there before the script says that all is well: the go-live set, taken from the models."""

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import ForeignKeyConstraint, Index, Table, UniqueConstraint

from portal.db import Base
from portal.models import Campaign, CampaignRecipient, Connection, Message

COLUMNS = {
    Connection.__tablename__: ("instance_name", "status_reason", "connected_at", "disconnected_at", "qr_updated_at"),
    Message.__tablename__: (
        "status",
        "external_id",
        "client_message_id",
        "retry_count",
        "last_retry_at",
        "error_details",
    ),
}
INDEXES = {
    Connection.__tablename__: ("idx_unit_whatsapp_instance_lookup",),
    Message.__tablename__: ("idx_messages_client_message_id_unit", "idx_messages_retry_failed"),
}
CAMPAIGNS = (Campaign.__tablename__, CampaignRecipient.__tablename__)


@dataclass(frozen=True)
class Wanted:
    """Something that must be there. `shape`: how PostgreSQL words its definition, as a pattern for LIKE."""

    kind: str
    table: str
    name: str
    shape: str


def list_wanted() -> list[Wanted]:
    return [*_tables(), *_columns(), *_indexes(), *_constraints()]


def _tables() -> Iterator[Wanted]:
    for table in Base.metadata.sorted_tables:
        yield Wanted("table", table.name, table.name, "%")


def _columns() -> Iterator[Wanted]:
    for table, names in COLUMNS.items():
        for name in names:
            yield Wanted("column", table, Base.metadata.tables[table].columns[name].name, "%")


def _indexes() -> Iterator[Wanted]:
    # All must be there and valid; of the go-live set it matters what they are on, too.
    for table in Base.metadata.sorted_tables:
        for index in sorted(table.indexes, key=lambda each: str(each.name)):
            name = str(index.name)
            shape = _shape_of_index(index) if name in INDEXES.get(table.name, ()) else "%"
            yield Wanted("index", table.name, name, shape)


def _shape_of_index(index: Index) -> str:
    unique = "UNIQUE " if index.unique else ""
    columns = ", ".join(column.name for column in index.columns)
    where = " WHERE %" if index.dialect_options["postgresql"]["where"] is not None else ""
    return f"CREATE {unique}INDEX %({columns}){where}"


def _constraints() -> Iterator[Wanted]:
    for name in CAMPAIGNS:
        table = Base.metadata.tables[name]
        shapes = [_shape_of_reference(each) for each in table.foreign_key_constraints]
        shapes += [_shape_of_unique(each) for each in table.constraints if isinstance(each, UniqueConstraint)]
        for shape in sorted(shapes):
            yield Wanted("constraint", name, shape.removesuffix("%"), shape)


def _shape_of_reference(reference: ForeignKeyConstraint) -> str:
    target: Table = reference.referred_table
    columns = ", ".join(element.column.name for element in reference.elements)
    return f"FOREIGN KEY ({', '.join(reference.column_keys)}) REFERENCES {target.name}({columns})%"


def _shape_of_unique(unique: UniqueConstraint) -> str:
    return f"UNIQUE ({', '.join(column.name for column in unique.columns)})"
