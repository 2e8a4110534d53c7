"""The portal goes by one name, leads nowhere else, and believes only as many proxies as it was told of."""

import re
from collections.abc import Iterable
from dataclasses import replace
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select
from werkzeug.test import Client, EnvironBuilder
from werkzeug.wrappers import Request, Response

from portal.app import behind_proxies
from portal.db import db
from portal.extensions import parts
from portal.models import Unit, UserSession
from portal.services import connections
from portal.tenancy import TenantScope, across_tenants, acting_for
from portal.web.auth import safe_path
from tests.factories import PASSWORD, make_tenant, make_user

OURS = "https://portal.example.com"
FOREIGN = (
    "https://evil.test",
    "https://portal.example.com.evil.test",
    "https://portal.example.com:8443",
    "https://10.0.0.1",
)


@pytest.fixture
def in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production", base_url=OURS))


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("host", FOREIGN)
@pytest.mark.parametrize("path", ["/", "/login", "/t/acme/", "/units/1/status", "/openapi.json", "/nowhere"])
def test_another_host_is_refused(visitor: FlaskClient, host: str, path: str) -> None:
    answer = visitor.get(path, base_url=host)

    assert answer.status_code == 400
    assert "Location" not in answer.headers
    assert host.removeprefix("https://") not in answer.text


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("host", [OURS, "https://PORTAL.example.com", f"{OURS}:443"])
def test_our_own_host_is_answered(visitor: FlaskClient, host: str) -> None:
    assert visitor.get("/login", base_url=host).status_code == 200


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("host", ["https://localhost", "https://127.0.0.1:8000", "https://[::1]:8000"])
def test_whoever_is_at_the_machine_itself_is_answered(visitor: FlaskClient, host: str) -> None:
    assert visitor.get("/login", base_url=host).status_code == 200


@pytest.mark.parametrize(
    ("ours", "asked"),
    [
        ("https://atendimento-são.com.br", "https://xn--atendimento-so-2hb.com.br"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("https://[2001:db8::1]", "https://[2001:db8::1]"),
    ],
)
def test_name_that_browsers_write_otherwise_is_ours_too(
    visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch, ours: str, asked: str
) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production", base_url=ours))

    assert visitor.get("/login", base_url=asked).status_code == 200


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("path", ["/health", "/ready"])
def test_probes_come_by_any_name(visitor: FlaskClient, path: str) -> None:
    assert visitor.get(path, base_url="http://10.1.2.3:8000").status_code in (200, 503)


@pytest.mark.usefixtures("in_production")
def test_webhook_looks_at_its_secret_and_not_at_the_name(visitor: FlaskClient) -> None:
    body = {"event": "messages.upsert", "instance": "nobody", "data": {}}

    answer = visitor.post("/webhooks/whatsapp/evolution/guessed", json=body, base_url="http://portal.internal")

    assert answer.json == {"warning": "unknown_instance"}


@pytest.mark.usefixtures("in_production")
@pytest.mark.parametrize("host", ["", "a b", "evil.test/../", "evil.test@portal.example.com", "[::1"])
def test_host_that_is_none_is_refused(visitor: FlaskClient, host: str) -> None:
    assert visitor.get("/login", headers={"Host": host}, base_url=OURS).status_code == 400


def test_base_url_with_a_port_of_its_own_is_the_host(visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    ours = "https://portal.example.com:8443"
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production", base_url=ours))

    assert visitor.get("/login", base_url=ours).status_code == 200
    assert visitor.get("/login", base_url=OURS).status_code == 400


def seen(hops: int, **headers: str) -> tuple[str, str, str]:
    """Address, scheme and host of a request that came from 10.0.0.1, as the portal sees them."""

    def tell(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        request = Request(environ)
        return Response(f"{request.remote_addr} {request.scheme} {request.host}")(environ, start_response)

    named = {name.replace("_", "-"): value for name, value in headers.items()}
    builder = EnvironBuilder(
        base_url="http://portal.test", headers=named, environ_overrides={"REMOTE_ADDR": "10.0.0.1"}
    )
    address, scheme, host = Client(behind_proxies(tell, hops)).open(builder).text.split()
    return address, scheme, host


FORWARDED = {"X_Forwarded_For": "1.2.3.4, 203.0.113.9", "X_Forwarded_Proto": "https", "X_Forwarded_Host": "evil.test"}


def test_without_proxies_nothing_forwarded_is_believed() -> None:
    assert seen(0, **FORWARDED) == ("10.0.0.1", "http", "portal.test")


def test_one_proxy_is_believed_for_what_it_added_and_not_for_what_it_was_given() -> None:
    assert seen(1, X_Forwarded_For="1.2.3.4, 203.0.113.9", X_Forwarded_Proto="https")[:2] == ("203.0.113.9", "https")
    assert seen(2, X_Forwarded_For="6.6.6.6, 1.2.3.4, 203.0.113.9")[0] == "1.2.3.4"


def test_header_that_passes_fewer_proxies_than_there_are_is_not_believed() -> None:
    assert seen(2, X_Forwarded_For="203.0.113.9")[0] == "10.0.0.1"


def test_forwarded_headers_of_other_kinds_are_not_believed() -> None:
    told = {"Forwarded": "for=1.2.3.4;host=evil.test", "X_Real_IP": "1.2.3.4", "X_Original_Host": "evil.test"}

    assert seen(1, **told) == ("10.0.0.1", "http", "portal.test")


def test_session_notes_the_real_address(visitor: FlaskClient) -> None:
    make_tenant("acme")
    make_user("ana@acme.test")

    form = {"email": "ana@acme.test", "password": PASSWORD}
    visitor.post("/login", data=form, headers={"X-Forwarded-For": "1.2.3.4", "X-Real-IP": "1.2.3.4"})

    with across_tenants("a test looks"):
        assert set(db.session.scalars(select(UserSession.address))) == {"127.0.0.1"}


@pytest.mark.usefixtures("in_production")
def test_no_link_is_built_from_a_forwarded_host(app: Any) -> None:
    client = Client(behind_proxies(app.wsgi_app, 1), Response)

    answer = client.get("/login", base_url=OURS, headers={"X-Forwarded-Host": "evil.test"})

    assert (answer.status_code, "evil.test" in answer.text) == (400, False)


@pytest.mark.usefixtures("in_production")
def test_scan_link_is_built_from_the_portals_own_name(
    visitor: FlaskClient, acme: TenantScope, connected_unit: Unit
) -> None:
    make_user("ana@acme.test")
    with acting_for(acme):
        connections.create_scan_link(acme, connected_unit.id)

    visitor.post("/login", data={"email": "ana@acme.test", "password": PASSWORD}, base_url=OURS)
    page = visitor.get("/t/acme/units/jardins", base_url=OURS).text

    assert set(re.findall(r"https?://[^/\"<]+(?=/scan/)", page)) == {OURS}


EVIL = [
    "",
    "evil.test",
    "https://evil.test",
    "http:evil.test",
    "https:/evil.test",
    "HTTPS://EVIL.TEST",
    "//evil.test",
    "///evil.test",
    "////evil.test",
    "/\\evil.test",
    "\\/evil.test",
    "\\\\evil.test",
    "/\\/evil.test",
    "/\t/evil.test",
    "/\n/evil.test",
    "/\r\n/evil.test",
    "\t//evil.test",
    " //evil.test",
    "\x00//evil.test",
    "/\x00/evil.test",
    "/units\r\nSet-Cookie: a=b",
    "/units\x0bx",
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "data:text/html,<script>",
    "vbscript:x",
    "mailto:a@evil.test",
    "?next=//evil.test",
    "#//evil.test",
    "../evil.test",
    "./login",
    "@evil.test",
    ":80",
]
# Odd, but a browser stays here with them.
ODD = ["/..//evil.test", "/.//evil.test", "/%09/evil.test", "/%5cevil.test", "/\u2028/evil.test", "/\u00a0/evil.test"]


@pytest.mark.parametrize("target", EVIL)
def test_target_that_could_lead_elsewhere_is_dropped(target: str) -> None:
    assert safe_path(target) is None


@pytest.mark.parametrize(
    "target", ["/", "/t/acme/", "/t/acme/units/centro?seen=1&a=b#connection", "/t/acme/?q=https://x.test", "/t/a/ação"]
)
def test_path_of_this_portal_is_kept(target: str) -> None:
    assert safe_path(target) == target


@pytest.mark.parametrize("target", [*EVIL, *ODD])
def test_choosing_a_language_leads_nowhere_else(visitor: FlaskClient, target: str) -> None:
    answer = visitor.post("/language", data={"locale": "en", "next": target})

    assert answer.status_code == 303
    assert urlsplit(urljoin(OURS, answer.headers["Location"])).hostname == "portal.example.com"
    assert answer.headers["Location"] == "/" or target in ODD


@pytest.mark.parametrize(
    "headers",
    [
        {"X-HTTP-Method-Override": "POST"},
        {"X-HTTP-Method": "POST"},
        {"X-Method-Override": "POST"},
        {"X-Original-URL": "/t/acme/"},
        {"X-Rewrite-URL": "/t/acme/"},
    ],
)
def test_headers_change_neither_method_nor_path(visitor: FlaskClient, headers: dict[str, str]) -> None:
    assert visitor.get("/logout?_method=POST", headers=headers).status_code == 405
    assert visitor.get("/login", headers=headers).status_code == 200


@pytest.mark.parametrize("method", ["TRACE", "TRACK", "CONNECT", "PROPFIND", "DEBUG", "PUT", "DELETE", "PATCH"])
def test_method_that_no_page_takes_is_refused_and_echoes_nothing(visitor: FlaskClient, method: str) -> None:
    answer = visitor.open("/login", method=method, headers={"X-Secret": "do-not-echo"})

    assert answer.status_code == 405
    assert "do-not-echo" not in answer.text


def test_first_of_two_values_of_a_field_counts_for_the_check_and_for_the_deed(visitor: FlaskClient) -> None:
    make_tenant("acme")
    make_user("ana@acme.test")

    wrong_first = {"email": ["eve@acme.test", "ana@acme.test"], "password": PASSWORD}
    right_first = {"email": ["ana@acme.test", "eve@acme.test"], "password": [PASSWORD, "x"]}

    assert visitor.post("/login", data=wrong_first).status_code == 401
    assert visitor.post("/login", data=right_first).status_code == 303
