"""The operator's pages of webhook events that could not be applied, and of what came in for nobody here."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.models import CountedOutcome, EventState, Unit, WebhookCount, WebhookEvent
from portal.queries.parked_events import PAGE
from portal.tenancy import TenantScope, across_tenants
from tests.factories import make_connected_unit, make_parked_event

EVENTS = "/operator/events"
SECRET_TEXT = "O que a cliente escreveu"


def state_of(event_id: int) -> str | None:
    with across_tenants("a test looks"):
        return db.session.scalar(select(WebhookEvent.state).where(WebhookEvent.id == event_id))


def shown(page: str) -> list[int]:
    return [int(id_) for id_ in re.findall(r'id="event-(\d+)"', page)]


def hidden(page: str) -> dict[str, str]:
    """The fields that a page asks with, but for what is typed."""
    return dict(re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', page))


def test_operators_first_page_leads_to_the_parked_events_and_counts_them(
    operator: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    make_parked_event(acme, unit)

    page = operator.get("/operator/").text

    assert re.search(rf'href="{EVENTS}">Parked events <span class="count count--bad">1</span>', page)


def test_list_tells_what_is_known_of_an_event_and_not_what_stands_in_it(
    operator: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    body = f'{{"data": "{SECRET_TEXT}"}}'
    id_ = make_parked_event(acme, unit, event="messages.upsert", error="KeyError", body=body)

    page, one = operator.get(EVENTS).text, operator.get(f"{EVENTS}/{id_}").text

    for text in (page, one):
        assert "messages.upsert" in text
        assert "KeyError" in text
        assert "Acme · Centro" in text
        assert "5 attempts" in text
        assert "1 KB" in text
        assert SECRET_TEXT not in text
    assert "<td><code>data</code></td><td>string</td>" in one


def test_name_of_a_field_is_no_markup(operator: FlaskClient) -> None:
    id_ = make_parked_event(None, None, body='{"<script>x</script>": 1}', event="<b>x</b>", instance_name="<i>x</i>")

    pages = operator.get(f"{EVENTS}/{id_}").text + operator.get(f"{EVENTS}/unknown").text

    assert "&lt;script&gt;" in pages
    assert [tag for tag in ("<script>x", "<b>x", "<i>x") if tag in pages] == []


def test_cut_body_is_said_to_be_no_use(operator: FlaskClient) -> None:
    id_ = make_parked_event(None, None, body='{"event": "messages.up')

    assert "it cannot be applied" in operator.get(f"{EVENTS}/{id_}").text


@pytest.mark.parametrize("id_", [0, 999_999_999, 9223372036854775807, 9223372036854775808, 10**30])
def test_event_that_is_not_there_is_not_found(operator: FlaskClient, id_: int) -> None:
    assert operator.get(f"{EVENTS}/{id_}").status_code == 404


def test_event_that_is_not_parked_is_not_shown(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    id_ = make_parked_event(acme, unit, state=EventState.DONE)

    assert operator.get(f"{EVENTS}/{id_}").status_code == 404


@pytest.mark.parametrize(
    "wanted", ["event=messages.update", "error=ValueError", "unit=acme/praia", "instance=unit_of_praia"]
)
def test_filter_leaves_what_fits(operator: FlaskClient, acme: TenantScope, unit: Unit, wanted: str) -> None:
    make_parked_event(acme, unit)
    praia = make_connected_unit(acme, "praia")
    fitting = make_parked_event(acme, praia, event="messages.update", error="ValueError", instance_name="unit_of_praia")

    assert shown(operator.get(f"{EVENTS}?{wanted}").text) == [fitting]


@pytest.mark.parametrize("wanted", ["event=nothing", "instance=a%00b", "error=%00"])
def test_filter_that_nothing_fits_says_so_or_is_none(
    operator: FlaskClient, acme: TenantScope, unit: Unit, wanted: str
) -> None:
    id_ = make_parked_event(acme, unit)

    page = operator.get(f"{EVENTS}?{wanted}")

    assert page.status_code == 200
    assert ("No parked event fits this filter." in page.text) == (shown(page.text) != [id_])


@pytest.mark.parametrize("wanted", ["unit=acme/nowhere", "before=x", "before=-1", "before=99999999999999999999"])
def test_address_that_makes_no_sense_is_refused(operator: FlaskClient, acme: TenantScope, wanted: str) -> None:
    assert operator.get(f"{EVENTS}?{wanted}").status_code == 400


def test_pages_show_every_event_once_the_newest_first(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    ids = [make_parked_event(acme, unit) for _ in range(PAGE + 2)]

    first = operator.get(EVENTS).text
    older = re.search(r'href="(/operator/events\?before=\d+)[^"]*">Older events', first)
    assert older

    assert shown(first) + shown(operator.get(older[1]).text) == ids[::-1]


def test_one_event_is_replayed_at_once(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    id_ = make_parked_event(acme, unit)

    answer = operator.post(EVENTS, data={"ids": str(id_)}, follow_redirects=True)

    assert "1 event goes to the inbox again." in answer.text
    assert state_of(id_) == "new"


def test_several_are_asked_about_and_then_exactly_those_are_replayed(
    operator: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    chosen, other = [make_parked_event(acme, unit) for _ in range(2)], make_parked_event(acme, unit)

    question = operator.post(EVENTS, data={"ids": [str(id_) for id_ in chosen]})
    before = state_of(chosen[0])
    operator.post(EVENTS, data=hidden(question.text))

    assert "Replay 2 events?" in question.text
    assert before == "parked"
    assert [state_of(id_) for id_ in (*chosen, other)] == ["new", "new", "parked"]


def test_all_that_match_are_those_that_were_there_when_it_was_asked(
    operator: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    fitting = [make_parked_event(acme, unit, event="call") for _ in range(2)]
    other = make_parked_event(acme, unit)
    address = f"{EVENTS}?event=call"
    up_to = hidden(operator.get(address).text)["up_to"]
    question = operator.post(address, data={"every": "1", "up_to": up_to})
    later = make_parked_event(acme, unit, event="call")

    operator.post(address, data=hidden(question.text))

    assert "Replay 2 events?" in question.text
    assert [state_of(id_) for id_ in (*fitting, other, later)] == ["new", "new", "parked", "parked"]


@pytest.mark.parametrize("typed", [{}, {"ids": ""}, {"ids": "123456789"}])
def test_nothing_chosen_is_said(operator: FlaskClient, acme: TenantScope, unit: Unit, typed: dict[str, str]) -> None:
    make_parked_event(acme, unit)

    answer = operator.post(EVENTS, data=typed, follow_redirects=True)

    assert "Nothing was chosen, or nothing of it is parked any more." in answer.text


def test_ids_that_are_none_are_refused(operator: FlaskClient, acme: TenantScope) -> None:
    assert operator.post(EVENTS, data={"ids": "1 or 1=1"}).status_code == 400


def test_unknown_instance_is_forgotten_after_a_question(operator: FlaskClient) -> None:
    id_ = make_parked_event(None, None, instance_name="stranger")
    page = operator.get(f"{EVENTS}/unknown").text

    question = operator.post(f"{EVENTS}/unknown/forget", data={"instance": "stranger"})
    before = state_of(id_)
    done = operator.post(f"{EVENTS}/unknown/forget", data=hidden(question.text), follow_redirects=True)

    assert "stranger" in page
    assert "/unknown/replay" not in page
    assert "Forget 1 event?" in question.text
    assert (before, state_of(id_)) == ("parked", None)
    assert "1 event was forgotten." in done.text


def test_instance_that_a_unit_has_now_is_replayed_with_a_warning(operator: FlaskClient, acme: TenantScope) -> None:
    id_ = make_parked_event(None, None, instance_name="unit_restored")
    make_connected_unit(acme, "praia", instance_name="unit_restored")
    page = operator.get(f"{EVENTS}/unknown").text

    question = operator.post(f"{EVENTS}/unknown/replay", data={"instance": "unit_restored"})
    operator.post(f"{EVENTS}/unknown/replay", data=hidden(question.text))

    assert "A unit has this instance now" in page
    assert "anybody may have sent them" in question.text
    assert state_of(id_) == "new"


def test_event_of_nobody_is_told_to_stay(operator: FlaskClient) -> None:
    id_ = make_parked_event(None, None)

    answer = operator.post(EVENTS, data={"ids": str(id_)}, follow_redirects=True)

    assert "What belongs to an instance that is still no unit of this portal stays here." in answer.text
    assert state_of(id_) == "parked"


def test_counts_stand_under_their_day_and_old_ones_are_left_out(operator: FlaskClient) -> None:
    today = now().date()
    with across_tenants("a test counts"), atomic():
        for outcome, name, day, count in (
            (CountedOutcome.UNKNOWN_EVENT, "presence.news", today, 7),
            (CountedOutcome.REFUSED, "messages.upsert", today, 3),
            (CountedOutcome.UNKNOWN_INSTANCE, "call", today - timedelta(days=40), 9),
        ):
            db.session.add(WebhookCount(day=day, outcome=outcome, event=name, count=count))

    page = operator.get(f"{EVENTS}/counts").text

    assert "<span>Events of an unknown name: presence.news</span><span>7</span>" in page
    assert "<span>Refused: wrong secret or signature: messages.upsert</span><span>3</span>" in page
    assert "Events of an unknown instance" not in page


@pytest.mark.parametrize(
    ("path", "sentence"),
    [("", "Nothing is parked"), ("/unknown", "Nobody unknown has called"), ("/counts", "Nothing was turned away")],
)
def test_empty_pages_say_what_would_be_there(operator: FlaskClient, path: str, sentence: str) -> None:
    assert sentence in operator.get(EVENTS + path).text


@pytest.mark.parametrize("path", ["", "/unknown", "/counts", "/1"])
def test_people_of_a_tenant_are_kept_out(admin: FlaskClient, path: str) -> None:
    assert admin.get(EVENTS + path).status_code == 403
