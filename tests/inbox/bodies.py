"""One body as Evolution posts it, the rows that it alone must lead to, and the people in the table of bodies."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.inbox.payloads import OWN, webhook
from tests.inbox.picture import Picture
from tests.inbox.versions import Person, key, sent_by

ANA = Person("5511987650011", "811000000000011", "Cliente Um")
BIA = Person("5511987650022", "811000000000022", "Cliente Dois")
CAI = Person("5511987650033", "811000000000033", "Cliente Três")
DEL = Person("5511987650044", "811000000000044", "Cliente Quatro")
EVA = Person("5511987650055", "811000000000055", "Cliente Cinco")
FAY = Person("5511987650066", "811000000000066", "Cliente Seis")
GIL = Person("5511987650077", "811000000000077", "Cliente Sete")
OWN_LID = "811000000000001@lid"
GROUP, STORIES, LIST = "120363000000000011@g.us", "status@broadcast", "1600000011@broadcast"
# A reply to a message of ours.
QUOTE = {
    "stanzaId": "3EB0AA01",
    "participant": OWN,
    "quotedMessage": {"conversation": "Temos azul"},
    "mentionedJid": [],
}


@dataclass(frozen=True)
class Body:
    """One POST. `rows` is the whole state after it, and after those of `after`, which were posted before it."""

    name: str
    version: str
    event: str
    data: Any
    rows: Picture = field(default_factory=dict)
    after: tuple[str, ...] = ()
    envelope: Mapping[str, Any] = field(default_factory=dict)
    # What the unit shows of its number, where that changes.
    connection: Mapping[str, Any] | None = None
    # It lacks what its event always carries, and is tried again.
    is_put_off: bool = False
    # The door does not keep it.
    is_dropped: bool = False

    def posted(self, instance: str, told_at: str) -> dict[str, Any]:
        return {**webhook(self.event, self.data, instance=instance, told_at=told_at), **self.envelope}


def contact_of(person: Person, *, lid: bool = True, phone: bool = True, name: bool = True) -> dict[str, Any]:
    told = {"phone": person.number if phone else None, "lid": person.lid if lid else None}
    told["name"] = person.chooses if name else None
    return {key: value for key, value in told.items() if value is not None}


def heard(
    person: Person,
    id_: str,
    at: int,
    kind: str,
    text: str = "",
    *,
    file: Mapping[str, Any] | None = None,
    lid: bool = True,
    phone: bool = True,
    unread: int = 1,
    **more: Any,
) -> Picture:
    """The rows of one message that a person wrote."""
    chat = person.number if phone else person.lid_jid
    return {
        "contacts": [contact_of(person, lid=lid, phone=phone)],
        "conversations": [{"chat": chat, "unread": unread, "preview": text[:200], "kind": kind}],
        "messages": [{"id": id_, "chat": chat, "at": at, "kind": kind, "text": text, **more}],
        **({} if file is None else {"files": [{"of": id_, **file}]}),
    }


def upsert(version: str, person: Person, id_: str, at: int, content: object, type_: str | None, **more: Any) -> Any:
    return sent_by(person, key(version, person, id_), content, type_, at, **more)


def wrote(
    person: Person, id_: str, at: int, kind: str, text: str = "", *, preview: str | None = None, **more: Any
) -> Picture:
    """The rows of one message that the owner wrote."""
    chat, shown = person.number, text if preview is None else preview
    return {
        "contacts": [contact_of(person, lid=False, name=False)],
        "conversations": [{"chat": chat, "unread": 0, "preview": shown, "kind": kind, "by_us": True}],
        "messages": [{"id": id_, "chat": chat, "at": at, "by_us": True, "kind": kind, "text": text, **more}],
    }
