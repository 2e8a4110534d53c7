"""Alerts: what is to be told about them, that somebody saw them, and one that only tries the road."""

from uuid import UUID

from flask_babel import gettext as _
from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from portal.clock import now
from portal.db import atomic, db
from portal.errors import Conflict, NotFound
from portal.extensions import parts
from portal.models import Alert, AlertNotice, Level, NoticeChannel, NoticeKind
from portal.queries.alerts import TEST
from portal.services import audit
from portal.services.audit import Actor
from portal.tenancy import across_tenants

WHY = "alerts are about the whole portal"
ASKED_FOR = "asked for by an operator"


def channels() -> list[NoticeChannel]:
    """Over which the settings let alerts be told."""
    named = {
        NoticeChannel.WEBHOOK: parts.config.alert_webhook_url,
        NoticeChannel.MAIL: parts.config.alert_mail_to,
    }
    return [channel for channel, address in named.items() if address]


def tell(alert: Alert, kind: NoticeKind) -> None:
    """Let this be told over every channel, once for each level; in the transaction that changes the alert."""
    level = Level.OK if kind is NoticeKind.RECOVERED else alert.level
    for channel in channels():
        notice = insert(AlertNotice).values(
            alert_id=alert.id, kind=kind, channel=channel, level=level, value=alert.value, due_at=now()
        )
        db.session.execute(notice.on_conflict_do_nothing())


def raise_test(by: Actor) -> Alert:
    """Open an alert that only shows whether alerts arrive, until somebody acknowledges it. Raises Conflict."""
    alert = Alert(metric=TEST, level=Level.WARNING, value=ASKED_FOR)
    try:
        with across_tenants(WHY), atomic() as session:
            session.add(alert)
            session.flush()
            tell(alert, NoticeKind.OPENED)
            audit.record_for_operator(by, "alert.tested", ("alert", alert.id))
    except IntegrityError as e:
        raise Conflict(_("A test alert is open already. Acknowledge that one first.")) from e
    return alert


def acknowledge(alert_id: UUID, by: Actor) -> None:
    """Note who saw the alert first. A test alert is over with that. Raises NotFound."""
    this = select(Alert).where(Alert.id == alert_id).with_for_update().execution_options(populate_existing=True)
    with across_tenants(WHY), atomic() as session:
        alert = session.scalar(this)
        if alert is None:
            raise NotFound("no such alert")
        if alert.acknowledged_at is not None:
            return
        alert.acknowledged_at, alert.acknowledged_by_id = now(), by.user_id
        audit.record_for_operator(by, "alert.acknowledged", ("alert", alert.id), after={"metric": alert.metric})
        if alert.metric == TEST and alert.recovered_at is None:
            alert.recovered_at = now()
            tell(alert, NoticeKind.RECOVERED)
