"""Merging two contacts on their pages: finding the other one, seeing what stays, and taking it back."""

import re

import pytest
from flask.testing import FlaskClient

from portal.db import atomic
from portal.models import Contact, Conversation
from portal.tenancy import TenantScope, acting_for

CONTACTS = "/t/acme/contacts"


@pytest.fixture
def page(conversation: Conversation) -> str:
    return f"{CONTACTS}/{conversation.contact_id}"


@pytest.fixture
def other(acme: TenantScope) -> Contact:
    with acting_for(acme), atomic():
        return acme.add(Contact(phone="5511977770001", name="Maria S.", attributes={"cidade": "Santos"}))


def test_other_one_is_found_by_name_and_the_person_is_not(admin: FlaskClient, page: str, other: Contact) -> None:
    found = admin.get(f"{page}/merge?q=maria").text

    assert re.findall(r"\?other=([0-9a-f-]+)", found) == [str(other.id)]


def test_comparison_says_what_stays_before_anything_happens(admin: FlaskClient, page: str, other: Contact) -> None:
    shown = admin.get(f"{page}/merge?other={other.id}").text

    for words in ("+55 11 99999-0002", "+55 11 97777-0001", "cidade: Santos", "Keep the other one instead"):
        assert words in shown
    assert "Also known as" not in admin.get(page).text


def test_merge_is_done_and_undone_on_the_page(admin: FlaskClient, page: str, other: Contact) -> None:
    merged = admin.post(f"{page}/merge", data={"other": str(other.id)}, follow_redirects=True).text
    undo = re.search(r'action="([^"]*/merges/[^"]*/undo)"', merged)
    assert "Also known as" in merged
    assert undo is not None

    parted = admin.post(undo[1], follow_redirects=True).text

    assert "They are two contacts again" in parted
    assert "Also known as" not in parted
    assert admin.get(f"{CONTACTS}/{other.id}").status_code == 200


def test_merging_twice_says_that_they_are_one_already(admin: FlaskClient, page: str, other: Contact) -> None:
    for _ in range(2):
        shown = admin.post(f"{page}/merge", data={"other": str(other.id)}, follow_redirects=True).text

    assert "These two are one contact already." in shown


def test_undoing_twice_says_that_it_was_undone(admin: FlaskClient, page: str, other: Contact) -> None:
    merged = admin.post(f"{page}/merge", data={"other": str(other.id)}, follow_redirects=True).text
    undo = re.findall(r'action="([^"]*/merges/[^"]*/undo)"', merged)[0]
    admin.post(undo, follow_redirects=True)

    assert "was undone before" in admin.post(undo, follow_redirects=True).text


def test_whoever_has_a_number_stays_whichever_page_it_began_on(
    admin: FlaskClient, acme: TenantScope, conversation: Conversation
) -> None:
    with acting_for(acme), atomic():
        anonymous = acme.add(Contact(lid="99", name="Anônima"))

    shown = admin.get(f"{CONTACTS}/{anonymous.id}/merge?other={conversation.contact_id}").text

    assert f'action="{CONTACTS}/{conversation.contact_id}/merge"' in shown
    assert "Keep the other one instead" not in shown


@pytest.mark.parametrize("other_id", ["x", ""])
def test_other_one_who_is_no_id_is_refused(admin: FlaskClient, page: str, other_id: str) -> None:
    assert admin.post(f"{page}/merge", data={"other": other_id}).status_code == 400
