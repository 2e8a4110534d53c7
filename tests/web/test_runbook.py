"""The runbook: one page for each incident, with every cause and what is done about it, and the ways back."""

import pytest
from flask import Flask
from flask.testing import FlaskClient

from portal.models import Unit
from portal.monitor.diagnose import CAUSES_OF, FIX_OF, Cause, Incident
from portal.tenancy import TenantScope
from portal.web.diagnosis_words import CAUSES, FIXES
from tests.factories import make_tenant, make_unit

PAGE = "/operator/runbook"


def test_every_cause_belongs_to_an_incident() -> None:
    assert {cause for causes in CAUSES_OF.values() for cause in causes} == set(Cause)
    assert set(FIX_OF.values()) == set(FIXES)


@pytest.mark.parametrize("incident", Incident)
def test_page_of_an_incident_tells_its_causes_in_both_languages(operator: FlaskClient, incident: Incident) -> None:
    english = operator.get(f"{PAGE}/{incident}").text
    portuguese = operator.get(f"{PAGE}/{incident}", headers={"Accept-Language": "pt-BR"}).text

    assert [cause for cause in CAUSES_OF[incident] if f"<h3>{CAUSES[cause].title}</h3>" not in english] == []
    assert "flask --app wsgi diagnose TENANT/UNIT --fix" in english
    assert "Whom to call, and when" in english
    assert 'lang="pt-BR"' in portuguese


def test_overview_leads_to_each_incident_and_back_to_the_version_before(operator: FlaskClient) -> None:
    page = operator.get(PAGE).text

    assert [incident for incident in Incident if f'href="{PAGE}/{incident}"' not in page] == []
    assert page.count('<div class="way">') == 3
    assert "git revert" in page
    assert "The database keeps its newest tables." in page


def test_unit_that_is_named_is_diagnosed(operator: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    for typed in ("acme/centro", "centro"):
        response = operator.get(PAGE, query_string={"unit": typed})

        assert (response.status_code, response.headers["Location"]) == (303, "/t/acme/units/centro/diagnosis")


@pytest.mark.parametrize("typed", ["acme/nowhere", "nowhere", "norte", "\x00", "rival/centro"])
def test_name_that_is_no_one_unit_says_so(operator: FlaskClient, acme: TenantScope, unit: Unit, typed: str) -> None:
    for tenant in ("rival", "third"):
        make_unit(make_tenant(tenant), "norte")

    response = operator.get(f"{PAGE}/outbound", query_string={"unit": typed})

    assert response.status_code == 422
    assert "Name it as company/unit" in response.text


def test_only_operators_read_it(app: Flask, admin: FlaskClient, visitor: FlaskClient) -> None:
    assert [client.get(PAGE).status_code for client in (admin, visitor)] == [403, 302]
