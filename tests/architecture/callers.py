"""Everybody who may call the portal, what each may do, and what is to be answered: derived, never listed by route."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, replace
from datetime import timedelta

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.models import AccessGrant, User
from portal.permissions import ALLOWED, ALLOWED_BY_GRANT, ALLOWED_BY_SCOPE, ApiScope, Permission, Role
from portal.tenancy import across_tenants, acting_for
from tests.architecture.walk import SAMPLES, access_of, address
from tests.companies import Company, make_token
from tests.factories import make_api_token, make_user, sign_in

NOTHING: frozenset[Permission] = frozenset()
# What is the whole company's and no unit's, for whoever may see it.
OF_NO_UNIT = {"tenant_slug", "template_id"}
# What is one person's own and nobody else's.
OF_ONE_PERSON = {"session_id", "family_id"}
# Calls that name a unit in the body.
NAMES_A_UNIT_IN_THE_BODY = {"api_messages.send", "api_campaigns.create"}
FORM = {"name": "Taken", "slug": "taken", "text": "Hi", "phone": "11988880001", "pairing_number": ""}
BODY = {"phone": "11988880001", "message": "Hi", "provider": "evolution", "credentials": {}}
BODY |= {"name": "Taken", "content": "Hi", "phones": ["11988880001"]}


@dataclass(frozen=True)
class Caller:
    """Somebody with a browser, a token, both or neither; `by_page` and `by_token` is what they may there.

    None in place of permissions: the portal does not know who that is.
    """

    name: str
    client: FlaskClient
    token: str = ""
    by_page: frozenset[Permission] | None = None
    by_token: frozenset[Permission] | None = None
    # In Acme's pages only.
    by_grant: frozenset[Permission] = NOTHING
    is_of_every_tenant: bool = False
    is_of_one_unit: bool = False

    def call(self, app: Flask, method: str, url: str, *, unit_id: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        body = {"json": BODY | {"unitId": unit_id}} if is_api(app, url, method) else {"data": FORM}
        # With a context of its own, as a server gives it: nobody is remembered from the call before.
        with app.app_context():
            response = self.client.open(url, method=method, headers=headers, buffered=True, **body)
            response.get_data()
            response.close()
        return response


@dataclass(frozen=True)
class Rows:
    """Whose ids an address names: those of `company` when this is made, under the short name of the tenant `slug`."""

    name: str
    company: Company
    slug: str
    is_of_other_unit: bool = False
    ids: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        ids = {name: sample(self.company) for name, sample in SAMPLES.items()}
        object.__setattr__(self, "ids", ids | {"tenant_slug": self.slug})

    def url(self, app: Flask, rule: Rule) -> str:
        return address(app, rule, self.company, **self.ids)

    @property
    def is_own(self) -> bool:
        return self.company.slug == self.slug == "acme"

    @property
    def is_mixed(self) -> bool:
        return self.company.slug != self.slug


@dataclass(frozen=True)
class Expected:
    """Which statuses are right: one of `only`, or where nothing is said, whatever a call that is let in may answer."""

    only: frozenset[int] = frozenset()
    may_change: bool = False

    def allows(self, status: int) -> bool:
        return status in self.only if self.only else status < 500 and status not in (401, 403, 404)


LET_IN = Expected(may_change=True)


def expected(app: Flask, who: Caller, rule: Rule, rows: Rows) -> Expected:
    """From what the view asks for and what the caller may, as the tables of permissions have it."""
    held = who.by_token if is_api_rule(rule) else who.by_page
    if held is None:
        return Expected(frozenset({401} if is_api_rule(rule) else {302}))
    if is_page(rule) and rows.is_own and "GET" in (rule.methods or ()):
        # Leave to read is none to change anything.
        held |= who.by_grant
    if rule.arguments & OF_ONE_PERSON:
        # Of the company's rows those may be the caller's own.
        return Expected(frozenset({303, 404, 409}), may_change=True) if rows.is_own else Expected(frozenset({404}))
    access = access_of(app, rule)
    if not (access == "signed_in" or access in held):
        # What is not theirs may be missing before it is forbidden.
        return Expected(frozenset({403} if rows.is_own and not rows.is_of_other_unit else {403, 404}))
    return Expected(frozenset({404})) if is_hidden(app, who, rule, rows) else LET_IN


def is_hidden(app: Flask, who: Caller, rule: Rule, rows: Rows) -> bool:
    """Whether what the address names is not there for the caller, who may do that with what is."""
    if access_of(app, rule) == Permission.OPERATE or not names_a_row(rule):
        return False
    if rows.is_mixed:
        return not (who.is_of_every_tenant and not rule.arguments & set(SAMPLES) - {"tenant_slug"})
    if rows.is_of_other_unit:
        return who.is_of_one_unit and names_a_units_row(rule)
    return not rows.is_own and not who.is_of_every_tenant


def names_a_row(rule: Rule) -> bool:
    return bool(rule.arguments & set(SAMPLES)) or rule.endpoint in NAMES_A_UNIT_IN_THE_BODY


def names_a_units_row(rule: Rule) -> bool:
    return bool(rule.arguments & set(SAMPLES) - OF_NO_UNIT) or rule.endpoint in NAMES_A_UNIT_IN_THE_BODY


def is_page(rule: Rule) -> bool:
    """A page of a tenant, whose address begins with the tenant's short name."""
    return "tenant_slug" in rule.arguments


def is_api_rule(rule: Rule) -> bool:
    """A call of the JSON API, which knows callers by a token and never by a cookie."""
    return rule.endpoint.startswith("api_")


def is_api(app: Flask, url: str, method: str) -> bool:
    endpoint, _ = app.url_map.bind("portal.test").match(url.partition("?")[0], method=method)
    return str(endpoint).startswith("api_")


def nobody(app: Flask, acme: Company) -> Caller:
    return Caller("anonymous", app.test_client())


def disabled_person(app: Flask, acme: Company) -> Caller:
    who = _person(app, "disabled", acme.admin)
    with across_tenants("a test disables somebody"), atomic():
        db.session.execute(update(User).where(User.id == acme.admin.id).values(disabled_at=now()))
    return replace(who, by_page=None, by_token=None)


def tenant_admin(app: Flask, acme: Company) -> Caller:
    return _person(app, "tenant admin", acme.admin)


def agent(app: Flask, acme: Company) -> Caller:
    return replace(_person(app, "agent", acme.agent), is_of_one_unit=True)


def cookie_at_the_api(app: Flask, acme: Company) -> Caller:
    """A browser that another site makes call the API: it has the cookie, and no token."""
    return replace(_person(app, "cookie without token", acme.admin), token="", by_token=None)


def operator(app: Flask, acme: Company) -> Caller:
    user = make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None)
    return replace(_person(app, "operator", user), is_of_every_tenant=True)


def operator_with_a_grant(app: Flask, acme: Company) -> Caller:
    with acting_for(acme.scope), atomic():
        ends = now() + timedelta(hours=1)
        acme.scope.add(AccessGrant(granted_by_id=acme.admin.id, reason="A look at a fault", expires_at=ends))
    return replace(operator(app, acme), name="operator with a grant", by_grant=ALLOWED_BY_GRANT)


def token_of(scope: ApiScope, kind: str, *, is_of_one_unit: bool = False) -> Callable[[Flask, Company], Caller]:
    """Makes a token with that scope, for all of Acme's units or for its first one."""
    name = f"{kind} token to {scope}" + (" in one unit" if is_of_one_unit else "")

    def make(app: Flask, acme: Company) -> Caller:
        units = {"unit_ids": [acme.unit.id]} if is_of_one_unit else {}
        token = make_api_token(acme.scope, scope, kind=kind, **units)
        may = ALLOWED_BY_SCOPE[scope]
        return Caller(name, app.test_client(), token, by_token=may, is_of_one_unit=is_of_one_unit)

    make.__name__ = name
    return make


def _person(app: Flask, name: str, user: User) -> Caller:
    client = app.test_client()
    sign_in(client, user)
    may = ALLOWED[Role(user.role)]
    return Caller(name, client, make_token(user), by_page=may, by_token=may)


def leaked(response: TestResponse, url: str, tales: Collection[str]) -> list[str]:
    """Which of these strings the answer tells, beyond those that the address itself named."""
    told = response.get_data().decode(errors="replace") + str(response.headers)
    return [tale for tale in tales if tale in told and tale not in url]
