"""Campaigns: how long it takes to plan one, to contacts and to a pasted list, and in how much memory."""

import argparse
import gc
import json
import statistics
from uuid import uuid4

import psycopg
from uuid_utils import uuid7

from bench.importing import Figure, measured
from bench.stage import Stage, open_stage
from portal.background import planning as worker
from portal.models import Campaign, PlanState
from portal.services import campaign_drafts, tenants, units
from portal.services.audience import Audience
from portal.services.audit import Actor
from portal.tenancy import TenantScope, acting_for

CITIES = ("Campinas", "São Paulo", "Recife", "Porto Alegre", "Belém")
TEXTS = (
    "Oi, ((primeiro nome))! A loja de ((cidade)) tem novidades para você.",
    "Olá, ((nome)). ((cidade??Venha nos ver em))((cidade)): o pedido ((pedido)) espera por você.",
)
# Eleven digits and the end of the line, as many as a list may have.
MOST_PASTED = campaign_drafts.LARGEST_PASTE // 12


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--people", type=int, default=100_000)
    options.add_argument("--runs", type=int, default=3)
    chosen = options.parse_args()
    with open_stage() as (stage, _folder), stage.app.app_context():
        # The first one loads what the process needs for good, which the worker also keeps from the garbage collector.
        run(stage, 1_000, "warm-up")
        gc.collect()
        gc.freeze()
        runs = [run(stage, chosen.people, f"run-{number}") for number in range(chosen.runs)]
    print(f"{chosen.people} people")
    for name in runs[0]:
        seconds = statistics.median(figures[name].seconds for figures in runs)
        cpu_s = statistics.median(figures[name].cpu_s for figures in runs)
        growth_mb = max(figures[name].growth_mb for figures in runs)
        print(f"  {name}: {seconds:.2f} s, {cpu_s:.2f} s of CPU here, memory +{growth_mb:.1f} MB at most")


def run(stage: Stage, people: int, slug: str) -> dict[str, Figure]:
    """What was planned -> figure, for a new tenant."""
    scope = TenantScope(tenants.create_tenant(name=slug, slug=slug, by=Actor(None)).id)
    add_people(stage, scope, people)
    pasted = min(people, MOST_PASTED)
    everybody, known = Audience(everybody=True), Audience(pasted=paste(pasted))
    unknown = Audience(pasted=paste(pasted, area="21"))
    with acting_for(scope):
        unit = units.create_unit(scope, name="Centro", slug="centro")
        campaign_id = campaign_drafts.create_draft(scope, unit_id=unit.id, name=slug).id
        campaign_drafts.set_message(scope, campaign_id, variants=TEXTS)

    def plan(audience: Audience, total: int) -> Figure:
        with acting_for(scope):
            campaign_drafts.set_audience(scope, campaign_id, audience)
        figure = measured(work)
        with acting_for(scope):
            campaign = scope.get(Campaign, campaign_id)
        if (campaign.plan_state, campaign.total) != (PlanState.DONE, total):
            raise RuntimeError(f"{campaign.plan_state}: {campaign.total} of {total}")
        return figure

    return {
        "contacts": plan(everybody, people),
        "contacts again, in the place of the ledger before": plan(everybody, people),
        "pasted numbers of contacts": plan(known, pasted),
        "contacts, and all of their numbers pasted": plan(Audience(everybody=True, pasted=known.pasted), people),
        "pasted numbers of nobody": plan(unknown, pasted),
    }


def work() -> None:
    while worker.work(uuid4(), lambda: False):
        pass


def paste(people: int, *, area: str = "11") -> str:
    return "\n".join(f"{area}9{60_000_000 + place}" for place in range(people))


def add_people(stage: Stage, scope: TenantScope, people: int) -> None:
    """A tenth has no order number: a gap in every second text to them."""
    columns = "COPY contacts (id, tenant_id, kind, phone, name, attributes, created_at) FROM STDIN"
    with psycopg.connect(stage.env["DATABASE_URL"]) as connection:
        with connection.cursor().copy(columns) as to:
            for place in range(people):
                known = {"Cidade": CITIES[place % 5], **({"Pedido": str(place)} if place % 10 else {})}
                phone, name = f"55119{60_000_000 + place}", f"Maria de Souza {place}"
                to.write_row((str(uuid7()), scope.tenant_id, "person", phone, name, json.dumps(known), "now"))
        connection.commit()


if __name__ == "__main__":
    main()
