"""What cannot be taken back asks first: each address that changes something says here how."""

import re

import pytest
from flask import Flask
from redis import Redis
from werkzeug.test import TestResponse

from portal.permissions import Role
from tests.architecture.walk import Caller, access_of, address, apart, caller
from tests.companies import Company, make_company
from tests.factories import make_user

API = ("/admin/", "/api/", "/units/", "/messages", "/contacts", "/conversations", "/webhooks/")
# Asked on a page of its own, which says what will happen: the page.
ON_A_PAGE = {
    "tenant.api_tokens.revoke": "tenant.api_tokens.confirm_revoke",
    "tenant.api_tokens.rotate": "tenant.api_tokens.confirm_rotation",
    "tenant.campaign_drafts.delete": "tenant.campaign_drafts.confirm_delete",
    "tenant.campaign_drafts.start": "tenant.campaign_drafts.check",
    "tenant.campaigns.cancel": "tenant.campaigns.confirm_cancel",
    "tenant.changing.delete": "tenant.changing.confirm_delete",
    "tenant.checks.renew_secret": "tenant.checks.confirm_new_secret",
    "tenant.connections.carry_out": "tenant.connections.confirm",
    "tenant.diagnosis.requeue": "tenant.diagnosis.confirm_requeue",
    "tenant.diagnosis.restart": "tenant.diagnosis.confirm_restart",
    "tenant.diagnosis.rotate": "tenant.diagnosis.confirm_rotate",
    "tenant.imports.undo": "tenant.imports.confirm_undo",
    "tenant.members.disable": "tenant.members.confirm_disabling",
    "tenant.merges.merge": "tenant.merges.choose",
    "tenant.message_templates.archive": "tenant.message_templates.confirm_archive",
    "tenant.privacy.erase": "tenant.privacy.confirm_erase",
    "tenant.units.archive": "tenant.units.confirm_archive",
    "tenant.webhook_endpoints.delete": "tenant.webhook_endpoints.confirm_deletion",
    "tenant.webhook_endpoints.rotate": "tenant.webhook_endpoints.confirm_rotation",
    "operator.people.disable": "operator.people.confirm_disabling",
    "operator.people.remove_second_factor": "operator.people.confirm_removal",
    "operator.servers.move": "operator.servers.choose_target",
    "operator.servers.remove": "operator.servers.confirm_removal",
    "operator.tenants.close": "operator.tenants.confirm_closing",
    "operator.tenants.erase": "operator.tenants.confirm_erasure",
    "operator.tenants.suspend": "operator.tenants.confirm_suspension",
    "second_factor.renew_codes": "second_factor.ask_to_renew",
    "second_factor.turn_off": "second_factor.ask_to_turn_off",
}
# The address itself answers with a page that asks, unless that was answered: the template.
BY_ITSELF = {
    "operator.events.forget_unknown": "operator/settle_unknown.html",
    "operator.events.replay_unknown": "operator/settle_unknown.html",
    "operator.events.replay": "operator/replay_events.html",
    "tenant.conversation_work.delete_note": "conversations/delete_note.html",
    "tenant.privacy.save_settings": "privacy/shorten.html",
    "tenant.undelivered.decide": "undelivered/confirm.html",
    "tenant.webhook_endpoints.deliveries.replay_failed": "webhook_endpoints/replay.html",
}
# Another click takes it back, or does it again.
TAKEN_BACK = {
    "account.end_api_sign_in": "by signing in again",
    "account.end_other_sessions": "by signing in again",
    "account.end_session": "by signing in again",
    "auth.sign_out": "by signing in again",
    "operator.people.sign_out": "by signing in again",
    "tenant.members.sign_out": "by signing in again",
    "tenant.access_grants.end": "by giving leave again",
    "tenant.campaigns.pause": "by resuming",
    "tenant.connections.revoke_scan_link": "by a new link",
    "tenant.consent.opt_in": "by opting out, and both stay in the list of consent",
    "tenant.consent.opt_out": "by opting in, and both stay in the list of consent",
    "tenant.consent.settle": "by opting in",
    "tenant.contacts.untag": "by the tag again",
    "tenant.conversation_work.assign": "by giving it to another",
    "tenant.conversation_work.close": "by reopening",
    "tenant.imports.cancel": "by bringing the list again: nothing was imported yet",
    "tenant.merges.undo": "by merging again",
    "tenant.message_templates.restore": "by restoring another version",
    "tenant.changing.edit": "by editing it back, and what it said first is kept",
    "tenant.reactions.react": "by taking the reaction back",
    "tenant.webhook_endpoints.switch_off": "by switching it on",
    "tenant.webhook_endpoints.switch_on": "by switching it off",
}
# Makes something, saves what a form says, or sends what somebody just wrote or decided about one message.
NOTHING_IS_LOST = {
    *(f"account.{name}" for name in ("change_password",)),
    *(f"account_links.{name}" for name in ("ask", "choose")),
    *(f"auth.{name}" for name in ("choose_language", "confirm", "give_code", "sign_in")),
    *(f"operator.alerts.{name}" for name in ("acknowledge", "raise_test")),
    *(f"operator.people.{name}" for name in ("create", "enable", "make_link")),
    *(f"operator.servers.{name}" for name in ("check", "create", "save")),
    *(f"operator.tenants.{name}" for name in ("create", "reopen", "resume")),
    "scan.start",
    *(f"second_factor.{name}" for name in ("begin", "turn_on")),
    "tenant.access_grants.create",
    "tenant.api_tokens.create",
    *(f"tenant.campaign_drafts.{name}" for name in ("create", "rename", "save_audience", "save_message", "test")),
    *(f"tenant.campaigns.{name}" for name in ("clone", "resume", "retry")),
    "tenant.company_export.download",
    *(f"tenant.connections.{name}" for name in ("create_scan_link", "start")),
    "tenant.consent.save_settings",
    *(f"tenant.contacts.{name}" for name in ("create", "save", "tag", "tag_many")),
    *(f"tenant.conversation_work.{name}" for name in ("add_note", "reopen")),
    *(f"tenant.conversations.{name}" for name in ("reply", "send")),
    *(f"tenant.diagnosis.{name}" for name in ("fix", "resume")),
    "tenant.home.fold_first_steps",
    *(f"tenant.imports.{name}" for name in ("confirm", "create", "create_pasted", "map")),
    "tenant.media.fetch",
    *(f"tenant.members.{name}" for name in ("change", "create", "enable", "make_link")),
    *(f"tenant.message_templates.{name}" for name in ("create", "save")),
    "tenant.paces.save",
    "tenant.stories.decide",
    *(f"tenant.units.{name}" for name in ("create", "save_settings")),
    *(f"tenant.webhook_endpoints.{name}" for name in ("create", "save", "deliveries.replay")),
}
GROUPS = (set(ON_A_PAGE), set(BY_ITSELF), set(TAKEN_BACK), NOTHING_IS_LOST)
# The page asks only where there is something to be asked about, which the company of the walk does not have.
NOTHING_TO_ASK_ABOUT = {
    "tenant.campaigns.cancel",
    "tenant.campaign_drafts.start",
    "tenant.changing.delete",
    "tenant.merges.merge",
    "tenant.imports.undo",
    "operator.servers.move",
    "operator.tenants.erase",
    "operator.servers.remove",
    "second_factor.renew_codes",
    "second_factor.turn_off",
}


@pytest.fixture(autouse=True)
def _no_limits_left_over(redis_server: "Redis") -> None:
    """Limits are counted in Redis: one test's calls must not throttle the next."""


@pytest.fixture
def acme(database: None) -> Company:
    return apart(make_company("acme"))


@pytest.fixture
def operator(app: Flask, database: None) -> Caller:
    return caller(app, make_user("op@portal.test", role=Role.SUPER_ADMIN, tenant=None))


def changing(app: Flask) -> set[str]:
    """The addresses by which people change something on pages."""
    rules = [rule for rule in app.url_map.iter_rules() if not rule.rule.startswith(API)]
    return {rule.endpoint for rule in rules if (rule.methods or set()) - {"GET", "HEAD", "OPTIONS"}}


def targets(page: TestResponse) -> set[str]:
    """Where the forms of a page send to; one without an address to the page itself."""
    forms = [form for form in re.findall(r"<form[^>]*>", page.text) if 'method="post"' in form]
    named = [re.search(r'action="([^"]*)"', form) for form in forms]
    return {name[1] if name else page.request.path for name in named}


def test_every_address_that_changes_something_says_how_it_asks_first(app: Flask) -> None:
    known = set().union(*GROUPS)

    assert changing(app) - known == set(), "say how it asks first, or how it is taken back"
    assert known - changing(app) == set()
    assert len(known) == sum(len(group) for group in GROUPS)


def test_page_that_asks_is_open_to_whoever_may_do_it(app: Flask) -> None:
    rules = {rule.endpoint: rule for rule in app.url_map.iter_rules()}

    apart_from_each_other = {
        act for act, page in ON_A_PAGE.items() if access_of(app, rules[act]) != access_of(app, rules[page])
    }

    assert apart_from_each_other == set()


def test_page_that_asks_sends_its_form_there_and_leaves_a_way_out(app: Flask, acme: Company, operator: Caller) -> None:
    rules = {rule.endpoint: rule for rule in app.url_map.iter_rules()}
    people = {"tenant": caller(app, acme.admin), "operator": operator, "second_factor": caller(app, acme.admin)}
    lacking = {}
    for act, page in ON_A_PAGE.items():
        if act not in NOTHING_TO_ASK_ABOUT:
            client = people[act.split(".")[0]].client
            with app.app_context():
                answer = client.get(address(app, rules[page], acme), follow_redirects=True)
            has_way_out = 'class="btn btn-quiet"' in answer.text or 'class="back"' in answer.text
            lacking[act] = (answer.status_code, address(app, rules[act], acme) in targets(answer), has_way_out)

    assert {act: found for act, found in lacking.items() if found != (200, True, True)} == {}


def test_page_that_an_address_answers_with_sends_the_answer_back_to_it(app: Flask) -> None:
    loader = app.jinja_env
    assert loader.loader is not None
    for endpoint, template in BY_ITSELF.items():
        source = loader.loader.get_source(loader, template)[0]

        assert 'method="post"' in source, endpoint
        assert 'value="1"' in source, endpoint
