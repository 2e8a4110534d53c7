"""Puts the script together: blocks that can be run in one go or one by one, and any number of times."""

from collections.abc import Iterable
from pathlib import Path
from textwrap import indent

from portal.db import Base
from portal.monitor.golive_sql.checks import Wanted, list_wanted
from portal.monitor.golive_sql.revisions import Revision, list_revisions

TEMPLATES = Path(__file__).parent / "templates"
# The same as in migrations/env.py: the script and a release take turns.
LOCK = 7_106_113
# Of the database that was there before the portal, in the order in which they refer to each other.
OLDER_TABLES = ("units", "unit_whatsapp_connections", "users", "contacts", "conversations", "messages")
# Those of the portal's names that somebody may have made beside them by hand, before the portal.
OLDER_CAMPAIGNS = ("campaigns", "campaign_recipients")
FUNCTIONS = ("values", "staging", "keeping", "units", "people", "threads", "ending")
QUOTES = ("$golive$", "$sql$")
HEADER = """\
-- Brings a PostgreSQL database to revision {head} of the portal's schema: an empty one, one of any earlier revision, or
-- an older one from before the portal, whose rows become the company "legacy".
--
-- Paste the whole of it into the database's console, or run: psql -v ON_ERROR_STOP=1 -f production_migration.sql
-- Within psql, first: \\set ON_ERROR_STOP on. Without it each block after an error refuses with an error of its own.
-- It may be stopped anywhere and run again. It is done when its last notice says ALL MIGRATIONS APPLIED SUCCESSFULLY;
-- the rows that it shows at the end say the same, check by check. Stop the portal before, and take a backup.
--
-- Made from the migrations, not by hand: flask --app wsgi golive sql --output docs/golive/production_migration.sql
"""


def build() -> str:
    """The whole script."""
    revisions = list_revisions()
    head = revisions[-1].number
    checks = _checks([*list_wanted(), Wanted("no schema", "older tables", "portal_older", ""), _at(head)])
    parts = [
        HEADER.replace("{head}", head),
        _part("Begin: what this database is. Older tables are moved aside", _begin(revisions)),
        _part("Ids that clients gave to messages, before they have to be unique", _template("client_message_ids")),
        *(_part(f"{each.number} {each.title}", _block(each)) for each in revisions),
        _part("Older database: its rows become the company legacy's", _copy(head)),
        _part("Verification", _template("verify", checks=indent(checks, " " * 8))),
        _part("The same, check by check", f"{checks}\nORDER BY is_there, item;\n"),
    ]
    return "\n".join(parts)


def _part(title: str, sql: str) -> str:
    return f"-- {title}\n{sql}"


def _begin(revisions: list[Revision]) -> str:
    tables = [table.name for table in Base.metadata.sorted_tables]
    known = [each.number for each in revisions]
    return _template(
        "begin",
        revisions=_array(known),
        tables=_array(tables),
        older=_array(OLDER_TABLES),
        campaigns=_array(OLDER_CAMPAIGNS),
    )


def _block(revision: Revision) -> str:
    if any(quote in statement for statement in revision.statements for quote in QUOTES):
        raise ValueError(f"{revision.number} uses a quote that the script needs: {' or '.join(QUOTES)}")
    # The stamp is the last of them, in the same transaction.
    statements = "\n".join(f"    EXECUTE $sql$ {statement} $sql$;" for statement in revision.statements)
    before = "NULL" if revision.before is None else _quoted(revision.before)
    return _template(
        "revision", number=revision.number, before=before, title=_quoted(revision.title), statements=statements
    )


def _copy(head: str) -> str:
    functions = "\n".join(f"    EXECUTE $sql$\n{_template(name)}    $sql$;" for name in FUNCTIONS)
    return _template("copy", head=head, older=_array(OLDER_TABLES), functions=functions)


def _at(head: str) -> Wanted:
    return Wanted("revision", "alembic_version", head, "")


def _checks(wanted: list[Wanted]) -> str:
    rows = (f"({', '.join(map(_quoted, (each.kind, each.table, each.name, each.shape)))})" for each in wanted)
    return _template("checks", wanted=indent(",\n".join(rows), " " * 4)).rstrip()


def _array(values: Iterable[str]) -> str:
    return f"ARRAY[{', '.join(map(_quoted, values))}]"


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _template(name: str, **values: str) -> str:
    sql = (TEMPLATES / f"{name}.sql").read_text(encoding="utf-8")
    for key, value in {"lock": str(LOCK), **values}.items():
        sql = sql.replace(f"{{{key}}}", value)
    return sql
