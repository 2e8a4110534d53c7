"""Who a chat is with: the one contact behind every address by which WhatsApp names it."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from uuid import UUID

from sqlalchemy import or_
from uuid_utils.compat import uuid7

from portal import phone
from portal.clock import now
from portal.db import among_told, db
from portal.inbox.facts import Address
from portal.models import Contact
from portal.services import joining, suppression
from portal.tenancy import Form, TenantScope

# A name that came without a time: any message's is newer.
LONG_AGO = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Mention:
    """A chat that was named, by what name if any, and when."""

    chat: Address
    name: str | None = None
    at: datetime = LONG_AGO
    # They wrote it themselves: the number it came from is in use.
    is_theirs: bool = False


class People:
    """The contacts of one batch: found or made once, merged when an address shows that two of them are one.

    An address leads to its row, and that to the person: another row, where somebody merged the two by hand.
    """

    def __init__(self, scope: TenantScope, mentions: Iterable[Mention], *, add: bool = True) -> None:
        """With `add` off an unknown chat stays unknown: its name alone makes nobody a contact."""
        self._scope = scope
        self._by_phone: dict[str, Contact] = {}
        self._by_lid: dict[str, Contact] = {}
        self._by_jid: dict[str, Contact] = {}
        self._by_id: dict[UUID, Contact] = {}
        mentions = list(mentions)
        chats = {mention.chat for mention in mentions}
        self._load(chats)
        if add:
            self._add([chat for chat in chats if self._known(chat) is None])
        for mention in mentions:
            self._learn(mention)
        db.session.flush()

    def id_of(self, chat: Address) -> UUID:
        """The person's id. Only for chats that were mentioned; a merge leaves the one that stayed."""
        contact = self._known(chat)
        assert contact is not None
        return self._person(contact).id

    def note_presence(self, ids: Iterable[UUID]) -> None:
        """These people wrote: they are on WhatsApp, whatever it said of a number of theirs."""
        for contact in map(self._by_id.__getitem__, ids):
            if contact.is_on_whatsapp is False:
                contact.is_on_whatsapp, contact.number_checked_at = True, now()

    def _load(self, chats: Collection[Address]) -> None:
        if not chats:
            return
        self._read(
            phones=list({number for chat in chats if (number := _canonical(chat))}),
            lids=list({chat.lid for chat in chats if chat.lid}),
            jids=list({chat.jid for chat in chats if chat.jid}),
        )
        merged_into = {contact.merged_into_id for contact in self._by_id.values() if contact.merged_into_id}
        if missing := merged_into - self._by_id.keys():
            self._read(ids=list(missing))

    def _read(self, **named: list[Any]) -> None:
        for contact in self._scope.execute(_NAMED, **{name: named.get(name, []) for name in _NAMES}).scalars():
            self._note(contact)

    def _add(self, chats: Collection[Address]) -> None:
        """Make contacts of these; another unit's relay may be adding the same people at this moment."""
        # Who is named by both addresses comes first: what names the same person by one of them then adds nobody.
        in_order = sorted(chats, key=lambda chat: (not (chat.number and chat.lid), str(chat)))
        rows = [
            # A LID that belongs to another number's contact stays there.
            {
                "id": uuid7(),
                "kind": chat.kind,
                "phone": _canonical(chat),
                "lid": None if chat.lid in self._by_lid else chat.lid,
                "chat_jid": chat.jid,
            }
            for chat in in_order
        ]
        self._scope.insert_missing(Contact, rows)
        self._load(chats)
        added = {row["id"] for row in rows}
        suppression.remember(self._scope, [contact for id_, contact in self._by_id.items() if id_ in added])

    def _note(self, contact: Contact) -> None:
        self._by_id[contact.id] = contact
        if contact.phone:
            self._by_phone[contact.phone] = contact
        if contact.lid:
            self._by_lid[contact.lid] = contact
        if contact.chat_jid:
            self._by_jid[contact.chat_jid] = contact

    def _known(self, chat: Address) -> Contact | None:
        if chat.jid:
            return self._by_jid.get(chat.jid)
        number = _canonical(chat)
        by_number = self._by_phone.get(number) if number else None
        by_lid = self._by_lid.get(chat.lid) if chat.lid else None
        # Where each is known as a person of its own, the number decides: a LID that names another number is old.
        is_free = by_lid is not None and (number is None or by_lid.phone in (None, number))
        return by_number or (by_lid if is_free else None)

    def _person(self, contact: Contact) -> Contact:
        return self._by_id[contact.merged_into_id] if contact.merged_into_id else contact

    def _learn(self, mention: Mention) -> None:
        contact = self._known(mention.chat)
        if contact is None:
            return
        if mention.chat.jid is None:
            self._join(contact, mention.chat)
            _learn_number(contact, self._person(contact), mention)
        _learn_name(self._person(contact), mention)

    def _join(self, contact: Contact, chat: Address) -> None:
        """Note both addresses of a person on one row, making one of two people where each has its own."""
        number = _canonical(chat)
        by_lid = self._by_lid.get(chat.lid) if chat.lid else None
        if by_lid is not None and self._is_spare(by_lid, contact):
            joining.make_one(self._scope, self._person(contact), by_lid, bearer=contact)
            self._by_lid[by_lid.lid or ""] = contact
        if contact.phone is None and number:
            contact.phone = number
        if contact.lid is None and by_lid is None:
            contact.lid = chat.lid
        self._note(contact)

    def _is_spare(self, by_lid: Contact, contact: Contact) -> bool:
        """Known by the LID only, and as somebody else: what a person merged by hand stays where they put it."""
        is_alone = by_lid.phone is None and by_lid.merged_into_id is None
        return is_alone and by_lid is not self._person(contact) and by_lid is not contact


@lru_cache(maxsize=4_096)
def _canonical(chat: Address) -> str | None:
    return phone.of_whatsapp(chat.number) if chat.number else None


def _is_better(number: str, known: str | None) -> bool:
    """WhatsApp uses a number's old form, without the ninth digit, only where it has no other."""
    return known is None or len(number) < len(known)


def _learn_number(contact: Contact, person: Contact, mention: Mention) -> None:
    """The form of the number that WhatsApp confirmed; of a person's several numbers the one they wrote from last."""
    number, has_several = mention.chat.number, person.number_at is not None
    if number is None:
        return
    if not (has_several and contact is person) and _is_better(number, contact.whatsapp_number):
        contact.whatsapp_number = number
    if person.number_at is not None and mention.is_theirs and mention.at > person.number_at:
        person.whatsapp_number = number if contact is person else contact.whatsapp_number
        person.number_at = mention.at


def _learn_name(contact: Contact, mention: Mention) -> None:
    """The newest name that was told; one that no message told was given by a person, and stays."""
    if not mention.name:
        return
    is_newer = contact.named_at is not None and (mention.at, mention.name) > (contact.named_at, contact.name or "")
    if contact.name is None or is_newer:
        contact.name, contact.named_at = mention.name, mention.at


_NAMES = {"ids": Contact.id, "phones": Contact.phone, "lids": Contact.lid, "jids": Contact.chat_jid}
_NAMED = Form(
    lambda scope: (
        scope.select(Contact)
        .where(or_(*(among_told(column, name) for name, column in _NAMES.items())))
        .execution_options(populate_existing=True)
    )
)
