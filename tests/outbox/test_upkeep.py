"""One process's checks and comparisons: a server's units one after the other, and no others there meanwhile."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from uuid import UUID, uuid4

import pytest

from portal.outbox import backfill, reconcile
from portal.outbox.upkeep import MOST_COMPARISONS, Upkeep

NEAR, FAR = uuid4(), uuid4()


@dataclass(frozen=True)
class Task:
    name: str
    server_id: UUID
    unit_id: UUID = field(default_factory=uuid4)


class World:
    """What is due, what is being done, and what was."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.checks: list[Task] = []
        self.comparisons: list[Task] = []
        self.rows: list[Callable[[], None]] = []
        self.done: list[str] = []
        self.silent: set[UUID] = set()
        monkeypatch.setattr(reconcile, "claim", lambda busy_servers: self.claim(self.checks, busy_servers))
        monkeypatch.setattr(backfill, "claim", lambda busy_servers: self.claim(self.comparisons, busy_servers))
        monkeypatch.setattr(reconcile, "carry_out", self.carry_out)
        monkeypatch.setattr(backfill, "carry_out", self.carry_out)
        self.upkeep = Upkeep(lambda server_id, work: self.rows.append(work))

    def claim(self, due: list[Task], busy_servers: Collection[UUID]) -> list[Task]:
        taken = [task for task in due if task.server_id not in busy_servers]
        due[:] = [task for task in due if task not in taken]
        return taken

    def carry_out(self, task: Task) -> bool:
        self.done.append(task.name)
        return task.server_id not in self.silent

    def work(self) -> None:
        rows, self.rows = self.rows, []
        for row in rows:
            row()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def test_a_servers_units_are_one_row(world: World) -> None:
    world.checks = [Task("a", NEAR), Task("b", FAR), Task("c", NEAR)]

    world.upkeep.take([])
    rows = len(world.rows)
    world.work()

    assert rows == 2
    assert world.done == ["a", "c", "b"]


def test_a_server_that_is_at_work_gets_no_more_until_it_is_done(world: World) -> None:
    world.checks = [Task("a", NEAR)]
    world.upkeep.take([])
    world.checks = [Task("b", NEAR), Task("c", FAR)]
    world.upkeep.take([])
    world.work()
    first = list(world.done)
    world.upkeep.take([])
    world.work()

    assert first == ["a", "c"]
    assert world.done == ["a", "c", "b"]


def test_a_server_that_does_not_answer_is_left(world: World) -> None:
    world.checks = [Task("a", NEAR), Task("b", NEAR)]
    world.silent = {NEAR}

    world.upkeep.take([])
    world.work()

    assert world.done == ["a"]


def test_closed_servers_wait(world: World) -> None:
    world.checks, world.comparisons = [Task("a", NEAR)], [Task("b", NEAR)]

    world.upkeep.take([NEAR])

    assert world.rows == []


def test_comparisons_leave_room_for_what_people_wait_for(world: World) -> None:
    world.comparisons = [Task(f"{number}", uuid4()) for number in range(MOST_COMPARISONS)]
    world.upkeep.take([])
    world.comparisons = [Task("late", uuid4())]
    world.upkeep.take([])
    before = len(world.rows)
    world.work()
    world.upkeep.take([])

    assert before == MOST_COMPARISONS
    assert len(world.rows) == 1


def test_one_that_breaks_stops_neither_the_others_nor_the_next_row(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail_once(task: Task) -> bool:
        if task.name == "broken":
            raise RuntimeError
        return world.carry_out(task)

    monkeypatch.setattr(reconcile, "carry_out", fail_once)
    world.checks = [Task("broken", NEAR), Task("a", NEAR)]
    world.upkeep.take([])
    world.work()
    world.checks = [Task("b", NEAR)]
    world.upkeep.take([])
    world.work()

    assert world.done == ["a", "b"]
