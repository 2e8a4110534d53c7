"""What Prometheus reads: with its token only, whole and well-formed, and without names."""

import re
from collections.abc import Callable
from dataclasses import replace

import pytest
from flask.testing import FlaskClient
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import insert

from portal.counters import DATABASE_MS, Counted
from portal.db import atomic, db
from portal.extensions import parts
from portal.models import Alert, EventState, Level, MetricTotal, Relay
from portal.monitor import watch
from portal.outbox import owners
from portal.queue import QUEUES
from portal.services import conversations
from portal.tenancy import across_tenants, acting_for
from tests.companies import make_company
from tests.factories import make_connected_unit, make_conversation, make_parked_event, make_tenant, make_unit

TOKEN = "a-token-for-prometheus-only"
Scrape = Callable[[], dict[str, float]]


@pytest.fixture
def _token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, metrics_token=TOKEN, release_version="v7"))


@pytest.fixture
def scrape(client: FlaskClient, _token: None) -> Scrape:
    """Each sample as Prometheus reads it: name with labels -> value."""

    def read() -> dict[str, float]:
        response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
        assert response.status_code == 200, response.text
        return {
            sample.name + "".join(f"{{{name}={value}}}" for name, value in sample.labels.items()): sample.value
            for family in text_string_to_metric_families(response.text)
            for sample in family.samples
        }

    return read


def count(**counts: int) -> None:
    with across_tenants("a test counts"), atomic():
        db.session.execute(insert(MetricTotal), [{"name": name, "count": number} for name, number in counts.items()])


def test_without_the_setting_there_is_no_such_page(client: FlaskClient) -> None:
    assert client.get("/metrics", headers={"Authorization": "Bearer "}).status_code == 404


@pytest.mark.usefixtures("_token")
@pytest.mark.parametrize(
    "header",
    [None, "", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"Basic {TOKEN}", TOKEN, "Bearer é"],
)
def test_without_the_token_nothing_is_told(client: FlaskClient, header: str | None) -> None:
    response = client.get("/metrics", headers={} if header is None else {"Authorization": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"].lower().startswith("bearer")
    assert "portal_" not in response.text


@pytest.mark.usefixtures("_token")
def test_answer_is_what_prometheus_expects_and_sets_no_cookie(client: FlaskClient) -> None:
    response = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})

    assert response.content_type.startswith("text/plain; version=")
    assert "Set-Cookie" not in response.headers
    assert response.headers["Cache-Control"] == "no-store"


def test_counter_of_every_kind_is_told(scrape: Scrape) -> None:
    numbers = {str(name): number for number, name in enumerate(Counted, start=1)}
    count(**numbers)

    told = scrape()

    assert told["portal_http_responses_total{class=5xx}"] == numbers["http_5xx"]
    assert told["portal_sends_total{outcome=not_possible}"] == numbers["sends_not_possible"]
    assert told["portal_http_denied_total"] == numbers["http_denied"]
    totals = [value for name, value in told.items() if re.match(r"portal_\w+_total\b", name)]
    assert sorted(totals) == sorted(numbers.values())


def test_times_are_a_histogram_in_seconds(scrape: Scrape) -> None:
    count(**{DATABASE_MS.bucket(1): 5, DATABASE_MS.bucket(50): 3, DATABASE_MS.bucket(None): 2, DATABASE_MS.sum: 12_345})

    told = scrape()

    name = "portal_database_statement_seconds"
    buckets = {bound: told[f"{name}_bucket{{le={bound}}}"] for bound in ("0.001", "0.035", "0.05", "5.0", "+Inf")}
    assert buckets == {"0.001": 5, "0.035": 5, "0.05": 8, "5.0": 8, "+Inf": 10}
    assert (told[f"{name}_count"], told[f"{name}_sum"]) == (10, pytest.approx(0.012345))


def test_how_much_there_is_now_is_told(scrape: Scrape) -> None:
    scope = make_tenant()
    unit = make_connected_unit(scope)
    make_unit(scope, "praia")
    conversation = make_conversation(scope, unit)
    with acting_for(scope):
        conversations.reply(scope, conversation.id, text="Olá")
    for state in (EventState.NEW, EventState.NEW, EventState.PARKED):
        make_parked_event(scope, unit, state=state)
    owners.beat(owners.new_owner(), QUEUES[0])
    with across_tenants("a test opens an alert"), atomic():
        db.session.add(Alert(metric="http_5xx", level=Level.CRITICAL, value="16"))

    told = scrape()

    assert (told["portal_waiting_events"], told["portal_waiting_sends"], told["portal_open_lanes"]) == (2, 1, 1)
    assert told["portal_units{state=connected}"] == 1
    assert told["portal_units{state=not_configured}"] == 1
    assert {queue: told[f"portal_workers{{queue={queue}}}"] for queue in QUEUES} == {QUEUES[0]: 1} | dict.fromkeys(
        QUEUES[1:], 0
    )
    assert (told["portal_open_alerts{level=critical}"], told["portal_open_alerts{level=warning}"]) == (1, 0)
    assert told["portal_release_info{version=v7}"] == 1


def test_age_of_the_newest_look_is_told(scrape: Scrape) -> None:
    never = scrape()["portal_look_age_seconds"]
    watch.check_live()

    assert (never, scrape()["portal_look_age_seconds"] <= 61) == (3600, True)


def test_worker_that_is_silent_is_not_counted(scrape: Scrape) -> None:
    owners.beat(owners.new_owner(), QUEUES[0])
    with across_tenants("a test lets time pass"), atomic():
        for relay in db.session.query(Relay):
            relay.heartbeat_at = relay.started_at.replace(year=2020)

    assert scrape()[f"portal_workers{{queue={QUEUES[0]}}}"] == 0


@pytest.mark.usefixtures("_token")
def test_nothing_of_a_company_is_told(client: FlaskClient) -> None:
    company = make_company("acme")
    count(**{f"webhooks_refused_{company.unit.id}": 3})

    text = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"}).text

    assert "acme" not in text.lower()
    assert str(company.unit.id) not in text
    assert company.unit.name not in text
    assert re.search(r"\d{10}", text) is None
