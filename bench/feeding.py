"""What one look costs in which 50 or 100 recipients have their turn, with 100,000 to 1,000,000 pending."""

import argparse
import statistics
import time

from bench.stage import Stage, open_stage
from portal.outbox import feeding, servers

UNITS = 1_000
ROUNDS = 40
WARM_UP_ROUNDS = 5
# A campaign for each unit, all of whose people are pending.
FILL = (
    "INSERT INTO campaigns (id, tenant_id, unit_id, name, variants, plan_state, total, state)"
    " SELECT gen_random_uuid(), tenant_id, id, name, '[\"Oi\"]', 'done', {people}, 'processing' FROM units",
    "INSERT INTO contacts (id, tenant_id, phone) SELECT gen_random_uuid(), id, '55219' || lpad(n::text, 8, '0')"
    " FROM tenants, generate_series(1, {people}) n",
    "INSERT INTO campaign_recipients (tenant_id, campaign_id, position, contact_id, state, body, variant)"
    " SELECT p.tenant_id, p.id, c.n, c.id, 'pending', 'Oi! Temos novidades para voce.', 1 FROM campaigns p"
    " CROSS JOIN (SELECT id, row_number() OVER (ORDER BY id) n FROM contacts WHERE starts_with(phone, '55219')) c",
)
# The lanes of so many units are due, and nothing waits in them.
DUE = (
    "UPDATE messages SET status = 'sent' WHERE status = 'queued'",
    "UPDATE lanes SET campaign_at = NULL, has_work = false",
    "UPDATE lanes SET campaign_at = now() WHERE unit_id IN (SELECT id FROM units ORDER BY id LIMIT {due})",
)


def measure(stage: Stage, due: int) -> list[float]:
    """Milliseconds of each look."""
    took = []
    with stage.app.app_context():
        known = [server.id for server in servers.list_servers()]
        for number in range(WARM_UP_ROUNDS + ROUNDS):
            for statement in DUE:
                stage.run(statement.format(due=due))
            began_at = time.perf_counter()
            fed = feeding.feed(known)
            if number >= WARM_UP_ROUNDS:
                took.append((time.perf_counter() - began_at) * 1000)
            if fed != due:
                raise RuntimeError(f"{fed} had their turn instead of {due}")
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    flags = parser.parse_args()
    medians = []
    for size in flags.sizes:
        with open_stage() as (stage, _):
            stage.fill(units=UNITS, messages=0)
            for statement in FILL:
                stage.run(statement.format(people=size // UNITS))
            stage.run("UPDATE lanes SET is_open = true, has_work = false")
            stage.run("VACUUM ANALYZE")
            took, many = measure(stage, 50), measure(stage, feeding.MOST)
            medians.append(statistics.median(took))
            print(
                f"{size:>9,} pending: 50 turns {medians[-1]:.2f} ms, slowest {max(took):.2f} ms;"
                f" {feeding.MOST} turns {statistics.median(many):.1f} ms"
            )
    print("ratio to the first: " + ", ".join(f"{median / medians[0]:.2f}" for median in medians))


if __name__ == "__main__":
    main()
