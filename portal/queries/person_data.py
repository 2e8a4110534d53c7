"""All that is kept of one person, as an archive for that person: `person.json`, and the files beside it.

It is written piece by piece, so that ten years of messages take no more memory than a page of them.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import IO, Any
from uuid import UUID
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile

from portal.clock import now
from portal.db import among, db
from portal.models import (
    ConsentEvent,
    Contact,
    ContactMerge,
    Conversation,
    ConversationEvent,
    Import,
    ImportChange,
    Media,
    MediaState,
    Message,
    Unit,
    User,
)
from portal.queries import person_messages
from portal.queries.campaign_lines import CampaignLine, list_lines
from portal.queries.contacts import get_contact, list_tag_names
from portal.queries.erasures import list_persons_ids
from portal.tenancy import TenantScope

# What an entry holds: a key, and a value or a list that is written while it is read.
Entry = tuple[str, Any]


@dataclass(frozen=True)
class _Chat:
    id: UUID
    unit: str
    opened_at: datetime


def write_archive(scope: TenantScope, contact_id: UUID, file: IO[bytes], *, readme: str) -> None:
    """Write the archive. Raises NotFound before anything is written."""
    contact = get_contact(scope, contact_id)
    chats = _list_chats(scope, list_persons_ids(scope, contact.id))
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", readme)
        with archive.open("person.json", "w", force_zip64=True) as stream:
            for piece in _json_pieces(_describe(scope, contact, chats)):
                stream.write(piece.encode())
        for name, media_id in _list_stored_files(scope, chats):
            # One file at a time; pictures, films and PDFs do not get smaller.
            archive.writestr(name, _read_content(scope, media_id), ZIP_STORED)


def _describe(scope: TenantScope, contact: Contact, chats: list[_Chat]) -> Iterator[Entry]:
    ids = list_persons_ids(scope, contact.id)
    tags, roles = list_tag_names(scope, ids), _roles(scope)
    statement = scope.select(Contact).where(among(Contact.id, ids)).order_by(Contact.id)
    described = [_contact(one, tags.get(one.id, [])) for one in db.session.scalars(statement)]
    yield "exported_at", now()
    yield "contact", next(one for one in described if one["id"] == contact.id)
    yield "merged_contacts", [one for one in described if one["id"] != contact.id]
    yield "merges", list(_merges(scope, ids, roles))
    yield "consent", list(_consent(scope, ids, roles))
    yield "imports", list(_imports(scope, ids))
    yield "campaigns", [_campaign(line) for line in list_lines(scope, ids)]
    yield "conversations", (_conversation(scope, chat, roles) for chat in chats)


def _contact(contact: Contact, tags: list[str]) -> dict[str, Any]:
    return {
        "id": contact.id,
        "phone": contact.phone,
        "whatsapp_number": contact.whatsapp_number,
        "lid": contact.lid,
        "name": contact.name,
        "tags": tags,
        "attributes": contact.attributes,
        "known_since": contact.created_at,
        "opted_out_at": contact.opted_out_at,
    }


def _merges(scope: TenantScope, ids: list[UUID], roles: dict[UUID, str]) -> Iterator[dict[str, Any]]:
    either = among(ContactMerge.kept_id, ids) | among(ContactMerge.other_id, ids)
    for merge in db.session.scalars(scope.select(ContactMerge).where(either).order_by(ContactMerge.id)):
        yield {
            "kept_id": merge.kept_id,
            "other_id": merge.other_id,
            "merged_by": roles.get(merge.merged_by_id) if merge.merged_by_id else None,
            "merged_at": merge.created_at,
            "undone_at": merge.undone_at,
        }


def _consent(scope: TenantScope, ids: list[UUID], roles: dict[UUID, str]) -> Iterator[dict[str, Any]]:
    theirs = scope.select(ConsentEvent).where(among(ConsentEvent.contact_id, ids))
    for event in db.session.scalars(theirs.order_by(ConsentEvent.happened_at, ConsentEvent.id)):
        yield {
            "kind": event.kind,
            "source": event.source,
            "happened_at": event.happened_at,
            "message_id": event.message_id,
            "words": event.words,
            "noted_by": roles.get(event.noted_by_id) if event.noted_by_id else None,
            "note": event.note,
        }


def _imports(scope: TenantScope, ids: list[UUID]) -> Iterator[dict[str, Any]]:
    """The lists that changed something about them, with what was known before and after."""
    its_import = (Import.tenant_id == ImportChange.tenant_id) & (Import.id == ImportChange.import_id)
    changed = scope.select(ImportChange, ImportChange, Import.created_at).join(Import, its_import)
    for change, at in db.session.execute(changed.where(among(ImportChange.contact_id, ids)).order_by(Import.id)):
        yield {"imported_at": at, "before": change.before, "after": change.after}


def _campaign(line: CampaignLine) -> dict[str, Any]:
    """What they were to get or got, and what became of it."""
    recipient = line.row.recipient
    return {
        "name": line.campaign.name,
        "unit": line.unit.name,
        "outcome": line.row.rung,
        "reason": recipient.reason,
        "number_as_pasted": recipient.typed,
        "text": recipient.body,
        "message_id": recipient.message_id,
        "turn_at": recipient.handed_at,
        "replied_at": recipient.replied_at,
    }


def _conversation(scope: TenantScope, chat: _Chat, roles: dict[UUID, str]) -> Iterator[Entry]:
    yield "unit", chat.unit
    yield "opened_at", chat.opened_at
    yield "messages", person_messages.describe(scope, chat.id, roles)
    yield "notes", list(_notes(scope, chat.id, roles))


def _notes(scope: TenantScope, conversation_id: UUID, roles: dict[UUID, str]) -> Iterator[dict[str, Any]]:
    """What the company's people noted there, and did with it."""
    theirs = scope.select(ConversationEvent).where(ConversationEvent.conversation_id == conversation_id)
    for event in db.session.scalars(theirs.order_by(ConversationEvent.created_at, ConversationEvent.id)):
        yield {
            "kind": event.kind,
            "text": event.body,
            "by": roles.get(event.created_by_id) if event.created_by_id else None,
            "to": roles.get(event.assigned_to_id) if event.assigned_to_id else None,
            "at": event.created_at,
        }


def _list_chats(scope: TenantScope, contact_ids: list[UUID]) -> list[_Chat]:
    its_unit = (Unit.tenant_id == Conversation.tenant_id) & (Unit.id == Conversation.unit_id)
    chats = scope.select(Conversation, Conversation.id, Unit.name, Conversation.created_at).join(Unit, its_unit)
    rows = db.session.execute(chats.where(among(Conversation.contact_id, contact_ids)).order_by(Conversation.id))
    return [_Chat(*row) for row in rows]


def _list_stored_files(scope: TenantScope, chats: list[_Chat]) -> list[tuple[str, UUID]]:
    """Their names in the archive and their ids, each once: a message that was sent again carries the same file."""
    carried = (Message.tenant_id == Media.tenant_id) & (Message.media_id == Media.id)
    theirs = among(Message.conversation_id, [chat.id for chat in chats])
    files = scope.select(Media, Media.id, Media.file_name).join(Message, carried)
    stored = files.where(theirs, Media.state == MediaState.STORED).distinct().order_by(Media.id)
    return [(person_messages.file_path(id_, name), id_) for id_, name in db.session.execute(stored)]


def _read_content(scope: TenantScope, media_id: UUID) -> bytes:
    content: bytes | None = db.session.scalar(scope.select(Media, Media.content).where(Media.id == media_id))
    return content or b""


def _roles(scope: TenantScope) -> dict[UUID, str]:
    """Who of the company: by their role only, since the archive is about somebody else."""
    return {id_: str(role) for id_, role in db.session.execute(scope.select(User, User.id, User.role))}


def _json_pieces(value: Any) -> Iterator[str]:
    """JSON of what may hold iterators: one of pairs (an object) or one of values (an array), written as they come."""
    if isinstance(value, Iterator):
        first = next(value, None)
        is_object = isinstance(first, tuple)
        yield "{" if is_object else "["
        if first is not None:
            yield from _joined(first, value)
        yield "\n}" if is_object else "\n]"
    else:
        yield json.dumps(value, default=_plain, ensure_ascii=False, indent=1)


def _joined(first: Any, others: Iterable[Any]) -> Iterator[str]:
    yield from _item(first)
    for item in others:
        yield ","
        yield from _item(item)


def _item(item: Any) -> Iterator[str]:
    yield "\n"
    if isinstance(item, tuple):
        key, item = item
        yield f"{json.dumps(key)}: "
    yield from _json_pieces(item)


def _plain(value: object) -> str:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
