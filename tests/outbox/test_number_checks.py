"""WhatsApp is asked which recipients it knows: a few at a time, each once a month, and nobody waits for it."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from portal.clock import now
from portal.db import atomic, db
from portal.evolution import errors
from portal.evolution.errors import EvolutionRejected
from portal.evolution.types import SentMessage
from portal.models import CampaignState, Connection, Contact, Lane, PlanState, RecipientState, SkipReason
from portal.outbox import number_checks, servers
from portal.outbox import relay as relay_module
from portal.outbox.number_checks import NumberCheck
from portal.outbox.relay import OutboxRelay
from portal.tenancy import TenantScope, acting_for
from tests.evolution.little_servers import Scripted
from tests.factories import make_tenant
from tests.outbox.conftest import Shop, rows_of
from tests.outbox.runs import Run
from tests.outbox.sending import claim_one, record

pytestmark = pytest.mark.commits
PENDING, SKIPPED = RecipientState.PENDING, RecipientState.SKIPPED


@pytest.fixture
def run(scripted: Scripted, shop: Shop) -> Run:
    return planned(shop)


def planned(shop: Shop, people: int = 3, **columns: Any) -> Run:
    """A campaign whose numbers are to be checked now."""
    return Run(shop.scope, shop.unit, people, number_check_at=now() - timedelta(seconds=1), **columns)


def entry(number: str, *, exists: bool = True, jid: str | None = None) -> dict[str, object]:
    return {"jid": jid or f"{number}@s.whatsapp.net", "exists": exists, "number": number}


def check() -> list[NumberCheck]:
    claimed = number_checks.claim()
    for one in claimed:
        number_checks.carry_out(one)
    return claimed


def numbers_of(run: Run) -> list[str]:
    return [contact(run, position).phone or "" for position in range(1, len(run.contact_ids) + 1)]


def contact(run: Run, position: int) -> Contact:
    with acting_for(run.scope):
        return run.scope.get(Contact, run.contact_ids[position - 1])


def change_contact(run: Run, position: int, **columns: object) -> None:
    with acting_for(run.scope), atomic():
        this = run.scope.update(Contact).where(Contact.id == run.contact_ids[position - 1])
        db.session.execute(this.values(columns).execution_options(synchronize_session=False))


def lines_of(run: Run) -> list[tuple[RecipientState, SkipReason | None]]:
    return [(one.state, one.reason) for one in run.recipients()]


def test_whoever_is_not_on_whatsapp_gets_nothing(scripted: Scripted, run: Run) -> None:
    first, second, third = numbers_of(run)
    # In an order of its own.
    scripted.answer(200, [entry(third), entry(first), entry(second, exists=False)])

    check()

    assert scripted.asked[0].path == f"/chat/whatsappNumbers/{rows_of(Connection)[0].instance_name}"
    assert scripted.asked[0].body == {"numbers": [first, second, third]}
    assert [contact(run, position).is_on_whatsapp for position in (1, 2, 3)] == [True, False, True]
    assert lines_of(run) == [(PENDING, None), (SKIPPED, SkipReason.NOT_ON_WHATSAPP), (PENDING, None)]
    assert run.campaign().number_check_at is None


def test_form_that_whatsapp_uses_is_kept(scripted: Scripted, shop: Shop) -> None:
    run = Run(shop.scope, shop.unit, 2, prefix="55319888", number_check_at=now())
    change_contact(run, 2, whatsapp_number="553188800009", number_at=now())
    first, _ = numbers_of(run)
    jids = ["553188800000@s.whatsapp.net", "553188800001@s.whatsapp.net"]
    scripted.answer(200, [entry(first, jid=jids[0]), entry("553188800009", jid=jids[1])])

    check()

    assert contact(run, 1).whatsapp_number == "553188800000"
    # Of several numbers of one person the newest counts, as their messages tell.
    assert (contact(run, 2).whatsapp_number, contact(run, 2).is_on_whatsapp) == ("553188800009", True)


def test_only_those_are_asked_for_of_whom_nothing_is_known(scripted: Scripted, run: Run) -> None:
    change_contact(run, 1, number_checked_at=now() - timedelta(days=29), is_on_whatsapp=True)
    change_contact(run, 2, number_checked_at=now() - timedelta(days=31), is_on_whatsapp=True)
    run.change_recipient(3, state=RecipientState.CANCELLED)
    scripted.answer(200, [])

    check()

    assert scripted.asked[0].body == {"numbers": [numbers_of(run)[1]]}


def test_when_all_are_known_nobody_is_asked(scripted: Scripted, run: Run) -> None:
    for position in (1, 2, 3):
        change_contact(run, position, number_checked_at=now())

    assert len(check()) == 1
    assert (scripted.asked, run.campaign().number_check_at, check()) == ([], None, [])


def test_number_of_which_whatsapp_says_nothing_is_not_asked_for_again_and_nobody_is_skipped(
    scripted: Scripted, run: Run
) -> None:
    scripted.answer(200, [{"number": numbers_of(run)[0]}, "?", {"exists": True}])

    check()

    assert (contact(run, 1).is_on_whatsapp, contact(run, 1).number_checked_at is not None) == (None, True)
    assert run.campaign().number_check_at is None
    assert lines_of(run) == [(PENDING, None)] * 3


def test_many_are_asked_for_a_few_at_a_time_at_the_pace_of_the_unit(
    scripted: Scripted, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(number_checks, "NUMBERS_TOGETHER", 2)
    run, other = planned(shop), planned(shop, prefix="55119777")
    scripted.answer(200, [])
    began_at = now()

    assert [one.campaign_id for one in check()] == [run.campaign_id]

    for one in (run, other):
        next_at = one.campaign().number_check_at
        assert next_at is not None
        assert next_at - began_at > timedelta(seconds=4)
    assert check() == []
    assert len(scripted.asked[0].body["numbers"]) == 2


@pytest.mark.parametrize(
    ("columns", "is_due"),
    [
        ({"state": CampaignState.DRAFT}, True),
        ({"state": CampaignState.SCHEDULED}, True),
        ({"state": CampaignState.PROCESSING}, True),
        ({"state": CampaignState.PAUSED}, True),
        ({"state": CampaignState.COMPLETED}, False),
        ({"state": CampaignState.CANCELLED}, False),
        ({"plan_state": PlanState.WAITING}, False),
        ({"number_check_at": None}, False),
        ({"number_check_at": datetime(2100, 1, 1).astimezone()}, False),
    ],
)
def test_campaigns_that_are_checked(run: Run, columns: Mapping[str, object], is_due: bool) -> None:
    run.change(**columns)

    assert bool(number_checks.claim()) == is_due


def test_unit_that_is_away_and_server_that_is_busy_are_not_asked(shop: Shop, run: Run) -> None:
    assert number_checks.claim(busy_servers=[servers.list_servers()[0].id]) == []
    shop.change(Lane, is_open=False)
    assert number_checks.claim() == []


def test_two_claims_never_take_the_same_campaign_and_a_lost_one_comes_again(run: Run) -> None:
    (lost,) = number_checks.claim()
    assert number_checks.claim() == []

    run.change(number_check_at=now() - timedelta(seconds=1))
    (again,) = number_checks.claim()

    assert again.campaign_id == lost.campaign_id


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, {}),
        (400, {"data": None, "isBoom": True, "isServer": False, "output": {"statusCode": 428}}),
        (400, {"status": 400, "error": "Bad Request", "message": [["numbers does not meet minimum length of 1"]]}),
        (500, {"status": 500, "error": "Internal Server Error", "response": {"message": "Connection Closed"}}),
        (502, "bad gateway"),
    ],
)
def test_failures_wait_longer_each_time_and_say_nothing_of_the_numbers(
    scripted: Scripted, run: Run, status: int, body: object
) -> None:
    scripted.answer(status, body)
    waits = []

    for _ in range(2):
        run.change(number_check_at=now() - timedelta(seconds=1))
        began_at = now()
        check()
        next_at = run.campaign().number_check_at
        assert next_at is not None
        waits.append(round((next_at - began_at).total_seconds()))

    assert waits == [30, 60]
    assert contact(run, 1).number_checked_at is None
    assert lines_of(run) == [(PENDING, None)] * 3


def test_waits_have_an_end_and_one_answer_ends_them(scripted: Scripted, run: Run) -> None:
    run.change(number_check_failures=100)
    scripted.answer(502, "bad gateway")
    check()
    next_at = run.campaign().number_check_at
    assert next_at is not None
    assert next_at - now() < timedelta(hours=1)

    run.change(number_check_at=now() - timedelta(seconds=1))
    scripted.answers.clear()
    scripted.answer(200, [])
    check()
    assert run.campaign().number_check_failures == 0


def test_campaign_that_was_planned_anew_meanwhile_is_still_checked(scripted: Scripted, run: Run) -> None:
    scripted.answer(200, [])
    (claimed,) = number_checks.claim()
    planned_at = now()
    run.change(number_check_at=planned_at)

    number_checks.carry_out(claimed)

    assert run.campaign().number_check_at == planned_at


def test_number_that_was_changed_meanwhile_is_not_taken_for_the_old_one(scripted: Scripted, run: Run) -> None:
    scripted.answer(200, [entry(number, exists=False) for number in numbers_of(run)])
    (claimed,) = number_checks.claim()
    read = number_checks._read_unchecked

    def change_afterwards(check: NumberCheck) -> dict[UUID, str]:
        wanted = read(check)
        change_contact(run, 1, whatsapp_number="5511900000000")
        return wanted

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(number_checks, "_read_unchecked", change_afterwards)
        number_checks.carry_out(claimed)

    assert [contact(run, position).is_on_whatsapp for position in (1, 2)] == [None, False]
    assert run.recipients()[0].state == PENDING


def test_recipients_of_other_units_are_left_to_their_turn(scripted: Scripted, shop: Shop, run: Run) -> None:
    elsewhere = Shop(shop.scope, "norte", phone="5511999990077")
    other, rival = Run(shop.scope, elsewhere.unit), Run((far := Shop(make_tenant("rival"))).scope, far.unit)
    scripted.answer(200, [entry(number, exists=False) for number in numbers_of(run)])

    check()

    assert {state for state, _ in lines_of(run)} == {SKIPPED}
    assert {state for state, _ in lines_of(other) + lines_of(rival)} == {PENDING}
    assert contact(rival, 1).is_on_whatsapp is None


def test_send_under_another_form_proves_the_number(shop: Shop) -> None:
    shop.reply()
    record(claim_one(), SentMessage("3EB00123456789ABCDEF01", "551199990002@s.whatsapp.net"))

    person = person_of(shop)
    assert (person.is_on_whatsapp, person.number_checked_at is not None) == (True, True)


def test_send_that_whatsapp_knows_nobody_for_is_remembered(shop: Shop) -> None:
    shop.reply()
    record(claim_one(), EvolutionRejected(errors.NOT_ON_WHATSAPP))

    person = person_of(shop)
    assert (person.is_on_whatsapp, person.number_checked_at is not None) == (False, True)


def test_any_other_refusal_says_nothing_of_the_number(shop: Shop) -> None:
    shop.reply()
    record(claim_one(), EvolutionRejected(errors.INVALID_REQUEST))

    assert person_of(shop).is_on_whatsapp is None


def person_of(shop: Shop) -> Contact:
    contacts: list[Contact] = rows_of(Contact)
    return next(one for one in contacts if one.id == shop.conversation.contact_id)


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch, relay: OutboxRelay) -> Callable[[], None]:
    monkeypatch.setattr(relay_module, "SETTLE_S", -1.0)

    def drain() -> None:
        relay.drain()
        assert relay.finish(10)

    return drain


def test_relay_checks_numbers(scripted: Scripted, run: Run, settled: Callable[[], None]) -> None:
    scripted.answer(200, [entry(numbers_of(run)[0], exists=False)])

    settled()
    settled()

    assert run.recipients()[0].reason == SkipReason.NOT_ON_WHATSAPP


def test_scope_is_the_campaigns(scope: TenantScope, scripted: Scripted) -> None:
    first, second = planned(Shop(scope)), planned(Shop(make_tenant("rival")))
    scripted.answer(200, [])

    claimed = check()

    assert {(one.tenant_id, one.campaign_id) for one in claimed} == {
        (one.scope.tenant_id, one.campaign_id) for one in (first, second)
    }
