"""What is known of each version of Evolution API."""

import re
from pathlib import Path

import pytest

from portal.evolution_versions import (
    RANGES,
    Limit,
    Support,
    keeps_ids,
    numbers,
    range_of,
    signs_webhooks,
    tells_all_events,
)
from portal.web.server_versions import LIMITS, MEANINGS

DOCUMENT = Path(__file__).resolve().parents[1] / "docs" / "evolution.md"


@pytest.mark.parametrize(
    ("version", "found"),
    [
        ("2.3.6", (2, 3, 6)),
        ("2.4.0-rc1", (2, 4, 0)),
        ("2.3.7+build", (2, 3, 7)),
        ("10.0", (10, 0)),
        ("2", ()),
        ("v2.4.0", ()),
        ("latest", ()),
        ("2.x.1", ()),
        ("2.3.6.1.9", ()),
        ("", ()),
        (None, ()),
    ],
)
def test_the_numbers_of_a_version(version: str | None, found: tuple[int, ...]) -> None:
    assert numbers(version) == found


@pytest.mark.parametrize(
    ("version", "support"),
    [
        ("1.8.2", Support.NONE),
        ("2.1.2", Support.NONE),
        ("2.2", Support.LIMITED),
        ("2.2.3", Support.LIMITED),
        ("2.3.0", Support.FULL),
        ("2.3.7", Support.FULL),
        ("2.4.0-rc2", Support.LICENSED),
        ("2.5.0", Support.UNKNOWN),
        ("3.0.0", Support.UNKNOWN),
        ("latest", Support.UNKNOWN),
        (None, Support.UNKNOWN),
    ],
)
def test_support_of_a_version(version: str | None, support: Support) -> None:
    assert range_of(version).support is support


def test_only_the_first_of_2_2_loses_what_could_not_be_taken_once() -> None:
    assert Limit.NO_RETRIES in range_of("2.2.0").limits
    assert Limit.NO_RETRIES not in range_of("2.2.1").limits


@pytest.mark.parametrize(
    ("version", "signs", "tells_all", "keeps"),
    [
        ((2, 2, 3), False, False, False),
        ((2, 3, 0), True, True, False),
        ((2, 3, 7), True, True, False),
        ((2, 4, 0), True, True, True),
        ((), True, True, False),
    ],
)
def test_what_a_version_can_do(version: tuple[int, ...], signs: bool, tells_all: bool, keeps: bool) -> None:
    assert (signs_webhooks(version), tells_all_events(version), keeps_ids(version)) == (signs, tells_all, keeps)


def test_ranges_ascend() -> None:
    assert [one.since for one in RANGES] == sorted(one.since for one in RANGES)


def test_pages_have_words_for_all_that_is_known() -> None:
    assert (set(MEANINGS), set(LIMITS)) == (set(Support), set(Limit))


def test_document_has_the_same_table() -> None:
    rows = re.findall(r"^\| from ([\d.]+) \| `(\w+)` \| ([^|]*)\|", DOCUMENT.read_text(), re.MULTILINE)

    told = [(since, support, tuple(re.findall(r"`(\w+)`", limits))) for since, support, limits in rows]
    assert told == [(".".join(map(str, one.since)), one.support.value, one.limits) for one in RANGES]
