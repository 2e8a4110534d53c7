"""What came out of campaigns that were measured, and whether every promise was kept."""

from statistics import mean

from bench.campaign_run import OVER, Run
from tests.running.campaigns import Verdict

# Of the time that was forecast.
MOST_OFF = 0.1
# A cancel acts within this time, what is on the wire included.
AT_ONCE_S = 2.0
ALARMED = "campaigns WHERE id = ANY(%s) AND pause_reason <> 'person'"


def report(run: Run, verdict: Verdict) -> int:
    """Print the table; 1 when any of the promises was not kept."""
    told = run.organiser.counts(run.ids)
    problems = {
        "without an outcome": len(verdict.open),
        "lost: said to be gone, but never left": len(verdict.lost),
        "left, but said not to": len(verdict.unsaid),
        "repeated unmarked": len(verdict.repeated),
        "to a wrong number": len(verdict.astray),
        "sums that are not the ledger's": sum(one.total != run.plan.recipients for one in told.values()),
        "lanes stuck": run.stack.rows.busy_lanes(),
        "campaigns not over": len(run.ids) - run.stack.rows.count(OVER, run.ids),
        "paused by an alarm": run.stack.rows.count(ALARMED, run.ids),
    }
    more_than_once = sum(times > 1 for times in verdict.times_left.values())
    print(f"\n{len(verdict.lines)} recipients: {verdict.summary}")
    print(f"{len(verdict.left)} messages left; {more_than_once} people got more than one")
    print(f"{run.kills} workers killed, faults struck: {_struck(run)}")
    print("memory at most: " + ", ".join(f"{name} {size:.0f} MB" for name, size in run.peak_mb.items()))
    for name, number in problems.items():
        print(f"  {name:<40}{number:>6}")
    is_in_time = _report_cancel(run, verdict) if run.plan.is_cancelled else _report_forecast(run)
    return 0 if is_in_time and not any(problems.values()) else 1


def _report_forecast(run: Run) -> bool:
    """When the last message of each campaign was sent, beside what was forecast at the start."""
    query = (
        "SELECT campaign_id, max(sending_at) AS at FROM campaign_recipients JOIN messages ON messages.id = message_id"
        " WHERE campaign_id = ANY(%s) GROUP BY 1"
    )
    ended = {row["campaign_id"]: row["at"] for row in run.stack.rows.fetch(query, run.ids)}
    shares = sorted(run.times[campaign_id].share_of_forecast(at) for campaign_id, at in ended.items())
    first = min(times.began_at for times in run.times.values())
    last_forecast = max(times.forecast + times.paused for times in run.times.values())
    took_s, forecast_s = ((moment - first).total_seconds() for moment in (max(ended.values()), last_forecast))
    print(f"the last message left after {took_s:.1f} s; forecast (with the pause): {forecast_s:.1f} s")
    print(f"each campaign, of its forecast: {shares[0]:.1%} to {shares[-1]:.1%}, in the mean {mean(shares):.1%}")
    return abs(took_s / forecast_s - 1) <= MOST_OFF


def _report_cancel(run: Run, verdict: Verdict) -> bool:
    """How long after each click the last message of its campaign left."""
    owner = {line.body: line.campaign_id for line in verdict.lines}
    late = [0.0]
    for one in verdict.left:
        cancelled_at = run.times[owner[one.body]].cancelled_at
        if cancelled_at is not None and one.at > cancelled_at:
            late.append((one.at - cancelled_at).total_seconds())
    print(f"{len(late) - 1} messages left after the cancel of their campaign, the last one {max(late):.2f} s after it")
    return max(late) <= AT_ONCE_S


def _struck(run: Run) -> dict[str, int]:
    return {name: number for name, number in run.stack.simulator.struck().items() if number}
