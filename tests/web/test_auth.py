import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.permissions import Role
from portal.tenancy import TenantScope
from tests.factories import PASSWORD, make_user


@pytest.fixture(autouse=True)
def ana(acme: TenantScope) -> None:
    make_user("ana@acme.test")


def test_person_signs_in_to_their_tenant(visitor: FlaskClient) -> None:
    answer = visitor.post("/login", data={"email": "Ana@acme.test ", "password": PASSWORD})

    assert answer.status_code == 303
    assert answer.location == "/t/acme/home"
    assert visitor.get("/t/acme/home").status_code == 200


def test_operator_signs_in_to_the_list_of_tenants(visitor: FlaskClient) -> None:
    make_user("operator@portal.test", role=Role.SUPER_ADMIN, tenant=None)

    answer = visitor.post("/login", data={"email": "operator@portal.test", "password": PASSWORD})

    assert answer.location == "/operator/"
    assert "Acme" in visitor.get("/operator/").text


def test_wrong_password_is_refused_and_the_address_kept(visitor: FlaskClient) -> None:
    answer = visitor.post("/login", data={"email": "ana@acme.test", "password": "wrong"})

    assert answer.status_code == 401
    assert "The e-mail address or the password is wrong" in answer.text
    assert 'value="ana@acme.test"' in answer.text
    assert "wrong" not in answer.text.split("<form")[-1]


def test_empty_fields_are_named(visitor: FlaskClient) -> None:
    answer = visitor.post("/login", data={"email": "", "password": ""})

    assert answer.status_code == 422
    assert 'aria-describedby="email-error"' in answer.text
    assert "Give your password." in answer.text


def test_guessing_is_throttled_for_that_address_only(visitor: FlaskClient) -> None:
    for _ in range(10):
        visitor.post("/login", data={"email": "ana@acme.test", "password": "guess"})

    throttled = visitor.post("/login", data={"email": "ana@acme.test", "password": PASSWORD})
    other = visitor.post("/login", data={"email": "bea@acme.test", "password": "guess"})

    assert throttled.status_code == 429
    assert "You can try again after" in throttled.text
    assert other.status_code == 401


@pytest.mark.parametrize(
    ("wanted", "reached"),
    [
        ("/t/acme/conversations?unit=centro", "/t/acme/conversations?unit=centro"),
        ("//evil.test/", "/t/acme/home"),
        ("https://evil.test/", "/t/acme/home"),
        ("/\\evil.test", "/t/acme/home"),
        ("/\t/evil.test", "/t/acme/home"),
        ("javascript:alert(1)", "/t/acme/home"),
        ("", "/t/acme/home"),
    ],
)
def test_sign_in_leads_back_only_to_pages_of_the_portal(visitor: FlaskClient, wanted: str, reached: str) -> None:
    answer = visitor.post(
        "/login", query_string={"next": wanted}, data={"email": "ana@acme.test", "password": PASSWORD}
    )

    assert answer.location == reached


def test_signed_out_page_asks_to_sign_in_and_remembers_the_way(visitor: FlaskClient) -> None:
    answer = visitor.get("/t/acme/conversations?unit=centro")

    assert answer.status_code == 302
    assert answer.location == "/login?next=/t/acme/conversations?unit%3Dcentro"


def test_poll_of_an_ended_session_takes_the_whole_page_to_the_sign_in(visitor: FlaskClient) -> None:
    headers = {"HX-Request": "true", "HX-Current-URL": "http://portal.test/t/acme/"}

    answer = visitor.get("/t/acme/?seen=1", headers=headers)

    assert answer.status_code == 204
    assert answer.headers["HX-Redirect"] == "/login?next=/t/acme/"


def test_signing_out_ends_the_session(admin: FlaskClient) -> None:
    admin.post("/logout")

    assert admin.get("/t/acme/").status_code == 302


def test_visitor_chooses_the_language(visitor: FlaskClient) -> None:
    visitor.post("/language", data={"locale": "pt_BR", "next": "/login"})

    assert "Entrar" in visitor.get("/login").text


def test_chosen_language_stays_with_the_account(visitor: FlaskClient, elsewhere: FlaskClient) -> None:
    credentials = {"email": "ana@acme.test", "password": PASSWORD}
    visitor.post("/login", data=credentials)
    visitor.post("/language", data={"locale": "pt_BR", "next": "/"})

    elsewhere.post("/login", data=credentials)

    assert "Unidades" in elsewhere.get("/t/acme/").text


def test_forms_without_the_token_are_refused(visitor: FlaskClient, app: Flask) -> None:
    app.config["WTF_CSRF_ENABLED"] = True
    try:
        answer = visitor.post("/login", data={"email": "ana@acme.test", "password": PASSWORD})
    finally:
        app.config["WTF_CSRF_ENABLED"] = False

    assert answer.status_code == 400
    assert "This form is too old" in answer.text


def test_styles_are_kept_for_good_and_pages_not_at_all(visitor: FlaskClient) -> None:
    page = visitor.get("/login")
    sheet = page.text.split('rel="stylesheet" href="')[1].split('"')[0]

    assert page.headers["Cache-Control"] == "no-store"
    assert "immutable" in visitor.get(sheet).headers["Cache-Control"]
    assert visitor.get("/assets/htmx.min.js").status_code == 200
    assert visitor.get("/bootstrap/static/css/bootstrap.min.css").status_code == 200
