"""What `make bench` counts with: rounds in turn, their medians and ratios, and the table of targets."""

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import islice, repeat
from pathlib import Path
from threading import Thread

import pytest

from bench.__main__ import AREAS, Run, write
from bench.load import pace, press
from bench.machine import Moment
from bench.rounds import Figure, alternately, compare, percentile, ratios
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
