"""The pages of the addresses that hear of messages: made, changed, their secret shown once, switched off, deleted."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient

from portal.clock import now
from portal.db import db
from portal.models import Message, User, WebhookEndpoint
from portal.permissions import Role
from portal.services.webhook_endpoints import MOST_ENDPOINTS
from portal.tenancy import TenantScope, acting_for
from tests.endpoints import SHOWN, URL, endpoint_of, make_delivery, make_endpoint
from tests.factories import make_user
from tests.statements import counted
from tests.web.conftest import OpenBrowser

LIST = "/t/acme/webhooks"
BOTH = ["message.received", "message.status"]
SECRET = re.compile(r"whsec_[A-Za-z0-9+/=]{44}")
MARK = re.compile(r'name="instead_of" value="([^"]+)"')


def page_of(endpoint: WebhookEndpoint) -> str:
    return f"{LIST}/{endpoint.id}"


def made_by(acme: TenantScope) -> list[WebhookEndpoint]:
    with acting_for(acme):
        return list(db.session.scalars(acme.select(WebhookEndpoint).order_by(WebhookEndpoint.id)))


def words_in(page: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", page).split())


def test_list_without_an_address_says_what_they_are_for(admin: FlaskClient) -> None:
    page = admin.get(LIST).text

    assert "it hears at once when a customer writes" in page
    assert f'href="{LIST}/new"' in page


def test_list_shows_address_without_its_query_topics_state_and_figures(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    make_endpoint(acme, url="https://shop.example.com/", topics=["message.status"], disabled_at=now())
    for state, number in (("delivered", 3), ("failed", 2), ("waiting", 1)):
        for _ in range(number):
            make_delivery(acme, endpoint, message, state=state)

    page = admin.get(LIST).text

    words = words_in(page)
    assert f"{SHOWN}?…" in words
    assert "only-they-know" not in page
    assert "Messages that come in, What becomes of messages" in words
    assert "Delivered in 24 h 3 Failed in 24 h 2 Waiting 1" in words
    assert "On News is posted as it happens." in words
    assert "Off Switched off since" in words


def test_list_asks_the_database_as_often_for_many_addresses_as_for_one(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint
) -> None:
    admin.get(LIST)
    with counted() as for_one:
        admin.get(LIST)
    for number in range(4):
        make_endpoint(acme, url=f"https://shop.example.com/{number}")

    with counted() as for_many:
        admin.get(LIST)

    assert len(for_many) == len(for_one)


@pytest.mark.parametrize(
    ("columns", "words"),
    [
        ({"disabled_at": timedelta(0)}, "Off Switched off since"),
        (
            {"failures": 3, "paused_until": timedelta(minutes=5)},
            "Not reached Not reached within the last 24 hours. Next try:",
        ),
        ({"failures": 3, "paused_until": timedelta(seconds=-1)}, "It is tried right now."),
        ({"failures": 1}, "On News is posted as it happens."),
    ],
    ids=["off", "paused", "probed", "failed once"],
)
def test_state_is_told_in_words(admin: FlaskClient, acme: TenantScope, columns: dict[str, object], words: str) -> None:
    at = {name: now() + value if isinstance(value, timedelta) else value for name, value in columns.items()}
    endpoint = make_endpoint(acme, **at)

    assert words in words_in(admin.get(page_of(endpoint)).text)


def test_endpoint_that_is_not_reached_says_since_when(admin: FlaskClient, acme: TenantScope, message: Message) -> None:
    endpoint = make_endpoint(acme, failures=3, paused_until=now() + timedelta(minutes=5))
    make_delivery(acme, endpoint, message, delivered_at=now())

    words = words_in(admin.get(page_of(endpoint)).text)

    assert "Not reached since" in words
    assert "What happens is kept, and sent once it answers." in words
    assert "Try now" in words


def test_new_address_shows_its_secret_once(admin: FlaskClient, acme: TenantScope) -> None:
    form = admin.get(f"{LIST}/new").text
    answer = admin.post(LIST, data={"url": URL, "topics": ["message.status"]})

    (endpoint,) = made_by(acme)
    (secret,) = set(SECRET.findall(answer.text))
    assert form.count(" checked") == 2
    assert (endpoint.url, endpoint.topics) == (URL, ["message.status"])
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert "Set-Cookie" not in answer.headers
    later = [admin.get(f"{page_of(endpoint)}{page}").text for page in ("", "/edit", "/secret", "/delete")]
    assert [page for page in (admin.get(LIST).text, *later) if secret in page or "whsec_" in page] == []


@pytest.mark.parametrize("where", ["", "/edit"], ids=["new", "change"])
def test_what_is_wrong_stands_beside_its_field_and_the_rest_is_kept(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, where: str
) -> None:
    address = f"{page_of(endpoint)}{where}" if where else LIST

    bad_address = admin.post(address, data={"url": "https://10.0.0.1/hook", "topics": ["message.status"]})
    no_topic = admin.post(address, data={"url": "https://shop.example.com/hook"})
    forged = admin.post(address, data={"url": "https://shop.example.com/hook", "topics": ["message.deleted"]})

    assert (bad_address.status_code, no_topic.status_code, forged.status_code) == (422, 422, 422)
    assert 'id="url-error"' in bad_address.text
    assert 'value="https://10.0.0.1/hook"' in bad_address.text
    assert bad_address.text.count(" checked") == 1
    assert 'id="topics-error"' not in bad_address.text
    assert 'id="topics-error"' in no_topic.text
    assert 'value="https://shop.example.com/hook"' in no_topic.text
    assert 'id="topics-error"' in forged.text
    assert [one.url for one in made_by(acme)] == [URL]


def test_full_list_offers_no_more_addresses(admin: FlaskClient, acme: TenantScope) -> None:
    for number in range(MOST_ENDPOINTS):
        make_endpoint(acme, url=f"https://shop.example.com/{number}")

    answer = admin.post(LIST, data={"url": URL, "topics": BOTH})

    assert f'href="{LIST}/new"' not in admin.get(LIST).text
    assert answer.status_code == 422
    assert 'id="url-error"' in answer.text


def test_address_is_changed(admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint) -> None:
    form = admin.get(f"{page_of(endpoint)}/edit").text
    answer = admin.post(f"{page_of(endpoint)}/edit", data={"url": "https://new.example.com/", "topics": BOTH[:1]})

    changed = endpoint_of(acme, endpoint.id)
    assert f'value="{URL}"' in form
    assert (answer.status_code, answer.location) == (303, page_of(endpoint))
    assert changed is not None
    assert (changed.url, changed.topics) == ("https://new.example.com/", BOTH[:1])


def test_new_secret_is_shown_once_and_the_old_one_signs_for_a_while(
    admin: FlaskClient, endpoint: WebhookEndpoint
) -> None:
    asked = admin.get(f"{page_of(endpoint)}/secret").text
    form = {"instead_of": MARK.findall(asked)[0]}
    first = admin.post(f"{page_of(endpoint)}/secret", data=form)
    again = admin.post(f"{page_of(endpoint)}/secret", data=form)
    asked_again = admin.get(f"{page_of(endpoint)}/secret").text

    assert (first.status_code, again.status_code) == (201, 409)
    assert len(set(SECRET.findall(first.text))) == 1
    assert "The secret before it signs as well until" in first.text
    assert "is over at once" not in asked
    assert "is over at once" in asked_again
    assert "the secret before signs until" in admin.get(page_of(endpoint)).text


def test_switched_off_and_on_by_buttons(admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint) -> None:
    off = admin.post(f"{page_of(endpoint)}/off", follow_redirects=True).text
    is_off = endpoint_of(acme, endpoint.id)
    on = admin.post(f"{page_of(endpoint)}/on", follow_redirects=True).text
    is_on = endpoint_of(acme, endpoint.id)

    assert "Switch on" in off
    assert is_off is not None
    assert is_off.disabled_at is not None
    assert "Switch off" in on
    assert is_on is not None
    assert is_on.disabled_at is None


def test_deleting_asks_first_and_says_what_goes(
    admin: FlaskClient, acme: TenantScope, endpoint: WebhookEndpoint, message: Message
) -> None:
    make_delivery(acme, endpoint, message, state="waiting")

    asked = admin.get(f"{page_of(endpoint)}/delete").text
    still_there = endpoint_of(acme, endpoint.id)
    answer = admin.post(f"{page_of(endpoint)}/delete")

    assert "1 delivery that waits is never sent." in asked
    assert still_there is not None
    assert (answer.status_code, answer.location) == (303, LIST)
    assert made_by(acme) == []


def test_deleting_a_long_log_asks_to_go_on(
    admin: FlaskClient,
    acme: TenantScope,
    endpoint: WebhookEndpoint,
    message: Message,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("portal.services.webhook_endpoints.BATCH", 1)
    monkeypatch.setattr("portal.services.webhook_endpoints.LONGEST_S", -1)
    make_delivery(acme, endpoint, message)

    answer = admin.post(f"{page_of(endpoint)}/delete", follow_redirects=True)

    assert "Delete the address once more." in answer.text
    assert "Delete this address?" in answer.text


def test_agents_see_none_of_it(acme: TenantScope, endpoint: WebhookEndpoint, browser: OpenBrowser) -> None:
    agent: User = make_user("agent@acme.test", role=Role.AGENT)
    client = browser(agent)

    assert {client.get(path).status_code for path in (LIST, page_of(endpoint), f"{LIST}/new")} == {403}
