"""What a newcomer tries campaigns with: people who do not exist, under a tag, and a campaign to them.

Only for a portal with the simulated Evolution API: there everybody has a phone.
"""

from collections.abc import Iterator
from itertools import product

from portal.db import among, atomic, db
from portal.models import Contact, Tag, Unit
from portal.services import campaign_drafts
from portal.services.audience import Audience
from portal.services.tagging import Choice, tag_contacts
from portal.tenancy import TenantScope

TAG = "exemplo"
CAMPAIGN = "Novidades de dezembro (exemplo)"
FIRST_NAMES = (
    *("Aline", "Bruno", "Carla", "Diego", "Elisa", "Fábio", "Gabi", "Hugo", "Iara", "Jonas"),
    *("Karen", "Lucas", "Marta", "Nilo", "Olga", "Paulo", "Rita", "Saulo", "Tânia", "Vítor"),
)
LAST_NAMES = (
    *("Exemplo", "Modelo", "Amostra", "Ensaio", "Teste", "Rascunho", "Fictício", "Inventado"),
    *("Figurante", "Protótipo", "Esboço", "Simulado", "Imaginário", "Hipotético", "Demonstração"),
)
# Some people have none, so that the check of a campaign has something to say.
CITIES = ("Santos", "São Vicente", "Guarujá", "Cubatão", "")
VARIANTS = (
    "Oi, ((primeiro nome))! Chegaram novidades na Loja Exemplo. Quer ver? Para não receber mais, responda SAIR.",
    "((primeiro nome)), a Loja Exemplo tem uma surpresa para você em ((cidade)). Não quer mais? Responda SAIR.",
)


def add_examples(scope: TenantScope, unit_slug: str) -> None:
    """Add the people, and a draft for the worker to plan, unless an earlier run did."""
    with atomic():
        if db.session.scalar(scope.select(Tag, Tag.id).where(Tag.name == TAG)) is not None:
            return
        rows = list(people())
        scope.insert_missing(Contact, rows)
        added = scope.select(Contact, Contact.id).where(among(Contact.phone, [row["phone"] for row in rows]))
        tag_contacts(scope, Choice(list(db.session.scalars(added))), name=TAG)
        _add_campaign(scope, unit_slug)


def people() -> Iterator[dict[str, object]]:
    """One row for each, under a number like those of the other examples."""
    for place, (last, first) in enumerate(product(LAST_NAMES, FIRST_NAMES), start=1):
        city = CITIES[place % len(CITIES)]
        yield {
            "phone": f"551199998{place:04d}",
            "name": f"{first} {last}",
            "attributes": {"cidade": city} if city else {},
        }


def _add_campaign(scope: TenantScope, unit_slug: str) -> None:
    unit_id = db.session.scalars(scope.select(Unit, Unit.id).where(Unit.slug == unit_slug)).one()
    tag_id = db.session.scalars(scope.select(Tag, Tag.id).where(Tag.name == TAG)).one()
    draft = campaign_drafts.create_draft(scope, unit_id=unit_id, name=CAMPAIGN)
    campaign_drafts.set_audience(scope, draft.id, Audience(tag_ids=(tag_id,)))
    campaign_drafts.set_message(scope, draft.id, variants=VARIANTS)
