"""What follows an attempt: the next one later and later, an end, or peace for an endpoint that does not answer."""

from datetime import timedelta
from typing import Any

import pytest

from portal.clock import now
from portal.models import Conversation, DeliveryState, WebhookDelivery, WebhookEndpoint
from portal.secrets import Vault
from portal.services import webhook_endpoints
from portal.tenancy import TenantScope, acting_for
from portal.webhooks import claims, outcomes
from portal.webhooks.claims import Claimed
from portal.webhooks.outcomes import BACKOFF_S, JITTER
from portal.webhooks.posting import Attempt, Failure
from portal.webhooks.relay import WebhookRelay
from tests.conftest import SETTINGS
from tests.endpoints import SECRET, change, current, deliveries, let_time_pass, make_endpoint, tell
from tests.webhooks.receiver import Receiver

pytestmark = pytest.mark.commits
BROKEN = Attempt(Failure.BAD_STATUS, 500)
WELL = Attempt(status=200, took_ms=12)
KEY_THAT_IS_GONE = "a-key-that-is-gone-of-32-characters-or-more"


@pytest.fixture
def endpoint(scope: TenantScope, conversation: Conversation) -> WebhookEndpoint:
    """With one delivery that waits."""
    endpoint = make_endpoint(scope)
    tell(scope, conversation, "oi")
    return endpoint


def claim() -> Claimed:
    (taken,) = claims.claim(most=1, most_probes=1)
    return taken


def fail(endpoint: WebhookEndpoint, attempt: Attempt = BROKEN) -> WebhookDelivery:
    """One more attempt that fails, however long that is to wait for."""
    let_time_pass(endpoint)
    outcomes.record(claim(), attempt)
    return deliveries(endpoint)[0]


def work(relay: WebhookRelay) -> None:
    """Post what is due."""
    relay.drain()
    assert relay.finish(25)


def seconds_until(at: Any) -> float:
    return float((at - now()).total_seconds())


def test_attempts_come_later_and_later_until_it_is_given_up(endpoint: WebhookEndpoint) -> None:
    waits = []
    while (delivery := fail(endpoint)).state == DeliveryState.WAITING:
        waits.append(seconds_until(delivery.next_attempt_at))

    assert (delivery.state, delivery.attempts, delivery.error_code, delivery.response_status) == (
        DeliveryState.FAILED,
        len(BACKOFF_S) + 1,
        "bad_status",
        500,
    )
    for wait, usual in zip(waits, BACKOFF_S, strict=True):
        assert (1 - JITTER) * usual - 5 < wait < (1 + JITTER) * usual + 5
    assert 2 < sum(BACKOFF_S) / 86_400 < 2.5


@pytest.mark.parametrize(("told_s", "at_least"), [(0.0, 3.0), (120.0, 115.0)], ids=["nothing told", "two minutes"])
def test_receiver_that_says_when_is_left_alone_until_then(
    endpoint: WebhookEndpoint, told_s: float, at_least: float
) -> None:
    delivery = fail(endpoint, Attempt(Failure.BAD_STATUS, 503, retry_after_s=told_s))

    assert at_least < seconds_until(delivery.next_attempt_at) < at_least + 10
    paused_until = current(endpoint).paused_until
    assert (paused_until is not None) == (told_s > 0)
    if paused_until is not None:
        assert 115 < seconds_until(paused_until) <= 120


def test_endpoint_that_fails_again_and_again_is_left_alone_longer_and_longer(endpoint: WebhookEndpoint) -> None:
    pauses = []
    for _ in range(10):
        fail(endpoint)
        paused_until = current(endpoint).paused_until
        pauses.append(0 if paused_until is None else round(seconds_until(paused_until) + 0.4))

    assert pauses == [0, 0, 5, 10, 20, 40, 80, 160, 300, 300]


def test_nothing_is_posted_while_the_endpoint_is_left_alone(endpoint: WebhookEndpoint) -> None:
    change(endpoint, failures=claims.UNWELL, paused_until=now() + timedelta(seconds=30))
    before = claims.claim(most=9, most_probes=9)

    change(endpoint, paused_until=now() - timedelta(seconds=1))

    assert (before, len(claims.claim(most=9, most_probes=9))) == ([], 1)


def test_one_delivery_at_a_time_finds_out_whether_the_endpoint_is_back(
    scope: TenantScope, conversation: Conversation, endpoint: WebhookEndpoint
) -> None:
    tell(scope, conversation, *("mais" for _ in range(9)))
    change(endpoint, failures=claims.UNWELL)

    (probe,) = claims.claim(most=9, most_probes=9)
    while_it_is_tried = claims.claim(most=9, most_probes=9)
    outcomes.record(probe, WELL)

    assert while_it_is_tried == []
    assert len(claims.claim(most=9, most_probes=9)) == claims.EACH


def test_first_success_ends_the_pause(endpoint: WebhookEndpoint) -> None:
    probe = claim()
    change(endpoint, failures=7, paused_until=now() + timedelta(seconds=99))

    outcomes.record(probe, WELL)

    after = current(endpoint)
    assert (after.failures, after.paused_until) == (0, None)


def test_receiver_that_is_gone_is_switched_off(endpoint: WebhookEndpoint) -> None:
    delivery = fail(endpoint, Attempt(Failure.GONE, 410))

    assert (delivery.state, delivery.error_code) == (DeliveryState.FAILED, "gone")
    switched = current(endpoint)
    assert (switched.disabled_at is not None, switched.is_gone) == (True, True)


def test_late_failure_of_an_attempt_whose_lease_was_over_changes_nothing(endpoint: WebhookEndpoint) -> None:
    lost = claim()
    let_time_pass(endpoint)
    outcomes.record(claim(), WELL)

    outcomes.record(lost, BROKEN)

    (delivery,) = deliveries(endpoint)
    assert (delivery.state, delivery.error_code) == (DeliveryState.DELIVERED, None)


def test_late_success_of_an_attempt_whose_lease_was_over_counts(endpoint: WebhookEndpoint) -> None:
    lost = claim()
    let_time_pass(endpoint)
    outcomes.record(claim(), BROKEN)

    outcomes.record(lost, WELL)

    assert deliveries(endpoint)[0].state == DeliveryState.DELIVERED


def test_another_address_is_not_blamed_for_the_one_before(endpoint: WebhookEndpoint) -> None:
    taken = claim()
    change(endpoint, url="https://elsewhere.test/hook")

    outcomes.record(taken, Attempt(Failure.GONE, 410))

    after = current(endpoint)
    assert (after.failures, after.disabled_at) == (0, None)


def test_outcome_of_an_endpoint_that_was_deleted_is_nobodys(scope: TenantScope, endpoint: WebhookEndpoint) -> None:
    taken = claim()
    with acting_for(scope):
        webhook_endpoints.delete(scope, endpoint.id)

    outcomes.record(taken, BROKEN)

    assert deliveries(endpoint) == []


@pytest.mark.parametrize(
    ("key", "secret"),
    [(KEY_THAT_IS_GONE, SECRET), (SETTINGS["SECRET_KEY"], "whsec_ä")],
    ids=["its key is gone", "it is not base64"],
)
def test_secret_that_cannot_be_read_signs_nothing(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay, key: str, secret: str
) -> None:
    endpoint = make_endpoint(scope, receiver.url, secret_encrypted=Vault((key,)).encrypt(secret))
    tell(scope, conversation, "oi")

    work(relay)

    assert (deliveries(endpoint)[0].error_code, receiver.told) == ("unreadable_secret", [])


def test_secret_before_that_cannot_be_read_keeps_nothing_from_being_told(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    old = Vault((KEY_THAT_IS_GONE,)).encrypt(SECRET)
    make_endpoint(scope, receiver.url, previous_secret_encrypted=old, previous_until=now() + timedelta(hours=1))
    tell(scope, conversation, "oi")

    work(relay)

    assert receiver.texts() == ["oi"]


def test_failed_post_is_tried_again_under_the_same_id(
    scope: TenantScope, conversation: Conversation, receiver: Receiver, relay: WebhookRelay
) -> None:
    endpoint = make_endpoint(scope, receiver.url)
    receiver.say(500, 500, 204)
    tell(scope, conversation, "oi")

    for _ in range(3):
        work(relay)
        let_time_pass(endpoint)

    assert receiver.texts() == ["oi"] * 3
    assert len({told.id for told in receiver.told}) == 1
    assert (deliveries(endpoint)[0].state, deliveries(endpoint)[0].attempts) == (DeliveryState.DELIVERED, 3)
