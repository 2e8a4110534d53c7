"""What a page of the log is asked for by its address, and the rows of the log as it shows them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask import url_for
from flask_babel import lazy_gettext as _
from werkzeug.exceptions import BadRequest

from portal.permissions import Permission
from portal.queries.audit import Filter, Kind, LogRow
from portal.web import audit_words
from portal.web.audit_changes import Change, list_changes

COLUMNS = (_("Time"), _("Who"), _("What happened"), _("Changes"), _("From where"), _("Action"), _("Id"))
OF_TENANT = (_("Tenant"),)


@dataclass(frozen=True)
class View:
    """Which rows the address asks for; `before` is where the page before ended."""

    wanted: Filter
    fields: Mapping[str, str]
    before: UUID | None

    @property
    def is_filtered(self) -> bool:
        return bool(self.fields)


@dataclass(frozen=True)
class Reader:
    """Who looks: the clock they go by, and what they may open and read."""

    zone: str
    may: Callable[[Permission], bool]

    @property
    def sees_names(self) -> bool:
        """Whether what a company named is told by its name: who may not read its messages sees ids."""
        return self.may(Permission.READ_MESSAGES)


@dataclass(frozen=True)
class Line:
    """One row of the log in words, with the page of its subject where the reader may open that."""

    row: LogRow
    sentence: str
    changes: Sequence[Change]
    url: str


def read_view(args: Mapping[str, str], zone: str, *, tenants: Mapping[UUID, Any] | None = None) -> View:
    """Raises BadRequest for what nobody can have chosen. `tenants`: those that an operator may choose among."""
    names = ("who", "about", "subject", "from", "to", *(("tenant",) if tenants is not None else ()))
    fields = {name: args[name] for name in names if args.get(name)}
    try:
        wanted = Filter(
            who=_who(fields.get("who")),
            nouns=audit_words.GROUPS[fields["about"]].nouns if "about" in fields else None,
            subject_id=_id(fields.get("subject")),
            since=_midnight(fields.get("from"), zone),
            until=_midnight(fields.get("to"), zone, days_later=1),
            tenant_id=_id(fields.get("tenant")),
        )
        return View(wanted, fields, _id(args.get("before")))
    except (ValueError, KeyError, OverflowError) as e:
        raise BadRequest from e


def tell(rows: Iterable[LogRow], reader: Reader) -> list[Line]:
    return [
        Line(
            row=row,
            sentence=audit_words.sentence(row, sees_names=reader.sees_names),
            changes=list_changes(row, reader.zone, sees_names=reader.sees_names),
            url=_url(row, reader),
        )
        for row in rows
    ]


def table(rows: Iterable[LogRow], reader: Reader, *, with_tenant: bool = False) -> Iterator[tuple[object, ...]]:
    """The same as lines of a table, by COLUMNS, and OF_TENANT where that is wanted."""
    zone = ZoneInfo(reader.zone)
    for row in rows:
        event = row.event
        yield (
            # In the one form that spreadsheets of every language take for a time.
            event.created_at.astimezone(zone).strftime("%Y-%m-%d %H:%M:%S"),
            audit_words.who(row),
            audit_words.sentence(row, sees_names=reader.sees_names),
            "; ".join(str(one) for one in list_changes(row, reader.zone, sees_names=reader.sees_names)),
            event.address,
            event.action,
            event.subject_id,
            *((row.tenant.name if row.tenant else "",) if with_tenant else ()),
        )


def _url(row: LogRow, reader: Reader) -> str:
    """The page of the subject; nothing where it has none, or is gone, or is not for this reader."""
    event = row.event
    page = audit_words.PAGES.get(event.subject_type)
    if page is None or event.subject_id is None or not reader.may(page.permission):
        return ""
    found = row.names.get(event.subject_id)
    if found is None:
        return ""
    values: dict[str, Any] = {page.argument: found.slug if page.argument == "unit_slug" else event.subject_id}
    if row.tenant is not None:
        values["tenant_slug"] = row.tenant.slug
    return url_for(page.endpoint, **values)


def _who(text: str | None) -> UUID | Kind | None:
    if not text:
        return None
    return Kind(text) if text in set(Kind) else UUID(text)


def _id(text: str | None) -> UUID | None:
    return UUID(text) if text else None


def _midnight(text: str | None, zone: str, *, days_later: int = 0) -> datetime | None:
    """At which that day begins, by the clock of the zone."""
    if not text:
        return None
    return datetime.combine(date.fromisoformat(text) + timedelta(days=days_later), time(), ZoneInfo(zone))
