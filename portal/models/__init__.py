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
from portal.models.conversations import (
    Contact,
    Conversation,
    Direction,
    EarlyReceipt,
    Media,
    Message,
    MessageKind,
    MessageSource,
    MessageStatus,
)
from portal.models.queues import ColdReason, EventState, Lane, Relay, WebhookEvent

__all__ = [
    "ApiToken",
    "AuditEvent",
    "ColdReason",
    "Connection",
    "ConnectionAction",
    "ConnectionStatus",
    "Contact",
    "Conversation",
    "Direction",
    "EarlyReceipt",
    "EventState",
    "EvolutionServer",
    "Lane",
    "Media",
    "Message",
    "MessageKind",
    "MessageSource",
    "MessageStatus",
    "Relay",
    "ScanLink",
    "StatusReason",
    "Tenant",
    "TokenKind",
    "Unit",
    "User",
    "UserUnit",
    "WebhookEvent",
]
