"""What Evolution tells of people, groups and calls (contract §11.9, §11.10), beside their messages."""

from typing import Any

from portal import phone
from portal.clock import now
from portal.inbox import addresses
from portal.inbox.decoding import Fields, clean_name, fields, identifier, is_true, items, line, moment_of_iso
from portal.inbox.facts import Address, CallSeen, ChatNamed
from portal.models import ContactKind
from portal.phone import LID_SUFFIX, PERSON_SUFFIX

LONGEST_STATUS = 20


def contact(data: Any, payload: Fields) -> list[ChatNamed]:
    """A person's name. Of a group Evolution tells the name of whoever wrote last, which is not the group's."""
    chat_ = addresses.of_jid(fields(data).get("remoteJid"))
    is_person = chat_ is not None and chat_.kind == ContactKind.PERSON
    return _named(chat_, clean_name(data.get("pushName"))) if is_person else []


def chat(data: Any, payload: Fields) -> list[ChatNamed]:
    """The name that the owner's phone has for a chat; 2.4 tells the LID as well."""
    told = fields(data)
    person = addresses.of_person([told.get("remoteJid"), _lid(told.get("remoteLid"))])
    return _named(person or addresses.of_jid(told.get("remoteJid")), clean_name(told.get("name")))


def group(data: Any, payload: Fields) -> list[ChatNamed]:
    """A group's subject, and of those in it whoever is told with number and LID."""
    told, own = fields(data), addresses.own_number(payload)
    members = [*items(told.get("participants")), *items(told.get("participantsData"))]
    people = [named for member in members for named in _member(fields(member), own)]
    return [*_named(addresses.of_jid(told.get("id")), clean_name(told.get("subject"))), *people]


def _member(member: Fields, own: str | None) -> list[ChatNamed]:
    ids = [member.get("id"), member.get("jid"), _phone(member.get("phoneNumber")), _lid(member.get("lid"))]
    person = addresses.of_person(ids)
    is_own = person is not None and person.number is not None and phone.from_jid(_phone(person.number)) == own
    return [] if is_own else _named(person, clean_name(member.get("name")))


def _phone(told: object) -> str | None:
    """Some versions tell the bare digits."""
    return f"{told.removesuffix(PERSON_SUFFIX)}{PERSON_SUFFIX}" if isinstance(told, str) and told else None


def _lid(told: object) -> str | None:
    return f"{told.removesuffix(LID_SUFFIX)}{LID_SUFFIX}" if isinstance(told, str) and told else None


def _named(chat_: Address | None, name: str | None) -> list[ChatNamed]:
    """Nothing where there is neither a name nor a second address."""
    is_linked = chat_ is not None and chat_.number is not None and chat_.lid is not None
    return [ChatNamed(chat_, name)] if chat_ is not None and (name or is_linked) else []


def call(data: Any, payload: Fields) -> list[CallSeen]:
    """One piece of news about a call. `from` is who began it: another one than the chat's person, so it is us."""
    told = fields(data)
    chat_ = _called(told, addresses.own_number(payload))
    call_id = identifier(told.get("id"))
    if chat_ is None or call_id is None:
        return []
    news = CallSeen(
        call_id=call_id,
        chat=chat_,
        from_me=_is_own_call(told, addresses.own_number(payload)),
        status=line(told.get("status"), LONGEST_STATUS).lower(),
        is_video=is_true(told.get("isVideo")),
        at=moment_of_iso(told.get("date")) or now(),
    )
    return [news]


def _called(told: Fields, own: str | None) -> Address | None:
    if is_true(told.get("isGroup")) or told.get("groupJid"):
        return addresses.of_jid(told.get("groupJid"))
    from_jid = None if _is_own_call(told, own) or own is None else told.get("from")
    return addresses.of_person([told.get("chatId"), from_jid]) or addresses.of_jid(told.get("from"))


def _is_own_call(told: Fields, own: str | None) -> bool:
    """By our number; or by a second address of the same sort, since a chat's person has but one of each."""
    caller, chat_ = addresses.of_jid(told.get("from")), addresses.of_jid(told.get("chatId"))
    if caller is None or chat_ is None or is_true(told.get("isGroup")):
        return False
    if own is not None and caller.number is not None and phone.from_jid(_phone(caller.number)) == own:
        return True
    return caller != chat_ and (caller.lid is None) == (chat_.lid is None)
