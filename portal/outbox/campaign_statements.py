"""The statements that let recipients become messages, for many units at once, whoever they belong to.

Only for work across tenants (`across_tenants`): the guard that reads statements does not see into these.
"""

from sqlalchemy import text

from portal.outbox.statements import SUSPENDED

# The units before everything else: whoever pauses a campaign, opens a conversation or applies events holds them too.
# Whose message waits, and may leave today, needs nothing: many of those must not keep the others from their turn.
LOCK_DUE_UNITS = text(
    f"""
    SELECT units.id
    FROM lanes JOIN units ON units.id = lanes.unit_id
    WHERE lanes.evolution_server_id = ANY(CAST(:servers AS uuid[])) AND lanes.is_open AND lanes.message_id IS NULL
        AND lanes.campaign_at <= now() + :ahead_s * interval '1 second' AND lanes.tenant_id <> ALL ({SUSPENDED})
        AND (lanes.campaign_until > now() AND lanes.campaign_day = CAST(now() AT TIME ZONE units.time_zone AS date)
            AND EXISTS (SELECT FROM messages WHERE unit_id = units.id AND status = 'queued' AND priority = :priority)
            ) IS NOT TRUE
    ORDER BY lanes.campaign_at LIMIT :most FOR NO KEY UPDATE OF units SKIP LOCKED
    """
)
# After the lock, so that it sees what was committed before.
READ_TURNS = text(
    """
    SELECT units.id, units.time_zone, units.pace_min_s, units.pace_max_s, units.daily_cap, units.window_from,
        units.window_to, units.window_days, units.skips_holidays, units.warm_up_from,
        lanes.campaign_day, lanes.campaign_count, lanes.campaign_at, lanes.campaign_until,
        EXISTS (SELECT FROM messages WHERE unit_id = units.id AND status = 'queued' AND priority = :priority)
            AS is_waiting
    FROM units JOIN lanes ON lanes.unit_id = units.id
    WHERE units.id = ANY(CAST(:units AS uuid[]))
        AND lanes.campaign_at <= now() + :ahead_s * interval '1 second' AND lanes.message_id IS NULL
    """
)
# Of each unit the campaign that waited longest, and its next recipient. Whoever shall not get it after all is skipped,
# and the lane stays as due as it was, for the next one. Somebody who was merged since is the one they became.
FEED = text(
    """
    WITH open AS (
        SELECT * FROM unnest(CAST(:units AS uuid[]), CAST(:messages AS uuid[]), CAST(:conversations AS uuid[]),
            CAST(:days AS date[]), CAST(:untils AS timestamptz[]))
            AS open (unit_id, message_id, conversation_id, day, until)
    ), turn AS (
        SELECT open.*, next.*
        FROM open CROSS JOIN LATERAL (
            SELECT campaigns.id AS campaign_id, campaigns.tenant_id, campaigns.media_id, campaigns.kind,
                campaigns.is_test, campaigns.started_by_id, recipient.position, recipient.contact_id, recipient.body,
                recipient.message_id AS earlier_id
            FROM campaigns CROSS JOIN LATERAL (
                SELECT * FROM campaign_recipients
                WHERE campaign_id = campaigns.id AND state = 'pending' ORDER BY position LIMIT 1
            ) AS recipient
            WHERE campaigns.unit_id = open.unit_id AND campaigns.state = 'processing'
            ORDER BY campaigns.fed_at NULLS FIRST, campaigns.id LIMIT 1
        ) AS next
    ), judged AS (
        SELECT turn.*, person.id AS person_id,
            CASE
                WHEN person.opted_out_at IS NOT NULL THEN 'opted_out'
                WHEN person.phone IS NULL AND person.whatsapp_number IS NULL THEN 'without_number'
                WHEN person.is_on_whatsapp IS FALSE THEN 'not_on_whatsapp'
                WHEN person.id <> turn.contact_id AND EXISTS (
                    SELECT FROM campaign_recipients AS other
                    WHERE other.campaign_id = turn.campaign_id AND other.contact_id = person.id) THEN 'duplicate'
                -- Somebody who was merged into the same person since has it already.
                WHEN EXISTS (
                    SELECT FROM contacts AS part
                    JOIN campaign_recipients AS other
                        ON other.campaign_id = turn.campaign_id AND other.contact_id = part.id
                    WHERE part.merged_into_id = person.id AND part.id <> turn.contact_id
                        AND other.state = 'handed') THEN 'duplicate'
            END AS reason
        FROM turn
        JOIN contacts AS chosen ON chosen.id = turn.contact_id
        JOIN contacts AS person ON person.id = coalesce(chosen.merged_into_id, chosen.id)
    ), skipped AS (
        UPDATE campaign_recipients SET state = 'skipped', reason = judged.reason
        FROM judged
        WHERE campaign_recipients.campaign_id = judged.campaign_id
            AND campaign_recipients.position = judged.position AND judged.reason IS NOT NULL
    ), opened AS (
        INSERT INTO conversations (id, tenant_id, unit_id, contact_id, created_at, last_message_at,
            last_message_preview, last_message_direction, last_message_kind)
        SELECT conversation_id, tenant_id, unit_id, person_id, CAST(:at AS timestamptz), CAST(:at AS timestamptz),
            left(body, :longest_preview), 'outbound', kind
        FROM judged WHERE reason IS NULL ORDER BY unit_id
        ON CONFLICT (unit_id, contact_id) DO UPDATE SET
            last_message_at = excluded.last_message_at, last_message_preview = excluded.last_message_preview,
            last_message_direction = excluded.last_message_direction, last_message_kind = excluded.last_message_kind
        RETURNING id, unit_id, last_inbound_at
    ), written AS (
        INSERT INTO messages (id, tenant_id, unit_id, conversation_id, direction, kind, body, media_id, status, source,
            sent_by_id, occurred_at, created_at, proposed_id, priority, is_test, is_cold, expires_at,
            resend_of_id)
        SELECT judged.message_id, judged.tenant_id, judged.unit_id, opened.id, 'outbound', judged.kind, judged.body,
            judged.media_id, 'queued', 'campaign', judged.started_by_id, CAST(:at AS timestamptz),
            CAST(:at AS timestamptz),
            '3EB0' || upper(left(replace(CAST(gen_random_uuid() AS text), '-', ''), 18)), :priority,
            judged.is_test,
            -- A test uses up none of the new chats that WhatsApp lets a number begin.
            opened.last_inbound_at IS NULL AND NOT judged.is_test,
            CAST(:at AS timestamptz) + units.message_lifetime_h * interval '1 hour',
            -- Of what WhatsApp had taken and then refused, this one is the second.
            CASE WHEN earlier.external_id IS NOT NULL THEN earlier.id END
        FROM judged JOIN opened ON opened.unit_id = judged.unit_id JOIN units ON units.id = judged.unit_id
        LEFT JOIN messages AS earlier ON earlier.id = judged.earlier_id
        WHERE judged.reason IS NULL
        RETURNING id, unit_id, conversation_id
    ), handed AS (
        UPDATE campaign_recipients SET state = 'handed', message_id = written.id, handed_at = CAST(:at AS timestamptz),
            conversation_id = written.conversation_id, reason = NULL
        FROM judged JOIN written ON written.unit_id = judged.unit_id
        WHERE campaign_recipients.campaign_id = judged.campaign_id
            AND campaign_recipients.position = judged.position
    ), turned AS (
        UPDATE campaigns SET fed_at = clock_timestamp() FROM judged WHERE campaigns.id = judged.campaign_id
    ), woken AS (
        UPDATE lanes SET has_work = true, next_send_at = least(next_send_at, greatest(now(), held_until)),
            campaign_until = judged.until, campaign_day = judged.day,
            campaign_count = CASE WHEN campaign_day = judged.day THEN campaign_count ELSE 0 END + 1
        FROM judged WHERE lanes.unit_id = judged.unit_id AND judged.reason IS NULL
    )
    SELECT unit_id, reason FROM judged
    """
)
# NULL: no campaign runs there. A message that waits keeps its lane's time; what waited since yesterday is the day's
# first, and what waits for tomorrow grows no older until then.
RETIME = text(
    """
    WITH told AS (
        SELECT * FROM unnest(CAST(:units AS uuid[]), CAST(:times AS timestamptz[]), CAST(:untils AS timestamptz[]),
            CAST(:days AS date[])) AS told (unit_id, at, until, day)
    ), lengthened AS (
        UPDATE messages SET expires_at = greatest(expires_at, told.at + units.message_lifetime_h * interval '1 hour')
        FROM told JOIN units ON units.id = told.unit_id
        WHERE messages.unit_id = told.unit_id AND messages.status = 'queued' AND messages.priority = :priority
            AND told.at > now()
    )
    UPDATE lanes SET campaign_at = told.at, campaign_until = told.until,
        campaign_day = coalesce(told.day, campaign_day),
        campaign_count = CASE WHEN told.day <> campaign_day THEN 1 ELSE campaign_count END,
        -- The lane may rest for longer, by the hours of before.
        next_send_at = CASE WHEN told.day IS NULL THEN next_send_at
            ELSE least(next_send_at, greatest(told.at, held_until)) END
    FROM told WHERE lanes.unit_id = told.unit_id
    """
)
# What comes back to the queue though its campaign was paused or cancelled while it was being sent: that was meant too.
# Not what a person has tried again since then.
TAKE_BACK = text(
    """
    WITH stopped AS (
        SELECT messages.id, messages.resend_of_id, theirs.campaign_id, theirs.position, campaigns.state
        FROM unnest(CAST(:ids AS uuid[]), CAST(:times AS timestamptz[])) AS told (id, sending_at)
        JOIN messages ON messages.id = told.id
        JOIN campaign_recipients AS theirs ON theirs.message_id = messages.id
        JOIN campaigns ON campaigns.id = theirs.campaign_id
        WHERE messages.status = 'queued' AND theirs.state = 'handed' AND campaigns.state IN ('paused', 'cancelled')
            AND told.sending_at <= coalesce(campaigns.finished_at, campaigns.paused_at)
    ), taken_back AS (
        UPDATE messages SET status = 'cancelled',
            error_code = CASE stopped.state WHEN 'paused' THEN :paused ELSE :cancelled END
        FROM stopped WHERE messages.id = stopped.id
    )
    UPDATE campaign_recipients SET handed_at = NULL, message_id = stopped.resend_of_id,
        state = CASE stopped.state WHEN 'paused' THEN 'pending' ELSE 'cancelled' END
    FROM stopped
    WHERE campaign_recipients.campaign_id = stopped.campaign_id AND campaign_recipients.position = stopped.position
    """
)
