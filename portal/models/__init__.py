"""The shape of every table: columns, constraints and tiny predicates; no queries."""

from portal.models.accounts import ApiToken, AuditEvent, Tenant, TokenKind, Unit, User, UserUnit
from portal.models.connections import (
    Connection,
    ConnectionAction,
    ConnectionStatus,
    EvolutionServer,
    ScanLink,
    StatusReason,
)
from portal.models.contacts import Contact, ContactKind
from portal.models.conversations import (
    ChangeKind,
    Conversation,
    ConversationAlias,
    Direction,
    EarlyReceipt,
    Message,
    MessageChange,
    MessageSource,
    MessageStatus,
)
from portal.models.media import Media, MediaState, MessageKind
from portal.models.queues import ColdReason, CountedOutcome, EventState, Lane, Relay, WebhookCount, WebhookEvent
from portal.models.repairs import Repair, RepairKind

__all__ = [
    "ApiToken",
    "AuditEvent",
    "ChangeKind",
    "ColdReason",
    "Connection",
    "ConnectionAction",
    "ConnectionStatus",
    "Contact",
    "ContactKind",
    "Conversation",
    "ConversationAlias",
    "CountedOutcome",
    "Direction",
    "EarlyReceipt",
    "EventState",
    "EvolutionServer",
    "Lane",
    "Media",
    "MediaState",
    "Message",
    "MessageChange",
    "MessageKind",
    "MessageSource",
    "MessageStatus",
    "Relay",
    "Repair",
    "RepairKind",
    "ScanLink",
    "StatusReason",
    "Tenant",
    "TokenKind",
    "Unit",
    "User",
    "UserUnit",
    "WebhookCount",
    "WebhookEvent",
]
