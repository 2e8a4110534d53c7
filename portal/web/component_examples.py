"""Made-up messages, connections and charts for the page of components: built here, and never in the database."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from flask_babel import lazy_gettext as _

from portal.clock import now
from portal.models import (
    CHANGES,
    Connection,
    ConnectionAction,
    ConnectionStatus,
    Contact,
    Conversation,
    Direction,
    Media,
    MediaState,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
    StatusReason,
    Unit,
)
from portal.queries.conversations import ConversationRow
from portal.queries.media import File
from portal.services.undelivered import Decision
from portal.web.charts import Line, Times, draw
from portal.web.decisions import CHOICES, Aside
from portal.web.formats import clock_time
from portal.web.happenings import Happening
from portal.web.language import DEFAULT_TIME_ZONE
from portal.web.metric_charts import Drawn, Row
from portal.web.pending_changes import ON_ITS_WAY, SAID, pending_change
from portal.web.threads import Day, Item, Option, Quote, Reaction

OF_FILES = (MessageKind.IMAGE, MessageKind.AUDIO, MessageKind.VIDEO, MessageKind.DOCUMENT, MessageKind.STICKER)
# Kind -> what it carries, as Evolution's messages are kept.
DETAILS = {
    MessageKind.LOCATION: {"latitude": -23.56, "longitude": -46.65},
    MessageKind.CONTACT_CARD: {"cards": [{"name": "Loja Exemplo", "phones": ["5511950000000"]}]},
    MessageKind.POLL: {"options": ["Azul", "Verde"]},
    MessageKind.CALL: {"outcome": "missed"},
    MessageKind.UNKNOWN: {"originalType": "eventMessage"},
}
CONNECTIONS: Mapping[str, dict[str, Any]] = {
    "new": {"status": ConnectionStatus.NOT_CONFIGURED},
    "preparing": {"status": ConnectionStatus.CONNECTING, "action": ConnectionAction.CONNECT},
    "code": {"status": ConnectionStatus.QR, "status_reason": StatusReason.WAITING_SCAN, "qr_code": "2@example"},
    "pairing": {
        "status": ConnectionStatus.QR,
        "status_reason": StatusReason.WAITING_SCAN,
        "qr_code": "2@example",
        "pairing_code": "EXAM1234",
    },
    "expired": {"status": ConnectionStatus.DISCONNECTED, "status_reason": StatusReason.QR_EXPIRED},
    "refused": {"status": ConnectionStatus.DISCONNECTED, "status_reason": StatusReason.CONNECTION_ERROR},
    "connected": {"status": ConnectionStatus.CONNECTED, "status_reason": StatusReason.SCAN_COMPLETED},
}
LINES = {
    "first": (2, 4, 3, 6, 5, 9),
    "second": (1, 1, 2, 2, 4, 3),
    "third": (0, 1, 0, 1, 1, 0),
    "bad": (0, 0, 3, 0, 0, 1),
}


@dataclass(frozen=True)
class Example:
    """Somebody's conversation with a unit, of which nobody ever heard."""

    unit: Unit
    row: ConversationRow
    connection: Connection


def make_example(slug: str) -> Example:
    tenant_id, unit_id = uuid4(), uuid4()
    unit = Unit(id=unit_id, tenant_id=tenant_id, name="Loja Exemplo", slug=slug, time_zone=DEFAULT_TIME_ZONE)
    contact = Contact(id=uuid4(), tenant_id=tenant_id, name="Maria Exemplo")
    conversation = Conversation(id=uuid4(), tenant_id=tenant_id, unit_id=unit_id, contact_id=contact.id)
    return Example(unit, ConversationRow(conversation, contact, unit), make_connection("connected"))


def make_connection(state: str) -> Connection:
    return Connection(**{"qr_updated_at": now(), "action_requested_at": now(), **CONNECTIONS[state]})


def every_rung(row: ConversationRow) -> Day:
    """One of ours on each rung that a message reaches."""
    sent = [_item(row, status, Direction.OUTBOUND) for status in MessageStatus if status is not MessageStatus.RECEIVED]
    accepted = _item(row, MessageStatus.SENT, Direction.OUTBOUND, accepted_at=now())
    phone = _item(row, MessageStatus.SENT, Direction.OUTBOUND, source=MessageSource.PHONE)
    test = _item(row, MessageStatus.DELIVERED, Direction.OUTBOUND, source=MessageSource.API, is_test=True)
    failed = _message(row, MessageStatus.FAILED, Direction.OUTBOUND, error_code="not_on_whatsapp")
    asides = Item(failed, aside=Aside(note=str(_("Nothing is sent again by itself.")), choices=tuple(CHOICES.values())))
    return Day(str(_("Rungs")), [*sent, accepted, phone, test, asides, *_changed(row)])


def _changed(row: ConversationRow) -> Iterator[Item]:
    """One of ours with each thing that is said of a change of it."""
    for kind, said in SAID.items():
        for status in said:
            target = _message(row, MessageStatus.READ, Direction.OUTBOUND)
            text = "Corrigido." if kind == MessageKind.EDIT else ""
            change = _message(row, status, Direction.OUTBOUND, kind=kind, body=text, error_code="too_late")
            choices = () if status in ON_ITS_WAY else (CHOICES[Decision.TRY_AGAIN], CHOICES[Decision.SET_ASIDE])
            yield Item(target, change=pending_change(change, Aside(choices=choices)))


def every_kind(row: ConversationRow) -> Day:
    """One of each kind that comes in, with and without its file, and what else a bubble may carry."""
    plain = [_kind(row, kind) for kind in MessageKind if kind not in (*OF_FILES, *CHANGES)]
    files = [_with_file(row, kind, state) for kind in OF_FILES for state in (MediaState.REMOTE, MediaState.UNAVAILABLE)]
    return Day(str(_("Kinds")), [*plain, *files, *_marked(row)])


def _marked(row: ConversationRow) -> Iterator[Item | Happening]:
    at = now()
    yield Item(_message(row, body="Corrigido.", original_body="Corigido.", edited_at=at))
    yield Item(_message(row, body="Apagada.", deleted_at=at))
    yield Item(_message(row), quote=Quote("Maria Exemplo", "Vocês abrem no sábado?"), sender="Maria Exemplo")
    yield Item(_message(row), reactions=(Reaction("👍", 2, "Maria Exemplo"),))
    yield Item(_message(row), gap=str(_("The portal was not reached for a while.")))
    yield Item(_message(row), line=str(_("Voted in a poll")))
    yield Happening(uuid4(), at, line=str(_("%(who)s took this conversation", who="ana")))
    yield Happening(uuid4(), at, line="", text="Prefere retirar na loja.", author="ana")


def draw_chart() -> Drawn:
    times = Times(now().replace(second=0, microsecond=0) - timedelta(minutes=6), timedelta(minutes=1), 6)
    lines = [Line(look, look, [float(value) for value in values]) for look, values in LINES.items()]
    drawing = draw(str(_("Chart")), lines, times, marks=[times.at(3)], clock=_clock)
    rows = [
        Row(_clock(times.at(index)), [f"{line.values[index]:g}" for line in lines]) for index in range(times.number)
    ]
    return Drawn(
        "example", str(_("Chart")), drawing, lines, str(_("What the lines say stands here in a sentence.")), rows
    )


def _clock(at: datetime) -> str:
    return clock_time(at, DEFAULT_TIME_ZONE)


def _kind(row: ConversationRow, kind: MessageKind) -> Item:
    options = (Option("Azul", 2), Option("Verde", 0)) if kind is MessageKind.POLL else ()
    return Item(_message(row, kind=kind, details=DETAILS.get(kind)), options=options)


def _with_file(row: ConversationRow, kind: MessageKind, state: MediaState) -> Item:
    media = Media(
        id=uuid4(), kind=kind, file_name="exemplo", mime_type="application/octet-stream", size=48_000, state=state
    )
    return Item(_message(row, kind=kind, body="", media_id=media.id), file=File(media, has_thumbnail=False))


def _item(row: ConversationRow, status: MessageStatus, direction: Direction, **values: object) -> Item:
    return Item(_message(row, status, direction, **values))


def _message(
    row: ConversationRow,
    status: MessageStatus = MessageStatus.RECEIVED,
    direction: Direction = Direction.INBOUND,
    **values: object,
) -> Message:
    named: dict[str, UUID] = {"id": uuid4(), "conversation_id": row.conversation.id}
    usual = {"kind": MessageKind.TEXT, "body": "Bom dia! O seu pedido está pronto.", "is_test": False}
    return Message(**{**named, **usual, "status": status, "direction": direction, "occurred_at": now(), **values})
