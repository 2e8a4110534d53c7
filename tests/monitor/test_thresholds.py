"""The thresholds as data: what each value means, and what is refused when somebody changes them."""

import pytest

from portal.models import Level
from portal.monitor import thresholds
from portal.monitor.thresholds import PATH, Metric, ThresholdsError, parse

OK, WARNING, CRITICAL = Level.OK, Level.WARNING, Level.CRITICAL
A_BIT = 0.001


@pytest.mark.parametrize(
    ("metric", "value", "level"),
    [
        ("http_5xx", 0, OK),
        ("http_5xx", 5, OK),
        ("http_5xx", 6, WARNING),
        ("http_5xx", 15, WARNING),
        ("http_5xx", 16, CRITICAL),
        ("http_denied", 19, OK),
        ("http_denied", 20, WARNING),
        ("http_denied", 50, WARNING),
        ("http_denied", 51, CRITICAL),
        ("unknown_instances", 2, OK),
        ("unknown_instances", 3, WARNING),
        ("unknown_instances", 5, WARNING),
        ("unknown_instances", 6, CRITICAL),
        ("secrets_in_logs", 0, OK),
        ("secrets_in_logs", 1, CRITICAL),
        ("processing_errors", 10, OK),
        ("processing_errors", 10 + A_BIT, CRITICAL),
        ("retries", 10, OK),
        ("retries", 11, WARNING),
        ("retries", 30, WARNING),
        ("retries", 31, CRITICAL),
        ("database", 50 - A_BIT, OK),
        ("database", 50, WARNING),
        ("database", 200, WARNING),
        ("database", 200 + A_BIT, CRITICAL),
        ("connection_drops", 0, OK),
        ("connection_drops", 1, WARNING),
        ("connection_drops", 2, WARNING),
        ("connection_drops", 3, CRITICAL),
        ("inbound_flow", 5, OK),
        ("inbound_flow", 5 + A_BIT, WARNING),
        ("inbound_flow", 30, WARNING),
        ("inbound_flow", 30 + A_BIT, CRITICAL),
        ("outbound_success", 100, OK),
        ("outbound_success", 90 + A_BIT, OK),
        ("outbound_success", 90, WARNING),
        ("outbound_success", 50, WARNING),
        ("outbound_success", 50 - A_BIT, CRITICAL),
        ("campaigns_stuck", 0, OK),
        ("campaigns_stuck", 1, WARNING),
        ("campaigns_stuck", 2, WARNING),
        ("campaigns_stuck", 3, CRITICAL),
        ("http_429", 5, OK),
        ("http_429", 6, WARNING),
        ("http_429", 20, WARNING),
        ("http_429", 21, CRITICAL),
        ("overall", 0, OK),
        ("overall", 1, WARNING),
        ("overall", 2, WARNING),
        ("overall", 3, CRITICAL),
    ],
)
def test_value_on_either_side_of_each_border(metric: str, value: float, level: Level) -> None:
    assert thresholds.load()[metric].level_of(value) == level


def test_there_is_one_for_each_of_the_thirteen() -> None:
    assert list(thresholds.load()) == list(Metric)
    assert len(Metric) == 13


def changed(metric: str, lines: str) -> str:
    """The file with other lines for that metric."""
    text = PATH.read_text()
    begin = text.index(f"[{metric}]\n") + len(f"[{metric}]\n")
    return text[:begin] + lines + text[text.index("[", begin) :]


def test_changed_threshold_is_taken() -> None:
    found = parse(changed("http_5xx", 'ok = "< 1"\ncritical = ">= 2.5"\nunit = "of them"\n'))["http_5xx"]

    assert [found.level_of(value) for value in (0, 1, 2.4, 2.5)] == [OK, WARNING, WARNING, CRITICAL]
    assert (str(found.ok), str(found.critical), found.unit) == ("< 1", ">= 2.5", "of them")


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("", '[http_5xx] ok must be written like "<= 5" or "> 15"'),
        ("ok = 5\n", '[http_5xx] ok must be written like "<= 5" or "> 15"'),
        ('ok = "<= 5"\ncritical = "15"\n', '[http_5xx] critical must be written like "<= 5" or "> 15"'),
        ('ok = "<= five"\ncritical = "> 15"\n', '[http_5xx] ok must be written like "<= 5" or "> 15"'),
        (
            'ok = "<= 5"\ncritical = "< 15"\n',
            "[http_5xx] ok (<= 5) and critical (< 15) must look to different sides",
        ),
        (
            'ok = "<= 5"\ncritical = "> 4"\n',
            "[http_5xx] ok (<= 5) and critical (> 4) must not both hold for one value",
        ),
        (
            'ok = ">= 5"\ncritical = "<= 5"\n',
            "[http_5xx] ok (>= 5) and critical (<= 5) must not both hold for one value",
        ),
        ('ok = "<= 5"\ncritical = "> 15"\nunit = 3\n', "[http_5xx] unit must be a text"),
        ('ok = "<= 5"\nwarning = "> 5"\ncritical = "> 15"\n', "[http_5xx] knows no warning"),
    ],
)
def test_threshold_that_makes_no_sense_is_refused(lines: str, problem: str) -> None:
    with pytest.raises(ThresholdsError) as refused:
        parse(changed("http_5xx", lines))

    assert refused.value.problems == [problem]


def test_all_that_is_wrong_is_said_at_once() -> None:
    text = changed("http_5xx", "").replace("[retries]", "[retry]")

    with pytest.raises(ThresholdsError) as refused:
        parse(text)

    assert [problem.split()[0] for problem in refused.value.problems] == ["[retries]", "[retry]", "[http_5xx]"]
    assert "[retries] is missing" in str(refused.value)
    assert "[retry] is no metric" in str(refused.value)


def test_what_is_no_toml_is_refused() -> None:
    with pytest.raises(ThresholdsError, match="this is not TOML"):
        parse("[http_5xx")


def test_metric_that_is_no_table_is_refused() -> None:
    with pytest.raises(ThresholdsError) as refused:
        parse("http_5xx = 5\n" + PATH.read_text().replace("[http_5xx]", "[other]"))

    assert "[http_5xx] must be a table" in refused.value.problems
