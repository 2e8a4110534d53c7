"""Whose the numbers of a pasted list are: contacts, people to be added, people who were erased, or repetitions."""

from collections.abc import Collection, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import Boolean, Integer, Text, Uuid, func, select
from sqlalchemy.types import TypeEngine
from uuid_utils.compat import uuid7

from portal.db import as_table, db
from portal.models import CampaignRecipient, Contact, SkipReason
from portal.services import choosing, suppression
from portal.services.audience import Audience
from portal.services.ledger_lines import PERSON_COLUMNS, Ledger
from portal.services.pasted import PastedLine
from portal.tenancy import TenantScope

_NUMBER: dict[str, TypeEngine[Any]] = {"id": Uuid(), "phone": Text()}
_PERSON: dict[str, TypeEngine[Any]] = {"contact_id": Uuid()}
_TOLD: dict[str, TypeEngine[Any]] = {
    "contact_id": Uuid(),
    "typed": Text(),
    "line": Integer(),
    "is_renumbered": Boolean(),
}


class PastedPeople:
    """Adds the lines of a list to a ledger, after the people who were chosen in other ways."""

    def __init__(self, scope: TenantScope, campaign_id: UUID, audience: Audience) -> None:
        self._scope, self._campaign_id, self._audience = scope, campaign_id, audience
        self._has_list_only = choosing.people(scope, audience) is None
        self._numbers: set[str] = set()
        # Two numbers may lead to one person, since contacts were merged.
        self._contact_ids: set[UUID] = set()

    def add_to(self, ledger: Ledger, lines: Sequence[PastedLine]) -> None:
        """Somebody who was chosen already keeps their one line, which then says what was typed of them."""
        numbers = {line.number for line in lines if line.number} - self._numbers
        owners, erased = self._find_or_add(numbers)
        people = self._people(set(owners.values()))
        left_out = choosing.find_left_out(self._scope, self._audience, list(people))
        chosen = self._already_chosen(people)
        met = []
        for line in lines:
            reason = self._reason(line, owners, erased)
            if line.number:
                self._numbers.add(line.number)
            if reason is not None:
                ledger.add_nobody(line, reason)
                continue
            contact_id = owners[line.number or ""]
            self._contact_ids.add(contact_id)
            if contact_id in chosen:
                met.append((contact_id, line.typed, line.line, line.is_renumbered))
            else:
                ledger.add_person(people[contact_id], is_left_out=contact_id in left_out, pasted=line)
        self._note_typed(met)

    def _reason(self, line: PastedLine, owners: dict[str, UUID], erased: Collection[str]) -> SkipReason | None:
        """Why a line stands for nobody who could get something."""
        if line.number is None:
            return SkipReason.INVALID
        if line.number in self._numbers:
            return SkipReason.DUPLICATE
        if line.number in erased:
            return SkipReason.ERASED
        return SkipReason.DUPLICATE if owners[line.number] in self._contact_ids else None

    def _find_or_add(self, numbers: Collection[str]) -> tuple[dict[str, UUID], Collection[str]]:
        """Number -> the id of the contact, or of the one they were merged into; and the numbers of erased people.

        Of erased people no contact is made: whoever is one again wrote themselves.
        """
        owners = self._owners(numbers)
        unknown = set(numbers) - owners.keys()
        erased = suppression.find_erased(self._scope, unknown).keys()
        # In one order, as everybody adds several: or two of them would each wait for the other.
        rows = [(uuid7(), number) for number in sorted(unknown - erased)]
        if rows:
            found = select(*as_table(_NUMBER, rows).c)
            db.session.execute(self._scope.insert_found(Contact, list(_NUMBER), found).on_conflict_do_nothing())
            # Read, since the inbox may have been faster.
            owners |= self._owners([number for _id, number in rows])
        return owners, erased

    def _owners(self, numbers: Collection[str]) -> dict[str, UUID]:
        if not numbers:
            return {}
        # One by one from their table, as the other two below: a long list of values may be compared with every row.
        told = as_table({"phone": Text()}, [(number,) for number in numbers])
        person = func.coalesce(Contact.merged_into_id, Contact.id)
        found = self._scope.select(Contact, Contact.phone, person).join(told, told.c.phone == Contact.phone)
        return dict(db.session.execute(found).all())

    def _people(self, contact_ids: Collection[UUID]) -> dict[UUID, Any]:
        """Contact id -> PERSON_COLUMNS."""
        if not contact_ids:
            return {}
        told = as_table(_PERSON, [(contact_id,) for contact_id in contact_ids])
        found = self._scope.select(Contact, *PERSON_COLUMNS).join(told, told.c.contact_id == Contact.id)
        return {row.id: row for row in db.session.execute(found)}

    def _already_chosen(self, contact_ids: Collection[UUID]) -> set[UUID]:
        """Those who have a line of the ledger, though no earlier line of the list led to them."""
        if self._has_list_only or not contact_ids:
            return set()
        told = as_table(_PERSON, [(contact_id,) for contact_id in contact_ids])
        lines = self._scope.select(CampaignRecipient, CampaignRecipient.contact_id)
        found = lines.join(told, told.c.contact_id == CampaignRecipient.contact_id).where(
            CampaignRecipient.campaign_id == self._campaign_id
        )
        return set(db.session.scalars(found))

    def _note_typed(self, met: Sequence[tuple[object, ...]]) -> None:
        if not met:
            return
        told = as_table(_TOLD, met)
        theirs = self._scope.update(CampaignRecipient).where(
            CampaignRecipient.campaign_id == self._campaign_id, CampaignRecipient.contact_id == told.c.contact_id
        )
        values = {name: told.c[name] for name in ("typed", "line", "is_renumbered")}
        db.session.execute(theirs.values(values).execution_options(synchronize_session=False))
