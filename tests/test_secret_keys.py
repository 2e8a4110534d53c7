"""A new SECRET_KEY signs nobody out, as long as the one before stands in SECRET_KEY_FALLBACKS."""

from dataclasses import replace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.config import Config
from portal.errors import NotFound
from portal.extensions import init_parts, parts
from portal.models import Unit
from portal.secrets import Vault
from portal.services import connections
from portal.tenancy import TenantScope, acting_for
from tests.conftest import make_config
from tests.factories import make_connected_unit, make_tenant, make_user, sign_in

NEW = "a-new-secret-for-tests-of-32-characters-and-more"


@pytest.fixture
def acme(database: None) -> TenantScope:
    return make_tenant("acme")


@pytest.fixture
def unit(acme: TenantScope) -> Unit:
    return make_connected_unit(acme)


def restart(app: Flask, monkeypatch: pytest.MonkeyPatch, *, with_fallback: bool) -> None:
    """With a new key, and with or without the old one beside it."""
    old = parts.config.secret_key
    config = replace(parts.config, secret_key=NEW, secret_key_fallbacks=(old,) if with_fallback else ())
    monkeypatch.setattr(parts, "config", config)
    monkeypatch.setitem(app.config, "SECRET_KEY", config.secret_key)
    monkeypatch.setitem(app.config, "SECRET_KEY_FALLBACKS", [*reversed(config.secret_key_fallbacks)])


@pytest.mark.parametrize(("with_fallback", "status"), [(True, 200), (False, 302)])
def test_people_stay_signed_in_while_the_old_key_is_listed(
    app: Flask,
    client: FlaskClient,
    acme: TenantScope,
    monkeypatch: pytest.MonkeyPatch,
    with_fallback: bool,
    status: int,
) -> None:
    sign_in(client, make_user("admin@acme.test"))
    restart(app, monkeypatch, with_fallback=with_fallback)

    assert client.get("/t/acme/").status_code == status


def test_scan_link_works_while_the_old_key_is_listed(
    app: Flask, acme: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    with acting_for(acme):
        token = connections.create_scan_link(acme, unit.id)
    restart(app, monkeypatch, with_fallback=True)

    assert connections.open_scan_link(token)[1].unit_id == unit.id
    restart(app, monkeypatch, with_fallback=False)
    monkeypatch.setattr(parts, "config", replace(parts.config, secret_key_fallbacks=()))
    with pytest.raises(NotFound):
        connections.open_scan_link(token)


def test_what_is_signed_from_now_on_needs_the_new_key_only(
    app: Flask, acme: TenantScope, unit: Unit, monkeypatch: pytest.MonkeyPatch
) -> None:
    restart(app, monkeypatch, with_fallback=True)
    with acting_for(acme):
        token = connections.create_scan_link(acme, unit.id)
    monkeypatch.setattr(parts, "config", replace(parts.config, secret_key_fallbacks=()))

    assert connections.open_scan_link(token)[1].unit_id == unit.id


def with_keys(**keys: str) -> Config:
    return make_config("postgresql://db.test/p", "redis://cache.test", **keys)


def test_secrets_at_rest_are_read_with_the_old_key_where_there_are_no_keys_of_their_own(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("config", "vault", "redis"):
        monkeypatch.setattr(parts, name, getattr(parts, name))
    written = Vault((parts.config.secret_key,)).encrypt("a")

    init_parts(Flask("other"), with_keys(SECRET_KEY=NEW, SECRET_KEY_FALLBACKS=parts.config.secret_key))

    assert parts.vault.decrypt(written) == "a"
    assert Vault((NEW,)).decrypt(parts.vault.encrypt("b")) == "b"


def test_old_keys_are_read_from_the_settings_newest_first_and_shown_nowhere() -> None:
    config = with_keys(SECRET_KEY_FALLBACKS=" the-last-one , the-one-before, ")

    assert config.secret_key_fallbacks == ("the-last-one", "the-one-before")
    assert "the-last-one" not in repr(config)
    assert with_keys().secret_key_fallbacks == ()
