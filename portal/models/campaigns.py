"""Campaigns: one message to many people of one unit, and the ledger of what became of each of them."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, SmallInteger, String, Text, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, CreatedAt, Id
from portal.models.columns import enum_text, one_of, same_tenant
from portal.models.media import MessageKind


class CampaignState(StrEnum):
    DRAFT = "draft"
    SCHEDULED = "scheduled"
    PROCESSING = "processing"
    PAUSED = "paused"
    # No recipient is pending or queued; receipts may still come.
    COMPLETED = "completed"
    # It could not be planned.
    FAILED = "failed"
    CANCELLED = "cancelled"


class PlanState(StrEnum):
    """Whether the recipients of a draft are those that its audience and message now make."""

    NONE = "none"
    WAITING = "waiting"
    DONE = "done"


class PlanProblem(StrEnum):
    """Why a campaign cannot be started as it was planned."""

    # More lines than a ledger may have: none was made.
    TOO_MANY = "too_many"
    # With the values of some people the text is longer than WhatsApp takes.
    TOO_LONG = "too_long"
    # The planning ended with an error each time.
    GAVE_UP = "gave_up"


class PauseReason(StrEnum):
    """Why a campaign is paused: a person, a start that was missed, or a sign that it does harm."""

    PERSON = "person"
    MISSED_START = "missed_start"
    FAILURES = "failures"
    OPT_OUTS = "opt_outs"
    # Accepted by WhatsApp and never delivered: that is how being blocked shows.
    BLOCKS = "blocks"
    # WhatsApp limits new chats of this number (463), or banned it.
    NUMBER_LIMITED = "number_limited"


class MissedStart(StrEnum):
    """What to do when the portal was down at the scheduled time."""

    START = "start"
    ASK = "ask"


class RecipientState(StrEnum):
    PENDING = "pending"
    # Their turn came: from then on the message says what became of it.
    HANDED = "handed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class SkipReason(StrEnum):
    """Why somebody who was chosen gets nothing."""

    INVALID = "invalid"
    DUPLICATE = "duplicate"
    OPTED_OUT = "opted_out"
    WITHOUT_NUMBER = "without_number"
    NOT_ON_WHATSAPP = "not_on_whatsapp"
    EXCLUDED = "excluded"
    ERASED = "erased"


class Campaign(Base):
    """One message to many people, sent by one unit at its pace."""

    __tablename__ = "campaigns"
    __table_args__ = (
        UniqueConstraint("tenant_id", "id"),
        same_tenant("unit_id", "units"),
        same_tenant("created_by_id", "users"),
        same_tenant("started_by_id", "users"),
        same_tenant("media_id", "media"),
        one_of("state", CampaignState),
        one_of("plan_state", PlanState),
        one_of("plan_problem", PlanProblem),
        one_of("pause_reason", PauseReason),
        one_of("if_missed", MissedStart),
        Index("ix_campaigns_unit_id_fed_at", "unit_id", "fed_at", postgresql_where=text("state = 'processing'")),
        Index("ix_campaigns_scheduled_at", "scheduled_at", postgresql_where=text("state = 'scheduled'")),
        Index("ix_campaigns_plan_waiting", "id", postgresql_where=text("plan_state = 'waiting'")),
        Index("ix_campaigns_recheck_at", "recheck_at", postgresql_where=text("recheck_at IS NOT NULL")),
        Index("ix_campaigns_number_check_at", "number_check_at", postgresql_where=text("number_check_at IS NOT NULL")),
        Index("ix_campaigns_tenant_id_id", "tenant_id", "id"),
        Index("ix_campaigns_media_id", "media_id", postgresql_where=text("media_id IS NOT NULL")),
    )

    id: Mapped[Id]
    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    unit_id: Mapped[UUID]
    name: Mapped[str] = mapped_column(String(80))
    # Made by a test token: its messages reach nobody.
    is_test: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    created_by_id: Mapped[UUID | None]
    created_at: Mapped[CreatedAt]

    # Whom it is for, as it was chosen: see `portal/services/audience.py`.
    audience: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, server_default=text("'{}'::jsonb"))
    # What it says: one text, or several between which it compares; each recipient keeps theirs as it was filled in.
    variants: Mapped[list[str]] = mapped_column(JSONB, default=list, server_default=text("'[]'::jsonb"))
    media_id: Mapped[UUID | None]
    # Of the message: text, or what its file is.
    kind: Mapped[MessageKind] = mapped_column(enum_text(), default=MessageKind.TEXT, server_default="text")

    plan_state: Mapped[PlanState] = mapped_column(enum_text(), default=PlanState.NONE, server_default="none")
    planned_at: Mapped[datetime | None]
    # People that the planning at work has looked at, of how many.
    plan_done: Mapped[int] = mapped_column(default=0, server_default="0")
    plan_total: Mapped[int] = mapped_column(default=0, server_default="0")
    plan_attempts: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")
    # How many lines the ledger has since it was planned, and must always have.
    total: Mapped[int] = mapped_column(default=0, server_default="0")
    # What keeps it from being started, and what the sentence about that needs: see `services/plan_problems.py`.
    plan_problem: Mapped[PlanProblem | None] = mapped_column(enum_text())
    plan_problem_details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    relay_id: Mapped[UUID | None]
    # When the next few numbers are looked up at WhatsApp; None: all are known, or nobody needs to know.
    number_check_at: Mapped[datetime | None]
    number_check_failures: Mapped[int] = mapped_column(SmallInteger, default=0, server_default="0")

    state: Mapped[CampaignState] = mapped_column(enum_text(), default=CampaignState.DRAFT, server_default="draft")
    scheduled_at: Mapped[datetime | None]
    if_missed: Mapped[MissedStart] = mapped_column(enum_text(), default=MissedStart.ASK, server_default="ask")
    started_at: Mapped[datetime | None]
    started_by_id: Mapped[UUID | None]
    paused_at: Mapped[datetime | None]
    pause_reason: Mapped[PauseReason | None] = mapped_column(enum_text())
    # What the sentence about it needs: numbers, an error's code.
    pause_details: Mapped[dict[str, Any] | None] = mapped_column(JSONB)
    # When a person last started or resumed it: what happened before does not pause it again.
    resumed_at: Mapped[datetime | None]
    # When it last had its turn: the campaigns of a unit take turns.
    fed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    # When to look again whether the ledger of a completed campaign is whole, and what was put right then.
    recheck_at: Mapped[datetime | None]
    rechecked_at: Mapped[datetime | None]
    recheck_found: Mapped[int] = mapped_column(default=0, server_default="0")


class CampaignRecipient(Base):
    """One line of the ledger: somebody, or a pasted line, that was chosen, and what became of it."""

    __tablename__ = "campaign_recipients"
    __table_args__ = (
        UniqueConstraint("campaign_id", "contact_id"),
        same_tenant("campaign_id", "campaigns", on_delete="CASCADE"),
        same_tenant("contact_id", "contacts"),
        same_tenant("message_id", "messages"),
        one_of("state", RecipientState),
        one_of("reason", SkipReason),
        Index(
            "ix_campaign_recipients_pending",
            "campaign_id",
            "position",
            postgresql_where=text("state = 'pending'"),
        ),
        Index(
            "ix_campaign_recipients_handed_at",
            "campaign_id",
            "handed_at",
            postgresql_where=text("handed_at IS NOT NULL"),
        ),
        Index("ix_campaign_recipients_message_id", "message_id", postgresql_where=text("message_id IS NOT NULL")),
        Index("ix_campaign_recipients_contact_id", "contact_id", postgresql_where=text("contact_id IS NOT NULL")),
        Index(
            "ix_campaign_recipients_unanswered",
            "conversation_id",
            postgresql_where=text("conversation_id IS NOT NULL AND replied_at IS NULL"),
        ),
    )

    tenant_id: Mapped[UUID] = mapped_column(ForeignKey("tenants.id"))
    campaign_id: Mapped[UUID] = mapped_column(primary_key=True)
    # Their place in the campaign, from 1.
    position: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    # None: a pasted line that is nobody, or that repeats another one; or somebody who was erased.
    contact_id: Mapped[UUID | None]
    # As it was pasted, with the number of its line; and whether the number was written in another way.
    typed: Mapped[str | None] = mapped_column(String(60))
    line: Mapped[int | None]
    is_renumbered: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    state: Mapped[RecipientState] = mapped_column(enum_text(), default=RecipientState.PENDING, server_default="pending")
    reason: Mapped[SkipReason | None] = mapped_column(enum_text())
    # What they get, filled in at planning; which variant it is, from 1; and whether a variable had no value.
    body: Mapped[str | None] = mapped_column(Text)
    variant: Mapped[int | None] = mapped_column(SmallInteger)
    has_gaps: Mapped[bool] = mapped_column(default=False, server_default=text("false"))
    # The newest message to them; a conversation's id, which may have been joined to another one since.
    message_id: Mapped[UUID | None]
    conversation_id: Mapped[UUID | None]
    handed_at: Mapped[datetime | None]
    replied_at: Mapped[datetime | None]
    # The status that the message had when it was deleted, for age or at the person's wish.
    outcome: Mapped[str | None] = mapped_column(String(32))
