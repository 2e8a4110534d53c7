"""An open thread asks for its news every two seconds: nothing is drawn while nothing is new, and all that is new is."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import Base, atomic, db
from portal.models import (
    Campaign,
    CampaignRecipient,
    Connection,
    ConnectionAction,
    ConnectionStatus,
    Contact,
    Conversation,
    ConversationEvent,
    ConversationEventKind,
    Direction,
    Lane,
    Media,
    MediaState,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
    Repair,
    RepairKind,
    StatusReason,
    Unit,
    User,
)
from portal.queries.conversations import PAGE
from portal.tenancy import TenantScope, acting_for
from tests import files
from tests.factories import make_campaign, make_message, make_remote_media, make_user
from tests.statements import counted
from tests.web.htmx import poll

# By these a message is found; they never change.
KEYS = {"id", "tenant_id", "unit_id", "conversation_id"}
SOON = now() + timedelta(hours=1)
# What a message may turn into, column by column; of the rest see `others`.
CHANGES: dict[str, Any] = {
    "status": MessageStatus.FAILED,
    "error_code": "not_on_whatsapp",
    "error_details": "no",
    "failed_at": SOON,
    "handled_at": SOON,
    "body": "Até logo",
    "original_body": "Até",
    "edited_at": SOON,
    "kind": MessageKind.LOCATION,
    "details": {"latitude": 1.0, "longitude": 2.0},
    "source": MessageSource.API,
    "external_id": "3EB0NEW",
    "proposed_id": "3EB0ASKED",
    "is_id_kept": True,
    "client_message_id": "client-1",
    "refers_to": "3EB0OTHER",
    "is_test": True,
    "is_history": True,
    "is_cold": True,
    "priority": 5,
    "expires_at": SOON,
    "retry_count": 2,
    "last_retry_at": SOON,
    "look_up_at": SOON,
    "look_ups": 1,
    "sending_at": SOON,
    "sent_at": SOON,
    "accepted_at": SOON,
    "delivered_at": SOON,
    "read_at": SOON,
    "created_at": SOON,
    "occurred_at": SOON,
    "deleted_at": SOON,
    "relay_id": UUID(int=1),
    "direction": Direction.INBOUND,
}


def test_every_column_of_a_message_is_news(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    message = make_message(acme, conversation, body="Oi", direction=Direction.OUTBOUND, status=MessageStatus.SENT)
    user = make_user("bia@acme.test")
    others = {
        "sent_by_id": user.id,
        "media_id": make_remote_media(acme),
        "repair_id": make_repair(acme, conversation),
        "resend_of_id": make_message(acme, conversation).id,
    }
    changes = CHANGES | others
    page = drawn(admin, admin.get(thread).text)

    unseen = []
    for name, value in changes.items():
        change(acme, Message, message.id, **{name: value})
        answer = poll(admin, page, "messages")
        if answer.status_code != 200:
            unseen.append(name)
        page = answer.text or page

    assert unseen == []
    assert set(changes) | KEYS == set(Message.__table__.c.keys())


def test_all_that_stands_around_messages_is_news(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    whole = Whole(acme, conversation)
    page = drawn(admin, admin.get(thread).text)

    unseen = []
    for name, happen in whole.happenings().items():
        happen()
        answer = poll(admin, page, "messages")
        if answer.status_code != 200:
            unseen.append(name)
        page = drawn(admin, answer.text or page)

    assert unseen == []


@pytest.mark.parametrize("module", ["portal.queries.thread_marks", "portal.web.thread_pages"])
def test_what_time_alone_changes_is_news(
    admin: FlaskClient,
    acme: TenantScope,
    conversation: Conversation,
    thread: str,
    module: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    make_message(acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.SENT, sent_at=now())
    page = drawn(admin, admin.get(thread).text)

    # A receipt that is missed after some minutes, and days that are called by other names tomorrow.
    monkeypatch.setattr(f"{module}.now", lambda: now() + timedelta(days=1))

    assert poll(admin, page, "messages").status_code == 200


def test_look_without_news_asks_who_looks_and_one_thing_more(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    Whole(acme, conversation)
    page = drawn(admin, admin.get(thread).text)

    with counted() as statements:
        answer = poll(admin, page, "messages")

    assert answer.status_code == 204
    assert len(statements) <= 2


def test_list_beside_a_thread_is_not_drawn_anew_when_nothing_is_new(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    make_message(acme, conversation)

    page = admin.get(thread).text

    assert poll(admin, page, "conversation-list").status_code == 204
    make_message(acme, conversation, body="Mais uma")
    change(acme, Conversation, conversation.id, unread=1)
    assert poll(admin, page, "conversation-list").status_code == 200


def test_notes_before_the_first_message_stay_while_a_short_thread_grows_long(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    note(acme, conversation, "Ligar antes", at=now() - timedelta(days=2))
    at = now() - timedelta(days=1)
    make_message(acme, conversation, at=at)
    page = admin.get(thread).text
    for second in range(PAGE + 5):
        make_message(acme, conversation, at=at + timedelta(seconds=second + 1))

    grown = poll(admin, page, "messages").text

    assert grown.count('id="message-') == PAGE + 6
    assert "Ligar antes" in grown


def test_thread_that_is_opened_near_its_end_leads_to_what_is_older(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation, thread: str
) -> None:
    note(acme, conversation, "Ligar antes", at=now() - timedelta(days=3))
    make_message(acme, conversation, body="Bem antes", at=now() - timedelta(days=2))
    late = make_message(acme, conversation, body="Agora", at=now())

    page = admin.get(f"{thread}?since={late.occurred_at.isoformat().replace('+', '%2B')}~{late.id}").text

    assert "Load older messages" in page
    assert "Ligar antes" not in page
    assert "Load older messages" not in admin.get(thread).text


class Whole:
    """A thread in which messages have all that can stand around one."""

    def __init__(self, scope: TenantScope, conversation: Conversation) -> None:
        self.scope, self.conversation = scope, conversation
        self.user = make_user("caio@acme.test")
        self.quoted = make_message(scope, conversation, body="Bem antes", at=now() - timedelta(days=3))
        for second in range(PAGE):
            make_message(scope, conversation, at=now() - timedelta(days=2, seconds=second))
        self.repair_id = make_repair(scope, conversation)
        self.media_id = make_remote_media(scope)
        self.first = make_message(
            scope, conversation, kind=MessageKind.IMAGE, media_id=self.media_id, repair_id=self.repair_id
        )
        self.reaction = make_message(
            scope, conversation, kind=MessageKind.REACTION, body="👍", refers_to=self.first.external_id
        )
        make_message(scope, conversation, body="Sim", refers_to=self.quoted.external_id)
        self.sent = make_message(scope, conversation, direction=Direction.OUTBOUND, source=MessageSource.CAMPAIGN)
        with acting_for(scope):
            unit = scope.get(Unit, conversation.unit_id)
        self.campaign = make_campaign(scope, unit, [conversation.contact_id])
        with acting_for(scope), atomic():
            db.session.execute(scope.update(CampaignRecipient).values(message_id=self.sent.id))
        self.note = note(scope, conversation, "Ligar", at=now(), created_by_id=self.user.id)

    def happenings(self) -> dict[str, Callable[[], object]]:
        of_unit = {
            "name": "Outra",
            "time_zone": "America/Manaus",
            "receipt_wait_min": 3,
        }
        of_connection = {
            "status": ConnectionStatus.DISCONNECTED,
            "status_reason": StatusReason.CONNECTION_LOST,
            "connected_at": SOON,
            "action": ConnectionAction.CONNECT,
        }
        of_lane = {"cold_paused_until": SOON, "next_cold_at": SOON, "cold_reason": "limited"}
        of_conversation = {"doubted_message_id": self.first.id, "doubted_at": SOON, "last_inbound_at": None}
        of_media = {
            "fetch_at": SOON,
            "fetch_error": "gone",
            "thumbnail": files.JPEG,
            "state": MediaState.UNAVAILABLE,
            "file_name": "outra.jpg",
            "size": 7,
        }
        return {
            **self._each(Unit, self.conversation.unit_id, of_unit),
            **self._each(Connection, None, of_connection),
            **self._each(Lane, None, of_lane),
            **self._each(Conversation, self.conversation.id, of_conversation),
            **self._each(Contact, self.conversation.contact_id, {"name": "Ana", "opted_out_at": SOON}),
            **self._each(Media, self.media_id, of_media),
            **self._each(Repair, self.repair_id, {"began_at": SOON, "ended_at": SOON}),
            **self._each(Campaign, self.campaign.id, {"name": "Outra"}),
            **self._each(User, self.user.id, {"email": "outro@acme.test"}),
            **self._each(ConversationEvent, self.note, {"body": "Ligar já"}),
            "reaction is another": lambda: change(self.scope, Message, self.reaction.id, body="❤️"),
            "quoted message is deleted": lambda: change(self.scope, Message, self.quoted.id, deleted_at=SOON),
            "one more was fetched": lambda: make_message(
                self.scope, self.conversation, at=now() - timedelta(days=9), repair_id=self.repair_id
            ),
            "note is deleted": self._delete_note,
            "archived": lambda: change(self.scope, Unit, self.conversation.unit_id, archived_at=SOON),
        }

    def _each(self, model: type[Base], id_: UUID | None, values: dict[str, Any]) -> dict[str, Callable[[], object]]:
        def changing(name: str, value: Any) -> Callable[[], object]:
            return lambda: change(self.scope, model, id_, **{name: value})

        return {f"{model.__name__}.{name}": changing(name, value) for name, value in values.items()}

    def _delete_note(self) -> None:
        with acting_for(self.scope), atomic():
            db.session.execute(self.scope.delete(ConversationEvent))


def change(scope: TenantScope, model: type[Base], id_: UUID | None, **values: Any) -> None:
    """Change that row; without an id, all that the company has."""
    statement = scope.update(model).values(**values)
    with acting_for(scope), atomic():
        db.session.execute(statement.where(model.id == id_) if id_ else statement)  # type: ignore[attr-defined]


def drawn(admin: FlaskClient, page: str) -> str:
    """The page, or its thread drawn once more where something of it was read or fetched by the look itself."""
    return poll(admin, page, "messages").text or page


def make_repair(scope: TenantScope, conversation: Conversation) -> UUID:
    span = {"began_at": now() - timedelta(hours=2), "ended_at": now() - timedelta(hours=1)}
    with acting_for(scope), atomic():
        repair = scope.add(Repair(unit_id=conversation.unit_id, kind=RepairKind.HOLE, **span))
        db.session.flush()
        return repair.id


def note(
    scope: TenantScope, conversation: Conversation, text: str, *, at: Any, created_by_id: UUID | None = None
) -> UUID:
    columns = {"unit_id": conversation.unit_id, "conversation_id": conversation.id, "created_by_id": created_by_id}
    with acting_for(scope), atomic():
        event = scope.add(ConversationEvent(kind=ConversationEventKind.NOTE, body=text, created_at=at, **columns))
        db.session.flush()
        return event.id
