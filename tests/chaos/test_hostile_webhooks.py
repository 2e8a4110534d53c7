"""Hostile bodies at the webhook door of a running portal: nothing breaks, and every good one among them counts."""

from collections.abc import Callable

import pytest

from bench.hostile import attack
from tests.chaos.test_webhooks import open_unit
from tests.running.stack import Stack

BODIES, GOOD = 500, 50
# A leak would grow with the number of bodies: some of them hold 15 MB, and what was once needed is not given back.
MOST_GROWTH_MB = 200


@pytest.mark.timeout(600)
def test_hostile_webhooks_break_nothing_and_hide_no_good_one(stack: Stack, measured: Callable[[str], None]) -> None:
    instance = open_unit(stack, "besieged", "03")

    done = attack(stack, "besieged", instance, bodies=BODIES, good=GOOD)

    for line in done.lines:
        measured(line)
    assert done.failed == {}
    assert done.refused == []
    assert done.not_applied_once == []
    assert done.unforeseen == {}
    assert done.memory[-1].web - done.memory[0].web < MOST_GROWTH_MB
    assert done.memory[-1].worker - done.memory[0].worker < MOST_GROWTH_MB
