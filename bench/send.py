"""1,000 units that send one message a second each, through one relay, against a server that takes 50 ms.

Every chat is a cold one and its lane leaves a second between two, so that the pace is the portal's own.
"""

import argparse
import time
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from bench.rounds import percentile
from bench.stage import Stage, open_stage, report, usage

GAP_S = 1.0
WARM_UP_S = 10.0


@dataclass(frozen=True)
class Pace:
    """What was sent of what was due, how late in milliseconds, and what a worker asked to stop left behind."""

    sent: int
    wanted: float
    seconds: float
    late_ms: tuple[float, ...]
    twice: int
    in_doubt: int
    ended_s: float
    # Of each process: its share of a core, and MB.
    used: dict[str, tuple[float, float]]

    @property
    def per_s(self) -> float:
        return self.sent / self.seconds

    @property
    def smallest_gap_s(self) -> float:
        return GAP_S + min(self.late_ms) / 1000


def measure(stage: Stage, folder: Path, *, units: int, seconds: int) -> Pace:
    stage.fill(units=units, messages=seconds + 30, gap_s=GAP_S)
    worker = stage.start_worker(folder)
    try:
        stage.wait_for_worker()
        stage.run(OPEN_LANES)
        time.sleep(WARM_UP_S)
        began_at, before = time.time(), usage(worker.pid)
        time.sleep(seconds)
        ended_at, after = time.time(), usage(worker.pid)
    finally:
        asked_at = time.monotonic()
        worker.terminate()
        worker.wait(60)
    ended_s = time.monotonic() - asked_at
    took_s = ended_at - began_at
    texts = [text for url in stage.gateways for _, text, _ in report(url)]
    sent, late_ms = _read_starts(folder, (began_at, ended_at))
    return Pace(
        sent,
        wanted=units * took_s / GAP_S,
        seconds=took_s,
        late_ms=late_ms,
        twice=len(texts) - len(set(texts)),
        in_doubt=stage.count(IN_DOUBT),
        ended_s=ended_s,
        used={n: ((one.cpu_s - before[n].cpu_s) / took_s, one.memory_mb) for n, one in after.items() if n in before},
    )


# Spread over a second, as lanes are that were opened at different times.
OPEN_LANES = "UPDATE lanes SET is_open = true, next_send_at = now() + (2 + random()) * interval '1 second'"
IN_DOUBT = "SELECT count(*) FROM messages WHERE status IN ('sending', 'unconfirmed', 'failed')"


def _read_starts(folder: Path, span: tuple[float, float]) -> tuple[int, tuple[float, ...]]:
    """How many sends began in that time, and how many milliseconds more than its gap each was behind the one before."""
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
    sent = sum(span[0] <= at <= span[1] for times in starts.values() for at in times)
    return sent, tuple((gap - GAP_S) * 1000 for gap in gaps)


def show(pace: Pace) -> None:
    print(f"SIGTERM in mid-load: ended after {pace.ended_s:.1f} s; twice {pace.twice}, in doubt {pace.in_doubt}")
    print(f"sent {pace.sent} of {pace.wanted:.0f}: {pace.sent / pace.wanted:.2%}, {pace.per_s * 60:.0f} a minute")
    shares = (0.5, 0.95, 0.99)
    print("late: " + ", ".join(f"p{share * 100:g} {percentile(pace.late_ms, share):.1f} ms" for share in shares))
    print(f"latest {max(pace.late_ms):.0f} ms, smallest gap {pace.smallest_gap_s:.4f} s")
    for name, (cpu, memory_mb) in pace.used.items():
        print(f"{name}: {cpu:.0%} of a core, {memory_mb:.0f} MB")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--units", type=int, default=1_000)
    parser.add_argument("--seconds", type=int, default=180)
    flags = parser.parse_args()
    with open_stage() as (stage, folder):
        show(measure(stage, folder, units=flags.units, seconds=flags.seconds))


if __name__ == "__main__":
    main()
