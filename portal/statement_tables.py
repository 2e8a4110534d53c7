"""Which tables of tenants a statement names, for the session guard: read once for all statements of one form."""

from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import CTE, Table
from sqlalchemy.sql import visitors

# As many forms of statements as SQLAlchemy keeps compiled.
MOST_KNOWN = 500
_KNOWN_TABLES: dict[Any, frozenset[str]] = {}
_TABLES_OF_FORMS: WeakKeyDictionary[Any, frozenset[str]] = WeakKeyDictionary()


def find_owned(statement: Any) -> frozenset[str]:
    """The tables of tenants that the statement names.

    Statements with the same cache key become the same SQL, which is why SQLAlchemy compiles them once: so they name the
    same tables, and are read once too. One without a key is read each time.
    """
    of_form = _TABLES_OF_FORMS.get(statement)
    if of_form is not None:
        return of_form
    key = statement._generate_cache_key()
    if key is None:
        return _read_tables(statement)
    known = _KNOWN_TABLES.get(key.key)
    if known is None:
        if len(_KNOWN_TABLES) >= MOST_KNOWN:
            _KNOWN_TABLES.clear()
        known = _KNOWN_TABLES[key.key] = _read_tables(statement)
    return known


def note_form(statement: Any) -> None:
    """Read a statement that will be executed again and again as it is."""
    _TABLES_OF_FORMS[statement] = _read_tables(statement)


def _read_tables(statement: Any) -> frozenset[str]:
    found: set[str] = set()
    for element in visitors.iterate(statement):
        # A common table expression named only in a condition is no child of the statement: look through its column.
        origin = getattr(element, "table", None)
        tables = [element, *(visitors.iterate(origin) if isinstance(origin, CTE) else ())]
        found |= {t.name for t in tables if isinstance(t, Table) and (t.name == "tenants" or "tenant_id" in t.c)}
    return frozenset(found)
