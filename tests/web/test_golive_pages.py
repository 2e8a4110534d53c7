"""The go-live board, and the operator's first page that leads to it."""

from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.models import EvidenceItem, Level, Verdict
from portal.monitor import watch
from portal.web.golive_words import ITEMS
from portal.web.metric_words import METRICS
from tests.web.htmx import PART, poll
from tests.web.releases import do_checkpoint, make_alert, make_release, show

BOARD = "/operator/golive"


def item_of(page: str, item: EvidenceItem) -> str:
    """The part of the page about this item."""
    return page.partition(f'id="item-{item}"')[2].partition("</li>\n<li")[0]


def test_board_without_a_release_says_how_one_is_registered(operator: FlaskClient) -> None:
    page = operator.get(BOARD).text

    assert "No release was registered yet" in page
    assert "golive begin" in page


def test_board_of_a_new_release_has_no_verdict_and_says_when_the_first_comes(operator: FlaskClient) -> None:
    make_release("v7", ago=timedelta(minutes=1))

    page = operator.get(BOARD).text

    assert "v7" in page
    assert "No verdict yet" in page
    assert "Next of 4 checkpoints" in page
    assert [name for name in ("T+10 min", "T+20 min", "T+30 min", "T+60 min") if name not in page] == []


def test_board_shows_the_verdict_with_its_reasons_and_every_metric(operator: FlaskClient) -> None:
    bad = {"http_5xx": (Level.CRITICAL, "17"), "retries": (Level.WARNING, "12"), "overall": (Level.CRITICAL, "NO-GO")}
    do_checkpoint(make_release(), 1, Verdict.NO_GO, bad=bad)

    page = operator.get(BOARD).text

    reasons = page.partition("board__reasons")[2].partition("</ul>")[0]
    assert 'class="verdict verdict--bad"' in page
    assert "NO-GO" in page
    assert "Server errors: 17" in reasons
    assert "Sends tried again: 12" in reasons
    assert "Overall" not in reasons
    assert [words.name for words in METRICS.values() if str(words.name) not in page] == []


def test_board_says_when_no_worker_looks(operator: FlaskClient) -> None:
    make_release()
    before = operator.get(BOARD).text
    watch.check_live()

    assert "No worker has looked at the metrics for over 5 minutes" in before
    assert "No worker has looked" not in operator.get(BOARD).text


@pytest.mark.parametrize("verdict", [*Verdict])
def test_operators_first_page_tells_the_verdict_of_the_newest_release(operator: FlaskClient, verdict: Verdict) -> None:
    do_checkpoint(make_release(), 1, verdict)

    page = operator.get("/operator/").text

    assert f'href="{BOARD}"' in page
    assert verdict in page


def test_operators_first_page_counts_open_alerts(operator: FlaskClient) -> None:
    make_alert("http_5xx")
    make_alert("retries")

    page = operator.get("/operator/").text

    assert '2 <span class="visually-hidden">open</span>' in page


def test_overdue_checkpoint_says_that_no_worker_has_done_it(operator: FlaskClient) -> None:
    make_release(ago=timedelta(minutes=15))

    page = operator.get(BOARD).text

    assert "Overdue" in page
    assert "no worker has done it" in page


def test_items_are_told_apart_by_what_was_shown(operator: FlaskClient) -> None:
    make_release()
    show(EvidenceItem.WORKER, detail="all queues alive after 4 s")
    show(EvidenceItem.SMOKE, is_ok=False, detail="no receipt within 60 s")

    page = operator.get(BOARD).text

    assert "Shown" in item_of(page, EvidenceItem.WORKER)
    assert "all queues alive after 4 s" in item_of(page, EvidenceItem.WORKER)
    assert "Failed" in item_of(page, EvidenceItem.SMOKE)
    assert "no receipt within 60 s" in item_of(page, EvidenceItem.SMOKE)
    assert "Not shown yet" in item_of(page, EvidenceItem.RESTORE)
    assert "1 of 7" in page


@pytest.mark.parametrize("item", [item for item in EvidenceItem if ITEMS[item].command])
def test_item_that_was_not_shown_says_what_to_run(operator: FlaskClient, item: EvidenceItem) -> None:
    make_release()

    page = operator.get(BOARD).text

    shown = item_of(page, item)
    assert ITEMS[item].command.partition(" &&")[0].partition("{")[0] in shown
    assert f'data-copy="command-{item}"' in shown
    assert "{base_url}" not in shown


def test_item_that_was_shown_asks_for_nothing(operator: FlaskClient) -> None:
    make_release()
    show(EvidenceItem.RESTORE)

    page = operator.get(BOARD).text

    assert "rehearse-restore" not in item_of(page, EvidenceItem.RESTORE)


def test_gate_opens_to_its_checks_those_that_failed_first(operator: FlaskClient) -> None:
    make_release()
    checks = [
        {"name": "database answers", "ok": True, "detail": "15.4", "group": "parts", "took_ms": 2.0},
        {"name": "base url", "ok": False, "detail": "not https", "group": "settings", "took_ms": 0.1},
    ]
    show(EvidenceItem.GATE, is_ok=False, detail="1/2 checks passed", record={"stage": "full", "checks": checks})

    gate = item_of(operator.get(BOARD).text, EvidenceItem.GATE)

    assert "2 checks" in gate
    assert gate.index("base url") < gate.index("database answers")
    assert "not https" in gate


def test_earlier_release_keeps_its_board_and_asks_for_nothing(operator: FlaskClient) -> None:
    earlier = make_release("v1", ago=timedelta(hours=3))
    do_checkpoint(earlier, 1, Verdict.MONITOR, bad={"retries": (Level.WARNING, "12")})
    make_release("v2")

    page = operator.get(f"{BOARD}/{earlier.id}").text

    assert "MONITOR" in page
    assert "To the newest release" in page
    assert "command-smoke" not in page
    assert "hx-get" not in page


def test_board_lists_releases_with_their_verdicts(operator: FlaskClient) -> None:
    earlier = make_release("v1", ago=timedelta(hours=3))
    do_checkpoint(earlier, 1, Verdict.GO)
    make_release("v2")

    listed = operator.get(BOARD).text.partition('id="releases-title"')[2]

    assert f"{BOARD}/{earlier.id}" in listed
    assert listed.index("v2") < listed.index("v1")
    assert "GO" in listed


def test_release_that_is_not_there_is_not_found(operator: FlaskClient) -> None:
    assert operator.get(f"{BOARD}/00000000-0000-0000-0000-000000000000").status_code == 404


def test_poll_of_the_board_is_empty_until_there_is_news(operator: FlaskClient) -> None:
    make_release()
    page = operator.get(BOARD).text

    before = poll(operator, page, "golive-board")
    show(EvidenceItem.WORKER)
    after = poll(operator, page, "golive-board")

    assert before.status_code == 204
    assert after.status_code == 200
    assert after.text.lstrip().startswith('<div class="stack" id="golive-board"')
    assert "<html" not in after.text


def test_rollback_names_the_criteria_and_a_way_for_each_platform(operator: FlaskClient) -> None:
    page = operator.get(BOARD).text

    rollback = page.partition('id="rollback"')[2].partition("</section>")[0]
    assert rollback.count("<li>") == 8
    assert "heroku rollback" in rollback
    assert "Railway" in rollback
    assert "systemctl restart" in rollback


def test_board_is_the_operators_alone(admin: FlaskClient) -> None:
    assert admin.get(BOARD).status_code in (403, 404)
    assert admin.get(BOARD, headers=PART).status_code in (403, 404)


def test_board_speaks_portuguese(operator: FlaskClient) -> None:
    make_release()

    page = operator.get(BOARD, headers={"Accept-Language": "pt-BR"}).text

    assert 'lang="pt-BR"' in page
