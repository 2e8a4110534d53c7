"""Every area in one run: what the portal does, its limit or its peer beside it, and what it is to reach."""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
import traceback
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from bench import machine
from bench.areas import claim, importing, memory, pages, process, receive, reply, sending
from bench.rounds import Figures
from bench.targets import table
from local.services import Services

AREAS = {each.AREA: each.measure for each in (receive, process, sending, reply, claim, importing, pages, memory)}
RESULTS = Path(__file__).resolve().parent / "results"


@dataclass(frozen=True)
class Run:
    """What came of one area, when it began, how busy the machine was then, and how long it took.

    `problem`: why nothing came of it.
    """

    began: machine.Moment
    seconds: float
    found: Figures
    problem: str | None


def main() -> int:
    options = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    options.add_argument("--areas", default=",".join(AREAS), help="some of them, with commas between")
    options.add_argument("--out", type=Path, default=os.environ.get("BENCH_OUT"), help="the file of all figures (JSON)")
    options.add_argument("--quick", action="store_true", help="a try that says nothing: everything as small as can be")
    chosen = options.parse_args()
    names = [name.strip() for name in chosen.areas.split(",")]
    if unknown := set(names) - set(AREAS):
        options.error(f"no such area: {', '.join(sorted(unknown))}")
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as folder:
        Path(folder).chmod(0o755)
        with Services(Path(folder) / "instance") as services:
            # All areas share these servers; each brings databases of its own.
            os.environ.update(services.environment)
            about = machine.describe(services.database_url, services.redis_url)
            runs = {name: run(name, is_quick=chosen.quick) for name in names}
    path = write(chosen.out, about, runs)
    found = {name: figure for each in runs.values() for name, figure in each.found.items()}
    print("\n" + "\n".join(table(found)))
    print(f"\nAll rounds: {path}")
    return int(any(each.problem for each in runs.values()))


def run(area: str, *, is_quick: bool) -> Run:
    """In a process of its own, since what an area leaves behind in memory is not the next one's."""
    began, began_at, problem = machine.moment(), time.monotonic(), None
    print(f"\n{area}, load {began.load:.1f}", flush=True)
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            found = pool.submit(AREAS[area], is_quick=is_quick).result()
        except Exception as e:
            # The other areas are worth their time all the same.
            found, problem = Figures(), repr(e)
            traceback.print_exception(e)
    for name, figure in found.items():
        print(f"  {name.partition(': ')[2]}: {figure}")
    seconds = time.monotonic() - began_at
    print(f"  took {seconds:.0f} s", flush=True)
    return Run(began, seconds, found, problem)


def write(path: Path | None, about: dict[str, object], runs: dict[str, Run]) -> Path:
    path = path or RESULTS / f"{datetime.now(UTC):%Y-%m-%dT%H%M%S}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    areas = {
        area: {
            **asdict(each.began),
            "seconds": each.seconds,
            "problem": each.problem,
            "figures": {n: {"median": one.median, "rounds": one.rounds} for n, one in each.found.items()},
        }
        for area, each in runs.items()
    }
    path.write_text(json.dumps({"machine": about, "areas": areas}, indent=2, ensure_ascii=False) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
