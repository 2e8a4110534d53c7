import re

import pytest
from flask.testing import FlaskClient

from portal.db import atomic
from portal.models import ConnectionStatus, Conversation, Direction, MessageStatus, StatusReason, Unit
from portal.permissions import Role
from portal.services.connections import lock_connection, set_status
from portal.tenancy import TenantScope, acting_for
from tests.factories import make_message, make_unit, make_user
from tests.web.conftest import OpenBrowser
from tests.web.htmx import poll

KEPT = ("keeps_groups", "keeps_stories", "keeps_broadcasts")
SETTINGS = {"message_lifetime_h": "24", "receipt_wait_min": "10"}


def test_list_shows_state_number_and_what_waits(
    admin: FlaskClient, acme: TenantScope, unit: Unit, conversation: Conversation
) -> None:
    make_message(acme, conversation, direction=Direction.OUTBOUND, status=MessageStatus.QUEUED)

    page = admin.get("/t/acme/").text

    assert "Centro" in page
    assert "Not connected yet" in page
    assert "+55 11 99999-0001" in page
    assert "<dd>1</dd>" in page


def test_poll_without_news_is_empty_and_one_with_news_brings_the_list(
    admin: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    page = admin.get("/t/acme/").text
    quiet = poll(admin, page, "unit-list")
    _set(acme, unit, ConnectionStatus.CONNECTING, StatusReason.INITIALIZING)

    news = poll(admin, page, "unit-list")

    assert (quiet.status_code, quiet.text) == (204, "")
    assert news.status_code == 200
    assert "Preparing the code" in news.text
    assert "<html" not in news.text
    assert "HX-Request" in news.headers["Vary"]


def test_admin_creates_a_unit(admin: FlaskClient) -> None:
    answer = admin.post("/t/acme/units", data={"name": "Vila Nova", "slug": "vila-nova"})

    assert (answer.status_code, answer.location) == (303, "/t/acme/units/vila-nova")
    assert "Vila Nova" in admin.get(answer.location).text


def test_wrong_short_name_is_explained_and_the_input_kept(admin: FlaskClient) -> None:
    answer = admin.post("/t/acme/units", data={"name": "Vila Nova", "slug": "Vila Nova!"})

    assert answer.status_code == 422
    assert 'value="Vila Nova"' in answer.text
    assert 'id="slug-error"' in answer.text


def test_admin_renames_and_archives_a_unit(admin: FlaskClient, unit: Unit) -> None:
    admin.post("/t/acme/units/centro/settings", data={"name": "Centro Velho", **SETTINGS})
    renamed = admin.get("/t/acme/units/centro").text
    confirm = admin.get("/t/acme/units/centro/archive")
    admin.post("/t/acme/units/centro/archive")

    assert "Centro Velho" in renamed
    assert "Archive Centro Velho?" in confirm.text
    assert admin.get("/t/acme/units/centro").status_code == 404


def test_connected_unit_is_not_archived(admin: FlaskClient, connected_unit: Unit) -> None:
    answer = admin.post("/t/acme/units/jardins/archive")

    assert answer.status_code == 409
    assert "Disconnect the number of Jardins first" in answer.text


def test_settings_that_are_no_numbers_are_explained_and_kept(admin: FlaskClient, unit: Unit) -> None:
    wrong = {"name": "Centro", "message_lifetime_h": "a day", "receipt_wait_min": "9999"}

    answer = admin.post("/t/acme/units/centro/settings", data=wrong)

    assert answer.status_code == 422
    assert 'value="a day"' in answer.text
    assert "Give a whole number from 1 to 168." in answer.text
    assert "Give a whole number from 1 to 1440." in answer.text


def test_settings_say_which_number_is_expected_and_which_chats_are_kept(admin: FlaskClient, unit: Unit) -> None:
    wanted = {"name": "Centro", **SETTINGS, "expected_number": "(11) 98888-0001", "keeps_stories": "y"}
    answer = admin.post("/t/acme/units/centro/settings", data=wanted)

    form, page = admin.get("/t/acme/units/centro/settings").text, admin.get("/t/acme/units/centro").text

    assert answer.status_code == 303
    assert 'value="+55 11 98888-0001"' in form
    assert [field for field in KEPT if re.search(rf"checked[^>]*{field}|{field}[^>]*checked", form)] == [KEPT[1]]
    assert "Expected number: +55 11 98888-0001" in page


def test_expected_number_that_is_none_is_explained_and_kept_as_typed(admin: FlaskClient, unit: Unit) -> None:
    wrong = {"name": "Centro", **SETTINGS, "expected_number": "12 34"}

    answer = admin.post("/t/acme/units/centro/settings", data=wrong)

    assert answer.status_code == 422
    assert 'id="expected_number-error"' in answer.text
    assert "This is not a telephone number." in answer.text
    assert 'value="12 34"' in answer.text


def test_operator_sees_the_end_of_the_expected_number_and_leaves_it_as_it_is(
    operator: FlaskClient, acme: TenantScope, unit: Unit
) -> None:
    with acting_for(acme), atomic():
        acme.get(Unit, unit.id).expected_number = "5511988880001"

    page = operator.get("/t/acme/units/centro/settings").text
    typed = {"name": "Centro", **SETTINGS, "expected_number": "", "keeps_groups": "y"}
    operator.post("/t/acme/units/centro/settings", data=typed)

    assert "Expected number: ****0001" in page
    assert "8888" not in page
    with acting_for(acme):
        kept = acme.get(Unit, unit.id)
        assert (kept.expected_number, kept.keeps_groups) == ("5511988880001", True)


def test_unit_page_updates_its_state_by_itself(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    page = admin.get("/t/acme/units/centro").text
    _set(acme, unit, ConnectionStatus.DISCONNECTED, StatusReason.NUMBER_BANNED)

    news = poll(admin, page, "connection")

    assert "WhatsApp blocked this number" in news.text


@pytest.mark.parametrize(
    "address", ["/t/acme/new-unit", "/t/acme/units/centro/settings", "/t/acme/units/centro/connect"]
)
def test_agent_may_not_manage_or_connect(acme: TenantScope, unit: Unit, browser: OpenBrowser, address: str) -> None:
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("centro",)))

    assert agent.get(address).status_code == 403


def test_agent_sees_only_their_units(acme: TenantScope, unit: Unit, browser: OpenBrowser) -> None:
    make_unit(acme, "moema")
    agent = browser(make_user("leo@acme.test", role=Role.AGENT, unit_slugs=("centro",)))

    assert "Moema" not in agent.get("/t/acme/").text
    assert agent.get("/t/acme/units/moema").status_code == 404


def test_stranger_gets_the_same_answer_as_for_no_such_tenant(rival: TenantScope, admin: FlaskClient) -> None:
    assert admin.get("/t/rival/").status_code == 404
    assert admin.get("/t/nobody/").status_code == 404


def test_operator_sees_masked_numbers_and_no_conversations(operator: FlaskClient, conversation: Conversation) -> None:
    page = operator.get("/t/acme/").text

    assert "****0001" in page
    assert "99999-0001" not in page
    assert operator.get("/t/acme/conversations").status_code == 403
    assert operator.get(f"/t/acme/conversations/{conversation.id}").status_code == 403
    assert operator.get("/t/acme/units/jardins/send").status_code == 403


def test_people_of_a_tenant_do_not_see_the_operators_page(admin: FlaskClient, visitor: FlaskClient) -> None:
    assert admin.get("/operator/").status_code == 403
    assert visitor.get("/operator/").status_code == 302


def _set(scope: TenantScope, unit: Unit, status: ConnectionStatus, reason: StatusReason) -> None:
    with acting_for(scope), atomic():
        set_status(lock_connection(scope, unit.id), status, reason)


@pytest.mark.parametrize("reason", [StatusReason.CONNECTION_LOST, StatusReason.RESTARTING])
def test_number_that_reconnects_by_itself_is_not_offered_a_new_code(
    admin: FlaskClient, acme: TenantScope, unit: Unit, reason: StatusReason
) -> None:
    _set(acme, unit, ConnectionStatus.CONNECTING, reason)

    page, connect_page = admin.get("/t/acme/units/centro").text, admin.get("/t/acme/units/centro/connect").text

    assert 'id="connect-centro"' not in admin.get("/t/acme/").text
    assert 'id="act-connect"' not in page
    assert [f'id="act-{what}"' in page for what in ("restart", "disconnect")] == [True, True]
    assert [f'id="panel-{what}"' in connect_page for what in ("restart", "disconnect")] == [True, True]


def test_number_that_is_lost_for_good_is_offered_a_new_code(admin: FlaskClient, acme: TenantScope, unit: Unit) -> None:
    _set(acme, unit, ConnectionStatus.DISCONNECTED, StatusReason.CONNECTION_LOST)

    page = admin.get("/t/acme/units/centro").text

    assert 'id="act-connect"' in page
    assert "connect it again with a new QR code" in page
