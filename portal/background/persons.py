"""One person to be erased: all contacts that are they, and every way in which Evolution may have named them."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, or_

from portal.db import among, db
from portal.models import Contact, Message, WebhookEvent
from portal.phone import BRAZIL
from portal.queries.erasures import list_persons_ids
from portal.services.suppression import addresses_of
from portal.tenancy import TenantScope

_BRAZILIAN_MOBILE = re.compile(rf"({BRAZIL}\d\d)9(\d{{8}})")
# Where WhatsApp puts a digit behind the country code that the number does not have elsewhere.
_EXTRA_DIGIT = {"52": "1", "54": "9"}


@dataclass(frozen=True)
class Person:
    """Whose rows go."""

    contact_ids: tuple[UUID, ...]
    # Canonical, and LIDs that end in `@lid`: by these they are known again.
    addresses: frozenset[str]
    # Digits, however they may be written.
    spellings: frozenset[str]
    is_opted_out: bool

    @property
    def is_named(self) -> ColumnElement[bool]:
        """Of a webhook event: its body says one of their numbers, and not as a part of a longer one."""
        anywhere = or_(*(WebhookEvent.body.contains(digits) for digits in sorted(self.spellings)))
        whole = rf"(?<![0-9])({'|'.join(sorted(self.spellings))})(?![0-9])"
        return anywhere & WebhookEvent.body.regexp_match(whole)

    @property
    def is_writer(self) -> ColumnElement[bool]:
        """Of a message in a group: they wrote it."""
        return among(Message.details["sender"].as_string(), sorted(self.addresses))


def load_person(scope: TenantScope, contact_id: UUID) -> Person:
    """The person behind this contact; one of whom nothing is left has no addresses."""
    ids = list_persons_ids(scope, contact_id)
    statement = scope.select(Contact).where(among(Contact.id, ids)).execution_options(populate_existing=True)
    contacts = list(db.session.scalars(statement))
    numbers = {number for one in contacts for number in (one.phone, one.whatsapp_number) if number}
    lids = {one.lid for one in contacts if one.lid}
    return Person(
        contact_ids=tuple(ids),
        addresses=frozenset(address for one in contacts for address in addresses_of(one)),
        spellings=frozenset(_spelled(numbers)) | lids,
        is_opted_out=any(one.opted_out_at is not None for one in contacts),
    )


def _spelled(numbers: Iterable[str]) -> Iterator[str]:
    for number in numbers:
        yield number
        if mobile := _BRAZILIAN_MOBILE.fullmatch(number):
            yield mobile[1] + mobile[2]
        if extra := _EXTRA_DIGIT.get(number[:2]):
            yield number[:2] + extra + number[2:]
