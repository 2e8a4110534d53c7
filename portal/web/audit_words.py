"""The audit log in words: each action as a sentence, and the groups by which people look for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask_babel import lazy_gettext as _

from portal.models import AuditEvent
from portal.permissions import Permission
from portal.queries.audit import Kind, LogRow

# `who` begins the sentence; `what` is the name of the subject, or the end of its id.
SENTENCES: Mapping[str, str] = {
    "unit.created": _("%(who)s made the unit %(what)s."),
    "unit.changed": _("%(who)s changed the settings of the unit %(what)s."),
    "unit.archived": _("%(who)s archived the unit %(what)s."),
    "unit.pace_changed": _("%(who)s changed the pace of the unit %(what)s."),
    "unit.lane_woken": _("%(who)s had the messages that wait at the unit %(what)s looked at again."),
    "unit.fix_applied": _("%(who)s had the portal put right what the diagnosis of the unit %(what)s found."),
    "connection.connect": _("%(who)s asked for a code to connect the unit %(what)s."),
    "connection.disconnect": _("%(who)s disconnected the unit %(what)s."),
    "connection.restart": _("%(who)s restarted the connection of the unit %(what)s."),
    "connection.delete": _("%(who)s deleted the connection of the unit %(what)s."),
    "connection.checked": _("%(who)s had the connection of the unit %(what)s checked at Evolution."),
    "connection.compared": _("%(who)s had missed messages of the unit %(what)s fetched."),
    "connection.move": _("%(who)s moved the unit %(what)s to another server."),
    "scan_link.created": _("%(who)s made a link by which anybody can connect the unit %(what)s."),
    "scan_link.revoked": _("%(who)s ended the link for connecting the unit %(what)s."),
    "contact.added": _("%(who)s added the contact %(what)s."),
    "contact.edited": _("%(who)s edited the contact %(what)s."),
    "contact.tagged": _("%(who)s gave a tag to the contact %(what)s."),
    "contact.untagged": _("%(who)s took a tag from the contact %(what)s."),
    "contact.merged": _("%(who)s merged another contact into %(what)s."),
    "contact.merge_undone": _("%(who)s took a merge of the contact %(what)s back."),
    "contact.exported": _("%(who)s took out all data of the contact %(what)s."),
    "contact.erasure_asked": _("%(who)s had the contact %(what)s erased."),
    "contact.opted_out": _("%(who)s noted that the contact %(what)s wants no campaigns."),
    "contact.opted_in": _("%(who)s noted that the contact %(what)s wants campaigns."),
    "contacts.tagged": _("%(who)s gave the tag %(what)s to contacts."),
    "contacts.untagged": _("%(who)s took the tag %(what)s from contacts."),
    "contacts.exported": _("%(who)s exported a list of contacts."),
    "conversation.assigned": _("%(who)s changed who answers the conversation %(what)s."),
    "conversation.closed": _("%(who)s resolved the conversation %(what)s."),
    "conversation.reopened": _("%(who)s reopened the conversation %(what)s."),
    "conversation.note_deleted": _("%(who)s deleted a note in the conversation %(what)s."),
    "consent.doubt_settled": _("%(who)s decided what a message in the conversation %(what)s meant about consent."),
    "tenant.consent_changed": _("%(who)s changed the words and answers about consent."),
    "tenant.periods_changed": _("%(who)s changed for how long data is kept."),
    "tenant.created": _("%(who)s added the company."),
    "tenant.suspended": _("%(who)s suspended the company."),
    "tenant.resumed": _("%(who)s let the company go on."),
    "tenant.closed": _("%(who)s closed the company."),
    "tenant.reopened": _("%(who)s took back that the company was closed."),
    "tenant.erasure_hurried": _("%(who)s had the company's data erased before its time."),
    "tenant.erased": _("All data of the company was erased."),
    "tenant.exported": _("%(who)s downloaded all data of the company."),
    "import.begun": _("%(who)s brought the list %(what)s."),
    "import.mapped": _("%(who)s said what the columns of the list %(what)s are."),
    "import.confirmed": _("%(who)s imported the list %(what)s."),
    "import.cancelled": _("%(who)s cancelled the import %(what)s."),
    "import.undone": _("%(who)s took the import %(what)s back."),
    "message_template.created": _("%(who)s made the template %(what)s."),
    "message_template.renamed": _("%(who)s renamed the template %(what)s."),
    "message_template.shortcut_changed": _("%(who)s changed the short cut of the template %(what)s."),
    "message_template.saved": _("%(who)s saved a new version of the template %(what)s."),
    "message_template.restored": _("%(who)s brought back an earlier version of the template %(what)s."),
    "message_template.archived": _("%(who)s archived the template %(what)s."),
    "campaign.created": _("%(who)s made the campaign %(what)s."),
    "campaign.renamed": _("%(who)s renamed the campaign %(what)s."),
    "campaign.audience_chosen": _("%(who)s chose whom the campaign %(what)s is for."),
    "campaign.message_written": _("%(who)s wrote the message of the campaign %(what)s."),
    "campaign.cloned": _("%(who)s made the campaign %(what)s as a copy of another one."),
    "campaign.deleted": _("%(who)s deleted the campaign %(what)s."),
    "campaign.started": _("%(who)s started the campaign %(what)s."),
    "campaign.scheduled": _("%(who)s scheduled the campaign %(what)s."),
    "campaign.paused": _("%(who)s paused the campaign %(what)s."),
    "campaign.resumed": _("%(who)s resumed the campaign %(what)s."),
    "campaign.cancelled": _("%(who)s cancelled the campaign %(what)s."),
    "campaign.retried": _("%(who)s let those try again whose message of the campaign %(what)s failed."),
    "campaign.exported": _("%(who)s exported the recipients of the campaign %(what)s."),
    "message.tried_again": _("%(who)s tried the message %(what)s again."),
    "message.sent_again": _("%(who)s sent the message %(what)s a second time."),
    "message.noted_as_arrived": _("%(who)s noted that the message %(what)s arrived."),
    "message.set_aside": _("%(who)s set the message %(what)s aside."),
    "message.edited": _("%(who)s edited the message %(what)s."),
    "message.deleted": _("%(who)s deleted the message %(what)s for everyone."),
    "message.exported": _("%(who)s exported a list of messages that did not arrive."),
    "webhook_endpoint.created": _("%(who)s added the webhook address %(what)s."),
    "webhook_endpoint.changed": _("%(who)s changed the webhook address %(what)s."),
    "webhook_endpoint.secret_rotated": _("%(who)s made a new secret for the webhook address %(what)s."),
    "webhook_endpoint.switched_off": _("%(who)s switched the webhook address %(what)s off."),
    "webhook_endpoint.switched_on": _("%(who)s switched the webhook address %(what)s on."),
    "webhook_endpoint.deleted": _("%(who)s deleted the webhook address %(what)s."),
    "webhook_deliveries.replayed": _("%(who)s had news posted again to the webhook address %(what)s."),
    "webhook_events.replayed": _("%(who)s gave parked events back to the inbox."),
    "webhook_events.forgotten": _("%(who)s deleted events of an unknown instance."),
    "alert.acknowledged": _("%(who)s acknowledged an alert."),
    "alert.tested": _("%(who)s raised a test alert."),
    "api_token.created": _("%(who)s made the API token %(what)s."),
    "api_token.revoked": _("%(who)s revoked the API token %(what)s."),
    "api_token.rotated": _("%(who)s made a new secret for the API token %(what)s."),
    "server.added": _("%(who)s added the Evolution server %(what)s."),
    "server.changed": _("%(who)s changed the Evolution server %(what)s."),
    "server.removed": _("%(who)s removed the Evolution server %(what)s."),
    "connection.webhook_secret_rotated": _("%(who)s made a new webhook secret for the unit %(what)s."),
    "access_grant.given": _("%(who)s let the portal's operators read messages and numbers."),
    "access_grant.ended": _("%(who)s ended that the portal's operators may read messages and numbers."),
    "access_grant.used": _("%(who)s read what the company lets operators read."),
    "member.invited": _("%(who)s invited %(what)s."),
    "member.changed": _("%(who)s changed what %(what)s may do."),
    "member.disabled": _("%(who)s shut %(what)s out."),
    "member.enabled": _("%(who)s let %(what)s in again."),
    "member.link_made": _("%(who)s made a link with which %(what)s chooses a password."),
    "member.signed_out": _("%(who)s ended all sessions of %(what)s."),
    "member.second_factor_removed": _("%(who)s removed the second factor of %(what)s."),
    "user.signed_in": _("%(who)s signed in."),
    "user.signed_out": _("%(who)s signed out."),
    "user.code_refused": _("Somebody gave the right password of %(who)s, but a wrong code."),
    "user.recovery_code_used": _("%(who)s used a recovery code."),
    "user.recovery_codes_made": _("%(who)s made new recovery codes."),
    "user.second_factor_on": _("%(who)s turned the second factor on."),
    "user.second_factor_off": _("%(who)s turned the second factor off."),
    "user.password_changed": _("%(who)s changed their password."),
    "user.password_chosen": _("%(who)s chose a password by a link."),
    "user.sessions_ended": _("%(who)s ended other sessions of their own."),
    "user.api_sign_in_ended": _("%(who)s ended a program's sign-in of their own."),
    "audit.exported": _("%(who)s exported this log."),
}
# Where one act was about many of them.
OF_MANY: Mapping[str, str] = {
    "message.tried_again": _("%(who)s tried several messages again."),
    "message.sent_again": _("%(who)s sent several messages a second time."),
    "message.noted_as_arrived": _("%(who)s noted that several messages arrived."),
    "message.set_aside": _("%(who)s set several messages aside."),
}
UNKNOWN = _("%(who)s: %(action)s %(what)s")

KINDS: Mapping[Kind, str] = {
    Kind.OPERATOR: _("An operator of the portal"),
    Kind.PORTAL: _("The portal itself"),
    Kind.LINK: _("Somebody with a link"),
}


@dataclass(frozen=True)
class Group:
    """Actions that people look for together: its title, and the nouns that they begin with."""

    title: str
    nouns: frozenset[str]


GROUPS: Mapping[str, Group] = {
    "messages": Group(_("Messages"), frozenset({"message", "conversation"})),
    "campaigns": Group(_("Campaigns"), frozenset({"campaign"})),
    "contacts": Group(_("Contacts and consent"), frozenset({"contact", "contacts", "consent"})),
    "imports": Group(_("Imports"), frozenset({"import"})),
    "templates": Group(_("Templates"), frozenset({"message_template"})),
    "units": Group(_("Units and connections"), frozenset({"unit", "connection", "scan_link"})),
    "api": Group(_("API"), frozenset({"api_token", "webhook_endpoint", "webhook_deliveries"})),
    "company": Group(_("Company and its data"), frozenset({"tenant", "audit"})),
    "people": Group(_("People and signing in"), frozenset({"user", "member", "access_grant"})),
    "portal": Group(_("Servers, events and alerts"), frozenset({"server", "webhook_events", "alert"})),
}


@dataclass(frozen=True)
class Page:
    """Where a kind of subject has a page: its endpoint, the argument, and who may open it."""

    endpoint: str
    argument: str
    permission: Permission


PAGES: Mapping[str, Page] = {
    "unit": Page("tenant.units.show", "unit_slug", Permission.VIEW_UNITS),
    "campaign": Page("tenant.campaigns.show", "campaign_id", Permission.READ_CAMPAIGNS),
    "contact": Page("tenant.contacts.show", "contact_id", Permission.READ_MESSAGES),
    "conversation": Page("tenant.conversations.show", "conversation_id", Permission.READ_MESSAGES),
    "message": Page("tenant.stories.show", "message_id", Permission.READ_MESSAGES),
    "import": Page("tenant.imports.show", "import_id", Permission.MANAGE_CONTACTS),
    "message_template": Page("tenant.message_templates.show", "template_id", Permission.MANAGE_TEMPLATES),
    "webhook_endpoint": Page(
        "tenant.webhook_endpoints.deliveries.index", "endpoint_id", Permission.MANAGE_INTEGRATIONS
    ),
    "server": Page("operator.servers.show", "server_id", Permission.OPERATE),
}
# What a company calls these is its own: an operator sees them by id.
OF_THE_COMPANY = frozenset({"campaign", "message_template", "import", "tag"})


def sentence(row: LogRow, *, sees_names: bool) -> str:
    """`ana@acme.com paused the campaign “Natal”.`"""
    event = row.event
    words = SENTENCES.get(event.action, UNKNOWN)
    if event.subject_type == "messages":
        words = OF_MANY.get(event.action, words)
    return str(words) % {"who": who(row), "what": what(row, sees_names=sees_names), "action": event.action}


def who(row: LogRow) -> str:
    if row.token:
        return str(_("The token “%(name)s”", name=row.token))
    return row.person or str(KINDS[row.kind or Kind.PORTAL])


def what(row: LogRow, *, sees_names: bool) -> str:
    """The subject's name as it is now, else as it was told then, else the end of its id."""
    event = row.event
    if event.subject_id is None:
        return ""
    found = row.names.get(event.subject_id)
    if found is not None and found.name and (sees_names or event.subject_type not in OF_THE_COMPANY):
        return f"“{found.name}”"
    told = _told_name(event, sees_names=sees_names)
    return f"“{told}”" if told else short_id(event.subject_id)


def short_id(id_: UUID) -> str:
    """Enough of an id to tell one thing from another."""
    return f"#{id_.hex[-8:]}"


def _told_name(event: AuditEvent, *, sees_names: bool) -> str | None:
    if event.subject_type in OF_THE_COMPANY and not sees_names:
        return None
    for told in (event.after, event.before):
        for field in ("name", "email", "host"):
            if told and isinstance(told.get(field), str):
                return str(told[field])
    return None
