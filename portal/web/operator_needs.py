"""What needs the people who run the portal now, over all companies: numbers, and no text or number of anybody."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from flask import url_for
from flask_babel import gettext as _
from flask_babel import ngettext

from portal.clock import now
from portal.models import EvolutionServer, Release
from portal.queries import metrics
from portal.queries import operator_home as home
from portal.queries.operator_home import CompaniesDown, UnitCount
from portal.web.attention import Need, named
from portal.web.formats import grouped
from portal.web.language import choose_time_zone
from portal.web.metric_words import verdict_state
from portal.web.moments import moment, span
from portal.web.server_states import server_state
from portal.web.words import Tone

# News that waits for longer, and messages that should have left before, tell of a backlog.
NEWS_WAITS_FOR = timedelta(minutes=1)
SENDS_WAIT_FOR = timedelta(minutes=5)


@dataclass(frozen=True)
class Looked:
    """What the page has read already."""

    down: CompaniesDown
    parked: int
    unknown: int
    open_alerts: int
    release: Release | None


def list_needs(looked: Looked) -> Iterator[Need]:
    """In the order in which they matter."""
    yield from _queues()
    yield from map(_server, home.list_servers_in_trouble())
    yield from _alerts(looked.open_alerts)
    yield from _verdict(looked.release)
    yield from _units_down(looked.down)
    yield from _parked(looked.parked)
    yield from _unknown(looked.unknown)


def _queues() -> Iterator[Need]:
    for queue in sorted(metrics.queues_without_worker()):
        title = _("No worker shows that it lives: %(queue)s.", queue=queue)
        yield _about_metrics(f"worker-{queue}", Tone.BAD, title, _("What waits there is kept. Start a worker."))
    oldest = metrics.read_inflow().oldest_waiting_at
    if oldest is not None and oldest < now() - NEWS_WAITS_FOR:
        title = _("News of Evolution waits to be taken in since %(time)s.", time=moment(oldest, choose_time_zone()))
        yield _about_metrics("inflow", Tone.WARNING, title, "")
    waiting = metrics.read_outflow(SENDS_WAIT_FOR).waiting_units
    if waiting:
        title = ngettext(
            "%(num)s unit has messages that should have left %(span)s ago.",
            "%(num)s units have messages that should have left %(span)s ago.",
            waiting,
            span=span(SENDS_WAIT_FOR.total_seconds()),
        )
        yield _about_metrics("outflow", Tone.WARNING, title, "")


def _about_metrics(key: str, tone: Tone, title: str, detail: str) -> Need:
    return Need(key, tone, title, detail, url_for("operator.metrics.index"), _("To the metrics"))


def _server(server: EvolutionServer) -> Need:
    state = server_state(server)
    return Need(
        key=f"server-{server.id}",
        tone=state.tone,
        title=f"{server.name}: {state.title}",
        detail=f"{state.sentence} {state.step}",
        link=url_for("operator.servers.show", server_id=server.id),
        label=_("To the server"),
    )


def _alerts(number: int) -> Iterator[Need]:
    if number:
        title = ngettext("%(num)s alert is open.", "%(num)s alerts are open.", number)
        yield Need("alerts", Tone.BAD, title, "", url_for("operator.alerts.index"), _("To the alerts"))


def _verdict(release: Release | None) -> Iterator[Need]:
    state = verdict_state(release.verdict) if release else None
    if release is not None and state is not None and state.tone in (Tone.WARNING, Tone.BAD):
        title = _("The release %(version)s: %(verdict)s", version=release.version[:16], verdict=state.title)
        detail = f"{state.sentence} {state.step}"
        yield Need("release", state.tone, title, detail, url_for("operator.golive.index"), _("To the board"))


def _units_down(companies: CompaniesDown) -> Iterator[Need]:
    down = [
        Need(
            key=f"down-{row.tenant.slug}",
            tone=Tone.WARNING,
            title=f"{row.tenant.name}: {_down_words(row.units)}",
            detail="",
            link=url_for("tenant.units.index", tenant_slug=row.tenant.slug),
            label=_("See its units"),
        )
        for row in companies.rows
    ]
    yield from named(down, companies.number, _more_down)


def _more_down(number: int) -> Need:
    title = ngettext(
        "%(num)s more company has units that lost their connection.",
        "%(num)s more companies have units that lost their connection.",
        number,
    )
    return Need("more-down", Tone.WARNING, title, "", f"{url_for('operator.index')}#companies", _("See all"))


def _down_words(counts: UnitCount) -> str:
    told: str = ngettext(
        "%(num)s of %(all)s units is not connected though it was",
        "%(num)s of %(all)s units are not connected though they were",
        counts.down,
        all=counts.units,
    )
    return told


def _parked(number: int) -> Iterator[Need]:
    if number:
        title = ngettext(
            "%(count)s event could not be applied and is kept.",
            "%(count)s events could not be applied and are kept.",
            number,
            count=grouped(number),
        )
        link = url_for("operator.events.index")
        yield Need("parked", Tone.WARNING, title, "", link, _("To the parked events"))


def _unknown(number: int) -> Iterator[Need]:
    if number:
        title = ngettext(
            "%(count)s event came in the name of an instance that no unit has.",
            "%(count)s events came in the name of instances that no unit has.",
            number,
            count=grouped(number),
        )
        link = url_for("operator.events.unknown")
        yield Need("unknown", Tone.CALM, title, "", link, _("To the unknown instances"))
