"""What `make bench` counts with: rounds in turn, their medians and ratios, and the table of targets."""

import asyncio
import json
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, repeat
from pathlib import Path
from threading import Thread

import pytest

from bench.__main__ import AREAS, Run, write
from bench.flatness import LEAST_SAMPLES, Allowed, Sum, Trend, disagreeing, times_sent, trends
from bench.gateway import Gateway, external_id
from bench.load import Caller, pace, press
from bench.machine import Moment
from bench.rounds import Figure, alternately, compare, percentile, ratios
from bench.soak_load import keep_pace
from bench.soak_plots import MOST_POINTS, PLOTS, draw, thinned
from bench.targets import TARGETS, Target, table

ASKING = b"GET / HTTP/1.1\r\nHost: portal.test\r\n\r\n"
REFUSED = b"GET /refused HTTP/1.1\r\nHost: portal.test\r\n\r\n"


class Handler(BaseHTTPRequestHandler):
    """Answers 200 with two bytes, and ends the connection, as a sync worker does."""

    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/refused" else 200)
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever).start()
        yield server.server_port
        server.shutdown()


def test_acts_are_done_in_turn_and_each_is_as_often_the_first() -> None:
    done: list[str] = []

    alternately(2, {"ours": lambda: done.append("ours"), "theirs": lambda: done.append("theirs")})

    assert done == ["ours", "theirs", "theirs", "ours"]


def test_every_thing_that_an_act_measures_is_a_figure_of_all_rounds() -> None:
    counts = iter((3.0, 1.0, 2.0))

    found = compare("send", 3, {"relay": lambda: {"messages/s": next(counts)}})

    assert found == {"send: relay, messages/s": Figure((3.0, 1.0, 2.0))}
    assert found["send: relay, messages/s"].median == 2.0


def test_ratio_is_taken_round_by_round() -> None:
    # A slow moment that both had is none of the ratio's.
    found = {"send: relay, messages/s": Figure((8.0, 2.0, 6.0)), "send: loop, messages/s": Figure((4.0, 1.0, 2.0))}

    told = ratios(found, "send", "messages/s", [("relay", "loop")])

    assert told == {"send: relay of loop, × messages/s": Figure((2.0, 2.0, 3.0))}


def test_ratio_is_refused_where_one_has_fewer_rounds() -> None:
    with pytest.raises(ValueError, match="shorter"):
        Figure((1.0, 2.0)).of(Figure((1.0,)))


@pytest.mark.parametrize(("share", "value"), [(0.5, 3), (0.99, 4), (1.0, 4)])
def test_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile([4, 1, 3, 2], share) == value


@pytest.mark.parametrize(
    ("figure", "told"),
    [
        (Figure((0.12345,)), "0.123 (0.123 to 0.123)"),
        (Figure((12.34, 56.78, 34.56)), "34.6 (12.3 to 56.8)"),
        (Figure((1_234.5, 99_999.9)), "50,617 (1,234 to 100,000)"),
    ],
    ids=["small", "rounds", "large"],
)
def test_figure_is_told_with_three_digits_and_its_spread(figure: Figure, told: str) -> None:
    assert str(figure) == told


@pytest.mark.parametrize(("median", "is_met"), [(0.9, False), (1.0, True), (2.0, True), (2.1, False)])
def test_target_is_met_within_its_bounds(median: float, is_met: bool) -> None:
    assert Target("Work", "area: it, s", at_least=1.0, at_most=2.0).is_met(median) is is_met


def test_table_says_of_every_target_whether_it_was_met() -> None:
    rows = list(table({"send: relay, p95 ms late": Figure((49.0,)), "reply: click, p95 ms": Figure((101.0,))}))

    assert len(rows) == len(TARGETS) + 2
    assert "| Sending | relay, p95 ms late | ≤ 50.0 | 49.0 (49.0 to 49.0) | met |" in rows
    assert "| A reply | click, p95 ms | ≤ 100 | 101 (101 to 101) | **missed** |" in rows
    assert "| Importing | portal, s | ≤ 5 | not measured |  |" in rows


def test_every_target_is_of_an_area_that_is_measured() -> None:
    assert {target.figure.partition(":")[0] for target in TARGETS} < set(AREAS)


def test_all_rounds_are_written_with_the_machine(tmp_path: Path) -> None:
    run = Run(Moment("2026-11-30T12:00:00+00:00", 0.5), 12.0, {"send: relay, messages/s": Figure((1.0, 3.0))}, None)

    path = write(tmp_path / "new" / "out.json", {"python": "3.11.7"}, {"send": run})

    assert json.loads(path.read_text()) == {
        "machine": {"python": "3.11.7"},
        "areas": {
            "send": {
                "at": "2026-11-30T12:00:00+00:00",
                "load": 0.5,
                "seconds": 12.0,
                "problem": None,
                "figures": {"send: relay, messages/s": {"median": 2.0, "rounds": [1.0, 3.0]}},
            }
        },
    }


def test_load_ends_when_nothing_is_left_to_ask(port: int) -> None:
    answered = press(port, islice(repeat(ASKING), 20), seconds=30, connections=4)

    assert len(answered.took_ms) == 20


def test_load_of_a_set_pace_asks_as_often_as_it_says(port: int) -> None:
    answered = pace(port, repeat(ASKING), per_s=100, seconds=0.2)

    assert len(answered.took_ms) == 20


def test_load_stops_at_a_refusal(port: int) -> None:
    with pytest.raises(RuntimeError, match="503"):
        press(port, repeat(REFUSED), seconds=30, connections=1)


EVERY_5_S = [5.0 * number for number in range(1, 361)]
# Up and down by one, as memory does that grows nowhere.
WAVES = [float(number % 2) for number in range(360)]


def told(values: list[float], allowed: Allowed) -> Trend:
    (trend,) = trends(EVERY_5_S, {"memory": values}, {"memory": allowed})
    return trend


def test_curve_that_only_waves_is_flat() -> None:
    trend = told([100 + wave for wave in WAVES], Allowed(share=0.05))

    assert trend.is_flat
    assert abs(trend.slope) < trend.margin < 1


def test_slope_is_growth_in_an_hour() -> None:
    trend = told([100 + at_s / 60 for at_s in EVERY_5_S], Allowed(per_h=59))

    assert trend.slope == pytest.approx(60)
    assert not trend.is_flat


def test_curve_may_grow_by_a_share_of_its_mean() -> None:
    # 10 of about 105 in the mean.
    values = [100 + at_s / 360 for at_s in EVERY_5_S]

    assert told(values, Allowed(share=0.1)).is_flat
    assert not told(values, Allowed(share=0.09)).is_flat


def test_growth_of_the_first_third_is_left_out() -> None:
    assert told([float(min(number, 120)) for number in range(360)], Allowed()).is_flat


def test_curve_too_uneven_to_tell_is_not_called_flat() -> None:
    assert not told([1_000 * wave for wave in WAVES], Allowed(per_h=100)).is_flat


def test_one_error_is_not_flat() -> None:
    assert not told([float(number > 300) for number in range(360)], Allowed()).is_flat


def test_short_run_says_nothing_of_growth() -> None:
    short = [float(number) for number in range(LEAST_SAMPLES)]

    assert trends(short, {"memory": short}, {"memory": Allowed()}) == []


def test_sums_that_disagree_are_told() -> None:
    right, wrong = Sum("edits", 3, 3), Sum("reactions", 1_200, 1_199)

    assert list(disagreeing([right, wrong])) == [wrong]
    assert str(wrong) == "reactions: 1,200, found 1,199  DISAGREES"
    assert str(right) == "edits: 3, found 3"


def test_each_message_is_counted_as_it_was_asked_for_and_came() -> None:
    accepted, came = bytearray([1, 1, 1, 0, 0]), bytearray([1, 0, 2, 1, 0])

    assert times_sent(accepted, came) == (1, 1, 1)


def test_pace_of_a_soak_is_kept_and_tells_when_each_was_due(port: int) -> None:
    due_at, statuses = list[float](), list[int]()

    async def ask(caller: Caller, due: float) -> None:
        due_at.append(due)
        statuses.append(await caller.ask(REFUSED))

    asyncio.run(keep_pace(port, 100, time.perf_counter() + 0.2, ask))

    assert 19 <= len(statuses) <= 21
    assert set(statuses) == {503}
    assert due_at[-1] - due_at[0] == pytest.approx((len(due_at) - 1) / 100)


def test_gateway_tells_many_servers_apart_and_finds_webhooks_as_they_were_set() -> None:
    gateway = Gateway(0.0, is_hanging=False)

    async def ask(path: str, body: object = None) -> object:
        return json.loads(await gateway._answer(path, json.dumps(body).encode()))

    async def talk() -> list[object]:
        await ask("/server-7/webhook/set/unit_1", {"webhook": {"url": "https://portal.test"}})
        return [
            await ask("/server-7/webhook/find/unit_1"),
            await ask("/server-8/message/sendText/unit_1", {"number": "5511", "text": "Oi"}),
            await ask("/report"),
            await ask("/calls"),
        ]

    webhook, sent, report, calls = asyncio.run(talk())

    assert webhook == {"url": "https://portal.test"}
    assert sent == {"key": {"id": external_id(1), "remoteJid": "5511@s.whatsapp.net"}}
    assert [note[:2] for note in report] == [["unit_1", "Oi"]]
    assert calls == {"set": 1, "find": 1, "sendText": 1}


def test_plot_keeps_the_peaks_of_what_it_leaves_out() -> None:
    values = [0.0] * (2 * MOST_POINTS)
    values[501] = 9.0

    points = thinned([60.0 * place for place in range(len(values))], values)

    assert len(points) == MOST_POINTS
    assert points[250] == (500.0, 9.0)


@pytest.mark.parametrize("name", PLOTS)
def test_plot_is_a_small_drawing_with_its_lines_and_units(name: str) -> None:
    plot = PLOTS[name]
    measured = {"at_s": EVERY_5_S, "curves": dict.fromkeys(plot.lines.values(), WAVES)}

    drawn = draw(plot, measured)

    assert len(drawn) < 60_000
    assert "<script" not in drawn
    assert all(f">{text}<" in drawn for text in (plot.title, plot.unit, "minutes", *plot.lines))
