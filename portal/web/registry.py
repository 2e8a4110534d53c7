"""Every blueprint of the portal, hung in its place."""

from flask import Blueprint, Flask

from portal.web import (
    access_grants,
    account,
    account_links,
    api,
    api_tokens,
    assets,
    audit,
    auth,
    campaign_drafts,
    campaigns,
    changing,
    checks,
    company_export,
    compression,
    connections,
    consent,
    contacts,
    conversation_work,
    conversations,
    counting,
    diagnosis,
    errors,
    formats,
    headers,
    home,
    imports,
    media,
    members,
    merges,
    message_templates,
    metrics,
    operator,
    paces,
    privacy,
    quick_replies,
    reactions,
    recipients,
    reference,
    scan,
    second_factors,
    stories,
    tenant,
    undelivered,
    units,
    webhook_endpoints,
    webhooks,
)

NOUNS_OF_A_TENANT = (
    home.bp,
    units.bp,
    checks.bp,
    diagnosis.bp,
    connections.bp,
    conversations.bp,
    conversation_work.bp,
    quick_replies.bp,
    media.bp,
    undelivered.bp,
    stories.bp,
    reactions.bp,
    changing.bp,
    contacts.bp,
    merges.bp,
    imports.bp,
    consent.bp,
    privacy.bp,
    message_templates.bp,
    campaigns.bp,
    campaign_drafts.bp,
    recipients.bp,
    paces.bp,
    api_tokens.bp,
    webhook_endpoints.bp,
    company_export.bp,
    audit.bp,
    access_grants.bp,
    members.bp,
)


def register(app: Flask) -> None:
    """Wire error pages, headers, the words templates use, and all routes."""
    # First, so that it sees each answer last, as it leaves.
    counting.register(app)
    errors.register(app)
    headers.register(app)
    # It sees an answer before those above do: what a browser has already becomes a 304, which they count and log.
    compression.register(app)
    formats.register(app)
    assets.register(app)
    auth.register(app)
    app.register_blueprint(_tenant_pages())
    for blueprint in (account_links.bp, scan.bp, account.bp, second_factors.bp, operator.bp, reference.bp, webhooks.bp):
        app.register_blueprint(blueprint)
    app.register_blueprint(metrics.bp)
    api.register(app)


def _tenant_pages() -> Blueprint:
    """The parent checks who may enter, so that no page of a tenant can be reached without a scope."""
    pages = tenant.make_blueprint()
    for blueprint in NOUNS_OF_A_TENANT:
        pages.register_blueprint(blueprint)
    return pages
