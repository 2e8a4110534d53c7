"""The operator's page of metrics: the values of now, and charts with their tables."""

from datetime import datetime, timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.counters import DATABASE_MS
from portal.monitor import thresholds
from portal.queries import metrics
from portal.web.metric_words import METRICS, threshold_words
from tests.monitor.watching import start_workers
from tests.web.htmx import PART, poll
from tests.web.releases import count, make_release

PAGE = "/operator/metrics"


@pytest.fixture(autouse=True)
def _workers(database: None) -> None:
    start_workers()


def card_of(page: str, metric: str) -> str:
    card = page.partition(f'id="metric-{metric}"')[2].partition("</li>")[0]
    return card.replace("\N{NO-BREAK SPACE}", " ")


def chart_of(page: str, key: str) -> str:
    return page.partition(f'id="chart-{key}"')[2].partition("</figure>")[0]


def test_every_metric_is_shown_with_its_thresholds(operator: FlaskClient) -> None:
    page = operator.get(PAGE).text

    cards = {metric: card_of(page, metric) for metric in METRICS if metric != "overall"}
    assert len(cards) == 12
    assert [metric for metric, card in cards.items() if str(METRICS[metric].name) not in card] == []
    assert [metric for metric, card in cards.items() if "critical" not in card] == []
    assert "GO" in page


def test_metric_that_is_critical_makes_the_verdict(operator: FlaskClient) -> None:
    count("http_5xx", 16)

    page = operator.get(PAGE).text

    assert "Critical" in card_of(page, "http_5xx")
    assert ">16<" in card_of(page, "http_5xx")
    assert 'class="verdict verdict--bad"' in page


THRESHOLDS = {
    "http_5xx": "OK ≤ 5 · warning 6–15 · critical > 15",
    "http_denied": "OK < 20 · warning 20–50 · critical > 50",
    "secrets_in_logs": "OK < 1 · critical ≥ 1",
    "processing_errors": "OK ≤ 10 % · critical > 10 %",
    "database": "OK < 50 ms · warning 50–200 ms · critical > 200 ms",
    "outbound_success": "OK > 90 % · warning 50–90 % · critical < 50 %",
    "campaigns_stuck": "OK < 1 · warning 1–2 · critical > 2",
}


@pytest.mark.parametrize(("metric", "words"), THRESHOLDS.items(), ids=THRESHOLDS.keys())
def test_thresholds_in_words_say_what_lies_between(operator: FlaskClient, metric: str, words: str) -> None:
    assert words.replace("<", "&lt;").replace(">", "&gt;") in card_of(operator.get(PAGE).text, metric)


def test_charts_show_what_was_counted_as_drawing_sentence_and_table(operator: FlaskClient) -> None:
    count("sends_ok", 12, at=now() - timedelta(minutes=3))
    count("sends_failed", 2, at=now() - timedelta(minutes=3))

    chart = chart_of(operator.get(PAGE).text, "sends")

    assert 'role="img"' in chart
    assert "Taken: 12 · Sends that failed: 2 · To be tried again: 0" in chart
    assert chart.count("<tr>") == 2
    assert "<td>12</td><td>2</td><td>0</td>" in chart


def test_chart_of_times_shows_the_percentile_and_when_it_was_slowest(operator: FlaskClient) -> None:
    count(DATABASE_MS.bucket(10), 100, at=now() - timedelta(minutes=5))
    count(DATABASE_MS.bucket(200), 100, at=now() - timedelta(minutes=4))

    chart = chart_of(operator.get(PAGE).text, "database")

    assert "Slowest: 195 ms at" in chart


def test_chart_without_anything_says_so_instead_of_drawing(operator: FlaskClient) -> None:
    chart = chart_of(operator.get(PAGE).text, "losses")

    assert "Nothing was counted in this time." in chart
    assert "<svg" not in chart


@pytest.mark.parametrize(
    ("minutes_ago", "spans"), [(55, ["1h", "6h", "24h"]), (340, ["6h", "24h"]), (1400, ["24h"]), (1500, [])]
)
def test_span_of_the_charts_is_chosen_in_the_address(operator: FlaskClient, minutes_ago: int, spans: list[str]) -> None:
    count("http_requests", 7, at=now() - timedelta(minutes=minutes_ago))

    charts = {span: chart_of(operator.get(f"{PAGE}?span={span}").text, "requests") for span in ("1h", "6h", "24h")}

    assert [span for span, chart in charts.items() if "All answers: 7" in chart] == spans


def test_release_is_marked_in_the_charts(operator: FlaskClient) -> None:
    count("http_requests", 7, at=now() - timedelta(minutes=20))
    before = operator.get(PAGE).text
    make_release(ago=timedelta(minutes=15))

    after = operator.get(PAGE).text

    assert "chart__line--mark" not in before
    assert chart_of(after, "requests").count("chart__line--mark") == 1


def test_first_hour_of_a_release_is_shown_long_after_it(operator: FlaskClient) -> None:
    release = make_release("v1", ago=timedelta(hours=30))
    count("http_requests", 9, at=release.registered_at + timedelta(minutes=30))

    page = operator.get(f"{PAGE}?release={release.id}").text

    assert "The first hour of v1" in page
    assert ("hx-get" in page, 'http-equiv="refresh"' in page) == (False, False)
    assert "All answers: 9" in chart_of(page, "requests")
    assert "chart__line--mark" in chart_of(page, "requests")


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("span=2h", 400),
        ("release=nothing", 400),
        ("release=00000000-0000-0000-0000-000000000000", 404),
        ("span=%00", 400),
        ("", 200),
    ],
)
def test_address_that_says_nonsense_is_refused(operator: FlaskClient, query: str, status: int) -> None:
    assert operator.get(f"{PAGE}?{query}").status_code == status


def test_page_carries_no_style_and_no_script_of_the_drawings(operator: FlaskClient) -> None:
    count("http_requests", 7)

    page = operator.get(PAGE).text

    drawing = chart_of(page, "requests")
    assert "<svg" in drawing
    assert [found for found in ("<style", "style=", "<script", "<defs", "pygal") if found in drawing] == []


def test_what_came_after_the_hour_of_a_release_is_not_read(
    operator: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = make_release("v1", ago=timedelta(hours=30))
    seen: list[datetime] = []

    def minutes(names: list[str], since: datetime, *, until: datetime, step: timedelta) -> dict[str, object]:
        seen.append(until)
        return {}

    monkeypatch.setattr(metrics, "minutes", minutes)
    operator.get(f"{PAGE}?release={release.id}")

    assert seen[0] <= release.registered_at + timedelta(minutes=61)


def test_poll_is_empty_until_something_was_counted(operator: FlaskClient) -> None:
    page = operator.get(f"{PAGE}?span=6h").text

    before = poll(operator, page, "metrics")
    count("http_requests", 7)
    after = poll(operator, page, "metrics")

    assert before.status_code == 204
    assert "All answers: 7" in after.text
    assert "<html" not in after.text


def test_metrics_are_the_operators_alone(admin: FlaskClient) -> None:
    assert admin.get(PAGE).status_code in (403, 404)
    assert admin.get(PAGE, headers=PART).status_code in (403, 404)


def test_threshold_of_all_together_is_in_words_too() -> None:
    assert set(thresholds.load()) == set(METRICS)
    words = threshold_words(thresholds.load()["overall"])
    assert words.replace("\N{NO-BREAK SPACE}", " ") == "OK < 1 · warning 1–2 · critical ≥ 3"
