"""Who a key names: every version puts the telephone number and the LID of a person in other places (contract §14)."""

import re
from collections.abc import Iterable

from portal import phone
from portal.inbox.decoding import Fields, is_true
from portal.inbox.facts import Address
from portal.models import ContactKind
from portal.phone import LID_SUFFIX, PERSON_SUFFIX, without_device

_CHATS = (
    (re.compile(r"status@broadcast"), ContactKind.STORIES),
    (re.compile(r"[0-9]{1,40}@broadcast"), ContactKind.BROADCAST),
    (re.compile(r"[0-9][0-9-]{0,60}@g\.us"), ContactKind.GROUP),
)
_LID = re.compile(r"([0-9]{1,40})@lid")
# What versions added beside `remoteJid`, in the order in which they are believed.
ALTERNATIVES = ("remoteJidAlt", "senderPn", "previousRemoteJid")


def of_key(key: Fields, *, own: str | None) -> Address | None:
    """The chat of a message's key; None for channels and whatever is no chat. `own` is the unit's own number."""
    jid = without_device(key["remoteJid"])
    if not jid.endswith((PERSON_SUFFIX, LID_SUFFIX)):
        return _of_chat(jid)
    if is_true(key.get("fromMe")):
        return of_person(_customers(key, own)) or of_person([jid])
    return of_person([*(key.get(name) for name in ALTERNATIVES), jid])


def _customers(key: Fields, own: str | None) -> list[str]:
    """The addresses in a message of ours that surely are the customer's: the alternative can be our own.

    An own LID cannot be told from the customer's, unless the number in `remoteJid` took its place.
    """
    told = [key.get(name) for name in ("remoteJid", "previousRemoteJid")]
    if own is not None:
        told += [jid for jid in map(key.get, ALTERNATIVES) if isinstance(jid, str) and phone.from_jid(jid)]
    return [jid for jid in told if isinstance(jid, str) and (own is None or phone.from_jid(jid) != own)]


def of_jid(jid: object) -> Address | None:
    """The chat of one address."""
    chat = without_device(jid) if isinstance(jid, str) else ""
    return of_person([chat]) or _of_chat(chat)


def of_person(jids: Iterable[object]) -> Address | None:
    """One person by all addresses that are told, of each kind the first; None where none is a person's."""
    told = [without_device(jid) for jid in jids if isinstance(jid, str)]
    numbers = [jid.removesuffix(PERSON_SUFFIX) for jid in told if phone.from_jid(jid)]
    lids = [found[1] for jid in told if (found := _LID.fullmatch(jid))]
    if not numbers and not lids:
        return None
    return Address(number=numbers[0] if numbers else None, lid=lids[0] if lids else None)


def _of_chat(jid: str) -> Address | None:
    kind = next((kind for pattern, kind in _CHATS if pattern.fullmatch(jid)), None)
    return None if kind is None else Address(jid=jid, kind=kind)


def sender_of(key: Fields) -> str | None:
    """Who wrote in a group or a story: canonical digits, else the LID with its `@lid`, which is no number."""
    person = of_person([key.get("participantAlt"), key.get("senderPn"), key.get("participant")])
    if person is None:
        return None
    return phone.from_jid(f"{person.number}{PERSON_SUFFIX}") if person.number else f"{person.lid}{LID_SUFFIX}"


def own_number(payload: Fields) -> str | None:
    """The unit's own number, which Evolution tells once the instance is open."""
    sender = payload.get("sender")
    return phone.from_jid(sender) if isinstance(sender, str) else None
