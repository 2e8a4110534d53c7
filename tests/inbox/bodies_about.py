"""Our own messages, history, and what is told about messages: edits, deletions and receipts."""

from typing import Any

from tests.inbox.bodies import ANA, BIA, EVA, FAY, OWN_LID, Body, contact_of, heard, wrote
from tests.inbox.payloads import OWN, SENT_AT, receipt
from tests.inbox.picture import Picture
from tests.inbox.versions import LONGS, MAPS, NEWEST, OLD, ONE_ADDRESS, PN, Person, file, key, long, sent_by


def ours(person: Person, id_: str, at: int, content: object, type_: str, event: str = "upsert", **more: Any) -> Any:
    """A message of ours to a person: from the phone, or as the echo of a send."""
    is_echo = event == "send"
    own_key = {"remoteJid": person.jid, "fromMe": True, "id": id_}
    told = {"pushName": "Você", "status": "PENDING" if is_echo else "SERVER_ACK", "source": "web" if is_echo else "ios"}
    return {**sent_by(person, own_key, content, type_, at), **told, **more}


def own() -> list[Body]:
    """From the owner's phone, and echoes of sends of which the portal has no row."""
    picture = file(LONGS, "image/jpeg", 40_000, caption="Olhe")
    in_image = wrote(EVA, "AC0001", 121, "image", "Olhe")
    in_image["files"] = [{"of": "AC0001", "name": "image.jpg", "type": "image/jpeg", "size": 40_000}]
    by_lid = ours(EVA, "AC0002", 122, {"conversation": "Já vai"}, "conversation")
    by_lid["key"] |= {"remoteJid": EVA.lid_jid, "remoteJidAlt": OWN}
    anonymous = wrote(EVA, "AC0002", 122, "text", "Já vai")
    anonymous["contacts"] = [{"lid": EVA.lid}]
    for section in ("conversations", "messages"):
        anonymous[section][0]["chat"] = EVA.lid_jid
    strange = ours(EVA, "AC0003", 123, {"conversation": "Até já"}, "conversation")
    strange["key"]["remoteJidAlt"] = OWN_LID
    text = {"conversation": "Temos azul"}
    long_context = {"ephemeralSettingTimestamp": long(LONGS, SENT_AT), "disappearingMode": {"initiator": 0}}
    return [
        Body(
            "own text",
            LONGS,
            "messages.upsert",
            ours(EVA, "AC0000", 120, {"conversation": "Abrimos às 9h"}, "conversation"),
            wrote(EVA, "AC0000", 120, "text", "Abrimos às 9h"),
        ),
        Body(
            "own image",
            LONGS,
            "messages.upsert",
            ours(EVA, "AC0001", 121, {"imageMessage": picture}, "imageMessage"),
            in_image,
        ),
        Body("own beside our own number", LONGS, "messages.upsert", by_lid, anonymous),
        Body("own beside our own lid", LONGS, "messages.upsert", strange, wrote(EVA, "AC0003", 123, "text", "Até já")),
        Body(
            "echo",
            LONGS,
            "send.message",
            ours(EVA, "3EB0AA01", 124, text, "conversation", "send", contextInfo=long_context),
            wrote(EVA, "3EB0AA01", 124, "text", "Temos azul"),
        ),
        Body(
            "echo of 2.2",
            OLD,
            "send.message",
            ours(EVA, "3EB0AA03", 125, {"conversation": "Oi"}, "conversation", "send"),
            wrote(EVA, "3EB0AA03", 125, "text", "Oi"),
        ),
    ]


def history() -> list[Body]:
    """Two old messages and what cannot be one, in one webhook: what came from the phone was seen there."""
    theirs = sent_by(FAY, key(OLD, FAY, "3A0500", by_lid=False), {"conversation": "Antiga"}, "conversation", -1_000)
    mine = ours(FAY, "AC0500", -900, {"conversation": "Resposta antiga"}, "conversation", status="READ")
    rows: Picture = {
        "contacts": [contact_of(FAY, lid=False)],
        "conversations": [
            {"chat": FAY.number, "unread": 0, "preview": "Resposta antiga", "kind": "text", "by_us": True},
        ],
        "messages": [
            {"id": "3A0500", "chat": FAY.number, "at": -1_000, "kind": "text", "text": "Antiga", "seen": True},
            {
                "id": "AC0500",
                "chat": FAY.number,
                "at": -900,
                "by_us": True,
                "status": "read",
                "kind": "text",
                "text": "Resposta antiga",
            },
        ],
    }
    bad = {"key": {"remoteJid": FAY.jid, "fromMe": False}}
    extras = {"isLatest": True, "progress": 100}
    return [
        Body("history", ONE_ADDRESS, "messages.set", [theirs, bad, mine, None], rows, envelope=extras),
        Body("empty history", ONE_ADDRESS, "messages.set", [], envelope=extras),
        Body("history of nothing", ONE_ADDRESS, "messages.set", [bad], is_put_off=True),
        Body("history is done", NEWEST, "messaging-history.set", {"messageCount": 2, "chatCount": 1, "progress": 100}),
    ]


EDIT_MS = (SENT_AT + 300) * 1_000
IMAGE_MS = EDIT_MS + 5_000


def edit(id_: str, content: object, *, type_: object = "MESSAGE_EDIT", ms: object = str(EDIT_MS)) -> dict[str, Any]:
    """An edit as the editor sees it: the key is turned round."""
    told_key = {"remoteJid": OWN, "fromMe": True, "id": id_}
    told = {"key": told_key, "type": type_, "editedMessage": content}
    return told if ms is None else {**told, "timestampMs": ms}


def change(id_: str, kind: str, text: str | None = None, told_as: int | None = None) -> dict[str, Any]:
    told = {"id": id_, "change": kind, "text": text, "told_as": None if told_as is None else str(told_as)}
    return {name: value for name, value in told.items() if value is not None}


def edited(rows: Picture, text: str, **more: Any) -> Picture:
    """The rows of one message after an edit of it."""
    (message,), (conversation,) = rows["messages"], rows["conversations"]
    shown = {**message, "text": text, "edited": True, "said_first": message["text"], **more}
    return {**rows, "messages": [shown], "conversations": [{**conversation, "preview": text}]}


def deleted(rows: Picture) -> Picture:
    (message,), (conversation,) = rows["messages"], rows["conversations"]
    hidden = {**conversation, "preview": "", "kind": "deletion"}
    return {**rows, "messages": [{**message, "deleted": True}], "conversations": [hidden]}


def _echoed() -> Picture:
    return wrote(EVA, "3EB0AA01", 124, "text", "Temos azul")


def _image() -> Picture:
    told = {"name": "image.jpg", "type": "image/jpeg", "size": 2**31 - 1, "state": "unavailable"}
    return heard(BIA, "3A0100", 20, "image", "Veja", file=told, lid=False)


def _edits_of_a_text() -> list[Body]:
    text = heard(ANA, "3A0004", 4, "text", "Olá 2.3.6")
    by_time = change("3A0004", "edit", "Às 9h?", EDIT_MS)
    return [
        Body(
            "edit before its message",
            OLD,
            "messages.edited",
            edit("3A0004", {"conversation": "Às 9h?"}),
            {"changes": [by_time]},
        ),
        Body(
            "edit",
            LONGS,
            "messages.edited",
            edit("3A0004", {"extendedTextMessage": {"text": "Às 9h?"}}),
            {**edited(text, "Às 9h?"), "changes": [by_time]},
            after=("text 2.3.6",),
        ),
        Body(
            "edit by number",
            MAPS,
            "messages.edited",
            edit("3A0004", {"conversation": "Às 10h?"}, type_=14, ms=EDIT_MS + 1_000),
            {**edited(text, "Às 10h?"), "changes": [by_time, change("3A0004", "edit", "Às 10h?", EDIT_MS + 1_000)]},
            after=("text 2.3.6", "edit"),
        ),
    ]


def _edit_of_a_caption() -> Body:
    told = edit("3A0100", {"imageMessage": {"caption": "Veja só"}}, type_=14, ms=long(LONGS, IMAGE_MS))
    protocol = {"editedMessage": {"message": {"protocolMessage": told}}}
    return Body(
        "edit of a caption as a message",
        LONGS,
        "messages.upsert",
        sent_by(BIA, key(LONGS, BIA, "3A0600"), protocol, "editedMessage", 130),
        {**edited(_image(), "Veja só"), "changes": [change("3A0100", "edit", "Veja só", IMAGE_MS)]},
        after=("image 2.2.3",),
    )


def _edits_of_ours() -> list[Body]:
    updated = {
        **receipt("3EB0AA01", "SERVER_ACK", chat=EVA.jid),
        "message": {"editedMessage": {"message": {"conversation": "Temos verde"}}},
    }
    return [
        Body(
            "edit as a status",
            ONE_ADDRESS,
            "messages.update",
            updated,
            {**edited(_echoed(), "Temos verde"), "changes": [change("3EB0AA01", "edit", "Temos verde")]},
            after=("echo",),
        ),
        Body(
            "edit through the api",
            LONGS,
            "send.message.update",
            edit("3EB0AA01", {"extendedTextMessage": {"text": "Temos roxo"}}, type_=14, ms=EDIT_MS),
            {**edited(_echoed(), "Temos roxo"), "changes": [change("3EB0AA01", "edit", "Temos roxo", EDIT_MS)]},
            after=("echo",),
        ),
    ]


def _deletions() -> list[Body]:
    stored = {"id": "cm00", "key": {"remoteJid": EVA.jid, "fromMe": True, "id": "3EB0AA01"}, "status": "DELETED"}
    return [
        Body(
            "deletion",
            ONE_ADDRESS,
            "messages.delete",
            {"remoteJid": BIA.lid_jid, "fromMe": False, "id": "3A0100", "participant": "", "status": "DELETED"},
            {**deleted(_image()), "changes": [change("3A0100", "deletion")]},
            after=("image 2.2.3",),
        ),
        Body(
            "deletion before its message",
            LONGS,
            "messages.edited",
            {"key": {"remoteJid": OWN, "fromMe": True, "id": "3A0301"}, "type": "REVOKE"},
            {"changes": [change("3A0301", "deletion")]},
        ),
        Body(
            "deletion through the api",
            LONGS,
            "messages.delete",
            stored,
            {**deleted(_echoed()), "changes": [change("3EB0AA01", "deletion")]},
            after=("echo",),
        ),
    ]


def _edits_of_nothing() -> list[Body]:
    return [
        Body(
            "disappearing messages",
            LONGS,
            "messages.edited",
            {"key": {"id": "3A0000"}, "type": "EPHEMERAL_SETTING"},
            is_dropped=True,
        ),
        Body(
            "edit without a key",
            LONGS,
            "messages.edited",
            {"type": "MESSAGE_EDIT", "editedMessage": {"conversation": "x"}},
            is_put_off=True,
        ),
    ]


def changes() -> list[Body]:
    """Edits and deletions: alone they wait for their message; after it they change it."""
    return [
        *_edits_of_a_text(),
        _edit_of_a_caption(),
        *_edits_of_ours(),
        *_deletions(),
        *_edits_of_nothing(),
    ]


def receipts() -> list[Body]:
    """Each alone waits for its message, whatever address it comes under."""
    waiting = (
        ("accepted", OLD, "SERVER_ACK", EVA.jid),
        ("delivered", LONGS, "DELIVERY_ACK", "5511987650055:17@s.whatsapp.net"),
        ("read", LONGS, "READ", EVA.lid_jid),
        ("not sent after all", LONGS, "ERROR", EVA.jid),
        ("played", NEWEST, "PLAYED", "5511987650055"),
    )
    found = [
        Body(
            name,
            version,
            "messages.update",
            receipt("3EB0AA09", status, chat=chat),
            {"early": [{"id": "3EB0AA09", "receipt": status}]},
        )
        for name, version, status, chat in waiting
    ]
    seen = heard(ANA, "3A0004", 4, "text", "Olá 2.3.6", unread=0, seen=True)
    return [
        *found,
        Body("deleted as a status", PN, "messages.update", receipt("3EB0AA01", "DELETED")),
        Body("pending", LONGS, "messages.update", receipt("3EB0AA01", "PENDING")),
        Body(
            "read by us",
            LONGS,
            "messages.update",
            receipt("3A0004", "READ", chat=ANA.lid_jid, from_me=False),
            seen,
            after=("text 2.3.6",),
        ),
        Body(
            "our message delivered",
            LONGS,
            "messages.update",
            receipt("3EB0AA01", "DELIVERY_ACK", chat=EVA.jid),
            wrote(EVA, "3EB0AA01", 124, "text", "Temos azul", status="delivered"),
            after=("echo",),
        ),
        Body("receipt of nothing", LONGS, "messages.update", {"status": "READ"}, is_put_off=True),
    ]
