"""An operator at a company: adds it, suspends it and lets it go on; and how its pages look."""

import re

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import FindProblems
from tests.browser.looks import AN_OPERATOR, Sight
from tests.browser.people import HOME
from tests.running.stack import Stack

pytestmark = pytest.mark.browser


def add(operator: Page, name: str, slug: str) -> str:
    """The path of the new company's page."""
    operator.goto("/operator/")
    operator.get_by_role("link", name="Add a tenant").click()
    operator.get_by_label("Name", exact=True).fill(name)
    operator.get_by_label("Short name").fill(slug)
    operator.get_by_role("button", name="Add the tenant").click()
    expect(operator.get_by_role("heading", name=name)).to_be_visible()
    return re.sub(r"^https?://[^/]+", "", operator.url)


def test_operator_suspends_a_company_and_lets_it_go_on(operator: Page) -> None:
    add(operator, "Padaria do João", "padaria")

    operator.get_by_role("link", name="Suspend…").click()
    operator.get_by_role("button", name="Suspend the company").click()
    expect(operator.locator(".pill").first).to_have_text("Suspended")

    operator.get_by_role("button", name="Let it go on").click()
    expect(operator.locator(".pill").first).to_have_text("Running")


def test_pages_of_a_company_fit_and_keep_nobody_out(operator: Page, stack: Stack, problems_of: FindProblems) -> None:
    path = add(operator, "Mercado", "mercado")
    acme = stack.rows.fetch("SELECT id FROM tenants ORDER BY created_at LIMIT 1")[0]["id"]
    sights = [
        Sight("a company", f"/operator/tenants/{acme}", AN_OPERATOR),
        Sight("new company", "/operator/tenants/new", AN_OPERATOR),
        *(Sight(f"{step} a company", f"{path}/{step}", AN_OPERATOR) for step in ("suspend", "close", "erase")),
        Sight("export", f"{HOME}/export"),
    ]

    assert problems_of(sights) == {}
