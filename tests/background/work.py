"""Doing what waits for the background relay, in this process."""

from collections.abc import Callable
from uuid import UUID, uuid4

from portal.background import imports

Act = Callable[[], object]


def work_off(owner_id: UUID | None = None) -> int:
    """Carry out imports until none waits for a worker, and return how many stages that took."""
    owner_id, stages = owner_id or uuid4(), 0
    while imports.work(owner_id, lambda: False):
        stages += 1
    return stages


class Disturbance:
    """Does something once, at the how-manieth look of the worker whether to go on."""

    def __init__(self, at: int, act: Act) -> None:
        self.at, self.act, self.looks, self.answer = at, act, 0, False

    def __call__(self) -> bool:
        self.looks += 1
        if self.looks == self.at:
            self.answer = bool(self.act())
        return self.answer
