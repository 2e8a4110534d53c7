"""What a person changes is written down, and whatever is written down can be read in words."""

import inspect

from flask import Flask
from werkzeug.routing import Rule

from portal.web.audit_words import GROUPS, OF_MANY, PAGES, SENTENCES
from tests.architecture.audited import actions_from, all_actions, unreadable_records
from tests.architecture.walk import methods

CHANGING = {"POST", "PUT", "PATCH", "DELETE"}
ABOUT_A_MESSAGE = ("message.tried_again", "message.sent_again", "message.noted_as_arrived", "message.set_aside")
# Each call by which a person or a program changes something -> what it leaves in the log.
RECORDED: dict[str, tuple[str, ...]] = {
    "account.change_password": ("user.password_changed",),
    "account.end_api_sign_in": ("user.api_sign_in_ended",),
    "account.end_other_sessions": ("user.sessions_ended",),
    "account.end_session": ("user.sessions_ended",),
    "account_links.choose": ("user.password_chosen",),
    "api_campaigns.cancel": ("campaign.cancelled",),
    "api_campaigns.create": ("campaign.created", "campaign.audience_chosen", "campaign.message_written"),
    "api_campaigns.dispatch": ("campaign.started", "campaign.scheduled"),
    "api_campaigns.pause": ("campaign.paused",),
    "api_campaigns.resume": ("campaign.resumed",),
    "api_connections.connect": ("connection.connect",),
    "api_connections.disconnect": ("connection.disconnect",),
    "api_sessions.login": ("user.signed_in", "user.code_refused", "user.recovery_code_used"),
    "auth.confirm": ("user.code_refused", "user.recovery_code_used"),
    "auth.give_code": ("user.signed_in", "user.code_refused", "user.recovery_code_used"),
    "auth.sign_in": ("user.signed_in",),
    "auth.sign_out": ("user.signed_out",),
    "operator.alerts.acknowledge": ("alert.acknowledged",),
    "operator.alerts.raise_test": ("alert.tested",),
    "operator.events.forget_unknown": ("webhook_events.forgotten",),
    "operator.events.replay": ("webhook_events.replayed",),
    "operator.events.replay_unknown": ("webhook_events.replayed",),
    "operator.people.create": ("member.invited",),
    "operator.people.disable": ("member.disabled",),
    "operator.people.enable": ("member.enabled",),
    "operator.people.make_link": ("member.link_made",),
    "operator.people.remove_second_factor": ("member.second_factor_removed",),
    "operator.people.sign_out": ("member.signed_out",),
    "operator.servers.create": ("server.added",),
    "operator.servers.move": ("connection.move",),
    "operator.servers.remove": ("server.removed",),
    "operator.servers.save": ("server.changed",),
    "operator.tenants.close": ("tenant.closed", "tenant.suspended", "campaign.cancelled", "connection.disconnect"),
    "operator.tenants.create": ("tenant.created",),
    "operator.tenants.erase": ("tenant.erasure_hurried",),
    "operator.tenants.reopen": ("tenant.reopened",),
    "operator.tenants.resume": ("tenant.resumed",),
    "operator.tenants.suspend": ("tenant.suspended",),
    "scan.start": ("connection.connect",),
    "second_factor.renew_codes": ("user.recovery_codes_made",),
    "second_factor.turn_off": ("user.second_factor_off",),
    "second_factor.turn_on": ("user.second_factor_on",),
    "tenant.access_grants.create": ("access_grant.given",),
    "tenant.access_grants.end": ("access_grant.ended",),
    "tenant.api_tokens.create": ("api_token.created",),
    "tenant.api_tokens.revoke": ("api_token.revoked",),
    "tenant.api_tokens.rotate": ("api_token.rotated",),
    "tenant.campaign_drafts.create": ("campaign.created",),
    "tenant.campaign_drafts.delete": ("campaign.deleted",),
    "tenant.campaign_drafts.rename": ("campaign.renamed",),
    "tenant.campaign_drafts.save_audience": ("campaign.audience_chosen",),
    "tenant.campaign_drafts.save_message": ("campaign.message_written",),
    "tenant.campaign_drafts.start": ("campaign.started", "campaign.scheduled"),
    "tenant.campaigns.cancel": ("campaign.cancelled",),
    "tenant.campaigns.clone": ("campaign.cloned",),
    "tenant.campaigns.pause": ("campaign.paused",),
    "tenant.campaigns.resume": ("campaign.resumed",),
    "tenant.campaigns.retry": ("campaign.retried",),
    "tenant.changing.delete": ("message.deleted",),
    "tenant.changing.edit": ("message.edited",),
    "tenant.checks.renew_secret": ("connection.webhook_secret_rotated",),
    "tenant.company_export.download": ("tenant.exported",),
    "tenant.connections.carry_out": ("connection.disconnect", "connection.restart", "connection.delete"),
    "tenant.connections.create_scan_link": ("scan_link.created",),
    "tenant.connections.revoke_scan_link": ("scan_link.revoked",),
    "tenant.connections.start": ("connection.connect",),
    "tenant.consent.opt_in": ("contact.opted_in",),
    "tenant.consent.opt_out": ("contact.opted_out",),
    "tenant.consent.save_settings": ("tenant.consent_changed",),
    "tenant.consent.settle": ("consent.doubt_settled", "contact.opted_out"),
    "tenant.contacts.create": ("contact.added",),
    "tenant.contacts.save": ("contact.edited",),
    "tenant.contacts.tag": ("contact.tagged",),
    "tenant.contacts.tag_many": ("contacts.tagged", "contacts.untagged"),
    "tenant.contacts.untag": ("contact.untagged",),
    "tenant.conversation_work.assign": ("conversation.assigned",),
    "tenant.conversation_work.close": ("conversation.closed",),
    "tenant.conversation_work.delete_note": ("conversation.note_deleted",),
    "tenant.conversation_work.reopen": ("conversation.reopened",),
    "tenant.diagnosis.fix": (
        "connection.checked",
        "connection.compared",
        "webhook_events.replayed",
        "unit.lane_woken",
        "unit.fix_applied",
    ),
    "tenant.diagnosis.requeue": ("message.tried_again",),
    "tenant.diagnosis.restart": ("connection.restart",),
    "tenant.diagnosis.resume": ("campaign.resumed",),
    "tenant.diagnosis.rotate": ("connection.webhook_secret_rotated",),
    "tenant.imports.cancel": ("import.cancelled",),
    "tenant.imports.confirm": ("import.confirmed",),
    "tenant.imports.create": ("import.begun",),
    "tenant.imports.create_pasted": ("import.begun",),
    "tenant.imports.map": ("import.mapped",),
    "tenant.imports.undo": ("import.undone",),
    "tenant.members.change": ("member.changed",),
    "tenant.members.create": ("member.invited",),
    "tenant.members.disable": ("member.disabled",),
    "tenant.members.enable": ("member.enabled",),
    "tenant.members.make_link": ("member.link_made",),
    "tenant.members.sign_out": ("member.signed_out",),
    "tenant.merges.merge": ("contact.merged",),
    "tenant.merges.undo": ("contact.merge_undone",),
    "tenant.message_templates.archive": ("message_template.archived",),
    "tenant.message_templates.create": ("message_template.created",),
    "tenant.message_templates.restore": ("message_template.restored",),
    "tenant.message_templates.save": (
        "message_template.renamed",
        "message_template.shortcut_changed",
        "message_template.saved",
    ),
    "tenant.paces.save": ("unit.pace_changed",),
    "tenant.privacy.erase": ("contact.erasure_asked",),
    "tenant.privacy.save_settings": ("tenant.periods_changed",),
    "tenant.stories.decide": ABOUT_A_MESSAGE,
    "tenant.undelivered.decide": ABOUT_A_MESSAGE,
    "tenant.units.archive": ("unit.archived",),
    "tenant.units.create": ("unit.created",),
    "tenant.units.save_settings": ("unit.changed",),
    "tenant.webhook_endpoints.create": ("webhook_endpoint.created",),
    "tenant.webhook_endpoints.delete": ("webhook_endpoint.switched_off", "webhook_endpoint.deleted"),
    "tenant.webhook_endpoints.deliveries.replay": ("webhook_deliveries.replayed",),
    "tenant.webhook_endpoints.deliveries.replay_failed": ("webhook_deliveries.replayed",),
    "tenant.webhook_endpoints.rotate": ("webhook_endpoint.secret_rotated",),
    "tenant.webhook_endpoints.save": ("webhook_endpoint.changed",),
    "tenant.webhook_endpoints.switch_off": ("webhook_endpoint.switched_off",),
    "tenant.webhook_endpoints.switch_on": ("webhook_endpoint.switched_on",),
}
WRITTEN_IN_THE_MESSAGE = "the message itself keeps who wrote it, when and by which way"
NOT_RECORDED = {
    "account_links.ask": "whoever asks is not known yet, and gets nothing but a mail to the account's own address",
    "api_messages.send": WRITTEN_IN_THE_MESSAGE,
    "api_messages.send_from_unit": WRITTEN_IN_THE_MESSAGE,
    "api_sessions.refresh": "a sign-in that goes on; signing in is recorded",
    "auth.choose_language": "in which language somebody reads is theirs alone",
    "operator.servers.check": "a look at whether a server answers",
    "second_factor.begin": "nothing holds before it is turned on, which is recorded",
    "tenant.campaign_drafts.test": WRITTEN_IN_THE_MESSAGE,
    "tenant.conversation_work.add_note": "the note itself keeps who wrote it and when",
    "tenant.conversations.reply": WRITTEN_IN_THE_MESSAGE,
    "tenant.conversations.send": WRITTEN_IN_THE_MESSAGE,
    "tenant.home.fold_first_steps": "what somebody folds away is folded in their own browser only",
    "tenant.media.fetch": "a look at a file that somebody sent",
    "tenant.reactions.react": WRITTEN_IN_THE_MESSAGE,
    "webhooks.take": "no person calls it, and each event is kept as it came",
}


def changing_rules(app: Flask) -> list[Rule]:
    return [rule for rule in app.url_map.iter_rules() if methods(rule) & CHANGING]


def leads_to(app: Flask, endpoint: str) -> set[str]:
    view = inspect.unwrap(app.view_functions[endpoint])
    return actions_from((view.__module__, view.__name__))


def test_every_call_that_changes_something_is_known_to_the_log(app: Flask) -> None:
    endpoints = {rule.endpoint for rule in changing_rules(app)}

    assert endpoints == RECORDED.keys() | NOT_RECORDED.keys(), "say what it leaves in the log, or why it leaves nothing"
    assert RECORDED.keys() & NOT_RECORDED.keys() == set()


def test_each_call_leads_to_what_it_is_said_to_leave_in_the_log(app: Flask) -> None:
    wrong = {
        endpoint: set(actions) - leads_to(app, endpoint)
        for endpoint, actions in RECORDED.items()
        if not actions or not set(actions) <= leads_to(app, endpoint)
    }

    assert wrong == {}


def test_call_that_is_said_to_leave_nothing_leads_to_no_record(app: Flask) -> None:
    assert {endpoint: leads_to(app, endpoint) for endpoint in NOT_RECORDED if leads_to(app, endpoint)} == {}


def test_every_action_has_words() -> None:
    assert all_actions() - SENTENCES.keys() == set(), "write its sentence in portal/web/audit_words.py"
    assert SENTENCES.keys() - all_actions() == set(), "nothing records it any more"


def test_names_of_actions_stand_whole_in_the_source() -> None:
    assert unreadable_records() == []


def test_every_action_is_in_one_group() -> None:
    nouns = [noun for group in GROUPS.values() for noun in group.nouns]

    assert {action.split(".")[0] for action in SENTENCES} == set(nouns)
    assert len(nouns) == len(set(nouns))


def test_sentences_begin_with_whoever_did_it_or_need_nobody() -> None:
    filled = {"who": "Ana", "what": "“x”", "action": "a.b"}

    assert [str(words) % filled for words in (*SENTENCES.values(), *OF_MANY.values()) if not str(words) % filled] == []
    assert set(OF_MANY) <= set(SENTENCES)


def test_page_of_every_subject_is_there_and_takes_its_id(app: Flask) -> None:
    rules = {rule.endpoint: rule for rule in app.url_map.iter_rules() if "GET" in methods(rule)}

    assert [page for page in PAGES.values() if page.argument not in rules[page.endpoint].arguments] == []
