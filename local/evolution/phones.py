"""What the page of simulated phones shows: the shops' phones and a customer's chat."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from local.evolution.contents import unwrapped, words_of
from local.evolution.model import Instance, Message, State
from local.evolution.numbers import GROUP, PERSON, digits_of
from local.evolution.store import Store

SHOWN_STRANGERS = 20
SHOWN_BUBBLES = 200
DELETED = "This message was deleted."
PICTURES = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"GIF8": "image/gif"}


@dataclass(frozen=True)
class Shop:
    """Show one shop's phone."""

    name: str
    title: str
    number: str | None
    state: str
    state_text: str
    qr_image: str | None
    pairing_code: str | None
    suggested_number: str
    is_paired: bool


@dataclass(frozen=True)
class Person:
    """Show one customer in the list."""

    number: str
    name: str
    is_lid_addressed: bool


@dataclass(frozen=True)
class Attachment:
    """Show a file; its content may be gone, since only memory holds it."""

    key_id: str
    name: str
    size_text: str
    is_kept: bool
    is_picture: bool


@dataclass(frozen=True)
class Bubble:
    """Show one message, seen from the customer's phone."""

    text: str
    time: str
    is_sent: bool
    key_id: str
    attachment: Attachment | None = None
    note: str = ""
    quote: str = ""
    reactions: tuple[str, ...] = ()


def shop_of(instance: Instance) -> Shop:
    """Show an instance as a shop's phone."""
    socket = instance.socket
    is_waiting = socket.state is State.CONNECTING and not instance.is_paired
    return Shop(
        name=instance.name,
        title=instance.profile_name or instance.name,
        number=digits_of(instance.owner_jid) if instance.owner_jid else None,
        state=socket.state,
        state_text=state_text(instance),
        qr_image=socket.image if is_waiting else None,
        pairing_code=socket.pairing_code if is_waiting else None,
        suggested_number=suggested_number(instance),
        is_paired=instance.is_paired,
    )


def state_text(instance: Instance) -> str:
    """Say in words how a shop's phone is."""
    if instance.socket.state is State.OPEN:
        return "Connected"
    if instance.socket.state is State.CLOSE:
        return "Not connected"
    return "Connecting…" if instance.is_paired or not instance.socket.code else "Waiting for a scan"


def suggested_number(instance: Instance) -> str:
    """Propose a number for a shop's phone: plausible, its own, and the same at every look."""
    digits = int(hashlib.sha256(instance.id.encode()).hexdigest(), 16) % 10**7
    return f"551198{digits:07d}" if digits % 10_000 != 8 else f"551198{digits + 1:07d}"


def people(store: Store, instance: Instance | None) -> list[Person]:
    """List the known customers and the strangers to whom the shop wrote last."""
    with store.lock:
        chats = [message.chat for message in instance.messages.values()] if instance else []
        known = dict.fromkeys(chat for chat in reversed(chats) if chat.endswith(PERSON))
        strangers = [chat for chat in known if chat not in store.customers]
        customers = [store.customer(chat) for chat in (*store.customers, *strangers[:SHOWN_STRANGERS])]
    return [Person(customer.number, customer.name, customer.is_lid_addressed) for customer in customers]


def bubbles(store: Store, instance: Instance | None, chat: str) -> list[Bubble]:
    """List the last messages between a shop and a customer."""
    with store.lock:
        messages = instance.seen_by(chat) if instance else []
        signs, there = signs_on(messages), {message.key["id"] for message in messages}
        # A reaction is shown at its message.
        shown = [message for message in messages if reaction_of(message)[0] not in there]
        return [bubble(store, message, signs.get(message.key["id"], ())) for message in shown[-SHOWN_BUBBLES:]]


def signs_on(messages: Sequence[Message]) -> dict[str, tuple[str, ...]]:
    """Collect the reactions to each message, by its id: of each person the last one."""
    given: dict[str, dict[str, str]] = {}
    for message in messages:
        target, sign = reaction_of(message)
        if target:
            given.setdefault(target, {})[message.author or str(message.is_from_shop)] = sign
    return {target: tuple(sign for sign in by_person.values() if sign) for target, by_person in given.items()}


def reaction_of(message: Message) -> tuple[str | None, str]:
    """Read the id that a reaction is about, and its sign."""
    name, content = unwrapped(message.message)
    return (content["key"]["id"], content["text"]) if name == "reactionMessage" else (None, "")


def quote_in(message: Message) -> str:
    """Write what an answer quotes in one line; empty where it quotes nothing."""
    quoted = (message.context or {}).get("quotedMessage")
    return words_of(quoted) if quoted else ""


def bubble(store: Store, message: Message, reactions: tuple[str, ...] = ()) -> Bubble:
    """Show a message as the customer sees it."""
    time = datetime.fromtimestamp(message.timestamp).astimezone().strftime("%H:%M")
    key_id, is_sent = message.key["id"], not message.is_from_shop
    if message.is_deleted:
        return Bubble(DELETED, time, is_sent, key_id)
    file, note, quote = attachment(store, message), note_of(message), quote_in(message)
    return Bubble(message.text, time, is_sent, key_id, file, note, quote, reactions)


def note_of(message: Message) -> str:
    """Say what else there is to know of a message."""
    notes = ["Edited"] if "EDITED" in message.statuses else []
    if not message.chat.endswith(PERSON):
        notes.append("in a group" if message.chat.endswith(GROUP) else "not in this chat")
    return ", ".join(notes)


def attachment(store: Store, message: Message) -> Attachment | None:
    """Show the file of a message, if it has one."""
    if message.file is None:
        return None
    key_id, name = message.key["id"], message.file.get("fileName") or message.type.removesuffix("Message")
    content = store.files.get(key_id, b"")
    size_text = readable_size(message.file["fileLength"]["low"])
    return Attachment(key_id, name, size_text, bool(content), picture_type(content) is not None)


def readable_size(size: int) -> str:
    """Write a size as people read it."""
    return f"{size} bytes" if size < 1000 else f"{size / 1000:.0f} kB" if size < 10**6 else f"{size / 10**6:.1f} MB"


def picture_type(content: bytes) -> str | None:
    """Give the type of a picture that a browser shows, by how it begins; None for everything else."""
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return "image/webp"
    return next((name for start, name in PICTURES.items() if content.startswith(start)), None)


def digest(*parts: object) -> str:
    """Name what is shown, so that a poll of the same page can be answered with nothing."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]
