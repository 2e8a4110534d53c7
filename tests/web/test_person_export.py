"""All that is kept of one person, as an archive for that person."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any
from zipfile import ZipFile

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AuditEvent,
    ChangeKind,
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    Conversation,
    Direction,
    MessageChange,
    MessageSource,
    Unit,
)
from portal.permissions import Role
from portal.queries import person_messages
from portal.services import conversation_work
from portal.tenancy import TenantScope, acting_for
from tests.conversation_work import make_note
from tests.factories import make_campaign, make_media, make_message, make_remote_media, make_user
from tests.files import PDF


@pytest.fixture
def person(conversation: Conversation) -> str:
    """The address of the person whose conversation it is."""
    return f"/t/acme/contacts/{conversation.contact_id}"


def exported(client: FlaskClient, person: str) -> ZipFile:
    return ZipFile(BytesIO(client.get(f"{person}/export").data))


def described(client: FlaskClient, person: str) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(exported(client, person).read("person.json"))
    return told


def messages_of(client: FlaskClient, person: str) -> list[dict[str, Any]]:
    (conversation,) = described(client, person)["conversations"]
    messages: list[dict[str, Any]] = conversation["messages"]
    return messages


def test_archive_has_the_persons_own_entry(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    with acting_for(acme), atomic():
        contact = acme.get(Contact, conversation.contact_id)
        contact.attributes, contact.lid = {"cidade": "São Paulo"}, "123456789012345"

    told = described(admin, person)["contact"]

    assert (told["phone"], told["lid"], told["name"]) == ("5511999990002", "123456789012345", "Maria")
    assert told["attributes"] == {"cidade": "São Paulo"}
    assert datetime.fromisoformat(told["known_since"]).tzinfo is not None


def test_archive_has_every_message_in_the_order_of_the_thread(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person_messages, "PAGE", 2)
    for number in range(5):
        make_message(acme, conversation, body=f"nº {number}", at=now() - timedelta(hours=9 - number))

    assert [message["text"] for message in messages_of(admin, person)] == [f"nº {number}" for number in range(5)]


def test_archive_tells_a_messages_times_changes_and_author(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    at = datetime(2026, 5, 3, 12, 30, tzinfo=UTC)
    make_message(acme, conversation, body="novo", original_body="antigo", at=at, external_id="3AEDITED", edited_at=at)
    with acting_for(acme), atomic():
        edit = {"kind": ChangeKind.EDIT, "told_as": "1", "body": "novo", "changed_at": at, "received_at": at}
        acme.add(MessageChange(unit_id=conversation.unit_id, external_id="3AEDITED", **edit))

    (message,) = messages_of(admin, person)

    assert message["occurred_at"] == "2026-05-03T12:30:00+00:00"
    assert (message["written_by"], message["text"], message["original_text"]) == ("contact", "novo", "antigo")
    assert message["changes"] == [{"kind": "edit", "text": "novo", "changed_at": "2026-05-03T12:30:00+00:00"}]


def test_archive_has_what_was_noted_and_done(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    agent = make_user("bia@acme.test", role=Role.AGENT)
    make_note(acme, conversation, "prefere a tarde", created_by_id=agent.id)
    with acting_for(acme):
        conversation_work.close(acme, conversation.id)

    (chat,) = described(admin, person)["conversations"]

    assert [(one["kind"], one["text"], one["by"]) for one in chat["notes"]] == [
        ("note", "prefere a tarde", "agent"),
        ("closed", None, None),
    ]
    assert "bia@acme.test" not in json.dumps(chat)


def test_archive_names_staff_by_their_role_only(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    author = make_user("joana@acme.test", role=Role.AGENT, unit_slugs=("jardins",))
    told = {"direction": Direction.OUTBOUND, "source": MessageSource.PERSON, "sent_by_id": author.id}
    make_message(acme, conversation, **told)  # type: ignore[arg-type]

    archive = exported(admin, person).read("person.json").decode()

    assert '"written_by": "agent"' in archive
    assert "joana" not in archive


def test_archive_has_the_files_that_are_here(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    media_id = make_media(acme, name="boleto.pdf")
    make_message(acme, conversation, media_id=media_id)
    make_message(acme, conversation, media_id=make_remote_media(acme))

    archive = exported(admin, person)

    assert archive.read(f"files/{media_id}-boleto.pdf") == PDF
    paths = [message["file"]["path"] for message in messages_of(admin, person)]
    assert paths == [f"files/{media_id}-boleto.pdf", None]
    assert len(archive.namelist()) == 3


def test_archive_has_consent_with_its_evidence(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    with acting_for(acme), atomic():
        said = {"kind": ConsentKind.OPTED_OUT, "source": ConsentSource.MESSAGE, "words": "SAIR", "happened_at": now()}
        acme.add(ConsentEvent(contact_id=conversation.contact_id, **said))

    (event,) = described(admin, person)["consent"]

    assert (event["kind"], event["source"], event["words"]) == ("opted_out", "message", "SAIR")


def test_archive_has_whoever_was_merged_into_the_person(
    acme: TenantScope, admin: FlaskClient, conversation: Conversation, person: str
) -> None:
    with acting_for(acme), atomic():
        acme.add(Contact(phone="5511955550099", name="Maria S.", merged_into_id=conversation.contact_id))

    assert [merged["phone"] for merged in described(admin, person)["merged_contacts"]] == ["5511955550099"]


def test_archive_of_somebody_who_never_wrote_is_whole(acme: TenantScope, admin: FlaskClient, person: str) -> None:
    (conversation,) = described(admin, person)["conversations"]

    assert (conversation["unit"], conversation["messages"]) == ("Jardins", [])


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", "all that this portal keeps"), ("pt-BR", "person.json")],
    ids=["English", "Portuguese"],
)
def test_archive_says_what_is_what(admin: FlaskClient, person: str, language: str, words: str) -> None:
    admin.environ_base["HTTP_ACCEPT_LANGUAGE"] = language

    assert words in exported(admin, person).read("README.txt").decode()


def test_archives_name_says_nothing_about_the_person(admin: FlaskClient, person: str) -> None:
    response = admin.get(f"{person}/export")

    assert "Maria" not in response.headers["Content-Disposition"]
    assert "5511999990002" not in response.headers["Content-Disposition"]
    assert response.headers["Cache-Control"] == "no-store"


def test_handing_out_is_written_down(acme: TenantScope, admin: FlaskClient, person: str) -> None:
    admin.get(f"{person}/export")

    with acting_for(acme):
        newest = acme.select(AuditEvent, AuditEvent.action).order_by(AuditEvent.id.desc())
        assert db.session.scalars(newest).first() == "contact.exported"


def test_archive_tells_of_campaigns(
    acme: TenantScope, admin: FlaskClient, connected_unit: Unit, conversation: Conversation, person: str
) -> None:
    make_campaign(acme, connected_unit, [conversation.contact_id], name="Black Friday", body="Oi, Maria!")

    (told,) = described(admin, person)["campaigns"]

    assert (told["name"], told["outcome"], told["text"]) == ("Black Friday", "pending", "Oi, Maria!")
    assert (told["unit"], told["replied_at"]) == (connected_unit.name, None)
