"""What people write: in every version's encoding, about other messages, and in chats of many."""

from typing import Any

from tests.inbox.bodies import ANA, BIA, DEL, GROUP, LIST, QUOTE, STORIES, Body, heard, upsert
from tests.inbox.payloads import OWN, message
from tests.inbox.picture import Picture
from tests.inbox.versions import (
    LONGS,
    MAPS,
    NEWEST,
    OLD,
    ONE_ADDRESS,
    PICTURE,
    VERSIONS,
    file,
    group_key,
    key,
    long,
    octets,
    sent_by,
)

AD = {"title": "Promoção", "body": "Fale com a loja", "sourceUrl": "https://ads.example.test/x", "mediaType": 1}


def texts_of_every_version() -> list[Body]:
    """The same words, addressed by LID as each version does it."""
    found = []
    for number, version in enumerate(VERSIONS):
        id_, at = f"3A00{number:02d}", number
        content = {
            "conversation": f"Olá {version}",
            "messageContextInfo": {"messageSecret": octets(version, b"s" * 32)},
        }
        rows = heard(
            ANA,
            id_,
            at,
            "text",
            f"Olá {version}",
            # 2.2 tells the LID alone, 2.3.7 the number twice.
            phone=version != OLD,
            lid=version != ONE_ADDRESS,
        )
        found.append(
            Body(
                f"text {version}",
                version,
                "messages.upsert",
                upsert(version, ANA, id_, at, content, "conversation"),
                rows,
            )
        )
    return found


def images_of_every_version() -> list[Body]:
    """The same picture, its size and its thumbnail encoded as each version does it."""
    found = []
    for number, version in enumerate(VERSIONS):
        id_, at = f"3A01{number:02d}", 20 + number
        image = file(version, "image/jpeg", 3_000_000_000, caption="Veja", jpegThumbnail=octets(version, PICTURE))
        data = sent_by(BIA, key(version, BIA, id_, by_lid=False), {"imageMessage": image}, "imageMessage", at)
        # What is above 32 bits is no smaller for that, and too large to be fetched.
        told = {"name": "image.jpg", "type": "image/jpeg", "size": 2**31 - 1, "state": "unavailable"}
        rows = heard(BIA, id_, at, "image", "Veja", file=told, lid=False)
        found.append(Body(f"image {version}", version, "messages.upsert", data, rows))
    return found


def deep(levels: int) -> dict[str, Any]:
    content: dict[str, Any] = {"conversation": "no fundo"}
    for _ in range(levels):
        content = {"ephemeralMessage": {"message": content}}
    return content


def _said(id_: str, at: int, text: str, **more: Any) -> dict[str, Any]:
    """A plain text of one person, under the key of 2.3.6."""
    return upsert(LONGS, DEL, id_, at, {"conversation": text}, "conversation", **more)


REACTION = {"key": {"remoteJid": OWN, "fromMe": True, "id": "3EB0AA01"}, "senderTimestampMs": long(LONGS, 1)}
VOTE = {"pollCreationMessageKey": {"id": "3EB0AA02"}, "vote": {"selectedOptions": ["Receber"]}}
ONCE = {**key(LONGS, DEL, "3A0308"), "isViewOnce": True}


# Its name, the version, the data, and the rows.
Told = tuple[str, str, dict[str, Any], Picture]
REFERS = {"refers_to": "3EB0AA01"}


def _quotes() -> list[Told]:
    quoting = {"extendedTextMessage": {"text": "Esse", "contextInfo": QUOTE}}
    return [
        (
            "quote",
            LONGS,
            _said("3A0300", 80, "Sim", contextInfo=QUOTE),
            heard(DEL, "3A0300", 80, "text", "Sim", **REFERS),
        ),
        (
            "quote in the content",
            ONE_ADDRESS,
            upsert(
                ONE_ADDRESS, DEL, "3A0301", 81, quoting, "extendedTextMessage", contextInfo={"deviceListMetadata": {}}
            ),
            heard(DEL, "3A0301", 81, "text", "Esse", lid=False, **REFERS),
        ),
    ]


def _reactions_and_votes() -> list[Told]:
    react = {"reactionMessage": {**REACTION, "text": "❤️"}}
    removed = {"reactionMessage": {**REACTION, "text": ""}}
    voted = {"details": {"isVote": True, "votes": ["Receber"]}, "refers_to": "3EB0AA02", "unread": 0}
    return [
        (
            "reaction",
            LONGS,
            upsert(LONGS, DEL, "3A0302", 82, react, "reactionMessage"),
            heard(DEL, "3A0302", 82, "reaction", "❤️", unread=0, **REFERS),
        ),
        (
            "reaction removed",
            LONGS,
            upsert(LONGS, DEL, "3A0303", 83, removed, "reactionMessage"),
            heard(DEL, "3A0303", 83, "reaction", unread=0, **REFERS),
        ),
        (
            "vote",
            ONE_ADDRESS,
            upsert(ONE_ADDRESS, DEL, "3A0304", 84, {"pollUpdateMessage": VOTE}, "pollUpdateMessage"),
            heard(DEL, "3A0304", 84, "poll", "Receber", lid=False, **voted),
        ),
    ]


def _ads_and_wrappers() -> list[Told]:
    ad = {"details": {"ad": {"title": "Promoção", "body": "Fale com a loja", "url": "https://ads.example.test/x"}}}
    once = {"originalType": "viewOnce", "isViewOnce": True}
    return [
        (
            "ad click",
            LONGS,
            _said("3A0305", 85, "Oi", contextInfo={"conversionSource": "FB_Ads", "externalAdReply": AD}),
            heard(DEL, "3A0305", 85, "text", "Oi", **ad),
        ),
        (
            "deeply wrapped",
            LONGS,
            upsert(LONGS, DEL, "3A0306", 86, deep(5), "ephemeralMessage"),
            heard(DEL, "3A0306", 86, "text", "no fundo"),
        ),
        (
            "too deeply wrapped",
            LONGS,
            upsert(LONGS, DEL, "3A0307", 87, deep(150), "ephemeralMessage"),
            heard(DEL, "3A0307", 87, "unknown", details={"originalType": "ephemeralMessage"}),
        ),
        (
            "view once kept back",
            LONGS,
            sent_by(DEL, ONCE, None, "unknown", 88),
            heard(DEL, "3A0308", 88, "unknown", details=once),
        ),
        ("only for machines", LONGS, upsert(LONGS, DEL, "3A0309", 89, {"messageContextInfo": {}}, "unknown"), {}),
    ]


def references() -> list[Body]:
    """What speaks of another message."""
    told = [*_quotes(), *_reactions_and_votes(), *_ads_and_wrappers()]
    return [Body(name, version, "messages.upsert", data, rows) for name, version, data, rows in told]


def _of_many(chat: str, kind: str, id_: str, at: int, text: str, **sender: str) -> Picture:
    details = {"sender": BIA.number, "senderName": BIA.chooses, **sender}
    return {
        "contacts": [{"kind": kind, "jid": chat}],
        "conversations": [{"chat": chat, "unread": 1, "preview": text, "kind": "text"}],
        "messages": [{"id": id_, "chat": chat, "at": at, "kind": "text", "text": text, "details": details}],
    }


def chats_of_many() -> list[Body]:
    """Groups, stories and lists, at a unit that keeps them; channels nobody keeps."""
    found = []
    chats = ((OLD, GROUP, "group"), (LONGS, GROUP, "group"), (MAPS, STORIES, "stories"), (NEWEST, LIST, "broadcast"))
    for number, (version, chat, kind) in enumerate(chats):
        id_, at, text = f"3A04{number:02d}", 100 + number, f"A todos {number}"
        data = sent_by(BIA, group_key(version, BIA, id_, chat), {"conversation": text}, "conversation", at)
        found.append(Body(f"{kind} {version}", version, "messages.upsert", data, _of_many(chat, kind, id_, at, text)))
    hidden = {"remoteJid": GROUP, "fromMe": False, "id": "3A0410", "participant": BIA.lid_jid}
    rows = _of_many(GROUP, "group", "3A0410", 110, "Sem número", sender=BIA.lid_jid)
    data = sent_by(BIA, hidden, {"conversation": "Sem número"}, "conversation", 110)
    channel = message("3A0411", chat="120363000000000011@newsletter")
    return [
        *found,
        Body("group by lid alone", LONGS, "messages.upsert", data, rows),
        Body("channel", LONGS, "messages.upsert", channel),
    ]
