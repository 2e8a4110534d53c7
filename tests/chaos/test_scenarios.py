"""Everything that can fail fails while people write and are written to; afterwards all is as it was told.

One scenario that has every fault once; with PORTAL_CHAOS_LONG all of them, each with several seeds.
"""

import os
import time
from collections.abc import Callable, Iterator
from zlib import crc32

import pytest

from tests.chaos.injector import Injector
from tests.chaos.invariants import Rest, come_to_rest
from tests.chaos.load import Load
from tests.chaos.scenarios import LONG, SHORT, Fault, Scenario, plan
from tests.chaos.site import Site, open_site
from tests.running.campaigns import Organiser, organiser_of

SEED = int(os.environ.get("PORTAL_CHAOS_SEED", "20261130"))
SEEDS = 3
IS_LONG = bool(os.environ.get("PORTAL_CHAOS_LONG"))
CASES = [(scenario, SEED + more) for scenario in LONG for more in range(SEEDS)] if IS_LONG else [(SHORT, SEED)]
IDS = [f"{scenario.name} {seed}" for scenario, seed in CASES]
RECIPIENTS = 20
PACE_S = (0.5, 1.0)
CROWD = {"on": True, "reads": 0.8, "answers": 0.0, "optsOut": 0.0, "blocks": 0.05, "absent": 0.05, "delayS": 0.5}


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


@pytest.fixture(scope="module")
def organiser(site: Site) -> Iterator[Organiser]:
    with organiser_of(site.stack.env) as organiser:
        organiser.set_pace(*PACE_S)
        yield organiser


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("scenario", "seed"), CASES, ids=IDS)
def test_portal_keeps_its_word_whatever_fails(
    site: Site, organiser: Organiser, scenario: Scenario, seed: int, measured: Callable[[str], None]
) -> None:
    impossible = {fault: why for fault, why in site.impossible.items() if fault in scenario.faults}
    if scenario.faults[0] in impossible:
        pytest.skip(f"not possible here: {scenario.name}, as {impossible[scenario.faults[0]]}")
    word = f"{scenario.name} {seed}"
    numbers = [f"551198{crc32(word.encode()) % 1000:03d}{number:04d}" for number in range(RECIPIENTS)]
    campaign_id = organiser.plan("centro", f"offer of {word}", numbers)
    site.stack.simulator.change_crowd(**CROWD, jitterS=0.4, seed=seed)
    load, injector = Load(site, word), Injector(site)

    load.begin(scenario.duration_s)
    organiser.start(campaign_id)
    began_at = time.monotonic()
    injector.go_through(plan(scenario, seed))
    load.end()
    disturbed_s = time.monotonic() - began_at
    rest = come_to_rest(site, load, organiser, campaign_id)

    measured(line_of(scenario, seed, injector.done, load, rest, disturbed_s))
    for fault, why in impossible.items():
        measured(f"NOT POSSIBLE HERE: {fault} ({scenario.name}), as {why}")
    assert rest.broken == {}
    assert set(injector.done) | set(impossible) == set(scenario.faults)
    assert load.questions
    assert load.replies


def line_of(scenario: Scenario, seed: int, done: dict[Fault, int], load: Load, rest: Rest, disturbed_s: float) -> str:
    faults = ", ".join(f"{number} {fault}" for fault, number in sorted(done.items()))
    return (
        f"{scenario.name} (seed {seed}): {faults} in {disturbed_s:.0f} s; {len(load.questions)} questions,"
        f" {len(load.replies)} replies ({rest.account.summary}), campaign of {len(rest.verdict.lines)}"
        f" ({rest.verdict.summary}), refused {dict(load.refused.most_common())}; at rest"
        f" {rest.rested_s:.0f} s later with {rest.connections} connections; broken: {sorted(rest.broken) or 'nothing'}"
    )
