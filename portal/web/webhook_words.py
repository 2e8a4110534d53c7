"""Outgoing webhooks in words: what an endpoint hears of, how it is, what became of a delivery, and what to do."""

from dataclasses import dataclass
from datetime import datetime

from flask_babel import lazy_gettext as _

from portal.clock import now
from portal.models import DeliveryState, MessageStatus, WebhookDelivery, WebhookEndpoint, WebhookTopic
from portal.queries.webhook_deliveries import EndpointRow, is_under_way
from portal.services.webhook_addresses import without_query
from portal.web.moments import moment
from portal.web.words import RUNGS, State, Tone


@dataclass(frozen=True)
class Topic:
    """What an endpoint may hear of: its name, and when that is told."""

    name: str
    hint: str


@dataclass(frozen=True)
class Problem:
    """Why a delivery was not taken: in two words, in a sentence, and what to do about it."""

    name: str
    sentence: str
    step: str


TOPICS = {
    WebhookTopic.MESSAGE_RECEIVED: Topic(_("Messages that come in"), _("Each message of a customer, as it arrives.")),
    WebhookTopic.MESSAGE_STATUS: Topic(
        _("What becomes of messages"),
        _("Each message of yours when it was sent, delivered, read, not sent, or when that is not known."),
    ),
}

DELIVERY_STATES = {
    DeliveryState.WAITING: _("Waiting"),
    DeliveryState.DELIVERED: _("Delivered"),
    DeliveryState.FAILED: _("Failed"),
}

PROBLEMS = {
    "timed_out": Problem(
        _("timed out"),
        _("The address took too long to answer."),
        _("Let it answer 200 as soon as it has read the news, and do the work afterwards."),
    ),
    "unreachable": Problem(
        _("not reached"),
        _("No connection to the address came about: its name is not known, or nothing listens there."),
        _("Check the address, and that its server runs and can be reached from the internet."),
    ),
    "refused_address": Problem(
        _("address refused"),
        _("The address leads into a private network, where the portal posts nothing."),
        _("Give an address that the internet can reach."),
    ),
    "tls_failed": Problem(
        _("not secure"),
        _("The certificate of the address is not valid: it ended, is for another name, or is not complete."),
        _("Renew the certificate there, with all that belongs to its chain."),
    ),
    "redirected": Problem(
        _("redirected"),
        _("The address leads on to another one, which is not followed."),
        _("Change the address to the one where it ends."),
    ),
    "bad_status": Problem(
        _("refused"),
        _("The program at the address did not answer with a success, which is any status from 200 to 299."),
        _("Look into its log of that moment."),
    ),
    "gone": Problem(
        _("gone"),
        _("The program at the address said that it is gone for good, so the address was switched off."),
        _("Switch it on once something listens there again, or delete it."),
    ),
    "unreadable_secret": Problem(
        _("secret not readable"),
        _("The signing secret was encrypted with a key that the portal does not have any more."),
        _("Make a new secret, give it to your program, then send this again."),
    ),
}
UNKNOWN_PROBLEM = Problem(
    _("not taken"), _("It is not known why the address did not take it."), _("Send it again, and see what comes of it.")
)


def shown_address(url: str) -> str:
    """The address without what comes after its path, which often is a secret; a mark tells that there is more."""
    shown = without_query(url)
    return shown if shown == url else f"{shown}?…"


def topic_names(endpoint: WebhookEndpoint) -> str:
    return ", ".join(str(TOPICS[WebhookTopic(topic)].name) for topic in endpoint.topics)


def has_two_secrets(endpoint: WebhookEndpoint) -> bool:
    """Whether the secret before still signs as well."""
    return endpoint.previous_until is not None and endpoint.previous_until > now()


def endpoint_state(row: EndpointRow, zone: str) -> State:
    """How the endpoint is: switched off, not reached for the moment, or on."""
    endpoint = row.endpoint
    if endpoint.disabled_at is not None:
        return _off(endpoint.disabled_at, zone, is_gone=endpoint.is_gone)
    if endpoint.paused_until is not None:
        return _not_reached(row, endpoint.paused_until, zone)
    return State(_("On"), _("News is posted as it happens."), "", Tone.GOOD)


def delivery_state(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> State:
    """What became of a delivery; the next step is what its receiver can do about it."""
    if delivery.state == DeliveryState.DELIVERED:
        return State(DELIVERY_STATES[DeliveryState.DELIVERED], "", "", Tone.GOOD)
    problem = problem_of(delivery)
    told = (str(problem.sentence), str(problem.step)) if problem else ("", "")
    if delivery.state == DeliveryState.FAILED:
        return State(DELIVERY_STATES[DeliveryState.FAILED], *told, Tone.BAD)
    if is_under_way(delivery):
        return State(_("Being sent"), "", "", Tone.BUSY)
    if endpoint.disabled_at is not None:
        return State(_("Waits until it is switched on"), *told, Tone.CALM)
    return State(DELIVERY_STATES[DeliveryState.WAITING], *told, Tone.WARNING if problem else Tone.CALM)


def answer_words(delivery: WebhookDelivery) -> str:
    """What the last attempt was answered: `200 in 120 ms`, `answered 500`, `timed out`."""
    status, problem = delivery.response_status, problem_of(delivery)
    if problem is None:
        return str(_("%(status)s in %(ms)s ms", status=status, ms=delivery.took_ms)) if status else ""
    return str(_("answered %(status)s", status=status)) if status else str(problem.name)


def problem_of(delivery: WebhookDelivery) -> Problem | None:
    if delivery.error_code is None:
        return None
    return PROBLEMS.get(delivery.error_code, UNKNOWN_PROBLEM)


def can_replay(delivery: WebhookDelivery) -> bool:
    """Whether sending it again would change anything, and is allowed."""
    is_new = delivery.state == DeliveryState.WAITING and delivery.attempts == 0
    return not is_new and not is_under_way(delivery)


def next_attempt(delivery: WebhookDelivery, endpoint: WebhookEndpoint) -> datetime | None:
    """When it is tried again; None when it is not, when it is due, and when it waits for something else than time."""
    if delivery.state != DeliveryState.WAITING or endpoint.disabled_at is not None or is_under_way(delivery):
        return None
    at = max(delivery.next_attempt_at, endpoint.paused_until or delivery.next_attempt_at)
    return at if at > now() else None


def status_words(delivery: WebhookDelivery) -> str:
    """What the message had come to when this was noted."""
    status = MessageStatus(delivery.status)
    return str(_("Not sent") if status == MessageStatus.FAILED else RUNGS[status].label)


def _off(since: datetime, zone: str, *, is_gone: bool) -> State:
    at = moment(since, zone)
    if is_gone:
        sentence = _("It answered that it is gone for good, so it was switched off: %(moment)s.", moment=at)
        return State(_("Off"), sentence, PROBLEMS["gone"].step, Tone.BAD)
    sentence = _("Switched off since %(moment)s. What happens meanwhile is not kept for it.", moment=at)
    return State(_("Off"), sentence, _("What waited before goes out once it is on again."), Tone.CALM)


def _not_reached(row: EndpointRow, until: datetime, zone: str) -> State:
    since = (
        _("Not reached since %(moment)s.", moment=moment(row.reached_at, zone))
        if row.reached_at
        else _("Not reached within the last 24 hours.")
    )
    next_try = _("Next try: %(moment)s.", moment=moment(until, zone)) if until > now() else _("It is tried right now.")
    return State(
        _("Not reached"), f"{since} {next_try}", _("What happens is kept, and sent once it answers."), Tone.WARNING
    )
