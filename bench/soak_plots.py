"""Draws what `bench.soak` measured: `python -m bench.soak_plots bench/results/soak/soak.json docs/soak`."""

import argparse
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

import pygal
from pygal.style import Style

# On a ground of its own, so that it is read on a dark page as on a light one.
STYLE = Style(
    background="#ffffff",
    plot_background="#ffffff",
    foreground="#333333",
    foreground_strong="#111111",
    foreground_subtle="#777777",
    font_family="sans-serif",
    guide_stroke_color="#cccccc",
    major_guide_stroke_color="#999999",
    opacity="1",
    opacity_hover="1",
    colors=("#0b5cad", "#c2410c", "#15803d", "#7e22ce", "#a16207", "#be123c"),
    title_font_size=18,
    legend_font_size=14,
    label_font_size=12,
    major_label_font_size=12,
)
MOST_POINTS = 360
MINUTE_S = 60


@dataclass(frozen=True)
class Plot:
    """One drawing: its title, its unit, and its lines, each the curve of that name."""

    title: str
    unit: str
    lines: Mapping[str, str]


PLOTS = {
    "memory": Plot("Memory (PSS)", "MB", {"web": "web, MB", "worker": "worker, MB"}),
    "connections": Plot("Connections to the database", "connections", {"web and worker": "connections"}),
    "backlog": Plot(
        "What waits", "rows", {"events to apply": "events waiting", "messages to send": "messages waiting"}
    ),
    "errors": Plot("Errors so far", "errors", {"refused, failed, in doubt, parked, in the logs": "errors"}),
    "webhooks": Plot(
        "Webhooks: from due to answered", "ms", {name: f"webhook {name}, ms" for name in ("p50", "p95", "p99")}
    ),
    "sends": Plot(
        "Sends: from the call of the API to Evolution",
        "ms",
        {name: f"late {name}, ms" for name in ("p50", "p95", "p99")},
    ),
    "cpu": Plot(
        "Processor",
        "% of a core",
        {name: f"{name}, % of a core" for name in ("web", "worker", "database", "measurement")},
    ),
    "tables": Plot(
        "Tables with their indexes",
        "MB",
        {name: f"{name}, MB" for name in ("messages", "webhook_events", "conversations", "contacts")},
    ),
}


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("measured", type=Path, metavar="JSON")
    options.add_argument("folder", type=Path, metavar="FOLDER")
    given = options.parse_args()
    measured = json.loads(given.measured.read_text())
    given.folder.mkdir(parents=True, exist_ok=True)
    for name, plot in PLOTS.items():
        (given.folder / f"{name}.svg").write_text(draw(plot, measured))


def draw(plot: Plot, measured: Mapping[str, Any]) -> str:
    """One drawing as SVG, without scripts."""
    chart = pygal.XY(
        style=STYLE,
        title=plot.title,
        x_title="minutes",
        y_title=plot.unit,
        width=900,
        height=360,
        show_dots=False,
        legend_at_bottom=True,
        legend_at_bottom_columns=len(plot.lines),
        include_x_axis=True,
        js=(),
        disable_xml_declaration=True,
        value_formatter=lambda value: f"{value:,.0f}",
        x_value_formatter=lambda value: f"{value:g}",
        stroke_style={"width": 2},
    )
    chart.add_xml_filter(without_scripts)
    # Drawn anew from the same figures it is the same file.
    chart.uuid = plot.title.split(" ")[0].strip(":").lower()
    for label, curve in plot.lines.items():
        chart.add(label, thinned(measured["at_s"], measured["curves"][curve]))
    drawn: str = chart.render()
    return drawn


def without_scripts(drawing: Element) -> Element:
    """What the library adds for its tooltips, which no picture in a page runs."""
    for parent in list(drawing.iter()):
        for script in parent.findall("script"):
            parent.remove(script)
    return drawing


def thinned(at_s: Sequence[float], values: Sequence[float]) -> list[tuple[float, float]]:
    """Minutes and values, as many as can be seen: of neighbours the highest, so that no peak is hidden."""
    together = -(-len(at_s) // MOST_POINTS)
    groups = [values[first : first + together] for first in range(0, len(values), together)]
    return [(at_s[place * together] / MINUTE_S, max(group)) for place, group in enumerate(groups)]


if __name__ == "__main__":
    main()
