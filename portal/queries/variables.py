"""What the variables of a text stand for: each person's values, and how many of a company's people have none."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.types import Text

from portal import phone as phones
from portal.db import db
from portal.models import Contact
from portal.queries.audiences import is_reachable
from portal.queries.contacts import everybody
from portal.tenancy import TenantScope
from portal.wording import fold

# Whoever has more people is told about the newest ones, so that no page counts for long.
MOST_LOOKED_AT = 10_000
# What every contact may have, in Portuguese and in English: the first of each is what the pages offer.
NAME, FIRST_NAME, PHONE = ("nome", "name"), ("primeiro nome", "first name"), ("telefone", "phone")
BUILT_IN = (NAME, FIRST_NAME, PHONE)
_BUILT_IN = frozenset(fold(one) for names in BUILT_IN for one in names)


@dataclass(frozen=True)
class Survey:
    """The fields of the people whom a campaign would reach: of all of them, or of the newest ones."""

    looked_at: int
    is_all: bool
    # As most people's fields are written, the most frequent first.
    names: tuple[str, ...]
    # How many people have a value, by folded name.
    held: Mapping[str, int]

    def count_missing(self, variables: Iterable[str]) -> dict[str, int]:
        """Variable -> how many of the people have no value for it; those that everybody has are left out."""
        missing = {name: self.looked_at - self.held.get(fold(name), 0) for name in variables}
        return {name: number for name, number in missing.items() if number}


class Named(Protocol):
    """A contact, or a row with these columns of one."""

    @property
    def name(self) -> str | None: ...
    @property
    def phone(self) -> str | None: ...
    @property
    def whatsapp_number(self) -> str | None: ...
    @property
    def attributes(self) -> dict[str, str]: ...


def values_of(contact: Named) -> dict[str, str]:
    """The contact's values by name: their fields, and what every contact may have."""
    name, number = contact.name or "", contact.phone or contact.whatsapp_number
    first = name.split()[0] if name.strip() else ""
    told = ((NAME, name), (FIRST_NAME, first), (PHONE, phones.display(number) if number else ""))
    built_in = {one: value for names, value in told if value for one in names}
    # A field of the same name counts where the contact has nothing better.
    known = {fold(one) for one in built_in}
    return {**{key: value for key, value in contact.attributes.items() if fold(key) not in known}, **built_in}


def survey(scope: TenantScope) -> Survey:
    """Look at the fields of the newest people that a campaign would reach, in one statement.

    It groups people by which fields they have, so that names are compared where texts are rendered and not a second
    way in the database.
    """
    newest = everybody(scope).with_only_columns(
        Contact.attributes.label("attributes"),
        (func.btrim(func.coalesce(Contact.name, "")) != "").label("has_name"),
    )
    people = newest.where(is_reachable()).order_by(Contact.id.desc()).limit(MOST_LOOKED_AT).subquery()
    kinds = select(_keys(people.c.attributes).label("fields"), people.c.has_name).subquery()
    counted = select(kinds.c.fields, kinds.c.has_name, func.count()).group_by(kinds.c.fields, kinds.c.has_name)
    return _summed(db.session.execute(counted.execution_options(**newest.get_execution_options())))


def _keys(attributes: Any) -> Any:
    key: Any = func.jsonb_object_keys(attributes).column_valued("key")
    return select(func.array_agg(key, type_=ARRAY(Text))).scalar_subquery()


def _summed(groups: Iterable[Any]) -> Survey:
    """Of (keys, has a name, number of people) for each kind of people there is."""
    total, held, spellings = 0, Counter[str](), Counter[str]()
    for keys, has_name, number in groups:
        total += number
        # Whoever is reachable has a number.
        own = [*(keys or ()), *PHONE, *((*NAME, *FIRST_NAME) if has_name else ())]
        held.update(dict.fromkeys({fold(one) for one in own}, number))
        spellings.update(dict.fromkeys(keys or (), number))
    return Survey(looked_at=total, is_all=total < MOST_LOOKED_AT, names=_names(spellings), held=held)


def _names(spellings: Counter[str]) -> tuple[str, ...]:
    """One way of writing each name, of those that are no built-in variable."""
    first: dict[str, str] = {}
    for name, _number in sorted(spellings.items(), key=lambda spelling: (-spelling[1], spelling[0])):
        first.setdefault(fold(name), name)
    return tuple(name for folded, name in first.items() if folded not in _BUILT_IN)
