"""The four incidents, the causes that each may have, what the portal can do about one, and what was found."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID


class Incident(StrEnum):
    """What somebody complains about."""

    UNCONNECTED = "unconnected"
    INBOUND = "inbound"
    OUTBOUND = "outbound"
    CAMPAIGN = "campaign"


class Cause(StrEnum):
    """Why; one cause may lead to several incidents."""

    WORKER_AWAY = "worker_away"
    EVOLUTION_UNREACHABLE = "evolution_unreachable"
    EVOLUTION_SLOW = "evolution_slow"
    EVOLUTION_KEY_REFUSED = "evolution_key_refused"
    EVOLUTION_NOT_LICENSED = "evolution_not_licensed"
    EVOLUTION_UNCLEAR = "evolution_unclear"
    SERVER_PAUSED = "server_paused"
    UNIT_UNCONNECTED = "unit_unconnected"
    COMPANY_SUSPENDED = "company_suspended"

    NEVER_CONNECTED = "never_connected"
    INSTANCE_MISSING = "instance_missing"
    INSTANCE_NOT_LOADED = "instance_not_loaded"
    STATE_DIFFERS = "state_differs"
    WEBHOOK_WRONG = "webhook_wrong"
    NOTHING_ARRIVES = "nothing_arrives"
    CODE_WAITS = "code_waits"
    CODE_STALE = "code_stale"
    NO_PAIRING_CODE = "no_pairing_code"
    QR_EXPIRED = "qr_expired"
    LOGGED_OUT = "logged_out"
    CONNECTION_LOST = "connection_lost"
    CONNECTION_ERROR = "connection_error"
    CONNECT_FAILED = "connect_failed"
    NUMBER_BANNED = "number_banned"
    WRONG_NUMBER = "wrong_number"
    NUMBER_IN_USE = "number_in_use"
    EVOLUTION_FULL = "evolution_full"
    ACTION_WAITS = "action_waits"

    SECRET_MISMATCH = "secret_mismatch"
    STRANGER_POSTS = "stranger_posts"
    SETTINGS_WRONG = "settings_wrong"
    EVENTS_WAIT = "events_wait"
    EVENTS_PARKED = "events_parked"
    MESSAGES_MISSED = "messages_missed"
    UNUSUALLY_SILENT = "unusually_silent"
    LEFT_OUT = "left_out"

    LANE_CLOSED = "lane_closed"
    SOCKET_DEAD = "socket_dead"
    UNIT_AWAY = "unit_away"
    TRIED_AGAIN = "tried_again"
    NEW_CHATS_PAUSED = "new_chats_paused"
    NEW_CHATS_SLOW = "new_chats_slow"
    QUEUE_STALLED = "queue_stalled"
    SENDS_ABANDONED = "sends_abandoned"
    FAILED_FOR_NOW = "failed_for_now"
    FAILED_FOR_GOOD = "failed_for_good"
    UNCONFIRMED = "unconfirmed"
    NO_RECEIPT = "no_receipt"

    PAUSED_BY_PERSON = "paused_by_person"
    PAUSED_BY_ITSELF = "paused_by_itself"
    START_MISSED = "start_missed"
    START_OVERDUE = "start_overdue"
    PLANNING_DIED = "planning_died"
    PLANNING_GAVE_UP = "planning_gave_up"
    OUTSIDE_HOURS = "outside_hours"
    DAY_IS_FULL = "day_is_full"
    NEVER_OPENS = "never_opens"
    TURNS_STOPPED = "turns_stopped"
    NOBODY_LEFT = "nobody_left"


_OF_EVOLUTION = (
    Cause.EVOLUTION_UNREACHABLE,
    Cause.EVOLUTION_SLOW,
    Cause.EVOLUTION_KEY_REFUSED,
    Cause.EVOLUTION_NOT_LICENSED,
    Cause.EVOLUTION_UNCLEAR,
)
_OF_WEBHOOK = (Cause.WEBHOOK_WRONG, Cause.SECRET_MISMATCH, Cause.STRANGER_POSTS, Cause.NOTHING_ARRIVES)
_OF_NEW_CHATS = (Cause.NEW_CHATS_PAUSED, Cause.NEW_CHATS_SLOW)
# In the order in which they are looked for.
CAUSES_OF: dict[Incident, tuple[Cause, ...]] = {
    Incident.UNCONNECTED: (
        Cause.WORKER_AWAY,
        *_OF_EVOLUTION,
        Cause.SERVER_PAUSED,
        Cause.ACTION_WAITS,
        Cause.NEVER_CONNECTED,
        Cause.INSTANCE_MISSING,
        Cause.INSTANCE_NOT_LOADED,
        Cause.STATE_DIFFERS,
        *_OF_WEBHOOK,
        Cause.CODE_WAITS,
        Cause.CODE_STALE,
        Cause.NO_PAIRING_CODE,
        Cause.QR_EXPIRED,
        Cause.LOGGED_OUT,
        Cause.CONNECTION_ERROR,
        Cause.NUMBER_BANNED,
        Cause.WRONG_NUMBER,
        Cause.NUMBER_IN_USE,
        Cause.EVOLUTION_FULL,
        Cause.CONNECT_FAILED,
        Cause.CONNECTION_LOST,
    ),
    Incident.INBOUND: (
        Cause.UNIT_UNCONNECTED,
        *_OF_WEBHOOK,
        Cause.SETTINGS_WRONG,
        Cause.WORKER_AWAY,
        Cause.EVENTS_WAIT,
        Cause.EVENTS_PARKED,
        Cause.MESSAGES_MISSED,
        Cause.UNUSUALLY_SILENT,
        Cause.LEFT_OUT,
    ),
    Incident.OUTBOUND: (
        Cause.COMPANY_SUSPENDED,
        Cause.WORKER_AWAY,
        *_OF_EVOLUTION,
        Cause.SERVER_PAUSED,
        Cause.UNIT_UNCONNECTED,
        Cause.LANE_CLOSED,
        Cause.SOCKET_DEAD,
        Cause.UNIT_AWAY,
        Cause.TRIED_AGAIN,
        *_OF_NEW_CHATS,
        Cause.QUEUE_STALLED,
        Cause.SENDS_ABANDONED,
        Cause.FAILED_FOR_NOW,
        Cause.FAILED_FOR_GOOD,
        Cause.UNCONFIRMED,
        Cause.NO_RECEIPT,
    ),
    Incident.CAMPAIGN: (
        Cause.COMPANY_SUSPENDED,
        Cause.WORKER_AWAY,
        Cause.UNIT_UNCONNECTED,
        Cause.SERVER_PAUSED,
        *_OF_NEW_CHATS,
        Cause.PAUSED_BY_PERSON,
        Cause.PAUSED_BY_ITSELF,
        Cause.START_MISSED,
        Cause.START_OVERDUE,
        Cause.PLANNING_DIED,
        Cause.PLANNING_GAVE_UP,
        Cause.OUTSIDE_HOURS,
        Cause.DAY_IS_FULL,
        Cause.NEVER_OPENS,
        Cause.TURNS_STOPPED,
        Cause.NOBODY_LEFT,
    ),
}


class Fix(StrEnum):
    """What the portal can do by itself: each is safe to repeat, and none sends anything twice."""

    CHECK = "check"
    CHECK_SERVER = "check_server"
    RESTART = "restart"
    ROTATE = "rotate"
    FETCH = "fetch"
    REPLAY = "replay"
    WAKE = "wake"
    SETTLE = "settle"
    REQUEUE = "requeue"
    COMPLETE = "complete"
    RESUME = "resume"


# What may be done about a cause, where anything can be.
FIX_OF: dict[Cause, Fix] = {
    Cause.SERVER_PAUSED: Fix.CHECK_SERVER,
    Cause.INSTANCE_MISSING: Fix.CHECK,
    Cause.STATE_DIFFERS: Fix.CHECK,
    Cause.WEBHOOK_WRONG: Fix.CHECK,
    Cause.SECRET_MISMATCH: Fix.ROTATE,
    Cause.CODE_STALE: Fix.CHECK,
    Cause.CONNECTION_LOST: Fix.RESTART,
    Cause.SETTINGS_WRONG: Fix.CHECK,
    Cause.EVENTS_PARKED: Fix.REPLAY,
    Cause.MESSAGES_MISSED: Fix.FETCH,
    Cause.LANE_CLOSED: Fix.CHECK,
    Cause.SOCKET_DEAD: Fix.RESTART,
    Cause.QUEUE_STALLED: Fix.WAKE,
    Cause.SENDS_ABANDONED: Fix.SETTLE,
    Cause.FAILED_FOR_NOW: Fix.REQUEUE,
    Cause.PLANNING_DIED: Fix.SETTLE,
    Cause.PAUSED_BY_ITSELF: Fix.RESUME,
    Cause.TURNS_STOPPED: Fix.WAKE,
    Cause.NOBODY_LEFT: Fix.COMPLETE,
}


def instant(at: datetime | None) -> str:
    """An instant as `detail` tells it."""
    return f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if at else "?"


@dataclass(frozen=True)
class Finding:
    """One cause that was looked for.

    `is_found`: None where it could not be looked at, since Evolution did not say. `detail`: one English line of
    figures, without texts and numbers of people. `passes`: it is as somebody wanted it, or ends by itself. The rest
    is what the sentences about it need.
    """

    incident: Incident
    cause: Cause
    is_found: bool | None
    detail: str = ""
    # Whether what may be done about such a cause fits now.
    can_fix: bool = True
    passes: bool = False
    campaign_id: UUID | None = None
    since: datetime | None = None
    until: datetime | None = None
    count: int | None = None
    # A reason of the portal's, names of fields or of queues: see the cause.
    codes: tuple[str, ...] = ()

    @property
    def fix(self) -> Fix | None:
        """What the portal can do about it now."""
        return FIX_OF.get(self.cause) if self.is_found and self.can_fix else None

    @property
    def is_trouble(self) -> bool:
        """Whether somebody, or a fix, has to do something about it."""
        return self.is_found is True and not self.passes


@dataclass(frozen=True)
class Diagnosis:
    """What was found at one unit, incident by incident, in the order in which to look at it."""

    at: datetime
    findings: tuple[Finding, ...]

    def of(self, incident: Incident) -> list[Finding]:
        return [finding for finding in self.findings if finding.incident == incident]

    @property
    def trouble(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.is_trouble]

    @property
    def offered(self) -> set[Fix]:
        """What may be done now, what only makes sooner what comes by itself among that."""
        return {finding.fix for finding in self.findings if finding.fix is not None}

    @property
    def fixes(self) -> list[Fix]:
        """What may put right some of it, each once, in the order of the findings."""
        return list(dict.fromkeys(finding.fix for finding in self.trouble if finding.fix is not None))
