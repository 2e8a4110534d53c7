"""One service call is one transaction; what must wait for it waits."""

from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from portal.db import atomic, db, end_read, found_once, on_commit
from portal.models import Relay, Tag
from portal.tenancy import across_tenants, acting_for
from tests.factories import make_tenant

Say = Callable[[str], Callable[[], None]]


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def say(said: list[str]) -> Say:
    return lambda word: lambda: said.append(word)


def count_relays() -> int:
    """What is on disk, or would be: a fresh transaction's view."""
    db.session.rollback()
    return db.session.query(Relay).count()


def add_relay() -> None:
    db.session.add(Relay(queue="inbox"))


def fail_after_adding(error: BaseException) -> None:
    with atomic():
        add_relay()
        db.session.flush()
    raise error


@pytest.fixture(autouse=True)
def _as_system(database: None) -> Iterator[None]:
    with across_tenants("relays are nobody's"):
        yield
        db.session.rollback()


def test_block_that_ends_well_is_kept() -> None:
    with atomic():
        add_relay()

    assert count_relays() == 1


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_block_that_fails_leaves_nothing(error: type[BaseException]) -> None:
    with pytest.raises(error), atomic():
        fail_after_adding(error())

    assert count_relays() == 0


def test_inner_block_joins_the_outer_one() -> None:
    with pytest.raises(ValueError, match="outer"), atomic():
        fail_after_adding(ValueError("outer"))

    assert count_relays() == 0


def test_effect_runs_once_the_rows_are_kept(said: list[str], say: Say) -> None:
    with atomic():
        add_relay()
        on_commit(say("woken"))
        said.append("written")

    assert said == ["written", "woken"]


def test_effects_run_in_their_order_and_only_once(said: list[str], say: Say) -> None:
    with atomic():
        on_commit(say("first"))
        on_commit(say("second"))
    with atomic():
        add_relay()

    assert said == ["first", "second"]


def test_effect_of_an_inner_block_waits_for_the_outer_one(said: list[str], say: Say) -> None:
    with atomic():
        with atomic():
            on_commit(say("inner"))
        said.append("still inside")

    assert said == ["still inside", "inner"]


def test_effect_is_forgotten_when_the_block_fails(said: list[str], say: Say) -> None:
    def fail() -> None:
        with atomic():
            on_commit(say("woken"))
            raise ValueError("lost")

    with pytest.raises(ValueError, match="lost"):
        fail()
    with atomic():
        add_relay()

    assert said == []


def test_effect_is_forgotten_when_the_commit_fails(said: list[str], say: Say) -> None:
    def fail() -> None:
        with atomic():
            db.session.add(Relay(queue=None))
            on_commit(say("woken"))

    with pytest.raises(IntegrityError):
        fail()
    with atomic():
        add_relay()

    assert said == []


def test_failing_effect_stops_neither_the_call_nor_the_next_effect(said: list[str], say: Say) -> None:
    def fail() -> None:
        raise RuntimeError("Redis is away")

    with atomic():
        add_relay()
        on_commit(fail)
        on_commit(say("next"))

    assert said == ["next"]
    assert count_relays() == 1


def test_effect_may_open_a_transaction_of_its_own() -> None:
    def add_another() -> None:
        with atomic():
            add_relay()

    with atomic():
        on_commit(add_another)

    assert count_relays() == 1


def test_effect_without_a_transaction_is_refused(say: Say) -> None:
    with pytest.raises(RuntimeError, match="atomic"):
        on_commit(say("never"))


def test_row_can_be_shown_after_the_commit_without_another_look() -> None:
    with atomic():
        relay = Relay(queue="inbox")
        db.session.add(relay)

    assert relay.queue == "inbox"
    assert not db.session().in_transaction()


def test_end_of_a_read_gives_the_connection_back_and_forgets_what_was_read() -> None:
    with atomic():
        add_relay()
    first = db.session.query(Relay).one()

    end_read()

    assert not db.session().in_transaction()
    assert db.session.query(Relay).one() is not first


def test_end_of_a_read_refuses_to_drop_changes() -> None:
    add_relay()

    with pytest.raises(RuntimeError, match="drop changes"):
        end_read()


def test_end_of_a_read_refuses_to_drop_a_transaction_in_hand() -> None:
    with atomic():
        add_relay()
        db.session.flush()
        with pytest.raises(RuntimeError, match="drop changes"):
            end_read()

    assert count_relays() == 1


def test_errors_of_the_database_do_not_show_what_was_written() -> None:
    with pytest.raises(Exception, match="value too long") as refused, atomic():
        db.session.add(Relay(queue="a private word that is too long"))

    assert "private word" not in str(refused.value)


def test_limit_of_a_batch_holds_whatever_the_plan(database: None) -> None:
    scope = make_tenant()
    with acting_for(scope), atomic():
        for number in range(6):
            scope.add(Tag(name=f"tag {number}"))
        db.session.flush()
        # Then the plan asks a plain sub-select for each tag, and all six are gone.
        for other_plan in ("hashjoin", "mergejoin", "hashagg", "sort"):
            db.session.execute(text(f"SET LOCAL enable_{other_plan} = off"))
        two = scope.select(Tag, Tag.id).order_by(Tag.name).limit(2).with_for_update(skip_locked=True)
        batch = scope.delete(Tag).where(Tag.id.in_(found_once(two)))
        db.session.execute(batch.execution_options(synchronize_session=False))

        assert sorted(db.session.scalars(scope.select(Tag, Tag.name))) == [f"tag {number}" for number in range(2, 6)]
