"""What Evolution tells of our own reactions and answers (contract §5.4, §11.4): one row for each, and the right one."""

from collections.abc import Callable
from typing import Any

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.models import Conversation, Direction, Lane, Message, MessageKind, MessageStatus, Unit
from portal.services import conversations, reactions
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message
from tests.inbox.conftest import Evolution
from tests.inbox.payloads import MARIA, echo

Rows = Callable[..., list[Any]]
ID = "3EB00123456789ABCDEF01"


@pytest.fixture
def conversation(scope: TenantScope, unit: Unit) -> Conversation:
    return make_conversation(scope, unit)


@pytest.fixture
def targets(scope: TenantScope, conversation: Conversation) -> list[Message]:
    return [make_message(scope, conversation, external_id=external_id) for external_id in ("3A01", "3A02")]


def react(scope: TenantScope, target: Message, sign: str = "👍") -> None:
    with acting_for(scope):
        reactions.react(scope, target.id, sign=sign)


def doubt_all(scope: TenantScope) -> None:
    """Whatever waits was sent just now, and no answer came."""
    with acting_for(scope), atomic():
        waiting = scope.update(Message).where(Message.status == MessageStatus.QUEUED)
        db.session.execute(waiting.values(status=MessageStatus.UNCONFIRMED, sending_at=now()))
        db.session.execute(scope.update(Lane).values(message_id=None))


def reaction(target: str, sign: str = "👍") -> dict[str, Any]:
    """The data of a reaction of ours, as the answer to sendReaction and its echo have it."""
    key = {"remoteJid": MARIA, "fromMe": False, "id": target}
    content = {"key": key, "text": sign, "senderTimestampMs": {"low": 118928640, "high": 410, "unsigned": False}}
    told = {"message": {"reactionMessage": content}, "messageType": "reactionMessage"}
    return {**echo(ID, "", messageTimestamp=int(now().timestamp())), **told}


def ours(rows: Rows) -> list[tuple[str | None, MessageStatus, str | None]]:
    outbound = [message for message in rows(Message) if message.direction == Direction.OUTBOUND]
    return [(message.refers_to, message.status, message.external_id) for message in outbound]


@pytest.mark.parametrize("event", ["send.message", "messages.upsert"])
@pytest.mark.parametrize("sign", ["👍", "❤️"], ids=["plain", "in_emoji_style"])
def test_an_echo_settles_a_reaction_and_makes_no_second_one(
    scope: TenantScope, targets: list[Message], evolution: Evolution, rows: Rows, event: str, sign: str
) -> None:
    react(scope, targets[0], sign)
    doubt_all(scope)

    evolution.tell((event, reaction("3A01", sign)))
    evolution.replay()

    assert ours(rows) == [("3A01", MessageStatus.SENT, ID)]


def test_an_echo_settles_the_reaction_to_its_own_message(
    scope: TenantScope, targets: list[Message], evolution: Evolution, rows: Rows
) -> None:
    for target in targets:
        react(scope, target)
    doubt_all(scope)

    evolution.tell(("send.message", reaction("3A02")))

    assert ours(rows) == [("3A01", MessageStatus.UNCONFIRMED, None), ("3A02", MessageStatus.SENT, ID)]


def test_a_reaction_on_the_phone_to_another_message_is_no_echo(
    scope: TenantScope, targets: list[Message], evolution: Evolution, rows: Rows
) -> None:
    react(scope, targets[0])
    doubt_all(scope)

    evolution.tell(("messages.upsert", reaction("3A02")))

    assert ours(rows) == [("3A01", MessageStatus.UNCONFIRMED, None), ("3A02", MessageStatus.SENT, ID)]
    assert {message.kind for message in rows(Message)[2:]} == {MessageKind.REACTION}


def test_an_echo_settles_the_answer_to_its_own_message(
    scope: TenantScope, conversation: Conversation, targets: list[Message], evolution: Evolution, rows: Rows
) -> None:
    with acting_for(scope):
        for target in targets:
            conversations.reply(scope, conversation.id, text="Sim", answers_to=target.id)
    doubt_all(scope)
    quote = {"stanzaId": "3A02", "participant": MARIA, "quotedMessage": {"conversation": "Bom dia"}}

    evolution.tell(("send.message", echo(ID, "Sim", messageTimestamp=int(now().timestamp()), contextInfo=quote)))

    assert ours(rows) == [("3A01", MessageStatus.UNCONFIRMED, None), ("3A02", MessageStatus.SENT, ID)]


def test_an_echo_that_lost_its_quote_settles_the_answer_all_the_same(
    scope: TenantScope, conversation: Conversation, targets: list[Message], evolution: Evolution, rows: Rows
) -> None:
    with acting_for(scope):
        conversations.reply(scope, conversation.id, text="Sim", answers_to=targets[0].id)
    doubt_all(scope)

    evolution.tell(("send.message", echo(ID, "Sim", messageTimestamp=int(now().timestamp()))))

    assert ours(rows) == [("3A01", MessageStatus.SENT, ID)]
