"""Whom webhooks speak of: chats, writers, names and calls, under every version's addresses (contract §11)."""

from datetime import timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.inbox.facts import Address, CallSeen, ChatNamed, Fact
from portal.models import ContactKind
from tests.inbox.parsing import AT, LID, PHONE, facts, seen
from tests.inbox.payloads import MARIA, MARIA_LID, OWN, message

OWN_LID = "999456789012345@lid"
GROUP = "120363000000000001@g.us"
TEAM = Address(jid=GROUP, kind=ContactKind.GROUP)

PEOPLE = {
    "number": ({"remoteJid": MARIA}, Address(PHONE)),
    "2.2 lid alone": ({"remoteJid": MARIA_LID}, Address(lid=LID)),
    "2.3.0": ({"remoteJid": MARIA_LID, "senderPn": MARIA}, Address(PHONE, LID)),
    "2.3.1": ({"remoteJid": MARIA, "previousRemoteJid": MARIA_LID, "senderPn": MARIA}, Address(PHONE, LID)),
    "2.3.6": ({"remoteJid": MARIA_LID, "remoteJidAlt": MARIA}, Address(PHONE, LID)),
    "2.3.6 pn": ({"remoteJid": MARIA, "remoteJidAlt": MARIA_LID}, Address(PHONE, LID)),
    "2.3.7": ({"remoteJid": MARIA, "remoteJidAlt": MARIA, "addressingMode": "lid"}, Address(PHONE)),
    "devices": (
        {"remoteJid": "123456789012345:3@lid", "remoteJidAlt": f"{PHONE}:17@s.whatsapp.net"},
        Address(PHONE, LID),
    ),
    "the new place counts": ({"remoteJid": "5511999990009@s.whatsapp.net", "remoteJidAlt": MARIA}, Address(PHONE)),
    "alt of another type": ({"remoteJid": MARIA, "remoteJidAlt": {"user": "x"}}, Address(PHONE)),
    "group": ({"remoteJid": GROUP}, TEAM),
    "old group": (
        {"remoteJid": "5511999990002-1600000000@g.us"},
        Address(jid="5511999990002-1600000000@g.us", kind=ContactKind.GROUP),
    ),
    "stories": ({"remoteJid": "status@broadcast"}, Address(jid="status@broadcast", kind=ContactKind.STORIES)),
    "list": ({"remoteJid": "1600000000@broadcast"}, Address(jid="1600000000@broadcast", kind=ContactKind.BROADCAST)),
}


@pytest.mark.parametrize(("key", "chat"), PEOPLE.values(), ids=PEOPLE)
def test_the_chat_of_a_message(key: dict[str, Any], chat: Address) -> None:
    assert seen({**message(), "key": {**key, "id": "3A01", "fromMe": False}}).chat == chat


@pytest.mark.parametrize(
    "jid", ["120363000000000001@newsletter", "0@s.whatsapp.net", "abc@lid", "x@g.us", "5511999990002", "@lid", ""]
)
def test_what_is_no_chat_gives_no_message(jid: str) -> None:
    assert facts("messages.upsert", message("3A01", chat=jid)) == []


OURS = {
    "number": ({"remoteJid": MARIA}, Address(PHONE)),
    "alt is hers": ({"remoteJid": MARIA_LID, "remoteJidAlt": MARIA}, Address(PHONE, LID)),
    "alt is ours": ({"remoteJid": MARIA_LID, "remoteJidAlt": OWN}, Address(lid=LID)),
    "alt is ours with device": (
        {"remoteJid": MARIA_LID, "remoteJidAlt": "5511999990001:5@s.whatsapp.net"},
        Address(lid=LID),
    ),
    "a lid that may be ours": ({"remoteJid": MARIA, "remoteJidAlt": OWN_LID}, Address(PHONE)),
    "the replaced lid is hers": ({"remoteJid": MARIA, "previousRemoteJid": MARIA_LID}, Address(PHONE, LID)),
    "replaced by our number": (
        {"remoteJid": OWN, "previousRemoteJid": MARIA_LID, "senderPn": OWN},
        Address(lid=LID),
    ),
    "note to oneself": ({"remoteJid": OWN, "remoteJidAlt": OWN}, Address("5511999990001")),
}


@pytest.mark.parametrize(("key", "chat"), OURS.values(), ids=OURS)
def test_the_chat_of_a_message_of_ours_is_never_ourselves(key: dict[str, Any], chat: Address) -> None:
    assert seen({**message(), "key": {**key, "id": "AC01", "fromMe": True}}).chat == chat


def test_without_our_number_the_other_address_of_our_message_is_not_believed() -> None:
    assert seen(message("AC01", chat=MARIA_LID, alt=MARIA, from_me=True), sender=None).chat == Address(lid=LID)


SENDERS = {
    "lid with number": ({"participant": MARIA_LID, "participantAlt": MARIA}, PHONE),
    "number": ({"participant": MARIA}, PHONE),
    "old form": ({"participant": "553199990003:2@s.whatsapp.net"}, "5531999990003"),
    "lid": ({"participant": MARIA_LID}, MARIA_LID),
    "2.3.0": ({"participant": MARIA_LID, "senderPn": MARIA}, PHONE),
}


@pytest.mark.parametrize(("key", "sender"), SENDERS.values(), ids=SENDERS)
@pytest.mark.parametrize("chat", [GROUP, "status@broadcast"])
def test_who_wrote_in_a_chat_of_many(chat: str, key: dict[str, Any], sender: str) -> None:
    data = message("3A01", chat=chat)
    data["key"] |= key

    found = seen(data)

    assert (found.details, found.sender_name) == ({"sender": sender, "senderName": "Maria"}, None)


def test_nobody_else_wrote_our_own_message_in_a_group() -> None:
    data = message("AC01", chat=GROUP, from_me=True)
    data["key"]["participant"] = OWN

    assert seen(data).details is None


NAMED = {
    "contact": ("contacts.upsert", {"remoteJid": MARIA, "pushName": "Maria"}, [ChatNamed(Address(PHONE), "Maria")]),
    "contacts": (
        "contacts.update",
        [{"remoteJid": MARIA_LID, "pushName": "Maria"}],
        [ChatNamed(Address(lid=LID), "Maria")],
    ),
    "no name": ("contacts.update", [{"remoteJid": MARIA, "profilePicUrl": None}], []),
    "empty name": ("contacts.upsert", {"remoteJid": MARIA, "pushName": ""}, []),
    "digits": ("contacts.upsert", {"remoteJid": MARIA, "pushName": "+55 11 99999-0002"}, []),
    "a writer's name is not the group's": ("contacts.upsert", {"remoteJid": GROUP, "pushName": "Maria"}, []),
    "no address": ("contacts.upsert", [{"id": "x"}], []),
    "no contact": ("contacts.upsert", None, []),
    "no contacts": ("contacts.upsert", [], []),
    "chat": ("chats.set", [{"remoteJid": MARIA, "name": "Maria"}], [ChatNamed(Address(PHONE), "Maria")]),
    "group": ("chats.set", [{"remoteJid": GROUP, "name": "Equipe"}], [ChatNamed(TEAM, "Equipe")]),
    "2.4 link": ("chats.set", [{"remoteJid": MARIA, "remoteLid": MARIA_LID}], [ChatNamed(Address(PHONE, LID), None)]),
    "2.4 link as digits": (
        "chats.set",
        [{"remoteJid": MARIA, "remoteLid": LID}],
        [ChatNamed(Address(PHONE, LID), None)],
    ),
    "chat upsert": ("chats.upsert", [{"remoteJid": MARIA, "name": "Ma"}], [ChatNamed(Address(PHONE), "Ma")]),
    "chat without address": ("chats.upsert", [{"id": "cm0", "name": "Maria"}], []),
    "chat without name": ("chats.upsert", [{"remoteJid": MARIA, "unreadMessages": 3}], []),
    "groups": (
        "groups.upsert",
        [
            {
                "id": GROUP,
                "subject": "Equipe",
                "participants": [
                    {"id": MARIA_LID, "phoneNumber": MARIA, "admin": None},
                    {"id": OWN_LID, "phoneNumber": OWN},
                    {"id": "5511999990003@s.whatsapp.net"},
                    "5511999990004@s.whatsapp.net",
                ],
            }
        ],
        [ChatNamed(TEAM, "Equipe"), ChatNamed(Address(PHONE, LID), None)],
    ),
    "participants as objects": (
        "group-participants.update",
        {"id": GROUP, "action": "add", "participants": [{"id": MARIA, "lid": MARIA_LID}]},
        [ChatNamed(Address(PHONE, LID), None)],
    ),
    "participants as strings": (
        "group-participants.update",
        {
            "id": GROUP,
            "action": "add",
            "participants": [MARIA_LID],
            "participantsData": [{"jid": MARIA_LID, "phoneNumber": PHONE, "name": "Maria", "imgUrl": None}],
        },
        [ChatNamed(Address(PHONE, LID), "Maria")],
    ),
}


@pytest.mark.parametrize(("event", "data", "named"), NAMED.values(), ids=NAMED)
def test_names_and_other_addresses_told_without_a_message(event: str, data: object, named: list[Fact]) -> None:
    assert facts(event, data) == named


CALLED = {"chatId": MARIA_LID, "from": MARIA_LID, "id": "9F00", "status": "offer", "date": "2025-10-09T08:53:20.000Z"}
CALLS = {
    "missed by us": ({}, (Address(lid=LID), False)),
    "both addresses": ({"from": MARIA}, (Address(PHONE, LID), False)),
    "in a group": ({"isGroup": True, "groupJid": GROUP}, (TEAM, False)),
    "ours": ({"chatId": MARIA, "from": OWN}, (Address(PHONE), True)),
    "ours to a lid": ({"from": OWN}, (Address(lid=LID), True)),
    "ours under our lid": ({"from": OWN_LID}, (Address(lid=LID), True)),
}


@pytest.mark.parametrize(("more", "expected"), CALLS.values(), ids=CALLS)
def test_calls(more: dict[str, Any], expected: tuple[Address, bool]) -> None:
    chat, from_me = expected

    assert facts("call", {**CALLED, **more}) == [CallSeen("9F00", chat, from_me, "offer", False, AT)]


def test_a_video_call_without_a_time_is_now() -> None:
    (fact,) = facts("call", [{**CALLED, "isVideo": True, "date": "yesterday", "status": "TIMEOUT"}])

    assert isinstance(fact, CallSeen)
    assert (fact.is_video, fact.status) == (True, "timeout")
    assert now() - fact.at < timedelta(minutes=1)


@pytest.mark.parametrize("data", [None, {}, [{"id": "x"}], {**CALLED, "id": None}, {**CALLED, "chatId": 7, "from": 7}])
def test_a_call_of_nobody_says_nothing(data: object) -> None:
    assert facts("call", data) == []
