"""Writing the lines of a ledger: who gets which text, who gets none and why, each line in its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType
from typing import Any

from sqlalchemy import Boolean, Integer, Text, Uuid, literal, select
from sqlalchemy.types import TypeEngine

from portal import accents
from portal.clock import now
from portal.db import as_table, db, forget_plans
from portal.models import Campaign, CampaignRecipient, Contact, RecipientState, SkipReason
from portal.queries.variables import values_of
from portal.services.pasted import PastedLine
from portal.services.template_checks import longest_text
from portal.tenancy import TenantScope
from portal.wording import Rendered, Wording, parse, render

# What WhatsApp said of a number counts for so long.
NUMBER_KNOWN_FOR = timedelta(days=30)
# What has to be known of a person to write their line.
PERSON_COLUMNS = (
    Contact.id,
    Contact.phone,
    Contact.whatsapp_number,
    Contact.name,
    Contact.attributes,
    Contact.opted_out_at,
    Contact.is_on_whatsapp,
    Contact.number_checked_at,
)
_LINE: Mapping[str, TypeEngine[Any]] = MappingProxyType(
    {
        "position": Integer(),
        "contact_id": Uuid(),
        "typed": Text(),
        "line": Integer(),
        "is_renumbered": Boolean(),
        "state": Text(),
        "reason": Text(),
        "body": Text(),
        "variant": Integer(),
        "has_gaps": Boolean(),
    }
)
_NOT_PASTED = (None, None, False)
_NO_TEXT = (None, None, False)


@dataclass(frozen=True)
class TooLong:
    """How many texts are longer than WhatsApp takes, how long they may be, and the place of the first."""

    recipients: int
    longest: int
    position: int


class Ledger:
    """The lines of one campaign in the making, written some thousand at a time."""

    def __init__(self, scope: TenantScope, campaign: Campaign) -> None:
        self.size = 0
        # Whether somebody gets a message about whose number WhatsApp was not asked lately.
        self.has_unknown_numbers = False
        self._scope, self._campaign_id = scope, campaign.id
        self._wordings = [parse(text) for text in campaign.variants]
        self._longest = longest_text(has_file=campaign.media_id is not None)
        self._known_since = now() - NUMBER_KNOWN_FOR
        self._pending = self._too_long = self._first_too_long = 0
        self._lines: list[tuple[object, ...]] = []

    @property
    def too_long(self) -> TooLong | None:
        if not self._too_long:
            return None
        return TooLong(self._too_long, self._longest, self._first_too_long)

    def add_person(self, person: Any, *, is_left_out: bool, pasted: PastedLine | None = None) -> None:
        """A line for somebody: `person` has PERSON_COLUMNS. The variants take turns among those who get one."""
        self.size += 1
        told = _NOT_PASTED if pasted is None else (pasted.typed, pasted.line, pasted.is_renumbered)
        reason = _reason(person, is_left_out=is_left_out)
        if reason is not None:
            self._lines.append((self.size, person.id, *told, RecipientState.SKIPPED, reason, *_NO_TEXT))
            return
        place = self._pending % len(self._wordings)
        rendered = _fill_in(self._wordings[place], person)
        body = accents.joined(rendered.text)
        text = (body, place + 1, bool(rendered.missing))
        self._lines.append((self.size, person.id, *told, RecipientState.PENDING, None, *text))
        self._pending += 1
        self._note(body, person.number_checked_at)

    def add_nobody(self, pasted: PastedLine, reason: SkipReason) -> None:
        """A pasted line that stands for nobody who could get something."""
        self.size += 1
        told = (None, pasted.typed, pasted.line, pasted.is_renumbered)
        self._lines.append((self.size, *told, RecipientState.SKIPPED, reason, *_NO_TEXT))

    def write(self) -> None:
        """Write the lines that were added since the last time, in one statement."""
        if self._lines:
            # The contacts may have just been imported, or added from the list.
            forget_plans()
            table = as_table(_LINE, self._lines)
            rows = select(literal(self._campaign_id, Uuid()), *table.c)
            db.session.execute(self._scope.insert_found(CampaignRecipient, ["campaign_id", *_LINE], rows))
            self._lines.clear()

    def _note(self, body: str, checked_at: datetime | None) -> None:
        if checked_at is None or checked_at < self._known_since:
            self.has_unknown_numbers = True
        if len(body) > self._longest:
            self._too_long += 1
            self._first_too_long = self._first_too_long or self.size


def _reason(person: Any, *, is_left_out: bool) -> SkipReason | None:
    """Why somebody gets nothing: what they want comes before what a company wants."""
    if person.opted_out_at is not None:
        return SkipReason.OPTED_OUT
    if is_left_out:
        return SkipReason.EXCLUDED
    if person.phone is None and person.whatsapp_number is None:
        return SkipReason.WITHOUT_NUMBER
    return SkipReason.NOT_ON_WHATSAPP if person.is_on_whatsapp is False else None


def _fill_in(wording: Wording, person: Any) -> Rendered:
    return render(wording, values_of(person) if wording.variables else {})
