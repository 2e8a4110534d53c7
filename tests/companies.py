"""A company with something of everything, for tests that walk through all of it."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from uuid import UUID, uuid4

from sqlalchemy import insert

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    AccessGrant,
    AccountLink,
    ChangeKind,
    ConnectionLoss,
    ConsentEvent,
    ConsentKind,
    ConsentSource,
    Contact,
    ContactMerge,
    ContactTag,
    Conversation,
    ConversationAlias,
    ConversationEvent,
    ConversationEventKind,
    EarlyReceipt,
    Erasure,
    Import,
    ImportChange,
    ImportChunk,
    ImportRow,
    ImportSource,
    ImportState,
    LinkKind,
    MergedMessage,
    Message,
    MessageChange,
    MessageKind,
    RecoveryCode,
    Repair,
    RepairKind,
    RowKind,
    Suppression,
    SuppressionReason,
    Tag,
    TenantSettings,
    Unit,
    User,
    UserSession,
    UserUnit,
    WebhookEvent,
)
from portal.permissions import Role
from portal.services import accounts, api_tokens, connections
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.endpoints import make_delivery, make_endpoint
from tests.factories import (
    PASSWORD,
    make_campaign,
    make_connected_unit,
    make_conversation,
    make_media,
    make_message,
    make_template,
    make_tenant,
)
from tests.files import JPEG


@dataclass(frozen=True)
class Company:
    """A tenant with a row in every table: a connected unit, its people, a token of the admin, a thread, a scan link.

    The message in the thread carries a file.
    """

    slug: str
    scope: TenantScope
    unit: Unit
    admin: User
    agent: User
    conversation: Conversation
    message: Message
    scan_token: str
    token: str


def make_company(slug: str = "acme", *, unit_slug: str = "centro") -> Company:
    scope = make_tenant(slug)
    unit = make_connected_unit(scope, unit_slug)
    conversation = make_conversation(scope, unit)
    with acting_for(scope):
        scan_token = connections.create_scan_link(scope, unit.id)
    _make_leftovers(scope, unit)
    admin = _make_person(f"admin@{slug}.test", scope, Role.TENANT_ADMIN)
    agent = _make_person(f"agent@{slug}.test", scope, Role.AGENT, unit)
    _make_ways_in(scope, admin, agent)
    message = make_message(scope, conversation, kind=MessageKind.DOCUMENT, media_id=make_media(scope, thumbnail=JPEG))
    _make_list(scope, conversation.contact_id)
    make_template(scope)
    make_campaign(scope, unit, [conversation.contact_id])
    _make_integrations(scope, unit, message)
    _make_decisions(scope, conversation, message, agent)
    return Company(
        slug=slug,
        scope=scope,
        unit=unit,
        admin=admin,
        agent=agent,
        conversation=conversation,
        message=message,
        scan_token=scan_token,
        token=make_token(admin),
    )


def make_token(user: User) -> str:
    """An access token of the API for that person."""
    account = accounts.find_account(user.id)
    assert account is not None
    return accounts.issue_tokens(account).access


def _make_person(email: str, scope: TenantScope, role: Role, *in_units: Unit) -> User:
    """As `make_user`, but with a hash that was made once: making one takes long, on purpose."""
    with across_tenants("an operator makes accounts"), atomic():
        user = User(
            email=email,
            tenant_id=scope.tenant_id,
            role=role,
            password_hash=_hash_of_password(accounts.generate_password_hash),
        )
        db.session.add(user)
        db.session.flush()
        for unit in in_units:
            db.session.add(UserUnit(tenant_id=scope.tenant_id, user_id=user.id, unit_id=unit.id))
    return user


@cache
def _hash_of_password(make_hash: Callable[[str], str]) -> str:
    return make_hash(PASSWORD)


def _make_ways_in(scope: TenantScope, admin: User, agent: User) -> None:
    """How people got in, or may: a browser, a link that is over, a code for a lost phone, and an operator of before."""
    over = now() - timedelta(days=1)
    with acting_for(scope), atomic():
        scope.add(UserSession(user_id=agent.id, token_hash=uuid4().hex * 2, expires_at=now() + timedelta(days=1)))
        scope.add(AccountLink(user_id=agent.id, kind=LinkKind.INVITATION, created_by_id=admin.id, expires_at=over))
        scope.add(RecoveryCode(user_id=agent.id, code_hash=uuid4().hex * 2))
        scope.add(AccessGrant(granted_by_id=admin.id, reason="A look at a fault", expires_at=over))


def _make_leftovers(scope: TenantScope, unit: Unit) -> None:
    """What only Evolution leaves behind: an event, a receipt and an edit that came too early, something put right."""
    event = {"instance_name": f"unit_{uuid4()}", "event": "messages.upsert", "body_hash": uuid4().bytes, "body": "{}"}
    with across_tenants("a webhook finds its tenant"), atomic():
        db.session.execute(insert(WebhookEvent).values(tenant_id=scope.tenant_id, unit_id=unit.id, **event))
    with acting_for(scope), atomic():
        scope.add(EarlyReceipt(unit_id=unit.id, external_id="3A0", receipt="READ", received_at=now()))
        edit = {"kind": ChangeKind.EDIT, "told_as": "1", "body": "Olá!", "received_at": now()}
        scope.add(MessageChange(unit_id=unit.id, external_id="3A0", **edit))
        joined_to = db.session.scalars(scope.select(Conversation, Conversation.id)).first()
        scope.add(ConversationAlias(unit_id=unit.id, conversation_id=joined_to))
        scope.add(Repair(unit_id=unit.id, kind=RepairKind.STATE, before="connecting", after="connected"))
        scope.add(ConnectionLoss(unit_id=unit.id, reason="logged_out"))


def _make_integrations(scope: TenantScope, unit: Unit, message: Message) -> None:
    """A token for one unit, and an address that was told of a message before it was switched off."""
    with acting_for(scope):
        api_tokens.create(scope, name="CRM", kind="live", scopes=["read"], unit_ids=[unit.id])
    make_delivery(scope, make_endpoint(scope, disabled_at=now()), message)


def _make_list(scope: TenantScope, contact_id: UUID) -> None:
    """A list that was imported, with a row of it that says something, and the tag that it brought."""
    columns = [{"name": "telefone", "samples": []}, {"name": "nome", "samples": []}]
    with acting_for(scope), atomic():
        listed = scope.add(
            Import(
                source=ImportSource.FILE,
                file_name="clientes.csv",
                size=40,
                sha256=uuid4().hex * 2,
                state=ImportState.DONE,
                counts={},
                layout={"encoding": "utf-8", "delimiter": ";", "has_header": True, "columns": columns},
                mapping=[{"kind": "phone", "field": ""}, {"kind": "name", "field": ""}],
                content_until=now() + timedelta(days=7),
            )
        )
        tag = scope.add(Tag(name="vip"))
        db.session.flush()
        scope.add(ImportChunk(import_id=listed.id, number=0, content=b"telefone;nome\nx;Ana\n"))
        scope.add(ImportRow(import_id=listed.id, kind=RowKind.WRONG, line=2, cells=["x", "Ana"], notes={}))
        change = {"name": "Maria", "attributes": {}}
        scope.add(ImportChange(import_id=listed.id, contact_id=contact_id, before=change, after=change))
        scope.add(ContactTag(contact_id=contact_id, tag_id=tag.id, import_id=listed.id))


def _make_decisions(scope: TenantScope, conversation: Conversation, message: Message, agent: User) -> None:
    """What people decide about contacts: two that are one, who wants messages, who was erased, how long is kept."""
    with acting_for(scope), atomic():
        note = {"kind": ConversationEventKind.NOTE, "body": "Prefers the morning.", "created_by_id": agent.id}
        scope.add(ConversationEvent(unit_id=conversation.unit_id, conversation_id=conversation.id, **note))
        other = scope.add(Contact(phone="5511955550099", name="Maria S.", merged_into_id=conversation.contact_id))
        consent = {"kind": ConsentKind.OPTED_IN, "source": ConsentSource.STAFF, "happened_at": now()}
        scope.add(ConsentEvent(contact_id=conversation.contact_id, **consent))
        scope.add(Suppression(fingerprint=uuid4().hex * 2, reason=SuppressionReason.ERASED))
        scope.add(Erasure(contact_id=uuid4(), done_at=now(), counts={"messages": 3}))
        scope.add(TenantSettings(keep_events_days=90))
        db.session.flush()
        merge = scope.add(ContactMerge(kept_id=conversation.contact_id, other_id=other.id, before={}))
        db.session.flush()
        moved = {"message_id": message.id, "conversation_id": uuid4()}
        scope.add(MergedMessage(merge_id=merge.id, **moved))
