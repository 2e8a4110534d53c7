"""What the page of alerts shows of each: what it is about, how it stands, and what became of telling it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask_babel import gettext
from flask_babel import lazy_gettext as _

from portal.models import Alert, AlertNotice, NoticeChannel
from portal.queries.account_mails import MailTrouble
from portal.queries.alerts import TEST, AlertRow, NoticeState, state_of
from portal.web.golive_words import CHANNELS, KINDS
from portal.web.metric_words import LEVELS, MetricWords, metric_words
from portal.web.moments import moment
from portal.web.webhook_words import PROBLEMS
from portal.web.words import State, Tone

MAIL_PROBLEMS: Mapping[str, str] = {
    MailTrouble.UNREACHABLE: _("the mail server does not answer"),
    MailTrouble.NO_TLS: _("the mail server offers no encryption"),
    MailTrouble.BAD_CERTIFICATE: _("the mail server could not prove who it is"),
    MailTrouble.LOGIN_REFUSED: _("the mail server refuses the portal's password"),
    MailTrouble.SENDER_REFUSED: _("the mail server refuses the portal's own address"),
    MailTrouble.ADDRESS_REFUSED: _("the mail server refuses the address that alerts go to"),
    MailTrouble.TRY_LATER: _("the mail server asked to try again later"),
    MailTrouble.REFUSED: _("the mail server refuses the e-mail"),
}
OTHER_PROBLEMS: Mapping[str, str] = {
    "interrupted": _("the worker ended meanwhile"),
    "not_configured": _("the settings name no address any more"),
}
OVER = State(_("Over"), "", "", Tone.GOOD)
TONES: Mapping[NoticeState, Tone] = {
    NoticeState.TOLD: Tone.GOOD,
    NoticeState.WAITING: Tone.BUSY,
    NoticeState.NOT_TOLD: Tone.BAD,
}


@dataclass(frozen=True)
class NoticeLine:
    """What became of telling one thing over one channel, in a sentence."""

    tone: Tone
    words: str


@dataclass(frozen=True)
class AlertLine:
    """One alert on the page."""

    id: UUID
    words: MetricWords
    state: State
    value: str
    opened_at: datetime
    recovered_at: datetime | None
    acknowledged_at: datetime | None
    acknowledged_by: str
    notices: Sequence[NoticeLine]

    @property
    def is_open(self) -> bool:
        return self.recovered_at is None

    @property
    def can_be_acknowledged(self) -> bool:
        return self.acknowledged_at is None


@dataclass(frozen=True)
class AlertsView:
    """The alerts that are open, those that are over, and where the settings let them be told."""

    open: Sequence[AlertLine]
    over: Sequence[AlertLine]
    channels: Sequence[str]

    @property
    def has_open_test(self) -> bool:
        return any(line.words == metric_words(TEST) for line in self.open)


def make_view(rows: Sequence[AlertRow], channels: Sequence[NoticeChannel], zone: str) -> AlertsView:
    lines = [_line(row, zone) for row in rows]
    return AlertsView(
        open=[line for line in lines if line.is_open],
        over=[line for line in lines if not line.is_open],
        channels=[str(CHANNELS[channel]) for channel in channels],
    )


def _line(row: AlertRow, zone: str) -> AlertLine:
    alert = row.alert
    return AlertLine(
        id=alert.id,
        words=metric_words(alert.metric),
        state=LEVELS[alert.level] if alert.recovered_at is None else OVER,
        value="" if alert.metric == TEST else alert.value,
        opened_at=alert.opened_at,
        recovered_at=alert.recovered_at,
        acknowledged_at=alert.acknowledged_at,
        acknowledged_by=_who(alert, row.acknowledged_by),
        notices=[_notice(notice, zone) for notice in row.notices],
    )


def _who(alert: Alert, email: str | None) -> str:
    """At the machine itself an alert is acknowledged by no account."""
    return email or (str(gettext("a command")) if alert.acknowledged_at else "")


def _notice(notice: AlertNotice, zone: str) -> NoticeLine:
    state = state_of(notice)
    about = f"{CHANNELS[notice.channel]} ({KINDS[notice.kind]})"
    if state == NoticeState.TOLD and notice.told_at is not None:
        words = gettext("%(about)s: told %(time)s.", about=about, time=moment(notice.told_at, zone))
    elif state == NoticeState.NOT_TOLD:
        words = gettext(
            "%(about)s: not told, after %(num)s attempts: %(reason)s.",
            about=about,
            num=notice.attempts,
            reason=_reason(notice),
        )
    elif notice.attempts:
        words = gettext(
            "%(about)s: not told yet: %(reason)s. Tried again %(time)s.",
            about=about,
            reason=_reason(notice),
            time=moment(notice.due_at, zone),
        )
    else:
        words = gettext("%(about)s: about to be told.", about=about)
    return NoticeLine(TONES[state], str(words))


def _reason(notice: AlertNotice) -> str:
    """Codes that are not known stand as they are."""
    code = notice.error or ""
    if notice.channel == NoticeChannel.WEBHOOK and code in PROBLEMS:
        return str(PROBLEMS[code].name)
    return str(MAIL_PROBLEMS.get(code) or OTHER_PROBLEMS.get(code) or code)
