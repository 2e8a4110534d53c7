"""Whose statements PostgreSQL plans for their own values, and whose with one plan for all."""

from uuid import uuid4

import pytest
from sqlalchemy import func, select

from portal.db import db
from portal.tenancy import RANDOM_PAGE_COST, TenantScope, across_tenants, acting_for, bind, plan_once, unbind

ACME = TenantScope(uuid4())


def find_mode() -> str:
    return str(db.session.scalar(select(func.current_setting("plan_cache_mode"))))


@pytest.mark.commits
def test_page_gets_plans_for_its_own_company(database: None) -> None:
    bind(ACME)
    mode = find_mode()
    unbind()

    assert mode == "force_custom_plan"


@pytest.mark.commits
def test_look_that_can_hardly_be_planned_badly_keeps_its_plan_until_the_next_page(database: None) -> None:
    bind(ACME)
    plan_once()
    first = find_mode()
    unbind()
    bind(ACME)
    second = find_mode()
    unbind()

    assert (first, second) == ("auto", "force_custom_plan")


@pytest.mark.commits
def test_relays_and_whatever_crosses_companies_leave_it_to_the_database(database: None) -> None:
    with acting_for(ACME):
        of_one = find_mode()
    with across_tenants("a test asks"):
        of_all = find_mode()

    assert (of_one, of_all) == ("auto", "auto")


@pytest.mark.commits
def test_everybody_gets_plans_for_a_database_in_memory_or_on_ssd(database: None) -> None:
    cost = select(func.current_setting("random_page_cost"))
    with acting_for(ACME):
        of_one = db.session.scalar(cost)
    with across_tenants("a test asks"):
        of_all = db.session.scalar(cost)

    assert (of_one, of_all) == (RANDOM_PAGE_COST, RANDOM_PAGE_COST)
