"""After everything that handles a secret has run, no table holds one as it was."""

import json
from datetime import timedelta

import jwt
import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from portal.clock import now
from portal.db import db
from portal.extensions import parts
from portal.inbox import receive
from portal.inbox.receive import Reception
from portal.models import Connection, EvolutionServer
from portal.secrets import matches, webhook_jwt_purpose
from portal.services import accounts, connections
from portal.tenancy import across_tenants, acting_for
from tests.architecture import walk
from tests.companies import Company, make_company
from tests.factories import PASSWORD, SECRET, connection_of, make_unit, make_user

INSTANCE_TOKEN = "A1B2C3D4-the-token-of-the-instance"
MEDIA_KEY = "the-key-that-opens-a-picture"


@pytest.fixture
def acme(database: None) -> Company:
    return make_company("acme")


def everything() -> str:
    """All rows of all tables as one text."""
    return "\n".join(row for rows in walk.everything().values() for row in rows)


def deliver(instance_name: str, secret: str, data: object) -> Reception:
    """A webhook as Evolution sends it: its token in the body, our secret in the address it went to."""
    event = {
        "event": "messages.upsert",
        "instance": instance_name,
        "data": data,
        "apikey": INSTANCE_TOKEN,
        "destination": f"https://portal.test/webhooks/whatsapp/evolution/{secret}",
    }
    claims = {"app": "evolution", "action": "webhook", "exp": now() + timedelta(minutes=10)}
    key = parts.vault.derived(webhook_jwt_purpose(instance_name))[0]
    return receive.receive(secret, jwt.encode(claims, key), json.dumps(event).encode())


def test_password_is_nowhere(acme: Company) -> None:
    make_user("eva@acme.test")

    assert PASSWORD not in everything()


def test_tokens_of_the_api_are_nowhere(acme: Company) -> None:
    account = accounts.find_account(acme.admin.id)
    assert account is not None
    first = accounts.issue_tokens(account)
    renewed = accounts.refresh(first.refresh)
    assert renewed is not None

    kept = everything()

    issued = (acme.token, first.access, first.refresh, renewed[1].access, renewed[1].refresh)
    assert [token for token in issued if token in kept] == []


def test_key_of_evolution_is_nowhere_but_can_be_read_again(acme: Company) -> None:
    with across_tenants("a test looks"):
        server = db.session.scalars(select(EvolutionServer)).one()

    assert parts.vault.decrypt(server.api_key_encrypted) == parts.config.evolution_api_key
    assert parts.config.evolution_api_key not in everything()


def test_webhook_secret_is_nowhere_but_can_be_registered_again(acme: Company) -> None:
    unit = make_unit(acme.scope, "praia")
    with acting_for(acme.scope):
        connections.request_connect(acme.scope, unit.id)
    connection = connection_of(acme.scope, unit.id)
    secret = parts.vault.decrypt(connection.webhook_secret_encrypted or "")

    assert matches(secret, connection.webhook_secret_hash)
    assert secret not in everything()
    assert SECRET not in everything()


def test_every_connection_has_a_secret_of_its_own(acme: Company) -> None:
    made = [make_unit(acme.scope, slug) for slug in ("praia", "norte")]
    with acting_for(acme.scope):
        for unit in made:
            connections.request_connect(acme.scope, unit.id)

        stored = db.session.scalars(acme.scope.select(Connection, Connection.webhook_secret_hash)).all()

    assert len(set(stored)) == 3


@pytest.mark.parametrize("is_known", [True, False])
def test_what_a_webhook_carries_besides_the_news_is_nowhere(acme: Company, is_known: bool) -> None:
    ours = connection_of(acme.scope, acme.unit.id).instance_name
    data = {"message": {"imageMessage": {"mediaKey": MEDIA_KEY}, "messageContextInfo": {"messageSecret": MEDIA_KEY}}}

    reception = deliver(ours or "" if is_known else "somebody-else", SECRET, data)

    kept = everything()
    assert reception == (Reception.STORED if is_known else Reception.UNKNOWN_INSTANCE)
    assert "imageMessage" in kept
    assert [secret for secret in (INSTANCE_TOKEN, SECRET, MEDIA_KEY) if secret in kept] == []


def test_link_to_scan_is_nowhere(acme: Company, client: FlaskClient) -> None:
    assert client.get(f"/scan/{acme.scan_token}").status_code == 200
    assert acme.scan_token not in everything()


def test_signing_keys_are_nowhere(acme: Company) -> None:
    instance_name = connection_of(acme.scope, acme.unit.id).instance_name or ""
    keys = [parts.config.secret_key, *parts.vault.derived(webhook_jwt_purpose(instance_name))]

    assert [key for key in keys if key in everything()] == []
