"""A unit's connection to WhatsApp through an Evolution server."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, Text, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant


class ConnectionStatus(StrEnum):
    NOT_CONFIGURED = "not_configured"
    QR = "qr"
    CONNECTING = "connecting"
    CONNECTED = "connected"
    DISCONNECTED = "disconnected"


class StatusReason(StrEnum):
    INITIALIZING = "initializing"
    WAITING_SCAN = "waiting_scan"
    QR_EXPIRED = "qr_expired"
    SCAN_COMPLETED = "scan_completed"
    RESTARTING = "restarting"
    LOGGED_OUT = "logged_out"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_ERROR = "connection_error"
    NUMBER_BANNED = "number_banned"
    WRONG_NUMBER = "wrong_number"
    NUMBER_IN_USE = "number_in_use"
    INSTANCE_GONE = "instance_gone"
    EVOLUTION_UNREACHABLE = "evolution_unreachable"
    EVOLUTION_KEY_REFUSED = "evolution_key_refused"
    EVOLUTION_NOT_LICENSED = "evolution_not_licensed"
    EVOLUTION_FULL = "evolution_full"


class ConnectionAction(StrEnum):
    """What a person asked for; a worker carries it out, since pages never call Evolution."""

    CONNECT = "connect"
    DISCONNECT = "disconnect"
    RESTART = "restart"
    DELETE = "delete"
    CHECK = "check"


class EvolutionServer(Base):
    """One installation of Evolution API. The default one comes from the environment."""

    __tablename__ = "evolution_servers"
    __table_args__ = (
        Index("uq_evolution_servers_default", "is_default", unique=True, postgresql_where=text("is_default")),
    )

    id: Mapped[Id]
    name: Mapped[str] = mapped_column(String(60), unique=True)
    url: Mapped[str] = mapped_column(String(500))
    api_key_encrypted: Mapped[str] = mapped_column(Text)
    # Trouble is reported at 60 to 80 instances per server.
    capacity: Mapped[int] = mapped_column(default=60, server_default="60")
    # Read from the server now and then: what it can do depends on it.
    version: Mapped[str | None] = mapped_column(String(30))
    version_read_at: Mapped[datetime | None]
    is_default: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # Off: units that are there stay, and no new one comes.
    accepts_units: Mapped[bool] = mapped_column(default=True, server_default=text("true"))
    created_at: Mapped[CreatedAt]

    # The breaker: nothing is sent through it while there is a reason; from `paused_until` on it is probed.
    pause_reason: Mapped[str | None] = mapped_column(String(60))
    paused_at: Mapped[datetime | None]
    paused_until: Mapped[datetime | None]
    pause_count: Mapped[int] = mapped_column(default=0, server_default="0")
    # An operator asked whether it answers and takes the key; what came out, nothing meaning that all is well.
    check_requested_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    check_error: Mapped[str | None] = mapped_column(String(60))


class Connection(Base):
    """A unit's number at WhatsApp: the instance behind it, its state, and the QR code while there is one."""

    __tablename__ = "unit_whatsapp_connections"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("unit_id", "units"),
        one_of("status", ConnectionStatus),
        CheckConstraint("provider = 'evolution'", name="provider"),
        Index("idx_unit_whatsapp_instance_lookup", "instance_name", unique=True),
        Index("ix_unit_whatsapp_connections_previous_instance_name", "previous_instance_name"),
        Index(
            "ix_unit_whatsapp_connections_action", "action_requested_at", postgresql_where=text("action IS NOT NULL")
        ),
        Index("ix_unit_whatsapp_connections_check_at", "check_at"),
        Index("ix_unit_whatsapp_connections_compare_at", "compare_at"),
        Index("ix_unit_whatsapp_connections_phone", "phone"),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID] = mapped_column(unique=True)
    provider: Mapped[str] = mapped_column(String(20), default="evolution", server_default="evolution")
    evolution_server_id: Mapped[UUID | None] = mapped_column(ForeignKey("evolution_servers.id"))
    created_at: Mapped[CreatedAt]

    # The instance at Evolution. A new one is made for every pairing; what still comes for the old one is
    # accepted for half an hour, the time Evolution keeps retrying a webhook (contract §10.2).
    instance_name: Mapped[str | None] = mapped_column(String(60), comment="The instance at Evolution API")
    instance_made_at: Mapped[datetime | None]
    webhook_secret_hash: Mapped[str | None] = mapped_column(String(64))
    webhook_secret_encrypted: Mapped[str | None] = mapped_column(Text)
    previous_instance_name: Mapped[str | None] = mapped_column(String(60))
    previous_evolution_server_id: Mapped[UUID | None] = mapped_column(
        ForeignKey("evolution_servers.id", name="fk_connections_previous_server")
    )
    previous_webhook_secret_hash: Mapped[str | None] = mapped_column(String(64))
    previous_accepted_until: Mapped[datetime | None]

    status: Mapped[ConnectionStatus] = mapped_column(
        enum_text(), default=ConnectionStatus.NOT_CONFIGURED, server_default="not_configured"
    )
    status_reason: Mapped[StatusReason | None] = mapped_column(
        enum_text(), comment="Why the connection is in its status"
    )
    # Evolution's own clock at the newest state it told (local time, so only good for comparing): a state that was
    # delivered late must not overwrite a newer one.
    state_told_at: Mapped[str | None] = mapped_column(String(40))
    # When the status last became another one: an answer to a question asked before that is old.
    status_at: Mapped[datetime | None]
    last_event_at: Mapped[datetime | None]
    last_receipt_at: Mapped[datetime | None]
    # How long it usually takes until the next event: what is silent for much longer is worth a look.
    usual_gap_s: Mapped[float | None]
    # How often the link was lost since then, within an hour: a number that flaps.
    losses: Mapped[int] = mapped_column(default=0, server_default="0")
    losses_since: Mapped[datetime | None]
    phone: Mapped[str | None] = mapped_column(String(20))
    profile_name: Mapped[str | None] = mapped_column(String(120))
    connected_at: Mapped[datetime | None] = mapped_column(comment="Since when the number is linked")
    disconnected_at: Mapped[datetime | None] = mapped_column(comment="When the link of the number ended last")
    # Evolution sends the history after a scan: the phone has to stay open until about then.
    synchronising_until: Mapped[datetime | None]

    qr_code: Mapped[str | None] = mapped_column(Text)
    qr_updated_at: Mapped[datetime | None] = mapped_column(comment="When the QR code shown now came")
    qr_count: Mapped[int] = mapped_column(default=0, server_default="0")
    pairing_code: Mapped[str | None] = mapped_column(String(20))
    pairing_number: Mapped[str | None] = mapped_column(String(20))

    action: Mapped[ConnectionAction | None] = mapped_column(enum_text())
    action_requested_at: Mapped[datetime | None]
    action_relay_id: Mapped[UUID | None]
    action_attempts: Mapped[int] = mapped_column(default=0, server_default="0")

    # The state is checked, not believed: when Evolution is asked next, when it last answered, and why it did not.
    check_at: Mapped[datetime | None]
    checked_at: Mapped[datetime | None]
    check_error: Mapped[str | None] = mapped_column(String(60))
    webhook_checked_at: Mapped[datetime | None]
    # Evolution's stored messages up to here were compared with ours, and when they are compared next.
    compared_until: Mapped[datetime | None]
    compare_at: Mapped[datetime | None]


class ScanLink(Base):
    """A link that shows only one unit's QR page, for the person with the phone, who needs no account."""

    __tablename__ = "scan_links"
    __table_args__ = (same_tenant("unit_id", "units"), Index("ix_scan_links_unit_id", "unit_id"))

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    expires_at: Mapped[datetime]
    ended_at: Mapped[datetime | None]
    # Connecting ends a link too: its page then says so, where a revoked one says nothing.
    ended_by_connecting: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_at: Mapped[CreatedAt]
