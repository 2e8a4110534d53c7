"""What came in and was not taken for what it said is counted, by day and name, whoever posts how much of it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from portal.inbox.receive import Reception, receive
from portal.models import CountedOutcome, Unit, WebhookCount
from portal.services import webhook_counts
from tests.inbox.conftest import NAME, Evolution
from tests.inbox.payloads import webhook

Rows = Callable[..., list[Any]]


def counts(rows: Rows) -> dict[tuple[str, str], int]:
    return {(row.outcome, row.event): row.count for row in rows(WebhookCount)}


@pytest.mark.usefixtures("unit")
def test_an_event_that_no_version_names_is_done_and_counted(evolution: Evolution, rows: Rows) -> None:
    evolution.tell(("messages.pinned", {"id": 1}), ("messages.pinned", {"id": 2}), ("presence.update", {"id": 3}))

    assert counts(rows) == {("unknown_event", "messages.pinned"): 2}
    assert {event.state for event in evolution.events()} == {"done"}


@pytest.mark.usefixtures("unit")
def test_what_fails_is_counted_when_it_succeeds(
    evolution: Evolution, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise RuntimeError

    with monkeypatch.context() as broken:
        broken.setattr("portal.inbox.process._apply_states", fail)
        evolution.tell(("messages.pinned", {"id": 1}))
    failed = counts(rows)
    evolution.replay()

    assert (failed, counts(rows)) == ({}, {("unknown_event", "messages.pinned"): 1})


@pytest.mark.usefixtures("unit")
def test_a_wrong_secret_and_an_unknown_instance_are_counted(rows: Rows) -> None:
    refused = json.dumps(webhook("messages.upsert", {}, instance=NAME)).encode()
    unknown = json.dumps(webhook("messages.upsert", {}, instance="unit_of_nobody")).encode()

    assert receive("a-wrong-secret", None, refused) == Reception.REFUSED
    assert [receive("a-wrong-secret", None, unknown) for _ in range(2)] == [Reception.UNKNOWN_INSTANCE] * 2

    assert counts(rows) == {("refused", "messages.upsert"): 1, ("unknown_instance", "messages.upsert"): 2}


def test_of_made_up_names_only_the_first_few_are_told_apart(
    unit: Unit, rows: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(webhook_counts, "MOST_NAMES", 2)
    for name in ("one", "two", "three", "four", "one"):
        receive("x", None, json.dumps(webhook(name, {}, instance=f"unit_of_nobody_{name}")).encode())

    assert counts(rows) == {
        (CountedOutcome.UNKNOWN_INSTANCE, "one"): 2,
        (CountedOutcome.UNKNOWN_INSTANCE, "two"): 1,
        (CountedOutcome.UNKNOWN_INSTANCE, webhook_counts.OTHER): 2,
    }
