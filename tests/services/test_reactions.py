"""Reacting to a message and answering one: what is queued, what changes nothing, and what is refused."""

from datetime import timedelta
from uuid import UUID

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import Conversation, Direction, Lane, Message, MessageKind, MessageSource, MessageStatus, Unit
from portal.queries import undelivered as queries
from portal.queries.undelivered import Bucket, Filter, bucket_of
from portal.services import conversations, reactions
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_conversation, make_message, make_tenant

SENT = {"direction": Direction.OUTBOUND}


@pytest.fixture
def target(scope: TenantScope, conversation: Conversation) -> Message:
    return make_message(scope, conversation, external_id="3A01")


def react(scope: TenantScope, target: Message, sign: str = "👍") -> None:
    with acting_for(scope):
        reactions.react(scope, target.id, sign=sign)


def given(scope: TenantScope) -> list[Message]:
    """The reactions, in the order in which they were written."""
    with acting_for(scope):
        theirs = scope.select(Message).where(Message.kind == MessageKind.REACTION).order_by(Message.id)
        return list(db.session.scalars(theirs.execution_options(populate_existing=True)))


def put(scope: TenantScope, message: Message, **columns: object) -> None:
    with acting_for(scope), atomic():
        this = scope.update(Message).where(Message.id == message.id)
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def shown(scope: TenantScope, conversation: Conversation) -> Conversation:
    with acting_for(scope):
        return scope.get(Conversation, conversation.id)


def test_a_reaction_is_a_queued_message_about_another_and_work_for_the_lane(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    react(scope, target)

    [reaction] = given(scope)
    assert (reaction.body, reaction.refers_to, reaction.status) == ("👍", "3A01", MessageStatus.QUEUED)
    assert (reaction.direction, reaction.source) == (Direction.OUTBOUND, MessageSource.PERSON)
    assert reaction.expires_at is not None
    with acting_for(scope):
        assert db.session.scalars(scope.select(Lane, Lane.has_work)).one()
    # As with one that comes in, the list shows it.
    row = shown(scope, conversation)
    assert (row.last_message_kind, row.last_message_preview) == (MessageKind.REACTION, "👍")


def test_a_reaction_makes_no_chat_warm_and_takes_up_no_conversation(
    scope: TenantScope, conversation: Conversation
) -> None:
    react(scope, make_message(scope, conversation, **SENT))

    row = shown(scope, conversation)
    assert (row.last_inbound_at, row.assigned_to_id) == (None, None)
    assert given(scope)[0].is_cold


@pytest.mark.parametrize("status", [MessageStatus.QUEUED, MessageStatus.SENT, MessageStatus.UNCONFIRMED])
@pytest.mark.parametrize(("first", "again"), [("👍", "👍"), ("❤️", "❤")], ids=["same", "in_another_style"])
def test_the_same_sign_again_changes_nothing(
    scope: TenantScope, target: Message, status: MessageStatus, first: str, again: str
) -> None:
    react(scope, target, first)
    put(scope, given(scope)[0], status=status)

    react(scope, target, again)

    assert [reaction.body for reaction in given(scope)] == [first]


def test_taking_back_what_is_not_there_changes_nothing(scope: TenantScope, target: Message) -> None:
    react(scope, target, "")

    assert given(scope) == []


def test_one_that_waits_becomes_the_new_one(scope: TenantScope, conversation: Conversation, target: Message) -> None:
    react(scope, target)
    first = given(scope)[0].occurred_at

    react(scope, target, "🙏")

    [reaction] = given(scope)
    assert (reaction.body, reaction.status, reaction.occurred_at > first) == ("🙏", MessageStatus.QUEUED, True)
    assert shown(scope, conversation).last_message_preview == "🙏"


@pytest.mark.parametrize("sign", ["🙏", ""], ids=["replaced", "taken_back"])
def test_one_that_left_is_followed_by_the_new_one(scope: TenantScope, target: Message, sign: str) -> None:
    react(scope, target)
    put(scope, given(scope)[0], status=MessageStatus.SENDING)

    react(scope, target, sign)

    assert [(one.body, one.status) for one in given(scope)] == [
        ("👍", MessageStatus.SENDING),
        (sign, MessageStatus.QUEUED),
    ]


def test_one_from_the_phone_counts_as_ours(scope: TenantScope, conversation: Conversation, target: Message) -> None:
    make_message(
        scope, conversation, kind=MessageKind.REACTION, body="👍", refers_to="3A01", source=MessageSource.PHONE, **SENT
    )

    react(scope, target)

    assert len(given(scope)) == 1


@pytest.mark.parametrize("status", [MessageStatus.SENDING, MessageStatus.FAILED, MessageStatus.UNCONFIRMED])
def test_nobody_decides_any_more_about_one_that_was_followed(
    scope: TenantScope, target: Message, status: MessageStatus
) -> None:
    """One that is being sent may fail after the new one: tried again it would take that one's place."""
    react(scope, target)
    put(scope, given(scope)[0], status=status)

    react(scope, target, "🙏")

    first, second = given(scope)
    assert (first.handled_at is None, second.handled_at, second.status) == (False, None, MessageStatus.QUEUED)


def test_one_that_failed_is_given_anew(scope: TenantScope, target: Message) -> None:
    react(scope, target)
    put(scope, given(scope)[0], status=MessageStatus.FAILED)

    react(scope, target)

    assert [one.status for one in given(scope)] == [MessageStatus.FAILED, MessageStatus.QUEUED]


def test_nobody_waits_for_the_receipt_of_a_reaction(
    scope: TenantScope, conversation: Conversation, target: Message
) -> None:
    long_ago = now() - timedelta(days=1)
    react(scope, target)
    put(scope, given(scope)[0], status=MessageStatus.SENT, sent_at=long_ago)

    with acting_for(scope):
        waiting = queries.list_ids(scope, Filter(Bucket.NO_RECEIPT))
    text = make_message(scope, conversation, sent_at=long_ago, **SENT)
    with acting_for(scope):
        assert (waiting, queries.list_ids(scope, Filter(Bucket.NO_RECEIPT))) == ([], [text.id])
    assert bucket_of(given(scope)[0], receipt_wait_min=1) is None
    assert bucket_of(text, receipt_wait_min=1) == Bucket.NO_RECEIPT


@pytest.mark.parametrize("sign", ["a", "👍👍", "👍 ", "1", ":+1:", "\u200d"], ids=ascii)
def test_a_sign_is_one_emoji(scope: TenantScope, target: Message, sign: str) -> None:
    with pytest.raises(Invalid) as raised:
        react(scope, target, sign)

    assert raised.value.fields == {"sign": "Choose a single emoji."}


@pytest.mark.parametrize("sign", ["👍🏽", "👩🏽‍🚀", "🇧🇷", "1️⃣"], ids=ascii)
def test_an_emoji_of_several_characters_is_one(scope: TenantScope, target: Message, sign: str) -> None:
    react(scope, target, sign)

    assert given(scope)[0].body == sign


NOT_OPEN = {
    "deleted": {"deleted_at": now()},
    "a_test": {"is_test": True},
    "a_call": {"kind": MessageKind.CALL},
    "a_reaction": {"kind": MessageKind.REACTION},
    "a_vote": {"kind": MessageKind.POLL, "details": {"isVote": True}},
    "failed": {"status": MessageStatus.FAILED},
    "not_sent_yet": {"external_id": None, "status": MessageStatus.QUEUED},
}


@pytest.mark.parametrize("columns", NOT_OPEN.values(), ids=NOT_OPEN)
def test_what_is_not_there_for_both_sides_is_neither_reacted_to_nor_quoted(
    scope: TenantScope, conversation: Conversation, target: Message, columns: dict[str, object]
) -> None:
    put(scope, target, **columns)

    with pytest.raises(Invalid, match="Nobody can react"):
        react(scope, target, "🙏")
    with pytest.raises(Invalid, match="cannot be quoted"):
        answer(scope, conversation.id, target.id)


def test_another_tenants_message_does_not_exist(target: Message) -> None:
    with pytest.raises(NotFound):
        react(make_tenant("rival"), target)


def answer(scope: TenantScope, conversation_id: UUID, answers_to: UUID) -> Message:
    with acting_for(scope):
        return conversations.reply(scope, conversation_id, text="Sim", answers_to=answers_to).message


def test_an_answer_refers_to_what_it_answers(scope: TenantScope, conversation: Conversation, target: Message) -> None:
    assert answer(scope, conversation.id, target.id).refers_to == "3A01"


def test_what_is_answered_is_of_the_same_conversation(scope: TenantScope, unit: Unit, target: Message) -> None:
    other = make_conversation(scope, unit, phone="5511999990009")

    with pytest.raises(Invalid) as raised:
        answer(scope, other.id, target.id)

    assert raised.value.fields.keys() == {"answers_to"}
