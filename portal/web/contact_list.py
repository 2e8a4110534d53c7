"""The list of contacts as an address asks for it: which filter, which page of it, and as a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import BadRequest

from portal.errors import NotFound
from portal.models import Import, Tag
from portal.queries import contacts as queries
from portal.queries.contact_search import LONGEST_SEARCH
from portal.queries.contacts import MOST_REACH_COUNTED, PAGE, Consent, ContactRow, Filter
from portal.services.tagging import MOST_AT_ONCE, Choice
from portal.tenancy import TenantScope, acting_for
from portal.web.formats import shown_phone

COLUMNS = (_("Name"), _("Phone number"), _("Tags"), _("Opted out"), _("Last message"), _("Added at"))


@dataclass(frozen=True)
class View:
    """What the address asks for: the filter, with the tag and the import that it names."""

    wanted: Filter
    tag: Tag | None
    listed_in: Import | None

    @property
    def fields(self) -> dict[str, Any]:
        """The address's own words for it."""
        return {
            "q": self.wanted.search or None,
            "tag": self.tag.name if self.tag else None,
            "consent": self.wanted.consent,
            "import": self.wanted.import_id,
            "number": "none" if self.wanted.without_number else None,
        }


def read_view(scope: TenantScope, args: Mapping[str, str]) -> View:
    """Raises NotFound for a tag or an import that is not there, BadRequest for what nobody can have chosen."""
    text = {name: (args.get(name) or "").replace("\x00", "").strip() for name in ("q", "tag", "consent", "import")}
    try:
        consent = Consent(text["consent"]) if text["consent"] else None
        listed_in = queries.get_import(scope, UUID(text["import"])) if text["import"] else None
    except ValueError as e:
        raise BadRequest from e
    tag = queries.find_tag(scope, text["tag"]) if text["tag"] else None
    if text["tag"] and tag is None:
        raise NotFound("no such tag")
    wanted = Filter(
        search=text["q"][:LONGEST_SEARCH],
        tag_id=tag.id if tag else None,
        consent=consent,
        import_id=listed_in.id if listed_in else None,
        without_number=args.get("number") == "none",
    )
    return View(wanted, tag, listed_in)


def page_of(scope: TenantScope, view: View, args: Mapping[str, str]) -> dict[str, Any]:
    """What the page of that view shows."""
    rows = queries.list_contacts(scope, view.wanted, before=_id(args.get("before")))
    return {
        "view": view,
        "rows": rows,
        "older_before": rows[-1].contact.id if len(rows) >= PAGE else None,
        "reach": queries.count_reach(scope, view.wanted),
        "most_counted": MOST_REACH_COUNTED,
        "most": MOST_AT_ONCE,
        "tags": queries.list_tags(scope),
        "is_filtered": view.wanted != Filter(),
    }


def read_choice(view: View, form: "MultiDict[str, str]") -> Choice:
    """The contacts that were ticked, or all of the view. Raises BadRequest for ids that are none."""
    if "every" in form:
        return Choice(every_of=view.wanted)
    return Choice(ids=[id_ for text in form.getlist("ids") if (id_ := _id(text))])


def table(scope: TenantScope, wanted: Filter, zone: ZoneInfo) -> Iterator[tuple[object, ...]]:
    """The lines of the list as a table, with times by the clock of that zone."""
    # It is read while it is sent, and the request has left the tenant by then.
    with acting_for(scope):
        for row in queries.iterate(scope, wanted):
            yield _line(row, zone)


def _line(row: ContactRow, zone: ZoneInfo) -> tuple[object, ...]:
    contact = row.contact
    instants = (contact.opted_out_at, row.last_message_at, contact.created_at)
    # The one form that spreadsheets of every language take for a time.
    times = [f"{at.astimezone(zone):%Y-%m-%d %H:%M:%S}" if at else "" for at in instants]
    return (contact.name, shown_phone(contact.phone), ", ".join(row.tags), *times)


def _id(text: str | None) -> UUID | None:
    try:
        return UUID(text) if text else None
    except ValueError as e:
        raise BadRequest from e
