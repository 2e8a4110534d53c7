"""The page of API tokens: making one, reading its secret once, revoking it, and who may."""

import re
from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from sqlalchemy import update
from werkzeug.test import TestResponse

from portal.clock import now
from portal.db import atomic, db
from portal.models import ApiToken, Unit, UserSession
from portal.permissions import Role
from portal.services import accounts, api_tokens
from portal.tenancy import TenantScope, across_tenants, acting_for
from tests.factories import make_unit, make_user
from tests.web.conftest import OpenBrowser

LIST = "/t/acme/api-tokens"
SECRET = re.compile(r"evp_(?:live|test)_[\w-]{40,}")
TYPED = {"name": "CRM <1>", "kind": "live", "scopes": ["read", "send"], "expires_on": ""}


@pytest.fixture
def second_unit(acme: TenantScope, unit: Unit) -> Unit:
    return make_unit(acme, "praia")


def make(client: FlaskClient, **changes: object) -> TestResponse:
    return client.post(LIST, data={**TYPED, **changes})


def tokens_of(scope: TenantScope) -> list[ApiToken]:
    with acting_for(scope):
        named = scope.select(ApiToken).where(ApiToken.name.is_not(None))
        return list(db.session.scalars(named.order_by(ApiToken.id)))


def secret_in(answer: TestResponse) -> str:
    (secret,) = set(SECRET.findall(answer.text))
    return str(secret)


def errors_in(answer: TestResponse) -> set[str]:
    return set(re.findall(r'id="([a-z_]+)-error"', answer.text))


def checked_in(answer: TestResponse) -> set[str]:
    return set(re.findall(r'value="([^"]*)"[^>]*\schecked', answer.text))


def test_page_without_tokens_says_what_they_are_for(acme: TenantScope, admin: FlaskClient) -> None:
    page = admin.get(LIST).text

    assert "No tokens yet" in page
    assert f'href="{LIST}/new"' in page


def test_new_token_is_shown_once_and_works(
    acme: TenantScope, admin: FlaskClient, caplog: pytest.LogCaptureFixture
) -> None:
    answer = make(admin)

    secret = secret_in(answer)
    account = accounts.account_of_token(secret)
    assert account is not None
    assert (account.tenant_id, account.unit_ids) == (acme.tenant_id, None)
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert secret not in admin.get(LIST).text
    assert secret not in caplog.text
    with admin.session_transaction() as session:
        assert secret not in str(dict(session))


def test_list_tells_of_each_token_what_it_is(acme: TenantScope, admin: FlaskClient, second_unit: Unit) -> None:
    secret = secret_in(make(admin, kind="test", units=[str(second_unit.id)], expires_on="2099-12-31"))
    secret_in(make(admin, name="Shop", scopes=["connect"]))

    page = admin.get(LIST).text

    assert "CRM &lt;1&gt;" in page
    assert f"…{secret[-4:]}" in page
    for words in ("Test", "Live", "Read", "Send", "Connections", "Praia", "All units", "December 31, 2099", "Never"):
        assert words in page
    assert "by admin@acme.test" in page


def test_list_tells_when_a_token_was_used(acme: TenantScope, admin: FlaskClient) -> None:
    accounts.account_of_token(secret_in(make(admin)))

    page = admin.get(LIST).text

    assert "Never" not in page
    assert f'datetime="{tokens_of(acme)[0].used_at.isoformat()}"' in page


def test_form_offers_units_only_where_there_is_a_choice(acme: TenantScope, admin: FlaskClient, unit: Unit) -> None:
    with_one = admin.get(f"{LIST}/new").text
    make_unit(acme, "praia")

    assert 'name="units"' not in with_one
    assert admin.get(f"{LIST}/new").text.count('name="units"') == 2


def test_everything_wrong_is_said_at_its_field_and_what_was_typed_is_kept(
    acme: TenantScope, admin: FlaskClient, second_unit: Unit
) -> None:
    chosen = str(second_unit.id)

    answer = make(
        admin, name="x" * 81, kind="other", scopes=["read", "operate"], units=[chosen], expires_on="2020-01-02"
    )

    assert answer.status_code == 422
    assert errors_in(answer) == {"name", "kind", "scopes", "expires_on"}
    assert checked_in(answer) == {"read", chosen}
    assert 'value="2020-01-02"' in answer.text
    assert "x" * 81 in answer.text
    assert tokens_of(acme) == []


def test_empty_form_makes_nothing(acme: TenantScope, admin: FlaskClient) -> None:
    answer = admin.post(LIST)

    assert answer.status_code == 422
    assert errors_in(answer) == {"name", "kind", "scopes"}
    assert tokens_of(acme) == []


def test_form_begins_with_a_live_token_that_may_do_nothing(acme: TenantScope, admin: FlaskClient) -> None:
    assert checked_in(admin.get(f"{LIST}/new")) == {"live"}


def test_unit_of_another_company_or_none_is_nowhere(acme: TenantScope, rival: TenantScope, admin: FlaskClient) -> None:
    foreign = make_unit(rival, "norte")

    for unit_id in (str(foreign.id), "nonsense"):
        assert make(admin, units=[unit_id]).status_code == 404
    assert tokens_of(acme) == []


def test_revoking_is_asked_once_and_ends_the_token_at_once(acme: TenantScope, admin: FlaskClient) -> None:
    secret = secret_in(make(admin))
    address = f"{LIST}/{tokens_of(acme)[0].id}/revoke"

    question = admin.get(address)
    still_works = accounts.account_of_token(secret) is not None
    answer = admin.post(address, follow_redirects=True)

    assert "Revoke this token?" in question.text
    assert still_works
    assert "The token was revoked." in answer.text
    assert "Revoked at" in answer.text
    assert accounts.account_of_token(secret) is None
    assert admin.get(address).status_code == 404


def test_second_press_on_revoke_changes_nothing(acme: TenantScope, admin: FlaskClient) -> None:
    make(admin)
    address = f"{LIST}/{tokens_of(acme)[0].id}/revoke"
    admin.post(address)
    revoked_at = tokens_of(acme)[0].revoked_at

    assert admin.post(address).status_code == 303
    assert tokens_of(acme)[0].revoked_at == revoked_at


def test_token_past_its_day_stands_among_those_that_are_over(acme: TenantScope, admin: FlaskClient) -> None:
    secret = secret_in(make(admin, expires_on="2099-12-31"))
    with acting_for(acme), atomic():
        db.session.execute(acme.update(ApiToken).values(expires_at=now() - timedelta(days=400)))

    page = admin.get(LIST).text

    assert "No token works at the moment" in page
    assert "Ended after" in page
    assert accounts.account_of_token(secret) is None


def test_tokens_of_another_company_are_neither_listed_nor_revoked(
    acme: TenantScope, rival: TenantScope, admin: FlaskClient
) -> None:
    with acting_for(rival):
        foreign, secret = api_tokens.create(rival, name="Theirs", kind="live", scopes=["read"])

    page, revoking = admin.get(LIST).text, admin.post(f"{LIST}/{foreign.id}/revoke")

    assert "Theirs" not in page
    assert revoking.status_code == 404
    assert accounts.account_of_token(secret) is not None


@pytest.mark.parametrize("role", [Role.AGENT, Role.SUPER_ADMIN])
def test_only_admins_of_the_company_see_and_make_tokens(
    acme: TenantScope, unit: Unit, browser: OpenBrowser, role: Role
) -> None:
    options = {"unit_slugs": ("centro",)} if role is Role.AGENT else {"tenant": None}
    somebody = browser(make_user("somebody@portal.test", role=role, **options))

    statuses = {somebody.get(LIST).status_code, somebody.get(f"{LIST}/new").status_code, make(somebody).status_code}

    assert statuses == {403}
    assert f'href="{LIST}"' not in somebody.get("/t/acme/").text
    assert tokens_of(acme) == []


def test_navigation_marks_where_an_admin_is(acme: TenantScope, admin: FlaskClient) -> None:
    marked = re.compile(rf'href="{LIST}" aria-current="true"')

    assert marked.search(admin.get(f"{LIST}/new").text)
    assert not marked.search(admin.get("/t/acme/").text)


def test_rotating_shows_a_new_secret_once_and_both_work_meanwhile(acme: TenantScope, admin: FlaskClient) -> None:
    old = secret_in(make(admin))
    address = f"{LIST}/{tokens_of(acme)[0].id}/rotate"

    question = admin.get(address)
    answer = admin.post(address, data={"grace": "1h"})

    new = secret_in(answer)
    assert f'href="{address}"' in admin.get(LIST).text
    assert checked_in(question) == {"24h"}
    assert (answer.status_code, answer.headers["Cache-Control"]) == (201, "no-store")
    assert accounts.account_of_token(old) is not None
    assert accounts.account_of_token(new) is not None
    assert new not in admin.get(LIST).text


def test_rotating_without_a_choice_says_so_at_the_field(acme: TenantScope, admin: FlaskClient) -> None:
    make(admin)

    answer = admin.post(f"{LIST}/{tokens_of(acme)[0].id}/rotate", data={"grace": "2h"})

    assert (answer.status_code, errors_in(answer)) == (422, {"grace"})
    assert len(tokens_of(acme)) == 1


def test_second_press_on_rotating_makes_no_second_secret(acme: TenantScope, admin: FlaskClient) -> None:
    make(admin)
    address = f"{LIST}/{tokens_of(acme)[0].id}/rotate"
    admin.post(address, data={"grace": "24h"})

    assert admin.post(address, data={"grace": "24h"}).status_code == 409
    assert len(tokens_of(acme)) == 2


@pytest.mark.parametrize("method", ["get", "post"])
def test_secrets_are_shown_only_to_who_has_lately_said_who_they_are(
    acme: TenantScope, admin: FlaskClient, method: str
) -> None:
    make(admin)
    token_id = tokens_of(acme)[0].id
    with across_tenants("a test sets the clock"), atomic():
        db.session.execute(update(UserSession).values(confirmed_at=now() - timedelta(hours=1)))

    for address in (f"{LIST}/new" if method == "get" else LIST, f"{LIST}/{token_id}/rotate"):
        answer = getattr(admin, method)(address)
        assert (answer.status_code, "confirm" in answer.headers["Location"]) == (303, True)
    assert len(tokens_of(acme)) == 1
