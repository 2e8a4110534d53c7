"""The words of mails about alerts. Nobody's account is behind the address, so they are in the portal's own language."""

from urllib.parse import urlsplit

from flask_babel import force_locale
from flask_babel import gettext as _

from portal.background.mail_texts import DEFAULT_LOCALE, Words
from portal.extensions import parts
from portal.models import Level, NoticeKind
from portal.monitor.metric_names import NAMES
from portal.queries.alerts import TEST


def compose(kind: NoticeKind, level: Level, metric: str, *, value: str, release: str) -> Words:
    """The mail about one notice."""
    with force_locale(DEFAULT_LOCALE):
        if metric == TEST:
            return _about_test(kind)
        return _about_metric(kind, level, str(NAMES.get(metric, metric)), value=value, release=release)


def _about_test(kind: NoticeKind) -> Words:
    host = _host()
    if kind is NoticeKind.RECOVERED:
        text = _("The test alert was acknowledged. Nothing else is to be done.")
        return Words(_("Test alert acknowledged (%(host)s)", host=host), _paragraphs(text))
    return Words(
        _("Test alert (%(host)s)", host=host),
        _paragraphs(
            _("An operator raised this alert to see whether alerts arrive. Acknowledge it here:"), _address_of_alerts()
        ),
    )


def _about_metric(kind: NoticeKind, level: Level, name: str, *, value: str, release: str) -> Words:
    host = _host()
    if kind is NoticeKind.RECOVERED:
        return Words(
            _("Well again: %(name)s (%(host)s)", name=name, host=host),
            _paragraphs(_("%(name)s: %(value)s", name=name, value=value), _ran(host, release)),
        )
    subject = (
        _("Critical: %(name)s (%(host)s)", name=name, host=host)
        if level is Level.CRITICAL
        else _("Warning: %(name)s (%(host)s)", name=name, host=host)
    )
    return Words(
        subject,
        _paragraphs(
            _("%(name)s: %(value)s", name=name, value=value),
            _ran(host, release),
            _("See what is wrong, and acknowledge the alert here:"),
            _address_of_alerts(),
        ),
    )


def _ran(host: str, release: str) -> str:
    return str(
        _("This is what the portal at %(host)s sees of itself, with version %(version)s.", host=host, version=release)
    )


def _host() -> str:
    return urlsplit(parts.config.base_url).netloc


def _address_of_alerts() -> str:
    return f"{parts.config.base_url}/operator/alerts"


def _paragraphs(*paragraphs: str) -> str:
    return "\n\n".join(paragraphs) + "\n"
