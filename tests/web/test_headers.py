"""What every answer carries, whatever it answers and whoever asked."""

import logging
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.extensions import parts
from portal.models import Unit
from portal.services import connections
from portal.tenancy import TenantScope, acting_for

ROOT = Path(__file__).resolve().parents[2]
GUARDS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
SECRET = "a-secret-that-somebody-knows"


@pytest.fixture
def in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = replace(parts.config, portal_env="production", base_url="https://portal.example.com")
    monkeypatch.setattr(parts, "config", changed)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/login", 200),
        ("/", 303),
        ("/t/acme/", 302),
        ("/nowhere", 404),
        ("/api/nowhere", 404),
        ("/health", 200),
        ("/openapi.json", 200),
        ("/static/css/base.css", 200),
        ("/bootstrap/static/nowhere", 404),
        ("/logout", 405),
    ],
)
def test_every_answer_is_guarded(visitor: FlaskClient, path: str, status: int) -> None:
    answer = visitor.get(path)

    assert answer.status_code == status
    assert {name: answer.headers[name] for name in GUARDS} == GUARDS
    assert answer.headers["Referrer-Policy"] == "same-origin"
    assert "camera=()" in answer.headers["Permissions-Policy"]
    assert "geolocation=()" in answer.headers["Permissions-Policy"]


def test_error_of_our_own_is_guarded_too(visitor: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> None:
        raise RuntimeError

    monkeypatch.setattr("portal.web.auth.LoginForm", fail)

    answer = visitor.get("/login")

    assert answer.status_code == 500
    assert {name: answer.headers[name] for name in GUARDS} == GUARDS
    assert "RuntimeError" not in answer.text


def test_pages_run_no_script_and_no_style_that_is_not_ours(admin: FlaskClient, acme: TenantScope) -> None:
    policy = admin.get("/t/acme/").headers["Content-Security-Policy"]

    allowed = dict(part.split(" ", 1) for part in policy.split("; "))
    assert (allowed["default-src"], allowed["script-src"], allowed["style-src"]) == ("'none'", "'self'", "'self'")
    assert (allowed["base-uri"], allowed["frame-ancestors"], allowed["form-action"]) == ("'none'", "'none'", "'self'")
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["/scan/{}", "/webhooks/whatsapp/evolution/{}", "/webhooks/whatsapp/evolution/{}/x"])
def test_address_that_holds_a_secret_is_told_to_nobody(visitor: FlaskClient, path: str) -> None:
    method = visitor.get if path.startswith("/scan") else visitor.post

    answer = method(path.format(SECRET))

    assert answer.status_code in (400, 404)
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["X-Robots-Tag"] == "noindex"
    assert answer.headers["Cache-Control"] == "no-store"


def test_every_address_with_a_secret_in_it_is_known_by_the_name_of_its_argument(app: Flask) -> None:
    rules = list(app.url_map.iter_rules())
    others = {rule.rule for rule in rules for name in rule.arguments if name.endswith(("key", "code", "link"))}
    secret = {rule.rule.split("/")[1] for rule in rules if {"token", "secret"} & rule.arguments}

    assert others == set()
    assert secret >= {"scan", "webhooks"}
    assert secret <= {"scan", "webhooks", "invitation", "password-reset"}


def test_page_of_a_link_that_works_is_told_to_nobody(acme: TenantScope, unit: Unit, visitor: FlaskClient) -> None:
    with acting_for(acme):
        token = connections.create_scan_link(acme, unit.id)

    answer = visitor.get(f"/scan/{token}")

    assert (answer.status_code, answer.headers["Referrer-Policy"]) == (200, "no-referrer")


def test_signing_out_clears_what_the_browser_kept_and_nothing_else_does(admin: FlaskClient, acme: TenantScope) -> None:
    page = admin.get("/t/acme/")
    answer = admin.post("/logout")

    assert "Clear-Site-Data" not in page.headers
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'


@pytest.mark.usefixtures("in_production")
def test_browsers_stay_with_https_in_production(visitor: FlaskClient) -> None:
    answer = visitor.get("/login", base_url="https://portal.example.com")

    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"


def test_request_lines_name_no_address(app: Flask, visitor: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")

    visitor.get(f"/scan/{SECRET}?code={SECRET}", headers={"Referer": f"https://x.test/{SECRET}"})
    visitor.post(f"/webhooks/whatsapp/evolution/{SECRET}")

    assert "scan.show" in caplog.text
    assert SECRET not in caplog.text


def test_gunicorn_writes_no_line_for_a_request() -> None:
    settings: dict[str, object] = {}
    exec((ROOT / "gunicorn.conf.py").read_text(), settings)
    started_with = (ROOT / "Procfile").read_text()

    assert settings["accesslog"] is None
    assert "access-log" not in started_with
    assert "capture-output" not in started_with


def test_what_gunicorn_says_of_a_broken_request_is_masked() -> None:
    settings: dict[str, object] = {}
    exec((ROOT / "gunicorn.conf.py").read_text(), settings)
    errors = logging.Logger("gunicorn.error")
    errors.addHandler(logging.StreamHandler())
    errors.propagate = False

    settings["post_worker_init"](SimpleNamespace(log=SimpleNamespace(error_log=errors)))  # type: ignore[operator]

    assert (errors.handlers, errors.propagate) == ([], True)
