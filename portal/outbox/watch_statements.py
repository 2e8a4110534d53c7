"""The statements that look after running campaigns and their recipients' numbers, whoever they belong to.

Only for work across tenants (`across_tenants`): the guard that reads statements does not see into these.
"""

from sqlalchemy import text

from portal.outbox.statements import SUSPENDED

# Whoever holds a unit decides about its campaigns now: they are looked at again next time. Those of a suspended company
# have missed their time when it goes on.
LOCK_DUE_CAMPAIGNS = text(
    f"""
    SELECT campaigns.id, campaigns.tenant_id
    FROM campaigns JOIN units ON units.id = campaigns.unit_id
    WHERE campaigns.state = 'scheduled' AND campaigns.scheduled_at <= CAST(:at AS timestamptz)
        AND campaigns.tenant_id <> ALL ({SUSPENDED})
    ORDER BY campaigns.scheduled_at LIMIT :most FOR NO KEY UPDATE OF units SKIP LOCKED
    """
)
_IS_FINISHED = """
    campaigns.state = 'processing'
    AND NOT EXISTS (SELECT FROM campaign_recipients WHERE campaign_id = campaigns.id AND state = 'pending')
    -- Of what waits or is on its way at the unit, which is little, none is the campaign's.
    AND NOT EXISTS (
        SELECT FROM messages JOIN campaign_recipients AS theirs ON theirs.message_id = messages.id
        WHERE messages.unit_id = campaigns.unit_id AND messages.status = 'queued'
            AND theirs.campaign_id = campaigns.id)
    AND NOT EXISTS (
        SELECT FROM messages JOIN campaign_recipients AS theirs ON theirs.message_id = messages.id
        WHERE messages.unit_id = campaigns.unit_id AND messages.status = 'sending'
            AND theirs.campaign_id = campaigns.id)
"""
LOCK_FINISHED = text(
    f"""
    SELECT campaigns.id FROM campaigns JOIN units ON units.id = campaigns.unit_id
    WHERE {_IS_FINISHED} FOR NO KEY UPDATE OF units SKIP LOCKED
    """
)
# After the lock, so that it sees what was committed before.
COMPLETE = text(
    f"""
    UPDATE campaigns SET state = 'completed', finished_at = CAST(:at AS timestamptz), number_check_at = NULL,
        recheck_at = CAST(:at AS timestamptz) + :recheck_s * interval '1 second'
    WHERE campaigns.id = ANY(CAST(:ids AS uuid[])) AND {_IS_FINISHED}
    RETURNING campaigns.id
    """
)
# What the last ones of each running campaign tell, since a person last started or resumed it: how many failed and why,
# how many asked for no more, how many of those who should have it by now do not; and whether WhatsApp lets nobody
# through whom it has yet to write to.
READ_SIGNS = text(
    """
    SELECT campaigns.id, campaigns.tenant_id, campaigns.unit_id, campaigns.resumed_at,
        ended.of AS ended, ended.failed, ended.code, asked.of AS handed, asked.opted_out,
        CASE WHEN is_connected THEN due.of ELSE 0 END AS due, due.undelivered, stuck.until AS limited_until
    FROM (
        SELECT * FROM campaigns WHERE state = 'processing' AND id > CAST(:after AS uuid) ORDER BY id LIMIT :most
    ) AS campaigns
    JOIN units ON units.id = campaigns.unit_id
    JOIN lanes ON lanes.unit_id = campaigns.unit_id
    CROSS JOIN LATERAL (
        -- Whoever was away until a moment ago has yet to hear what was delivered meanwhile.
        SELECT CAST(:at AS timestamptz) - units.receipt_wait_min * interval '1 minute' AS sent_by,
            EXISTS (
                SELECT FROM unit_whatsapp_connections AS connections
                WHERE connections.unit_id = units.id AND connections.status = 'connected'
                    AND connections.connected_at
                        <= CAST(:at AS timestamptz) - units.receipt_wait_min * interval '1 minute') AS is_connected
    ) AS wait
    CROSS JOIN LATERAL (
        SELECT count(*) FILTER (WHERE status IN ('sent', 'delivered', 'read', 'failed')) AS of,
            count(*) FILTER (WHERE status = 'failed') AS failed,
            mode() WITHIN GROUP (ORDER BY error_code) FILTER (WHERE status = 'failed') AS code
        FROM (
            SELECT coalesce(messages.status, recipients.outcome) AS status, messages.error_code
            FROM campaign_recipients AS recipients LEFT JOIN messages ON messages.id = recipients.message_id
            WHERE recipients.campaign_id = campaigns.id AND recipients.state = 'handed'
                AND recipients.handed_at >= campaigns.resumed_at
            ORDER BY recipients.handed_at DESC LIMIT :last
        ) AS last
    ) AS ended
    CROSS JOIN LATERAL (
        SELECT count(*) AS of, count(*) FILTER (WHERE opted_out_at >= handed_at) AS opted_out
        FROM (
            SELECT recipients.handed_at, person.opted_out_at
            FROM campaign_recipients AS recipients
            LEFT JOIN contacts AS chosen ON chosen.id = recipients.contact_id
            LEFT JOIN contacts AS person ON person.id = coalesce(chosen.merged_into_id, chosen.id)
            WHERE recipients.campaign_id = campaigns.id AND recipients.state = 'handed'
                AND recipients.handed_at >= campaigns.resumed_at
            ORDER BY recipients.handed_at DESC LIMIT :last_asked
        ) AS last
    ) AS asked
    CROSS JOIN LATERAL (
        SELECT count(*) AS of, count(*) FILTER (WHERE delivered_at IS NULL AND status <> 'failed') AS undelivered
        FROM (
            SELECT messages.status, messages.delivered_at
            FROM campaign_recipients AS recipients JOIN messages ON messages.id = recipients.message_id
            WHERE recipients.campaign_id = campaigns.id AND recipients.state = 'handed'
                AND recipients.handed_at BETWEEN campaigns.resumed_at AND wait.sent_by
                AND messages.sent_at <= wait.sent_by
            ORDER BY recipients.handed_at DESC LIMIT :last
        ) AS last
    ) AS due
    LEFT JOIN LATERAL (
        SELECT lanes.cold_paused_until AS until
        WHERE lanes.cold_paused_until > CAST(:at AS timestamptz) AND NOT campaigns.is_test AND EXISTS (
            SELECT FROM messages JOIN campaign_recipients AS theirs ON theirs.message_id = messages.id
            WHERE messages.unit_id = campaigns.unit_id AND messages.status = 'queued' AND messages.is_cold
                AND theirs.campaign_id = campaigns.id
            UNION ALL
            SELECT FROM (
                SELECT contact_id FROM campaign_recipients
                WHERE campaign_id = campaigns.id AND state = 'pending' ORDER BY position LIMIT 1
            ) AS next
            JOIN contacts AS chosen ON chosen.id = next.contact_id
            LEFT JOIN conversations ON conversations.unit_id = campaigns.unit_id
                AND conversations.contact_id = coalesce(chosen.merged_into_id, chosen.id)
            WHERE conversations.last_inbound_at IS NULL)
    ) AS stuck ON true
    ORDER BY campaigns.id
    """
)
# What a completed campaign's ledger holds that it should not, or lacks.
READ_LEDGER = text(
    """
    SELECT count(*) AS lines, count(*) FILTER (WHERE state = 'pending') AS pending,
        count(*) FILTER (WHERE state = 'handed' AND message_id IS NULL AND outcome IS NULL) AS lost
    FROM campaign_recipients WHERE campaign_id = CAST(:campaign_id AS uuid)
    """
)
LOCK_RECHECKS = text(
    """
    SELECT campaigns.id, campaigns.tenant_id
    FROM campaigns JOIN units ON units.id = campaigns.unit_id
    WHERE campaigns.recheck_at <= CAST(:at AS timestamptz) AND campaigns.state = 'completed'
    ORDER BY campaigns.recheck_at LIMIT :most FOR NO KEY UPDATE OF units SKIP LOCKED
    """
)
# A server that hangs must not take every caretaker, and no number is asked about at two places at once. What a worker
# had begun when it died is begun again after the lease.
CLAIM_NUMBER_CHECKS = text(
    f"""
    WITH due AS (
        SELECT campaigns.id, campaigns.unit_id, campaigns.number_check_at, connections.instance_name,
            lanes.evolution_server_id AS server_id
        FROM campaigns
        JOIN lanes ON lanes.unit_id = campaigns.unit_id
        JOIN unit_whatsapp_connections AS connections ON connections.unit_id = campaigns.unit_id
        WHERE campaigns.number_check_at <= CAST(:at AS timestamptz) AND campaigns.plan_state = 'done'
            AND NOT campaigns.is_test AND campaigns.state IN ('draft', 'scheduled', 'processing', 'paused')
            AND lanes.is_open AND lanes.evolution_server_id <> ALL(CAST(:busy AS uuid[]))
            AND connections.instance_name IS NOT NULL AND campaigns.tenant_id <> ALL ({SUSPENDED})
        ORDER BY campaigns.number_check_at LIMIT :most FOR UPDATE OF campaigns SKIP LOCKED
    ), of_units AS (
        SELECT *, row_number() OVER (PARTITION BY unit_id ORDER BY number_check_at) AS turn FROM due
    ), ranked AS (
        SELECT id, row_number() OVER (PARTITION BY server_id ORDER BY number_check_at) AS place
        FROM of_units WHERE turn = 1
    )
    UPDATE campaigns SET number_check_at = CAST(:at AS timestamptz) + :lease_s * interval '1 second'
    FROM due JOIN ranked USING (id)
    WHERE campaigns.id = due.id AND ranked.place <= :checks_each
    RETURNING campaigns.tenant_id, campaigns.id AS campaign_id, campaigns.unit_id, due.server_id, due.instance_name,
        campaigns.number_check_failures AS failures, campaigns.number_check_at AS leased_until
    """
)
# The next ones whose turn comes and of whom nothing is known; somebody who was merged since is whom they became.
READ_UNCHECKED = text(
    """
    SELECT person.id, coalesce(person.whatsapp_number, person.phone) AS number
    FROM campaign_recipients AS recipients
    JOIN contacts AS chosen ON chosen.id = recipients.contact_id
    JOIN contacts AS person ON person.id = coalesce(chosen.merged_into_id, chosen.id)
    WHERE recipients.campaign_id = CAST(:campaign_id AS uuid) AND recipients.state = 'pending'
        AND coalesce(person.whatsapp_number, person.phone) IS NOT NULL
        AND coalesce(person.number_checked_at < CAST(:known_since AS timestamptz), true)
    ORDER BY recipients.position LIMIT :most
    """
)
LOCK_PEOPLE = text("SELECT FROM contacts WHERE id = ANY(CAST(:people AS uuid[])) ORDER BY id FOR UPDATE")
# NULL: WhatsApp said nothing of it. Another number than was asked for may be in use since.
NOTE_NUMBERS = text(
    """
    UPDATE contacts SET number_checked_at = CAST(:at AS timestamptz),
        is_on_whatsapp = coalesce(told.is_there, contacts.is_on_whatsapp),
        whatsapp_number = CASE WHEN contacts.number_at IS NULL THEN coalesce(told.confirmed, contacts.whatsapp_number)
            ELSE contacts.whatsapp_number END
    FROM unnest(CAST(:people AS uuid[]), CAST(:numbers AS text[]), CAST(:there AS bool[]), CAST(:confirmed AS text[]))
        AS told (person_id, number, is_there, confirmed)
    WHERE contacts.id = told.person_id AND coalesce(contacts.whatsapp_number, contacts.phone) = told.number
    """
)
# Of campaigns of the unit that is held; the others find it out at the turn of each.
SKIP_ABSENT = text(
    """
    UPDATE campaign_recipients SET state = 'skipped', reason = 'not_on_whatsapp'
    FROM contacts AS chosen, contacts AS person, campaigns
    WHERE person.id = ANY(CAST(:people AS uuid[])) AND person.is_on_whatsapp IS FALSE
        AND (chosen.id = person.id OR chosen.merged_into_id = person.id)
        AND campaign_recipients.contact_id = chosen.id AND campaign_recipients.state = 'pending'
        AND campaigns.id = campaign_recipients.campaign_id AND campaigns.unit_id = CAST(:unit_id AS uuid)
    """
)
