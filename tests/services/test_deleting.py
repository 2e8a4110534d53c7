"""What is deleted with messages: files that nothing else carries."""

from uuid import UUID

from portal.db import atomic, db
from portal.models import Conversation, Media, Message, MessageKind
from portal.services.deleting import COLUMNS, Deleted, Doomed, delete_messages
from portal.tenancy import TenantScope, acting_for
from tests.endpoints import deliveries, make_endpoint
from tests.factories import make_media, make_message, make_template


def delete(scope: TenantScope, message: Message) -> Deleted:
    with acting_for(scope), atomic():
        found = db.session.execute(scope.select(Message, *COLUMNS).where(Message.id == message.id))
        return delete_messages(scope, [Doomed(*row) for row in found])


def files(scope: TenantScope) -> list[UUID]:
    with acting_for(scope):
        return list(db.session.scalars(scope.select(Media, Media.id)))


def test_file_of_a_template_outlives_the_messages_that_carried_it(
    scope: TenantScope, conversation: Conversation
) -> None:
    file_id = make_media(scope)
    message = make_message(scope, conversation, kind=MessageKind.DOCUMENT, media_id=file_id)
    make_template(scope, media_id=file_id)

    assert delete(scope, message) == Deleted(messages=1, files=0)
    assert files(scope) == [file_id]


def test_file_that_nothing_else_carries_goes_with_its_message(scope: TenantScope, conversation: Conversation) -> None:
    message = make_message(scope, conversation, kind=MessageKind.DOCUMENT, media_id=make_media(scope))

    assert delete(scope, message) == Deleted(messages=1, files=1)
    assert files(scope) == []


def test_what_programs_were_to_be_told_of_a_message_goes_with_it(
    scope: TenantScope, conversation: Conversation
) -> None:
    endpoint = make_endpoint(scope)
    doomed, kept = make_message(scope, conversation), make_message(scope, conversation)

    delete(scope, doomed)

    assert [one.message_id for one in deliveries(endpoint)] == [kept.id]
