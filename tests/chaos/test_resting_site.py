"""What a look at a whole running portal must find when it is broken on purpose. Only with PORTAL_CHAOS_LONG."""

from collections.abc import Iterator

import pytest

from tests.chaos.invariants import stuck_lanes
from tests.chaos.site import Site, open_site
from tests.running.leaks import leaks_of

# A message in it that is on its way no more would be noticed, and the lane let go.
HOLD = (
    "UPDATE lanes SET held_until = now() + interval '1 hour', next_send_at = now() + interval '1 hour'"
    " FROM units WHERE units.id = lanes.unit_id AND slug = %s"
)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    with open_site() as site:
        yield site


def test_unit_whose_lane_nobody_lets_go_is_stuck_and_no_other(site: Site) -> None:
    assert stuck_lanes(site, "before") == []
    held, *_ = site.instances
    site.stack.rows.change(HOLD, held)

    assert stuck_lanes(site, "meanwhile") == [f"{held}: queued"]

    site.stack.rows.change("UPDATE lanes SET held_until = NULL, next_send_at = now()")
    assert stuck_lanes(site, "afterwards") == []


def test_secret_that_a_program_writes_is_found(site: Site) -> None:
    assert leaks_of(site.stack) == []
    with (site.stack.folder / "web.log").open("a") as log:
        log.write(f"connected with {site.stack.env['SECRET_KEY']}\n")

    assert leaks_of(site.stack) == ["web: secret key"]
