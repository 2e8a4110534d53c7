"""`flask messages resend`: what it sends again, what it says, and what it refuses."""

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID

import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import atomic, db
from portal.models import (
    CampaignRecipient,
    CampaignState,
    Conversation,
    Direction,
    Message,
    MessageStatus,
    RecipientState,
    Unit,
)
from portal.services import undelivered
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_campaign, make_connected_unit, make_conversation, make_message, make_tenant

Run = Callable[..., Result]
NOTHING = "There is nothing to send again.\n"


@pytest.fixture
def run(app: Flask) -> Run:
    def run_command(*args: str) -> Result:
        return app.test_cli_runner().invoke(args=("messages", "resend", *args))

    return run_command


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def centro(acme: TenantScope) -> Conversation:
    return make_conversation(acme, make_connected_unit(acme, "centro"))


@pytest.fixture
def praia(acme: TenantScope) -> Conversation:
    return make_conversation(acme, make_connected_unit(acme, "praia"))


def make_failed(scope: TenantScope, chat: Conversation, code: str = "timed_out", **columns: object) -> Message:
    told = {"status": MessageStatus.FAILED, "error_code": code, "failed_at": now(), **columns}
    message = make_message(scope, chat, direction=Direction.OUTBOUND, **told)  # type: ignore[arg-type]
    with acting_for(scope), atomic():
        this = scope.update(Message).where(Message.id == message.id)
        db.session.execute(this.values(external_id=None).execution_options(synchronize_session=False))
    return message


def make_doubtful(scope: TenantScope, chat: Conversation) -> Message:
    return make_failed(scope, chat, status=MessageStatus.UNCONFIRMED, sending_at=now())


def statuses() -> list[str]:
    with across_tenants("a test looks"):
        found = select(Message).order_by(Message.id).execution_options(populate_existing=True)
        return [str(message.status) for message in db.session.scalars(found)]


def test_failed_messages_of_every_tenant_go_back_to_their_queues(
    run: Run, acme: TenantScope, centro: Conversation, praia: Conversation
) -> None:
    rival = make_tenant("rival")
    for chat in (centro, centro, praia):
        make_failed(acme, chat)
    make_failed(rival, make_conversation(rival, make_connected_unit(rival, "norte")))

    result = run()

    assert result.exit_code == 0, result.output
    assert result.output.splitlines() == [
        "acme/centro: 2 went back to the queue",
        "acme/praia: 1 went back to the queue",
        "rival/norte: 1 went back to the queue",
    ]
    assert statuses() == ["queued"] * 4


@pytest.mark.parametrize(
    ("options", "left"),
    [
        (("--tenant", "acme"), []),
        (("--tenant", "rival"), ["centro", "praia"]),
        (("--tenant", "acme", "--unit", "praia"), ["centro"]),
        (("--reason", "expired"), ["centro"]),
        (("--since", "2999-01-01T00:00Z"), ["centro", "praia"]),
        (("--since", "2026-01-01T00:00-03:00"), []),
    ],
)
def test_options_say_which(
    run: Run, acme: TenantScope, centro: Conversation, praia: Conversation, options: tuple[str, ...], left: list[str]
) -> None:
    make_tenant("rival")
    make_failed(acme, centro)
    make_failed(acme, praia, "expired")

    result = run(*options)

    named = dict(zip(("centro", "praia"), statuses(), strict=True))
    assert result.exit_code == 0, result.output
    assert [slug for slug, status in named.items() if status == "failed"] == left
    assert (result.output == NOTHING) is (len(left) == 2)


def test_dry_run_says_it_and_changes_nothing(run: Run, acme: TenantScope, centro: Conversation) -> None:
    make_failed(acme, centro)

    result = run("--dry-run")

    assert result.output == "acme/centro: 1 would go back to the queue\n"
    assert statuses() == ["failed"]


def test_messages_in_doubt_are_left_unless_asked_for_by_name(run: Run, acme: TenantScope, centro: Conversation) -> None:
    make_doubtful(acme, centro)

    without, dry, with_ = run(), run("--include-unconfirmed", "--dry-run"), run("--include-unconfirmed")

    assert without.output == NOTHING
    assert dry.output == "acme/centro: 1 would be sent again, perhaps for the second time\n"
    assert with_.output == "acme/centro: 1 sent again, perhaps for the second time\n"
    assert statuses() == ["unconfirmed", "queued"]


def test_help_says_that_the_person_may_get_it_twice(run: Run) -> None:
    assert "MAY GET THEM TWICE" in run("--help").output.replace("\n", " ").replace("  ", "")


def test_only_the_named_messages_are_sent_again(run: Run, acme: TenantScope, centro: Conversation) -> None:
    named, other = make_failed(acme, centro), make_failed(acme, centro)

    result = run(str(named.id))

    assert result.output == "acme/centro: 1 went back to the queue\n"
    assert statuses() == ["queued", "failed"]
    assert other.id != named.id


@pytest.mark.parametrize("status", [MessageStatus.SENT, MessageStatus.QUEUED, MessageStatus.UNCONFIRMED])
def test_named_message_that_did_not_fail_stops_everything(
    run: Run, acme: TenantScope, centro: Conversation, status: MessageStatus
) -> None:
    failed, other = make_failed(acme, centro), make_failed(acme, centro, status=status)

    result = run(str(failed.id), str(other.id))

    assert result.exit_code == 1
    assert str(other.id) in result.output
    assert statuses() == ["failed", status]


def test_set_aside_messages_stay_aside(run: Run, acme: TenantScope, centro: Conversation) -> None:
    make_failed(acme, centro, handled_at=now() - timedelta(hours=1))

    assert run().output == NOTHING


def test_more_than_fit_into_one_transaction_are_sent_again_too(
    run: Run, acme: TenantScope, centro: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("portal.services.resending", "portal.services.undelivered"):
        monkeypatch.setattr(f"{module}.MOST_AT_ONCE", 2)
    for _ in range(5):
        make_failed(acme, centro)

    assert run().output == "acme/centro: 5 went back to the queue\n"
    assert undelivered.MOST_AT_ONCE == 2


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--tenant", "nobody"), "nobody"),
        (("--tenant", "acme", "--unit", "nowhere"), "nowhere"),
        (("--unit", "centro"), "unit: "),
        (("--reason", "Not a code!"), "reason: "),
        (("--since", "yesterday"), "since: "),
        (("--since", "2026-05-01T08:00"), "since: "),
        (("no-id",), "id: "),
        ((str(UUID(int=7)),), str(UUID(int=7))),
    ],
)
def test_nonsense_is_said_and_ends_with_1(
    run: Run, acme: TenantScope, centro: Conversation, options: tuple[str, ...], word: str
) -> None:
    make_failed(acme, centro)

    result = run(*options)

    assert result.exit_code == 1
    assert result.output.startswith("Error: ")
    assert word in result.output
    assert statuses() == ["failed"]


@pytest.mark.parametrize("state", [CampaignState.PAUSED, CampaignState.CANCELLED])
def test_nothing_of_a_campaign_that_does_not_go_on_is_sent_again(
    run: Run, acme: TenantScope, centro: Conversation, state: CampaignState
) -> None:
    message = make_failed(acme, centro)
    with acting_for(acme):
        unit = acme.get(Unit, centro.unit_id)
    campaign = make_campaign(acme, unit, [centro.contact_id], state=state)
    with acting_for(acme), atomic():
        line = acme.update(CampaignRecipient).where(CampaignRecipient.campaign_id == campaign.id)
        handed = {"state": RecipientState.HANDED, "message_id": message.id, "conversation_id": centro.id}
        db.session.execute(line.values(handed).execution_options(synchronize_session=False))

    every, named = run(), run(str(message.id))

    assert every.output == NOTHING
    assert named.exit_code == 1
    assert "of a campaign that is paused or cancelled" in named.output
    assert statuses() == ["failed"]
