"""The panel of the connect page and of the scan page: one state at a time, one next step."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from portal.clock import now
from portal.models import Connection, ConnectionAction, ConnectionStatus, StatusReason, Unit
from portal.phone import masked
from portal.queries.unit_troubles import REFUSALS
from portal.services.connections import is_reconnecting
from portal.web import qr, words
from portal.web.formats import shown_phone

# Evolution renews a code after 45 s (contract §12).
CODE_RENEWED_AFTER = timedelta(seconds=45)
# A code or an answer that is this late is not on its way any more.
LATE_AFTER = timedelta(seconds=75)
FOR_SCAN = (StatusReason.INITIALIZING, StatusReason.WAITING_SCAN)
WAITING = (ConnectionStatus.QR, ConnectionStatus.CONNECTING)
BROKEN = (StatusReason.QR_EXPIRED, StatusReason.LOGGED_OUT, *REFUSALS)


@dataclass(frozen=True)
class Panel:
    """What the panel shows. `seconds_left` counts to the code's renewal; a stale code waits for its successor."""

    unit: Unit
    connection: Connection
    state: words.State
    url: str
    is_for_phone_owner: bool
    is_final: bool
    qr_image: str | None
    seconds_left: int
    is_stale: bool
    is_late: bool
    pairing_code: tuple[str, str] | None
    synchronising_s: int

    @property
    def is_connected(self) -> bool:
        return self.is_final and self.connection.status == ConnectionStatus.CONNECTED

    @property
    def can_start(self) -> bool:
        return self.is_final and not self.is_connected

    @property
    def awaits_scan(self) -> bool:
        """Whether the phone has something to do, now or in a moment."""
        action = self.connection.action
        return action == ConnectionAction.CONNECT or (action is None and self.connection.status_reason in FOR_SCAN)

    @property
    def reconnects(self) -> bool:
        """Whether the number comes back by itself: a new code is refused then."""
        return self.connection.action in (None, ConnectionAction.CHECK) and is_reconnecting(self.connection)

    @property
    def expected_number(self) -> str:
        """The number that has to be scanned; whoever opens the scan link gets only its end."""
        number = self.unit.expected_number
        return masked(number) if number and self.is_for_phone_owner else shown_phone(number)

    @property
    def is_retry(self) -> bool:
        return self.connection.status_reason is not None

    @property
    def news(self) -> tuple[object, ...]:
        """All that changes what is seen; the page itself counts the seconds down."""
        connection = self.connection
        return (
            connection.status,
            connection.status_reason,
            connection.action,
            connection.qr_code,
            connection.pairing_code,
            connection.profile_name,
            connection.phone,
            self.is_stale,
            self.is_late,
        )


def make_panel(unit: Unit, connection: Connection, *, url: str, is_for_phone_owner: bool = False) -> Panel:
    """Look at the connection through the eyes of whoever holds the phone."""
    has_code = is_under_way(connection) and connection.qr_code is not None
    return Panel(
        unit=unit,
        connection=connection,
        state=words.connection_state(connection),
        url=url,
        is_for_phone_owner=is_for_phone_owner,
        is_final=not is_under_way(connection),
        qr_image=qr.svg_uri(connection.qr_code) if has_code and connection.qr_code else None,
        seconds_left=_seconds_until(_renewed_at(connection)),
        is_stale=has_code and _seconds_until(_renewed_at(connection)) == 0,
        is_late=is_under_way(connection) and _is_late(connection),
        pairing_code=_in_two_groups(connection.pairing_code) if has_code else None,
        synchronising_s=_seconds_until(connection.synchronising_until),
    )


def is_under_way(connection: Connection) -> bool:
    """Whether looking again soon will show something else."""
    # A check is the portal's own question about a number that stays as it is.
    if connection.action not in (None, ConnectionAction.CHECK):
        return True
    return connection.status in WAITING and connection.status_reason not in BROKEN


def _is_late(connection: Connection) -> bool:
    since = connection.qr_updated_at if connection.qr_code else connection.action_requested_at
    return since is not None and now() - since > LATE_AFTER


def _renewed_at(connection: Connection) -> datetime | None:
    return connection.qr_updated_at + CODE_RENEWED_AFTER if connection.qr_updated_at else None


def _seconds_until(instant: datetime | None) -> int:
    return max(0, round((instant - now()).total_seconds())) if instant else 0


def _in_two_groups(code: str | None) -> tuple[str, str] | None:
    return (code[: len(code) // 2], code[len(code) // 2 :]) if code else None
