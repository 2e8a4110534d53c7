"""1,000 units that send one message a second each, through one relay, against a server that takes 50 ms.

Every chat is a cold one and its lane leaves a second between two, so that the pace is the portal's own.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

from bench.stage import Stage, open_stage, percentile, report, usage

GAP_S = 1.0
WARM_UP_S = 10.0


def measure(stage: Stage, folder: Path, *, units: int, seconds: int) -> None:
    stage.fill(units=units, messages=seconds + 30, gap_s=GAP_S)
    worker = stage.start_worker(folder)
    try:
        time.sleep(3)
        stage.run(OPEN_LANES)
        time.sleep(WARM_UP_S)
        began_at, before = time.time(), usage(worker.pid)
        time.sleep(seconds)
        ended_at, after = time.time(), usage(worker.pid)
    finally:
        asked_at = time.monotonic()
        worker.terminate()
        worker.wait(60)
    print(f"SIGTERM in mid-load: ended after {time.monotonic() - asked_at:.1f} s")
    came = [note for url in stage.gateways for note in report(url)]
    print(f"came {len(came)}, twice {len(came) - len({text for _, text, _ in came})}, in doubt {stage.count(IN_DOUBT)}")
    _tell_pace(folder, (began_at, ended_at), wanted=units * (ended_at - began_at) / GAP_S)
    for name, used in after.items():
        cpu = (used.cpu_s - before[name].cpu_s) / (ended_at - began_at) if name in before else 0
        print(f"{name}: {cpu:.0%} of a core, {used.memory_mb:.0f} MB")


# Spread over a second, as lanes are that were opened at different times.
OPEN_LANES = "UPDATE lanes SET is_open = true, next_send_at = now() + (2 + random()) * interval '1 second'"
IN_DOUBT = "SELECT count(*) FROM messages WHERE status IN ('sending', 'unconfirmed', 'failed')"


def _tell_pace(folder: Path, span: tuple[float, float], *, wanted: float) -> None:
    starts: dict[str, list[float]] = defaultdict(list)
    for line in (folder / "starts").read_text().splitlines():
        unit, at = line.split()
        starts[unit].append(float(at))
    gaps = [
        later - earlier
        for times in starts.values()
        for earlier, later in zip(sorted(times), sorted(times)[1:], strict=False)
        if span[0] <= later <= span[1]
    ]
    done = sum(span[0] <= at <= span[1] for times in starts.values() for at in times)
    late_ms = [(gap - GAP_S) * 1000 for gap in gaps]
    print(f"sent {done} of {wanted:.0f}: {done / wanted:.2%}, {done / (span[1] - span[0]) * 60:.0f} a minute")
    print("late: " + ", ".join(f"p{share * 100:g} {percentile(late_ms, share):.1f} ms" for share in (0.5, 0.95, 0.99)))
    print(f"latest {max(late_ms):.0f} ms, smallest gap {min(gaps):.4f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=180)
    flags = parser.parse_args()
    with open_stage() as (stage, folder):
        measure(stage, folder, units=flags.units, seconds=flags.seconds)


if __name__ == "__main__":
    main()
