"""Which variant leads, and only by more than chance."""

import pytest

from portal.web.variant_results import find_leader


@pytest.mark.parametrize(
    ("shares", "leader"),
    [
        ([(80, 400), (40, 400)], 0),
        ([(40, 400), (80, 400)], 1),
        # Twice as many, and still chance.
        ([(4, 20), (2, 20)], None),
        ([(60, 400), (50, 400)], None),
        # Above the second, but not above the third.
        ([(80, 400), (40, 400), (75, 400)], None),
        ([(20, 400), (30, 400), (90, 400)], 2),
        ([(0, 400), (0, 400)], None),
        ([(400, 400), (400, 400)], None),
        ([(0, 0), (5, 10)], None),
        ([(5, 10)], None),
    ],
)
def test_leader_is_named_only_when_the_difference_is_more_than_chance(
    shares: list[tuple[int, int]], leader: int | None
) -> None:
    assert find_leader(shares) == leader


def test_strictness_grows_with_the_number_of_variants() -> None:
    pair = [(75, 400), (47, 400)]

    assert find_leader(pair) == 0
    assert find_leader([*pair, (47, 400), (47, 400), (47, 400)]) is None
