"""Rows for tests, with everything that the test does not care about filled in."""

from collections.abc import Collection, Sequence
from datetime import datetime
from uuid import UUID, uuid4

from flask.testing import FlaskClient
from sqlalchemy import insert

from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import (
    Campaign,
    CampaignRecipient,
    Connection,
    ConnectionStatus,
    Conversation,
    Direction,
    EventState,
    EvolutionServer,
    Media,
    Message,
    MessageKind,
    MessageStatus,
    MessageTemplate,
    PlanState,
    RecipientState,
    StatusReason,
    TemplateVersion,
    Tenant,
    Unit,
    User,
    WebhookEvent,
)
from portal.permissions import ApiScope, Role
from portal.secrets import fingerprint
from portal.services import accounts, api_tokens, conversations, media, servers, sessions, units
from portal.services.audit import Actor
from portal.services.connections import lock_connection, set_status
from portal.services.media import Upload
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.files import PDF

PASSWORD = "correct horse battery"
SECRET = "a-webhook-secret-of-tests"
SERVER_KEY = "a-key-of-one-more-server"


def make_tenant(slug: str = "acme") -> TenantScope:
    tenant = Tenant(name=slug.title(), slug=slug)
    with across_tenants("a new tenant is nobody's yet"), atomic():
        db.session.add(tenant)
    return TenantScope(tenant.id)


def make_unit(scope: TenantScope, slug: str = "centro") -> Unit:
    with acting_for(scope):
        return units.create_unit(scope, name=slug.title(), slug=slug)


def make_user(
    email: str = "ana@acme.test",
    *,
    role: Role = Role.TENANT_ADMIN,
    tenant: str | None = "acme",
    unit_slugs: tuple[str, ...] = (),
) -> User:
    return accounts.create_user(email=email, role=role, password=PASSWORD, tenant_slug=tenant, unit_slugs=unit_slugs)


def sign_in(client: FlaskClient, user: User) -> None:
    """Let that person be signed in, in this browser."""
    account = accounts.find_account(user.id)
    assert account is not None
    with client.session_transaction() as session:
        session["_user_id"] = sessions.start(account, address="127.0.0.1", user_agent="a test's browser")
        session["_fresh"] = True


def make_connected_unit(
    scope: TenantScope,
    slug: str = "centro",
    *,
    phone: str = "5511999990001",
    instance_name: str | None = None,
    server_id: UUID | None = None,
) -> Unit:
    """A unit whose number is linked, under the webhook secret `SECRET`, on the default Evolution server or that one."""
    from portal.outbox.servers import default_server_id, sync_default

    unit = make_unit(scope, slug)
    sync_default()
    server_id = server_id or default_server_id()
    with acting_for(scope), atomic():
        connection = lock_connection(scope, unit.id)
        connection.instance_name = instance_name or f"unit_{uuid4()}"
        connection.instance_made_at = now()
        connection.webhook_secret_hash = fingerprint(SECRET)
        connection.webhook_secret_encrypted = parts.vault.encrypt(SECRET)
        connection.evolution_server_id = server_id
        connection.phone, connection.profile_name = phone, "Loja"
        set_status(connection, ConnectionStatus.CONNECTED, StatusReason.SCAN_COMPLETED)
    return unit


def make_server(
    name: str = "second",
    *,
    url: str | None = None,
    key: str = SERVER_KEY,
    capacity: int = 60,
    accepts_units: bool = True,
) -> EvolutionServer:
    return servers.add_server(
        name=name,
        url=url or f"https://{name}.evolution.test",
        api_key=key,
        capacity=capacity,
        accepts_units=accepts_units,
        by=Actor(None),
    )


def make_conversation(
    scope: TenantScope, unit: Unit, *, phone: str = "5511999990002", name: str | None = "Maria"
) -> Conversation:
    with acting_for(scope), atomic():
        contact_id = conversations.find_or_add_contact(scope, phone=phone, name=name)
        conversation_id = conversations.open_conversation(scope, unit.id, contact_id).id
        return scope.get(Conversation, conversation_id)


def make_message(
    scope: TenantScope,
    conversation: Conversation,
    *,
    body: str = "Bom dia",
    kind: MessageKind = MessageKind.TEXT,
    direction: Direction = Direction.INBOUND,
    status: MessageStatus | None = None,
    at: datetime | None = None,
    external_id: str | None = None,
    **columns: object,
) -> Message:
    is_inbound = direction == Direction.INBOUND
    at = at or now()
    with acting_for(scope), atomic():
        message = scope.add(
            Message(
                unit_id=conversation.unit_id,
                conversation_id=conversation.id,
                direction=direction,
                kind=kind,
                body=body,
                status=status or (MessageStatus.RECEIVED if is_inbound else MessageStatus.SENT),
                occurred_at=at,
                external_id=external_id or f"3A{uuid4().hex[:18].upper()}",
                **columns,
            )
        )
        conversations.note_last_message(scope, conversation.id, kind=kind, body=body, at=at, direction=direction)
    return message


def make_parked_event(scope: TenantScope | None, unit: Unit | None, **columns: object) -> int:
    """The id of an event that could not be applied, of a unit or (with neither) of an instance that is nobody's."""
    row = {
        "instance_name": f"unit_{uuid4()}",
        "event": "messages.upsert",
        "body_hash": uuid4().bytes,
        "body": '{"event": "messages.upsert", "data": {"message": "Oi"}}',
        "state": EventState.PARKED,
        "error": "KeyError" if unit else "unknown instance",
        "attempts": 5 if unit else 0,
        "tenant_id": scope.tenant_id if scope else None,
        "unit_id": unit.id if unit else None,
    }
    with across_tenants("a webhook finds its tenant"), atomic():
        stored = insert(WebhookEvent).values({**row, **columns}).returning(WebhookEvent.id)
        return db.session.scalars(stored).one()


def make_media(
    scope: TenantScope, *, name: str = "boleto.pdf", content: bytes = PDF, thumbnail: bytes | None = None
) -> UUID:
    """A stored file that no message carries yet."""
    with acting_for(scope), atomic():
        media_id = media.store(scope, media.check(Upload(name, content)))
        db.session.execute(scope.update(Media).where(Media.id == media_id).values(thumbnail=thumbnail))
        return media_id


def make_remote_media(
    scope: TenantScope,
    *,
    kind: MessageKind = MessageKind.IMAGE,
    name: str = "foto.jpg",
    size: int | None = 2_000,
    thumbnail: bytes | None = None,
    **columns: object,
) -> UUID:
    """A customer's file that is still at WhatsApp, which no message carries yet."""
    told = {"file_name": name, "mime_type": "image/jpeg", "size": size, "duration_s": None, "thumbnail": thumbnail}
    with acting_for(scope), atomic():
        return scope.add(Media(**{**media.remote_row(kind, **told), **columns})).id


def connection_of(scope: TenantScope, unit_id: UUID) -> Connection:
    with acting_for(scope):
        return db.session.scalars(
            scope.select(Connection).where(Connection.unit_id == unit_id).execution_options(populate_existing=True)
        ).one()


def make_api_token(scope: TenantScope, *scopes: str, kind: str = "live", unit_ids: Collection[UUID] = ()) -> str:
    """The secret of a company's token with these scopes, of all scopes when none are named."""
    with acting_for(scope):
        _, secret = api_tokens.create(scope, name="CRM", kind=kind, scopes=scopes or list(ApiScope), unit_ids=unit_ids)
    return secret


def make_template(
    scope: TenantScope, name: str = "Boas-vindas", *texts: str, media_id: UUID | None = None
) -> MessageTemplate:
    """A template with one version, which carries a file unless one is given."""
    media_id = media_id or make_media(scope)
    with acting_for(scope), atomic():
        template = scope.add(MessageTemplate(name=name))
        db.session.flush()
        variants = list(texts or ("Oi, ((nome))!",))
        scope.add(TemplateVersion(template_id=template.id, number=1, variants=variants, media_id=media_id))
    return template


def make_campaign(
    scope: TenantScope,
    unit: Unit,
    contact_ids: Sequence[UUID],
    *,
    name: str = "Promoção",
    body: str = "Oi! Temos novidades.",
    **columns: object,
) -> Campaign:
    """A planned draft to these people, in that order, all with the same text."""
    planned = {"variants": [body], "plan_state": PlanState.DONE, "planned_at": now(), "total": len(contact_ids)}
    with acting_for(scope), atomic():
        campaign = scope.add(Campaign(unit_id=unit.id, name=name, **{**planned, **columns}))
        db.session.flush()
        for position, contact_id in enumerate(contact_ids, start=1):
            row = {"campaign_id": campaign.id, "position": position, "contact_id": contact_id}
            scope.add(CampaignRecipient(**row, state=RecipientState.PENDING, body=body, variant=1))
    return campaign
