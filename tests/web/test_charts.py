"""Drawings of charts: what stands in them, where, and that the page's policy refuses nothing of them."""

import re
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree

import pytest

from portal.web.charts import Line, Times, draw, top_of

BEGIN = datetime(2026, 5, 3, 12, 0, tzinfo=UTC)
TIMES = Times(BEGIN, timedelta(minutes=1), 60)


def drawing(*lines: Line, marks: tuple[datetime, ...] = (), title: str = "Sends") -> ElementTree.Element:
    svg = draw(title, lines, TIMES, marks=marks, clock=lambda at: f"{at:%H:%M}")
    return ElementTree.fromstring(svg)


def paths(svg: ElementTree.Element, look: str) -> list[list[tuple[float, float]]]:
    """The corners of each part of the line that looks so."""
    group = next(part for part in svg.iter("g") if part.get("class") == f"chart__line chart__line--{look}")
    found = [re.findall(r"([\d.]+) ([\d.]+)", path.attrib["d"]) for path in group.iter("path")]
    return [[(float(x), float(y)) for x, y in corners] for corners in found]


def test_drawing_says_what_it_shows_and_escapes_it() -> None:
    svg = drawing(Line("Taken", "main", [1.0] * 60), title="Sends <b>&")

    assert svg.attrib["role"] == "img"
    assert svg.attrib["aria-label"] == "Sends <b>&"
    assert "width" not in svg.attrib


def test_drawing_has_no_style_no_script_and_no_address() -> None:
    svg = draw("Sends", [Line("Taken", "main", [1.0] * 60)], TIMES, marks=[BEGIN], clock=str)

    assert [found for found in ("<style", "style=", "<script", "href", "http", "<!--") if found in svg] == []


def test_line_is_a_stair_as_high_as_its_values() -> None:
    svg = drawing(Line("Taken", "main", [0.0, 10.0, 5.0, *[0.0] * 57]))

    corners = paths(svg, "main")[0]
    heights = [y for _x, y in corners]
    zero, top = heights[0], heights[2]
    assert heights[:6] == [zero, zero, top, top, pytest.approx((zero + top) / 2), pytest.approx((zero + top) / 2)]
    assert corners[1][0] == corners[2][0]


def test_line_is_broken_where_nothing_was_measured() -> None:
    svg = drawing(Line("Slowest", "main", [3.0, None, 4.0, 4.0, *[None] * 56]))

    assert [len(part) for part in paths(svg, "main")] == [2, 4]


def test_mark_stands_upright_where_it_belongs() -> None:
    svg = drawing(Line("Taken", "main", [1.0] * 60), marks=(BEGIN + timedelta(minutes=30),))

    (foot, head) = paths(svg, "mark")[0]
    left, right = (paths(svg, "main")[0][end][0] for end in (0, -1))
    assert foot[0] == head[0] == pytest.approx((left + right) / 2)
    assert foot[1] > head[1]


@pytest.mark.parametrize("minutes", [-1, 60, 600])
def test_mark_outside_of_the_times_is_left_out(minutes: int) -> None:
    svg = drawing(Line("Taken", "main", [1.0] * 60), marks=(BEGIN + timedelta(minutes=minutes),))

    assert "mark" not in ElementTree.tostring(svg, encoding="unicode")


def test_scales_are_labelled_in_whole_numbers_and_times() -> None:
    svg = drawing(Line("Taken", "main", [7.0] * 60))

    assert [text.text for text in svg.iter("text")] == ["0", "5", "10", "12:00", "12:15", "12:30", "12:45", "13:00"]


@pytest.mark.parametrize(
    ("highest", "top"), [(0, 1), (1, 1), (1.2, 2), (3, 4), (5, 6), (7, 10), (11, 20), (99, 100), (101, 200), (0.3, 1)]
)
def test_top_of_the_scale_is_the_next_round_number(highest: float, top: float) -> None:
    assert top_of([Line("Taken", "main", [0.0, highest, None])]) == top
