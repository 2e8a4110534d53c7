"""The people of the demo."""

from dataclasses import dataclass

TENANT_NAME = "Loja Exemplo"
TENANT = "loja-exemplo"
UNITS = {"centro": "Centro", "praia": "Praia", "norte": "Norte"}


@dataclass(frozen=True)
class Person:
    """Somebody who can sign in; an agent is limited to the named units."""

    title: str
    email: str
    role: str
    tenant: str | None = None
    units: tuple[str, ...] = ()


PEOPLE = (
    Person("tenant admin", "admin@example.test", "tenant_admin", TENANT),
    Person("agent, Centro", "agente@example.test", "agent", TENANT, ("centro",)),
    Person("super admin", "operador@example.test", "super_admin"),
)
