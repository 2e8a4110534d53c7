"""What an act changed, field by field: as it was, and as it is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _
from flask_babel import ngettext

from portal.models import CampaignState, ConnectionStatus, LinkKind, PauseReason
from portal.permissions import ApiScope, Role
from portal.queries.audit import LogRow
from portal.queries.audit_names import Named
from portal.web import api_tokens, campaign_words, words
from portal.web.audit_words import OF_THE_COMPANY, short_id
from portal.web.formats import grouped
from portal.web.moments import moment

FIELDS: Mapping[str, str] = {
    "name": _("Name"),
    "shortcut": _("Short cut"),
    "slug": _("Short name"),
    "email": _("E-mail"),
    "role": _("Role"),
    "unit": _("Unit"),
    "units": _("Units"),
    "unit_ids": _("Units"),
    "status": _("State"),
    "state": _("State"),
    "reason": _("Reason"),
    "kind": _("Kind"),
    "at": _("Time"),
    "expires_at": _("Ends"),
    "expiresAt": _("Ends"),
    "count": _("How many"),
    "recipients": _("Recipients"),
    "server": _("Server"),
    "url": _("Address"),
    "host": _("Address"),
    "address": _("Address"),
    "capacity": _("Capacity"),
    "accepts_units": _("Accepts new units"),
    "key": _("Key"),
    "instance": _("Instance"),
    "scopes": _("May"),
    "topics": _("Told of"),
    "message_lifetime_h": _("Hours a message may wait"),
    "receipt_wait_min": _("Minutes without a receipt"),
    "expected_number": _("Expected number"),
    "keeps_groups": _("Keeps groups"),
    "keeps_stories": _("Keeps stories"),
    "keeps_broadcasts": _("Keeps broadcast lists"),
    "pace_min_s": _("Shortest gap, in seconds"),
    "pace_max_s": _("Longest gap, in seconds"),
    "daily_cap": _("Most messages a day"),
    "window_from": _("From"),
    "window_to": _("Until"),
    "window_days": _("Days of the week (1 is Monday)"),
    "skips_holidays": _("Not on holidays"),
    "warm_up_from": _("New number since"),
    "changed": _("Changed"),
    "other_id": _("The other contact"),
    "tag_id": _("Tag"),
    "opt_out": _("Wants no campaigns"),
    "opt_out_words": _("Words for no more messages"),
    "opt_in_words": _("Words for messages again"),
    "opt_out_answer": _("Answer to no more messages"),
    "opt_in_answer": _("Answer to messages again"),
    "keep_messages_days": _("Days that messages are kept"),
    "keep_events_days": _("Days that events are kept"),
    "size": _("Bytes"),
    "columns": _("Columns"),
    "tags": _("Tags"),
    "rows": _("Rows"),
    "good": _("Good rows"),
    "version": _("Version"),
    "variants": _("Variants"),
    "everybody": _("Everybody"),
    "pasted": _("Pasted numbers"),
    "tag_ids": _("Tags"),
    "import_ids": _("Imports"),
    "contact_ids": _("Contacts"),
    "without_tag_ids": _("Left out by tag"),
    "without_campaign_ids": _("Left out by campaign"),
    "of": _("Copy of"),
    "bucket": _("List"),
    "hours": _("Hours"),
    "operator": _("Operator"),
    "page": _("Page"),
    "ended": _("Sessions ended"),
    "suspended_at": _("Suspended since"),
    "erase_at": _("Erased at"),
    "to": _("Signed in to"),
    "by": _("By"),
    "by_mail": _("By mail"),
    "left": _("Left"),
    "assigned_to": _("Answered by"),
    "note": _("Note"),
}
ROLES: Mapping[Role, str] = {
    Role.SUPER_ADMIN: _("Operator of the portal"),
    Role.TENANT_ADMIN: _("Administrator"),
    Role.AGENT: _("Agent"),
}
PAUSES: Mapping[PauseReason, str] = {
    PauseReason.PERSON: _("a person's decision"),
    PauseReason.MISSED_START: _("missed start"),
    PauseReason.FAILURES: _("too many failures"),
    PauseReason.OPT_OUTS: _("too many people want no messages"),
    PauseReason.BLOCKS: _("too few messages delivered"),
    PauseReason.NUMBER_LIMITED: _("number limited by WhatsApp"),
}
LINKS: Mapping[LinkKind, str] = {
    LinkKind.INVITATION: _("invitation"),
    LinkKind.PASSWORD_RESET: _("new password"),
}
# Values that are codes, by their field.
CODES: Mapping[str, Mapping[Any, Any]] = {
    "role": ROLES,
    "status": {status: words.BY_STATUS[status].title for status in ConnectionStatus},
    "state": {state: campaign_words.STANDINGS[state].title for state in CampaignState},
    "reason": PAUSES,
    "kind": {**{kind: choice.title for kind, choice in api_tokens.KINDS.items()}, **LINKS},
    "by": LINKS,
    "to": {"portal": _("the portal"), "api": _("the API")},
    "scopes": {scope: api_tokens.SCOPES[scope].title for scope in ApiScope},
}
NOTHING = "–"
# What a company called something.
NAMES = frozenset({"name", "shortcut"})
# The messages of one decision are told by their number.
UNTOLD = frozenset({"ids"})
_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_INSTANT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d+)?)?([+-]\d\d:\d\d|Z)")


@dataclass(frozen=True)
class Change:
    """One field in words. None: nothing was told of it on that side."""

    field: str
    before: str | None
    after: str | None

    def __str__(self) -> str:
        told = [value for value in (self.before, self.after) if value is not None]
        return f"{self.field}: {' → '.join(told)}"


def list_changes(row: LogRow, zone: str, *, sees_names: bool) -> list[Change]:
    """What differs, field by field; of what a company named, an operator sees nothing."""
    before, after = row.event.before or {}, row.event.after or {}
    hidden = UNTOLD | (frozenset() if sees_names or row.event.subject_type not in OF_THE_COMPANY else NAMES)
    names = row.names if sees_names else {}
    return [
        Change(
            str(FIELDS.get(field, field)),
            _in_words(field, before[field], names, zone) if field in before else None,
            _in_words(field, after[field], names, zone) if field in after else None,
        )
        for field in dict.fromkeys([*before, *after])
        if field not in hidden and not (field in before and field in after and before[field] == after[field])
    ]


def _in_words(field: str, value: Any, names: Mapping[UUID, Named], zone: str) -> str:
    if value is None or value in ([], ""):
        return NOTHING
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    if isinstance(value, list):
        return ", ".join(_in_words(field, one, names, zone) for one in value)
    if isinstance(value, dict):
        return _of_object(value)
    if isinstance(value, int):
        return grouped(value)
    return _of_text(field, str(value), names, zone)


def _of_object(value: Mapping[str, Any]) -> str:
    """Of a text the log keeps only how long it is."""
    if set(value) == {"length"}:
        return str(ngettext("%(num)s character", "%(num)s characters", value["length"]))
    return ", ".join(f"{name}: {one}" for name, one in value.items())


def _of_text(field: str, text: str, names: Mapping[UUID, Named], zone: str) -> str:
    code = CODES.get(field, {}).get(text)
    if code is not None:
        return str(code)
    if _ID.fullmatch(text):
        found = names.get(UUID(text))
        return found.name if found else short_id(UUID(text))
    if _INSTANT.fullmatch(text):
        return moment(datetime.fromisoformat(text), zone)
    return text
