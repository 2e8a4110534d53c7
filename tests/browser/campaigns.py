"""Campaigns as they are in the middle of their way, written into the database rather than waited for."""

from uuid import uuid4

from tests.running.stack import Stack

NAME = "Campanha de Natal para a clientela mais antiga da avenida comprida"
# Place in the ledger -> the status of the message; those beyond wait for their turn.
STATUSES = ("read", "delivered", "read", "delivered", "failed", "sent", "unconfirmed", "read", "delivered", "read")
PEOPLE = 40

_CAMPAIGN = """
    INSERT INTO campaigns (id, tenant_id, unit_id, name, variants, plan_state, planned_at, total, state, started_at,
        resumed_at, paused_at, pause_reason, pause_details, audience)
    SELECT %s, tenant_id, id, %s, '["Oi! Temos novidades.", "Olá! A loja nova abriu."]'::jsonb, 'done', now(), %s,
        'draft', now() - interval '80 minutes', now() - interval '80 minutes', CASE WHEN %s <> '' THEN now() END,
        nullif(%s, ''), '{"failed": 12, "of": 50, "code": "not_on_whatsapp"}'::jsonb, '{"everybody": true}'::jsonb
    FROM units WHERE slug = %s
"""
_PEOPLE = """
    INSERT INTO contacts (id, tenant_id, phone, name)
    SELECT gen_random_uuid(), tenant_id, '5596' || (%s::bigint + place), 'Pessoa exemplo ' || place
    FROM campaigns CROSS JOIN generate_series(1, %s) AS place WHERE campaigns.id = %s
"""
_LINES = """
    INSERT INTO campaign_recipients (tenant_id, campaign_id, position, contact_id, body, variant)
    SELECT contacts.tenant_id, campaigns.id, row_number() OVER (ORDER BY contacts.phone), contacts.id,
        'Oi! Temos novidades.', 1 + row_number() OVER (ORDER BY contacts.phone) %% 2
    FROM campaigns JOIN contacts ON contacts.tenant_id = campaigns.tenant_id
    WHERE campaigns.id = %s AND contacts.phone BETWEEN '5596' || (%s::bigint + 1) AND '5596' || (%s::bigint + %s)
"""
_CONVERSATION = """
    INSERT INTO conversations (id, tenant_id, unit_id, contact_id)
    SELECT %s, campaigns.tenant_id, campaigns.unit_id, contact_id
    FROM campaigns JOIN campaign_recipients ON campaign_id = campaigns.id
    WHERE campaigns.id = %s AND position = %s
"""
_MESSAGE = """
    INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, occurred_at,
        sending_at, sent_at, delivered_at, read_at, failed_at, error_code)
    SELECT %s, tenant_id, unit_id, id, 'outbound', 'text', 'Oi! Temos novidades.', %s, 'campaign', now(),
        now(), now(), now(), now(), now(), CASE WHEN %s = 'failed' THEN 'not_on_whatsapp' END
    FROM conversations WHERE id = %s
"""
_HANDED = """
    UPDATE campaign_recipients SET state = 'handed', message_id = %s, conversation_id = %s, handed_at = now()
    WHERE campaign_id = %s AND position = %s
"""


def seed_campaign(stack: Stack, unit: str, *, state: str = "processing", pause_reason: str = "", first: int) -> str:
    """A campaign of 40 people, ten of whom had their turn; `first` begins their numbers. Its id."""
    campaign_id, change = str(uuid4()), stack.rows.change
    change(_CAMPAIGN, campaign_id, NAME, PEOPLE, pause_reason, pause_reason, unit)
    change(_PEOPLE, first, PEOPLE, campaign_id)
    change(_LINES, campaign_id, first, first, PEOPLE)
    # Only now: one that runs and has nobody left is over, as the worker sees it.
    change("UPDATE campaigns SET state = %s WHERE id = %s", state, campaign_id)
    for position in range(1, len(STATUSES) + 1):
        hand(stack, campaign_id, position)
    skipped = "UPDATE campaign_recipients SET state = 'skipped', reason = 'opted_out' WHERE campaign_id = %s"
    change(f"{skipped} AND position = %s", campaign_id, PEOPLE)
    return campaign_id


def hand(stack: Stack, campaign_id: str, position: int) -> None:
    """The recipient in that place had their turn."""
    status = STATUSES[(position - 1) % len(STATUSES)]
    conversation_id, message_id = str(uuid4()), str(uuid4())
    stack.rows.change(_CONVERSATION, conversation_id, campaign_id, position)
    stack.rows.change(_MESSAGE, message_id, status, status, conversation_id)
    stack.rows.change(_HANDED, message_id, conversation_id, campaign_id, position)
