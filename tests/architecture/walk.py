"""Calls every address of the portal with the ids of one company, and looks at every row before and after."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select, text
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from portal.db import Base, db
from portal.models import (
    Alert,
    ApiToken,
    Campaign,
    ContactMerge,
    ConversationEvent,
    ConversationEventKind,
    Import,
    MessageTemplate,
    Release,
    Tag,
    User,
    UserSession,
    WebhookDelivery,
    WebhookEndpoint,
    WebhookEvent,
)
from portal.outbox.servers import default_server_id
from portal.permissions import Permission
from portal.tenancy import across_tenants
from tests.companies import Company, make_token
from tests.factories import sign_in

# What stands in an address and names a tenant's row. A new one needs a sample here, or the walk fails.
SAMPLES: dict[str, Callable[[Company], str]] = {
    "tenant_slug": lambda company: company.slug,
    "unit_slug": lambda company: company.unit.slug,
    "unit_id": lambda company: str(company.unit.id),
    "conversation_id": lambda company: str(company.conversation.id),
    "message_id": lambda company: str(company.message.id),
    "note_id": lambda company: _note_id(company),
    "server_id": lambda company: str(default_server_id()),
    "event_id": lambda company: str(_parked_event_id()),
    "contact_id": lambda company: str(company.conversation.contact_id),
    "import_id": lambda company: _newest(Import, company),
    "merge_id": lambda company: _newest(ContactMerge, company),
    "tag_id": lambda company: _newest(Tag, company),
    "campaign_id": lambda company: _newest(Campaign, company),
    "token_id": lambda company: _named_token_id(company),
    "endpoint_id": lambda company: _newest(WebhookEndpoint, company),
    "delivery_id": lambda company: _newest(WebhookDelivery, company),
    "template_id": lambda company: _newest(MessageTemplate, company),
    "session_id": lambda company: _newest(UserSession, company),
    "family_id": lambda company: _first_family_id(company),
    "user_id": lambda company: str(company.agent.id),
    "tenant_id": lambda company: str(company.scope.tenant_id),
    "release_id": lambda company: _newest_of_none(Release),
    "alert_id": lambda company: _newest_of_none(Alert),
}
# What stands in an address and names no row, or is a secret that only its holder knows.
OTHER_ARGUMENTS = {
    "step": "disconnect",
    "decision": "set_aside",
    "token": "forged",
    "provider": "evolution",
    "secret": "guessed",
    "event": "messages-upsert",
    "filename": "css/base.css",
    "number": "1",
    "kind": "invitation",
    "fix": "check",
    "incident": "unconnected",
}


def _newest(model: Any, company: Company) -> str:
    """The id of the newest row of a model that the company has."""
    with across_tenants("a walk looks for a row"):
        owned = select(model.id).where(model.tenant_id == company.scope.tenant_id)
        return str(db.session.scalars(owned.order_by(model.id.desc())).first())


def _note_id(company: Company) -> str:
    """The note in the company's conversation, and not what was done with it since."""
    with across_tenants("a walk looks for a note"):
        there = select(ConversationEvent.id).where(ConversationEvent.conversation_id == company.conversation.id)
        return str(db.session.scalars(there.where(ConversationEvent.kind == ConversationEventKind.NOTE)).first())


def _newest_of_none(model: Any) -> str:
    """The id of the newest row of what belongs to no company: only an operator's addresses name one."""
    with across_tenants("a walk looks for a row"):
        return str(db.session.scalars(select(model.id).order_by(model.id.desc())).first())


def _named_token_id(company: Company) -> str:
    """The company's own token, and not one that a person got by signing in."""
    with across_tenants("a walk looks for a token"):
        named = select(ApiToken.id).where(ApiToken.tenant_id == company.scope.tenant_id, ApiToken.name.is_not(None))
        return str(db.session.scalars(named.order_by(ApiToken.id.desc())).first())


def _first_family_id(company: Company) -> str:
    """What the tokens of a program have in common that signed in as a person of the company."""
    with across_tenants("a walk looks for a sign-in"):
        families = select(ApiToken.family_id).where(ApiToken.tenant_id == company.scope.tenant_id)
        return str(db.session.scalars(families.where(ApiToken.family_id.is_not(None)).order_by(ApiToken.id)).first())


def _parked_event_id() -> int:
    """The newest event that was not applied: only an operator's addresses name one, and they see every tenant's."""
    with across_tenants("a walk looks for an event"):
        return db.session.scalar(select(func.max(WebhookEvent.id))) or 0


@dataclass(frozen=True)
class Caller:
    """Somebody at the pages by a cookie and at the API by a token; nobody without either."""

    client: FlaskClient
    token: str

    def call(self, method: str, url: str, *, is_page: bool, unit_id: str) -> TestResponse:
        if is_page:
            form = {"name": "Taken", "slug": "taken", "text": "Hi", "phone": "11988880001", "pairing_number": ""}
            return self.client.open(url, method=method, data=form)
        body = {"phone": "11988880001", "message": "Hi", "unitId": unit_id, "provider": "evolution", "credentials": {}}
        body |= {"name": "Taken", "content": "Hi", "phones": ["11988880001"]}
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return self.client.open(url, method=method, json=body, headers=headers)


def apart(company: Company) -> Company:
    """The company's rows, detached: the end of each request would let the session forget them."""
    db.session.remove()
    return company


def caller(app: Flask, user: User) -> Caller:
    client = app.test_client()
    sign_in(client, user)
    return Caller(client, make_token(user))


def access_of(app: Flask, rule: Rule) -> Any:
    return getattr(app.view_functions[rule.endpoint], "access", None)


def walked(app: Flask) -> list[Rule]:
    """The rules that name a tenant's row, but for the operator's, who sees every tenant's."""
    named = [rule for rule in app.url_map.iter_rules() if rule.arguments & set(SAMPLES)]
    return [rule for rule in named if access_of(app, rule) != Permission.OPERATE]


def address(app: Flask, rule: Rule, company: Company, **changes: str) -> str:
    known = OTHER_ARGUMENTS | changes
    values = {name: known[name] if name in known else SAMPLES[name](company) for name in rule.arguments}
    return str(app.url_map.bind("portal.test").build(rule.endpoint, values, method=next(iter(methods(rule)))))


def methods(rule: Rule) -> set[str]:
    return (rule.methods or set()) - {"OPTIONS"}


def walk(app: Flask, who: Caller, rules: list[Rule], company: Company, **changes: str) -> dict[str, int]:
    """`METHOD rule` -> status, for each method of each rule, with that company's ids."""
    answers = {}
    for rule in rules:
        url, is_page = address(app, rule, company, **changes), "tenant_slug" in rule.arguments
        for method in methods(rule):
            response = who.call(method, url, is_page=is_page, unit_id=str(company.unit.id))
            answers[f"{method} {rule.rule}"] = response.status_code
            # As a server does: a file that was to be sent ends with it.
            response.close()
    return answers


def everything() -> dict[str, list[str]]:
    """Each table's rows as text, past all policies."""
    db.session.remove()
    connection: Any = db.engine
    with connection.begin_nested() as savepoint:
        connection.execute(text("SELECT set_config('role', 'none', true)"))
        found = {
            table.name: sorted(connection.scalars(text(f"SELECT to_jsonb(t)::text FROM {table.name} t")))
            for table in Base.metadata.sorted_tables
        }
        savepoint.rollback()
    return found
