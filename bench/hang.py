"""Three Evolution servers, of which one takes every send and never answers: the pace of the other two."""

import argparse
import time
from pathlib import Path

from bench.send import GAP_S, OPEN_LANES
from bench.stage import Stage, open_stage, report


def measure(stage: Stage, folder: Path, *, units: int, seconds: int) -> list[int]:
    """Sends that each server got in that time."""
    stage.fill(units=units, messages=seconds + 30, gap_s=GAP_S)
    worker = stage.start_worker(folder)
    try:
        stage.wait_for_worker()
        stage.run(OPEN_LANES)
        time.sleep(5)
        for url in stage.gateways:
            report(url)
        time.sleep(seconds)
        return [len(report(url)) for url in stage.gateways]
    finally:
        worker.terminate()
        worker.wait(60)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=300)
    parser.add_argument("--seconds", type=int, default=60)
    flags = parser.parse_args()
    paces = {}
    for name, third in (("all well", ()), ("the third hangs", ("--hang",))):
        with open_stage(gateways=((), (), third)) as (stage, folder):
            sent = measure(stage, folder, units=flags.units, seconds=flags.seconds)
            paces[name] = [number / flags.seconds for number in sent]
            states = stage.states()
        told = ", ".join(f"{pace:.1f}/s" for pace in paces[name])
        print(f"{name}: {told}; messages of the third: {states}")
    kept = [after / before for before, after in zip(paces["all well"][:2], paces["the third hangs"][:2], strict=True)]
    print("the other two keep " + " and ".join(f"{share:.1%}" for share in kept) + " of their pace")


if __name__ == "__main__":
    main()
