"""Charts as drawings within the page: pygal draws them, the page's own style sheet gives them their colours."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from xml.etree.ElementTree import Element

import pygal
from markupsafe import Markup
from pygal.style import Style

# pygal adds an old finder for its plugins to Python's own. There are none, and whatever asks each finder trips over it.
sys.meta_path[:] = [finder for finder in sys.meta_path if hasattr(finder, "find_spec")]

# In units of the drawing; the page gives it the width that there is.
WIDTH, HEIGHT = 480, 210
# The room that labels get; the style sheet gives the letters their size, on a phone a larger one.
LABEL_SIZE = 18
# How the tops of the left scale go on: 1, 2, 4, 6, 10, 20 …; each has a whole number in its middle from 2 on.
TOPS = (1, 2, 4, 6, 10)
TIME_LABELS = 4


@dataclass(frozen=True)
class Line:
    """One line of a chart: what it counts, how it looks, and its value in each step, None for none."""

    label: str
    look: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Times:
    """The steps of a chart: when the first begins, and how long each is."""

    begin: datetime
    step: timedelta
    number: int

    @property
    def end(self) -> datetime:
        return self.begin + self.number * self.step

    def at(self, index: int) -> datetime:
        return self.begin + index * self.step

    def index_of(self, at: datetime) -> int | None:
        """In which step that is; None outside of all."""
        index = (at - self.begin) // self.step
        return index if 0 <= index < self.number else None


def draw(
    title: str, lines: Sequence[Line], times: Times, *, marks: Sequence[datetime], clock: Callable[[datetime], str]
) -> Markup:
    """Draw the lines as stairs, one stair for each step, and an upright line at each mark. `clock` words the times."""
    top = top_of(lines)
    chart = pygal.XY(
        width=WIDTH,
        height=HEIGHT,
        explicit_size=False,
        margin=6,
        margin_right=20,
        style=Style(label_font_size=LABEL_SIZE, major_label_font_size=LABEL_SIZE),
        css=[],
        js=[],
        no_prefix=True,
        disable_xml_declaration=True,
        show_dots=False,
        show_legend=False,
        allow_interruptions=True,
        truncate_label=-1,
        range=(0, top),
        xrange=(times.begin.timestamp(), times.end.timestamp()),
        y_labels=[0, top / 2, top],
        value_formatter=_number,
        x_labels=[times.at(times.number * turn // TIME_LABELS).timestamp() for turn in range(TIME_LABELS + 1)],
        x_value_formatter=lambda seconds: clock(datetime.fromtimestamp(seconds, times.begin.tzinfo)),
    )
    looks = [line.look for line in lines]
    for line in lines:
        chart.add(line.label, _stairs(line.values, times))
    for mark in marks:
        if times.index_of(mark) is not None:
            looks.append("mark")
            chart.add("", [(mark.timestamp(), 0), (mark.timestamp(), top)])
    chart.add_xml_filter(lambda root: _as_part_of_the_page(root, title, looks))
    return Markup(chart.render(is_unicode=True))


def top_of(lines: Sequence[Line]) -> float:
    """The end of the left scale: the next round number above the highest value."""
    highest = max((value for line in lines for value in line.values if value is not None), default=0)
    scale = 1
    while highest > TOPS[-1] * scale:
        scale *= 10
    return float(next(top * scale for top in TOPS if highest <= top * scale))


def _stairs(values: Sequence[float | None], times: Times) -> list[tuple[float, float | None]]:
    points: list[tuple[float, float | None]] = []
    for index, value in enumerate(values):
        points += [(times.at(index).timestamp(), value), (times.at(index + 1).timestamp(), value)]
    return points


def _number(value: float) -> str:
    return f"{value:g}" if value < 10_000 else f"{value / 1000:g}k"


def _as_part_of_the_page(root: Element, title: str, looks: Sequence[str]) -> Element:
    """Take out the styles and scripts that the page's policy refuses, and what only they would use."""
    plot = next(part for part in root.iter("g") if part.get("class") == "plot")
    drawing = Element(
        "svg", {"class": "chart__drawing", "viewBox": root.attrib["viewBox"], "role": "img", "aria-label": title}
    )
    drawing.append(plot)
    for part in list(plot.iter("g")):
        for caption in part.findall("title"):
            part.remove(caption)
        kind = part.get("class", "")
        if kind.startswith("series"):
            part.set("class", f"chart__line chart__line--{looks[int(kind.split()[1].removeprefix('serie-'))]}")
    return drawing
