"""Files beside messages: stored once, in the message's own transaction, and only where they belong."""

from collections.abc import Callable

import pytest
from sqlalchemy import select

from portal.db import atomic, db
from portal.errors import Invalid, NotFound
from portal.models import Conversation, Media, Message, Unit
from portal.queries import conversations as queries
from portal.queries import media as files_of
from portal.services import conversations, lanes
from portal.services.conversations import Queued
from portal.services.media import LARGEST_FILE, Upload
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests import files
from tests.factories import make_media, make_message, make_tenant, make_unit

PHOTO = Upload("foto.png", files.PNG)
BILL = Upload("boleto.pdf", files.PDF)
SONG = Upload("recado.ogg", files.ogg())


def reply(
    scope: TenantScope, conversation: Conversation, upload: Upload, text: str = "", id_: str | None = None
) -> Queued:
    with acting_for(scope):
        return conversations.reply(scope, conversation.id, text=text, upload=upload, client_message_id=id_)


def stored(model: type[Media] | type[Message]) -> list[object]:
    with across_tenants("a test counts the rows"):
        return list(db.session.scalars(select(model.id)))


def test_a_file_is_stored_with_its_message(scope: TenantScope, conversation: Conversation) -> None:
    message = reply(scope, conversation, PHOTO, "Esta aqui").message

    with acting_for(scope):
        media = files_of.get_media(scope, message.id)
        content = files_of.read_content(scope, media)
    assert (message.kind, message.body, message.media_id) == ("image", "Esta aqui", media.id)
    assert (media.kind, media.file_name, media.mime_type) == ("image", "foto.png", "image/png")
    assert (media.size, media.sha256) == (len(files.PNG), PHOTO.sha256)
    assert content == files.PNG


def test_a_file_goes_to_a_number_too(scope: TenantScope, unit: Unit) -> None:
    with acting_for(scope):
        queued = conversations.send_to_phone(scope, unit.id, phone="5511999990002", text="", upload=BILL)

    assert (queued.message.kind, queued.message.body) == ("document", "")
    assert stored(Media) == [queued.message.media_id]


def test_a_text_carries_no_file(scope: TenantScope, conversation: Conversation) -> None:
    with acting_for(scope):
        message = conversations.reply(scope, conversation.id, text="Olá").message

        with pytest.raises(NotFound):
            files_of.get_media(scope, message.id)
    assert (message.kind, message.media_id) == ("text", None)


@pytest.mark.parametrize(
    ("upload", "text", "kind", "preview"),
    [
        (PHOTO, "", "image", ""),
        (PHOTO, "Esta aqui", "image", "Esta aqui"),
        (BILL, "", "document", "boleto.pdf"),
        (BILL, " \n", "document", "boleto.pdf"),
        (BILL, "O boleto", "document", "O boleto"),
        (SONG, "", "audio", ""),
    ],
)
def test_the_list_learns_what_was_sent(
    scope: TenantScope, conversation: Conversation, upload: Upload, text: str, kind: str, preview: str
) -> None:
    reply(scope, conversation, upload, text)

    with acting_for(scope):
        shown = scope.get(Conversation, conversation.id)
    assert (shown.last_message_kind, shown.last_message_preview) == (kind, preview)


def test_the_same_client_message_id_stores_no_second_file(scope: TenantScope, conversation: Conversation) -> None:
    first = reply(scope, conversation, PHOTO, id_="order-1")
    second = reply(scope, conversation, BILL, id_="order-1")

    assert (first.is_repeat, second.is_repeat) == (False, True)
    assert (second.message.id, second.message.kind) == (first.message.id, "image")
    assert stored(Media) == [first.message.media_id]


@pytest.mark.parametrize(
    ("upload", "text", "field"),
    [
        (Upload("foto.png", b""), "", "file"),
        (Upload("foto.png", files.PNG + bytes(LARGEST_FILE)), "", "file"),
        (Upload("jogo.exe", files.EXE), "", "file"),
        (PHOTO, "x" * 1025, "text"),
        (SONG, "Ouça", "text"),
    ],
    ids=["empty", "too large", "program", "caption too long", "caption below audio"],
)
def test_what_is_refused_leaves_nothing(
    scope: TenantScope, conversation: Conversation, upload: Upload, text: str, field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        reply(scope, conversation, upload, text)

    assert list(refused.value.fields) == [field]
    assert (stored(Media), stored(Message)) == ([], [])


def test_the_longest_caption_is_taken(scope: TenantScope, conversation: Conversation) -> None:
    assert reply(scope, conversation, PHOTO, "x" * 1024).message.body == "x" * 1024


def test_a_message_that_is_not_kept_leaves_no_file(
    scope: TenantScope, conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> None:
        raise OSError

    monkeypatch.setattr(lanes, "wake", break_off)

    with pytest.raises(OSError):  # noqa: PT011
        reply(scope, conversation, PHOTO)

    assert (stored(Media), stored(Message)) == ([], [])


@pytest.mark.parametrize("who", ["rival", "agent of another unit"])
def test_a_file_exists_only_for_who_may_read_its_message(
    scope: TenantScope, conversation: Conversation, who: str
) -> None:
    message = reply(scope, conversation, PHOTO).message
    others: dict[str, Callable[[], TenantScope]] = {
        "rival": lambda: make_tenant("rival"),
        "agent of another unit": lambda: TenantScope(
            scope.tenant_id, unit_ids=frozenset({make_unit(scope, "praia").id})
        ),
    }

    other = others[who]()

    with acting_for(other), pytest.raises(NotFound):
        files_of.get_media(other, message.id)


def test_a_message_cannot_carry_a_file_of_another_tenant(scope: TenantScope, conversation: Conversation) -> None:
    theirs = make_media(make_tenant("rival"))

    with pytest.raises(Exception, match="fk_messages_tenant_id_media_id_media"):
        make_message(scope, conversation, media_id=theirs)


def test_reading_a_thread_does_not_read_what_is_in_its_files(scope: TenantScope, conversation: Conversation) -> None:
    message = reply(scope, conversation, PHOTO).message

    with acting_for(scope), atomic():
        listed = files_of.list_media(scope, queries.list_messages(scope, conversation.id))

    assert list(listed) == [message.id]
    assert "content" not in vars(listed[message.id])
