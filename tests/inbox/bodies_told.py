"""What is told of chats, calls and the instance, what no version posts, and the whole table of bodies."""

from tests.inbox.bodies import ANA, BIA, CAI, GIL, GROUP, OWN_LID, Body, heard
from tests.inbox.bodies_about import changes, history, own, receipts
from tests.inbox.bodies_kinds import kinds
from tests.inbox.bodies_written import chats_of_many, images_of_every_version, references, texts_of_every_version
from tests.inbox.payloads import (
    CONNECTING,
    OPEN,
    OWN,
    QR_LIMIT,
    REFUSED,
    SENT_AT,
    closed,
    instance_closed,
    qr_code,
)
from tests.inbox.picture import Picture
from tests.inbox.versions import LONGS, MAPS, NEWEST, ONE_ADDRESS, PN, key, long, sent_by

TEAM = [{"kind": "group", "jid": GROUP, "name": "Equipe"}]


def _linked() -> Picture:
    """Ana wrote, and both her addresses are known."""
    return heard(ANA, "3A0000", 0, "text", "Olá 2.2.3")


def _contacts() -> list[Body]:
    return [
        Body(
            "contact", LONGS, "contacts.upsert", {"remoteJid": GIL.jid, "pushName": GIL.chooses, "profilePicUrl": None}
        ),
        Body(
            "contacts",
            PN,
            "contacts.update",
            [{"remoteJid": ANA.lid_jid, "profilePicUrl": None}, {"remoteJid": GIL.jid, "pushName": "5511987650077"}],
        ),
        Body("no contacts", LONGS, "contacts.upsert", []),
        Body("contacts of nothing", LONGS, "contacts.upsert", None),
    ]


def _chats_named() -> list[Body]:
    return [
        Body(
            "chats",
            LONGS,
            "chats.set",
            [{"remoteJid": GIL.jid, "name": "Gil"}, {"remoteJid": GROUP, "name": "Equipe"}],
            {"contacts": TEAM},
        ),
        Body(
            "chat link",
            NEWEST,
            "chats.set",
            [{"remoteJid": ANA.jid, "remoteLid": ANA.lid_jid}],
            _linked(),
            after=("text 2.2.3",),
        ),
        Body("chat of our database", LONGS, "chats.upsert", [{"id": "cm00", "name": "Gil"}]),
        Body("chat changed", LONGS, "chats.update", [{"remoteJid": GIL.jid}]),
        Body("chat gone", LONGS, "chats.delete", [GIL.jid]),
    ]


def _groups() -> list[Body]:
    by_lid = heard(ANA, "3A0000", 0, "text", "Olá 2.2.3", phone=False)
    group_rows = next(body.rows for body in chats_of_many() if body.name == "group 2.3.6")
    members = [{"id": ANA.lid_jid, "phoneNumber": ANA.jid, "admin": None}, {"id": OWN_LID, "phoneNumber": OWN}]
    group = {"id": GROUP, "subject": "Equipe", "size": 2, "participants": members}
    return [
        Body("group named", LONGS, "groups.upsert", [group], {**group_rows, "contacts": TEAM}, after=("group 2.3.6",)),
        Body(
            "group joined",
            MAPS,
            "group-participants.update",
            {"id": GROUP, "author": BIA.lid_jid, "action": "add", "participants": members},
            _linked(),
            after=("text 2.2.3",),
        ),
        Body(
            "group joined by words",
            ONE_ADDRESS,
            "group-participants.update",
            {"id": GROUP, "action": "add", "participants": [ANA.lid_jid]},
            by_lid,
            after=("text 2.2.3",),
        ),
    ]


def _nobody_needs() -> list[Body]:
    return [
        Body(
            "typing",
            LONGS,
            "presence.update",
            {"id": GIL.jid, "presences": {GIL.jid: {"lastKnownPresence": "composing"}}},
        ),
        Body("label", LONGS, "labels.association", {"type": "add", "chatId": GIL.jid, "labelId": "3"}),
        Body("unheard-of event", NEWEST, "new.thing", {"key": {"id": "x"}}),
    ]


def chats() -> list[Body]:
    """Names and links alone make no person a contact; those who are one get to be known better."""
    return [*_contacts(), *_chats_named(), *_groups(), *_nobody_needs()]


def calls() -> list[Body]:
    """A call is one line of the thread, whatever number of webhooks tell of it."""
    told = {
        "chatId": CAI.lid_jid,
        "from": CAI.lid_jid,
        "id": "9F00",
        "status": "offer",
        "isVideo": False,
        "isGroup": False,
    }
    told["date"] = "2025-10-09T08:58:20.000Z"
    line = {"id": "call:9F00", "chat": CAI.lid_jid, "at": 300, "kind": "call", "text": ""}
    rows: Picture = {
        "contacts": [{"lid": CAI.lid}],
        "conversations": [{"chat": CAI.lid_jid, "unread": 1, "preview": "", "kind": "call"}],
        "messages": [{**line, "details": {"outcome": "ringing", "isVideo": False}}],
    }
    missed = {**rows, "messages": [{**line, "details": {"outcome": "missed", "isVideo": True}}]}
    later = {**told, "status": "timeout", "isVideo": True, "date": "2025-10-09T08:58:50.000Z"}
    return [
        Body("call", LONGS, "call", told, rows),
        Body("missed call", LONGS, "call", [later], missed, after=("call",)),
        Body("call of nobody", LONGS, "call", {"id": "9F01", "status": "offer"}),
    ]


CONNECTED = {"status": "connected", "reason": "scan_completed", "phone": "5511999990001", "name": "Loja"}


def instance() -> list[Body]:
    """What becomes of the number."""
    out = {**CONNECTED, "status": "disconnected"}
    code = {"status": "qr", "reason": "waiting_scan", "code": "2@one", "pairing_code": "K7QX2M9D"}
    return [
        Body("code", LONGS, "qrcode.updated", qr_code("2@one", "K7QX2M9D"), connection=code),
        Body("code limit", LONGS, "qrcode.updated", QR_LIMIT, connection={**out, "reason": "qr_expired"}),
        Body(
            "connecting",
            LONGS,
            "connection.update",
            CONNECTING,
            connection={**CONNECTED, "status": "connecting", "reason": "connection_lost"},
        ),
        Body("open", LONGS, "connection.update", OPEN, connection={**CONNECTED, "name": "Loja Centro"}),
        Body("refused", LONGS, "connection.update", REFUSED, connection={**out, "reason": "qr_expired"}),
        Body("closed", LONGS, "connection.update", closed(401), connection={**out, "reason": "logged_out"}),
        Body("banned", LONGS, "connection.update", closed(403), connection={**out, "reason": "number_banned"}),
        Body("status", PN, "status.instance", instance_closed(402), connection={**out, "reason": "number_banned"}),
        Body("logged out", LONGS, "logout.instance", None, connection={**out, "reason": "logged_out"}),
        Body("removed", LONGS, "remove.instance", None),
        Body("deleted", LONGS, "instance.delete", {"instanceName": "unit_1", "instanceId": "x"}),
        Body("made", LONGS, "instance.create", {"instanceName": "unit_1", "instanceId": "x"}),
        Body("connection of nothing", LONGS, "connection.update", None, is_put_off=True),
    ]


def hostile() -> list[Body]:
    """What no version posts."""
    name = heard(GIL, "3A0700", 140, "text", "Oi", lid=False)
    name["contacts"] = [{"phone": GIL.number, "name": "Gil fim"}]
    odd = sent_by(GIL, key(LONGS, GIL, "3A0700", by_lid=False), {"conversation": "Oi"}, "conversation", 140)
    late = {**odd, "key": {**odd["key"], "id": "3A0701"}, "messageTimestamp": long(LONGS, SENT_AT + 141)}
    return [
        Body("hostile name", LONGS, "messages.upsert", {**odd, "pushName": "Gil\x00\ud83d\n\u202efim"}, name),
        Body("long time", LONGS, "messages.upsert", late, heard(GIL, "3A0701", 141, "text", "Oi", lid=False)),
        Body("null data", LONGS, "messages.upsert", None, is_put_off=True),
        Body("empty list", LONGS, "messages.upsert", []),
        Body("text as data", LONGS, "messages.upsert", "Oi", is_put_off=True),
        Body(
            "id of zero bytes",
            LONGS,
            "messages.upsert",
            {**odd, "key": {**odd["key"], "id": "3A\x00"}},
            is_put_off=True,
        ),
    ]


BODIES = [
    *texts_of_every_version(),
    *images_of_every_version(),
    *kinds(),
    *references(),
    *chats_of_many(),
    *own(),
    *history(),
    *changes(),
    *receipts(),
    *chats(),
    *calls(),
    *instance(),
    *hostile(),
]
