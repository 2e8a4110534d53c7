"""Telling people about alerts: each notice is a row, tried with growing pauses until its channel took it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, literal, select, update
from sqlalchemy.orm import aliased

from portal.background import smtp
from portal.clock import now
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import Alert, AlertNotice, Level, NoticeChannel, NoticeKind
from portal.monitor import notice_texts
from portal.queries.alerts import MOST_ATTEMPTS
from portal.queries.releases import current
from portal.tenancy import across_tenants
from portal.webhooks import posting

log = structlog.get_logger(__name__)

WHY = "alerts are about the whole portal"
# After which attempt the next one is due how much later: longer than an attempt takes, for nobody else makes it then.
# A mail server may take 15 seconds for each of its answers.
PAUSES_S = (180, 180, 180, 300, 600, 1800, 3600)
NOT_CONFIGURED = "not_configured"
# Stands there while an attempt is under way, and for good when the worker died in it.
INTERRUPTED = "interrupted"


@dataclass(frozen=True)
class Claimed:
    """A notice to tell now. Nobody else tells it before its pause is over."""

    id: UUID
    alert_id: UUID
    kind: NoticeKind
    channel: NoticeChannel
    level: Level
    metric: str
    value: str
    opened_at: datetime
    release: str


def work() -> None:
    """Tell everything that is due. Each attempt puts its notice off, so this ends."""
    while tell_one():
        pass


def tell_one() -> bool:
    """False when nothing is due."""
    claimed = _claim()
    if claimed is None:
        return False
    error = TELL[claimed.channel](claimed)
    _record(claimed, error)
    # Neither the address nor what came back: whoever knows the address can post there.
    log.info("alert told" if error is None else "alert not told", alert_id=str(claimed.alert_id), error=error)
    return True


def _claim() -> Claimed | None:
    """The oldest that is due, of each alert and channel only the first: nobody hears of an end before its beginning.

    Mails come last: a mail server that is slow keeps no webhook waiting.
    """
    earlier = aliased(AlertNotice)
    of_the_same = (earlier.alert_id == AlertNotice.alert_id) & (earlier.channel == AlertNotice.channel)
    is_behind = select(earlier.id).where(of_the_same, earlier.id < AlertNotice.id, _is_waiting(earlier)).exists()
    due = (
        select(AlertNotice, Alert)
        .join(Alert, Alert.id == AlertNotice.alert_id)
        .where(_is_waiting(AlertNotice), AlertNotice.due_at <= now(), ~is_behind)
        .order_by(AlertNotice.channel == NoticeChannel.MAIL, AlertNotice.due_at, AlertNotice.id)
        .limit(1)
        .with_for_update(of=AlertNotice, skip_locked=True)
        .execution_options(populate_existing=True)
    )
    with across_tenants(WHY), atomic():
        row = db.session.execute(due).one_or_none()
        if row is None:
            return None
        notice, alert = row
        notice.due_at = now() + timedelta(seconds=PAUSES_S[min(notice.attempts, len(PAUSES_S) - 1)])
        notice.attempts, notice.error = notice.attempts + 1, INTERRUPTED
        return _claimed(notice, alert)


def _is_waiting(notice: type[AlertNotice]) -> ColumnElement[bool]:
    # Written out: PostgreSQL takes a partial index only for what it can read in the statement.
    return notice.told_at.is_(None) & (notice.attempts < literal(MOST_ATTEMPTS, literal_execute=True))


def _claimed(notice: AlertNotice, alert: Alert) -> Claimed:
    release = current()
    return Claimed(
        id=notice.id,
        alert_id=alert.id,
        kind=NoticeKind(notice.kind),
        channel=NoticeChannel(notice.channel),
        level=Level(notice.level),
        metric=alert.metric,
        value=notice.value,
        opened_at=alert.opened_at,
        release=release.version if release else parts.config.release_version,
    )


def _post(claimed: Claimed) -> str | None:
    """None once it was taken, else the code of what went wrong."""
    address = parts.config.alert_webhook_url
    if not address:
        return NOT_CONFIGURED
    body = json.dumps(_told(claimed), ensure_ascii=False).encode()
    attempt = posting.post(address, body, {"webhook-id": str(claimed.id)}, is_own=True)
    return attempt.failure


def _told(claimed: Claimed) -> Mapping[str, str]:
    """`id` stays the same however often it is posted. `text` is what chats show."""
    return {
        "id": str(claimed.id),
        "alert": str(claimed.alert_id),
        "kind": claimed.kind,
        "level": claimed.level,
        "metric": claimed.metric,
        "value": claimed.value,
        "opened_at": claimed.opened_at.isoformat(),
        "release": claimed.release,
        "portal": parts.config.base_url,
        "text": f"{parts.config.base_url}: {claimed.metric} {claimed.kind}, {claimed.level}: {claimed.value}",
    }


def _mail(claimed: Claimed) -> str | None:
    to = parts.config.alert_mail_to
    if not to:
        return NOT_CONFIGURED
    words = notice_texts.compose(
        claimed.kind, claimed.level, claimed.metric, value=claimed.value, release=claimed.release
    )
    try:
        smtp.send(parts.config, to=to, subject=words.subject, text=words.text, message_id=str(claimed.id))
    except smtp.MailError as e:
        return e.code
    return None


def _record(claimed: Claimed, error: str | None) -> None:
    told = {"error": error} if error else {"error": None, "told_at": now()}
    done = update(AlertNotice).where(AlertNotice.id == claimed.id, AlertNotice.told_at.is_(None)).values(told)
    with across_tenants(WHY), atomic():
        db.session.execute(done.execution_options(synchronize_session=False))


TELL: Mapping[NoticeChannel, Callable[[Claimed], str | None]] = {
    NoticeChannel.WEBHOOK: _post,
    NoticeChannel.MAIL: _mail,
}
