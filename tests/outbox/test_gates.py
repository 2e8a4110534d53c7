"""One server's gate: how much it lets through, when it closes, and how slowly it opens."""

import threading
from dataclasses import replace
from types import SimpleNamespace
from uuid import UUID, uuid4

import pytest

from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import (
    EvolutionError,
    EvolutionFailed,
    EvolutionRejected,
    EvolutionUnavailable,
    EvolutionUnknown,
)
from portal.outbox import gates
from portal.outbox.gates import MOST_IN_FLIGHT, MOST_UNKNOWN_IN_A_ROW, Gate
from portal.outbox.servers import Server

NOT_KNOWN = EvolutionUnknown(errors.TIMED_OUT)
SERVER = Server(uuid4(), EvolutionClient("http://evolution.test", "a-key"), is_paused=False, keeps_ids=True)
PAUSED = replace(SERVER, is_paused=True)


class Clock:
    def __init__(self) -> None:
        self.seconds = 1_000.0

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(gates, "time", SimpleNamespace(monotonic=clock.monotonic))
    return clock


@pytest.fixture
def gate() -> Gate:
    return Gate(SERVER)


def begin(gate: Gate, number: int = 1) -> list[UUID]:
    """So many sends begin, and do not end by themselves."""
    ids = [uuid4() for _ in range(number)]
    for id_ in ids:
        gate.submit(id_, lambda: None)
    return ids


def end(gate: Gate, error: EvolutionError | None = None) -> str | None:
    """One more send begins and ends like this."""
    return gate.end(begin(gate)[0], error)


def test_a_gate_lets_so_many_through(gate: Gate) -> None:
    ids = begin(gate, 3)
    before = gate.free(), gate.in_flight()
    gate.end(ids[0], None)

    assert before == (MOST_IN_FLIGHT - 3, 3)
    assert (gate.free(), gate.in_flight()) == (MOST_IN_FLIGHT - 2, 2)


def test_sends_run_beside_each_other(gate: Gate) -> None:
    together = threading.Barrier(3)
    for _ in range(2):
        gate.submit(uuid4(), lambda: together.wait(timeout=10) and None)

    together.wait(timeout=10)


@pytest.mark.parametrize("code", [errors.UNREACHABLE, errors.KEY_REFUSED, errors.NOT_LICENSED])
def test_a_server_that_is_away_is_to_be_paused_at_once(gate: Gate, code: str) -> None:
    assert end(gate, EvolutionUnavailable(code)) == code


@pytest.mark.parametrize(
    "error",
    [
        None,
        EvolutionUnavailable(errors.UNIT_AWAY),
        EvolutionUnavailable(errors.INSTANCE_UNKNOWN),
        EvolutionFailed(errors.TIMED_OUT),
        EvolutionRejected(errors.NOT_ON_WHATSAPP),
    ],
    ids=["sent", "unit_away", "instance_unknown", "failed", "refused"],
)
def test_any_clear_answer_is_a_sign_of_life(gate: Gate, error: EvolutionError | None) -> None:
    for _ in range(MOST_UNKNOWN_IN_A_ROW - 1):
        assert end(gate, NOT_KNOWN) is None

    assert end(gate, error) is None
    assert end(gate, NOT_KNOWN) is None


def test_several_unclear_ends_in_a_row_are_enough(gate: Gate) -> None:
    ends = [end(gate, NOT_KNOWN) for _ in range(MOST_UNKNOWN_IN_A_ROW)]

    assert ends == [None] * (MOST_UNKNOWN_IN_A_ROW - 1) + [errors.TIMED_OUT]


def test_a_paused_server_gets_nothing(gate: Gate) -> None:
    gate.update(PAUSED)

    assert gate.free() == 0


def test_a_gate_closes_before_the_row_says_so(gate: Gate) -> None:
    gate.close()

    assert gate.free() == 0


def test_a_server_that_is_back_begins_with_one_and_doubles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates, "MOST_IN_FLIGHT", 7)
    gate = Gate(SERVER)
    gate.update(PAUSED)
    gate.update(SERVER)
    room = [gate.free()]
    for _ in range(4):
        end(gate)
        room.append(gate.free())

    assert room == [1, 2, 4, 7, 7]


def test_unclear_ends_open_a_gate_no_further(gate: Gate) -> None:
    gate.update(PAUSED)
    gate.update(SERVER)

    end(gate, NOT_KNOWN)

    assert gate.free() == 1


def test_unclear_ends_before_a_pause_do_not_count_after_it(gate: Gate) -> None:
    for _ in range(MOST_UNKNOWN_IN_A_ROW - 1):
        end(gate, NOT_KNOWN)
    gate.update(PAUSED)
    gate.update(SERVER)

    assert end(gate, NOT_KNOWN) is None


def test_what_a_server_that_is_back_still_has_in_flight_counts(gate: Gate) -> None:
    begin(gate, 2)
    gate.update(PAUSED)
    gate.update(SERVER)

    assert gate.free() == 0


def test_news_of_a_server_that_is_well_leaves_its_room(gate: Gate) -> None:
    gate.update(replace(SERVER, keeps_ids=False))

    assert gate.free() == MOST_IN_FLIGHT
    assert gate.server.keeps_ids is False


@pytest.mark.parametrize(("slow", "is_hanging"), [(2, False), (3, True)])
def test_several_slow_sends_of_which_none_ends_hang(gate: Gate, clock: Clock, slow: int, is_hanging: bool) -> None:
    begin(gate, slow)
    clock.seconds += gates.SLOW_S + 1
    begin(gate, 5)

    assert gate.is_hanging() is is_hanging


def test_slow_sends_while_others_end_do_not_hang(gate: Gate, clock: Clock) -> None:
    begin(gate, 3)
    clock.seconds += gates.SLOW_S - 1
    end(gate)
    clock.seconds += 2

    assert gate.is_hanging() is False


def test_an_end_before_the_slow_ones_began_is_no_sign_of_life(gate: Gate, clock: Clock) -> None:
    end(gate)
    begin(gate, 3)
    clock.seconds += gates.SLOW_S + 1

    assert gate.is_hanging() is True


def test_an_unclear_end_is_no_sign_of_life(gate: Gate, clock: Clock) -> None:
    begin(gate, 3)
    clock.seconds += gates.SLOW_S + 1
    end(gate, NOT_KNOWN)

    assert gate.is_hanging() is True


def test_a_paused_server_is_not_paused_again_for_what_still_hangs(gate: Gate, clock: Clock) -> None:
    begin(gate, 3)
    clock.seconds += gates.SLOW_S + 1
    gate.close()

    assert gate.is_hanging() is False


@pytest.mark.parametrize("is_full", [True, False], ids=["full", "not_full"])
def test_room_is_told_of_only_where_there_was_none(is_full: bool) -> None:
    told: list[str] = []
    gate = Gate(SERVER, on_room=lambda: told.append("room"))
    ids = begin(gate, MOST_IN_FLIGHT if is_full else MOST_IN_FLIGHT - 1)

    gate.end(ids[0], None)
    gate.leave(ids[1])

    assert told == (["room"] if is_full else [])
