"""The outbox's statements, as SQL: each takes many lanes or messages at once, whoever they belong to.

Only for work across tenants (`across_tenants`): the guard that reads statements does not see into these.
"""

from sqlalchemy import text

# Of a company that an operator suspended nothing leaves; what waits stays where it is, and grows old as ever. Found
# once for a statement, and not once for each row.
SUSPENDED = "ARRAY(SELECT id FROM tenants WHERE suspended_at IS NOT NULL)"
_IS_DUE = """
    lanes.has_work AND lanes.is_open AND lanes.message_id IS NULL
        AND lanes.next_send_at <= now() + :ahead_s * interval '1 second'
"""
# The lanes are locked first: the statement after that sees what was committed before, so no message is taken twice
# and no lane is put to rest while something waits in it.
# All lanes are read once, and not once for each server: there may be a hundred servers, and ten thousand lanes.
LOCK_DUE_LANES = text(
    f"""
    WITH due AS MATERIALIZED (
        SELECT unit_id, evolution_server_id, next_send_at FROM lanes
        WHERE {_IS_DUE} AND tenant_id <> ALL ({SUSPENDED})
    )
    SELECT taken.unit_id
    FROM unnest(CAST(:servers AS uuid[]), CAST(:free AS int[])) AS slots (server_id, free)
    CROSS JOIN LATERAL (
        SELECT lanes.unit_id FROM due JOIN lanes USING (unit_id)
        WHERE due.evolution_server_id = slots.server_id AND {_IS_DUE}
        ORDER BY due.next_send_at LIMIT slots.free FOR UPDATE OF lanes SKIP LOCKED
    ) AS taken
    """
)
# Each branch reads one row of its own index, however many messages wait. A campaign's message to somebody who asked
# for no more is taken out of the queue instead, whenever it was queued: its lane stays due and takes the next one.
TAKE_NEXT = text(
    """
    WITH due AS (
        SELECT unit_id, evolution_server_id, next_send_at, next_cold_at, campaign_at,
            coalesce(next_cold_at <= now() + :ahead_s * interval '1 second', true) AS may_send_cold,
            -- Campaign messages are the last; before their time the queue ends in front of them.
            CASE WHEN coalesce(campaign_at <= now() + :ahead_s * interval '1 second', true)
                AND coalesce(campaign_until > now(), true) THEN 32767 ELSE :campaign_priority END AS before
        FROM lanes WHERE unit_id = ANY(CAST(:units AS uuid[]))
    ), first AS (
        SELECT due.*, message.*
        FROM due CROSS JOIN LATERAL (
            (SELECT id, conversation_id, source FROM messages
             WHERE due.may_send_cold AND unit_id = due.unit_id AND status = 'queued' AND priority < due.before
                AND (expires_at IS NULL OR expires_at > now())
             ORDER BY priority, id LIMIT 1)
            UNION ALL
            (SELECT id, conversation_id, source FROM messages
             WHERE NOT due.may_send_cold AND unit_id = due.unit_id AND status = 'queued' AND NOT is_cold
                AND priority < due.before AND (expires_at IS NULL OR expires_at > now())
             ORDER BY priority, id LIMIT 1)
        ) AS message
    ), addressed AS (
        SELECT first.id, first.evolution_server_id, first.next_cold_at, first.campaign_at, contacts.id AS contact_id,
            CASE WHEN first.source = 'campaign' THEN greatest(first.next_send_at, first.campaign_at)
                ELSE first.next_send_at END AS starts_at,
            coalesce(contacts.whatsapp_number, contacts.phone, contacts.lid || :lid_suffix, contacts.chat_jid)
                AS number,
            coalesce(first.source = 'campaign', false) AND contacts.opted_out_at IS NOT NULL AS is_suppressed
        FROM first
        JOIN conversations ON conversations.id = first.conversation_id
        JOIN contacts ON contacts.id = conversations.contact_id
    ), taken AS (
        UPDATE messages SET
            status = CASE WHEN is_suppressed THEN 'cancelled' ELSE 'sending' END,
            error_code = CASE WHEN is_suppressed THEN :opted_out ELSE messages.error_code END,
            sending_at = CASE WHEN NOT is_suppressed THEN clock_timestamp() END,
            relay_id = CASE WHEN NOT is_suppressed THEN CAST(:owner_id AS uuid) END,
            look_up_at = NULL, look_ups = 0,
            -- A reaction, an edit and a deletion get an id of Evolution's own from every server.
            is_id_kept = messages.kind <> ALL (CAST(:about_another AS text[]))
                AND addressed.evolution_server_id = ANY(CAST(:keeping_ids AS uuid[]))
        FROM addressed WHERE messages.id = addressed.id AND messages.status = 'queued'
        RETURNING messages.*, addressed.evolution_server_id, addressed.starts_at, addressed.next_cold_at,
            addressed.campaign_at, addressed.contact_id, addressed.number
    ), drawn AS (
        SELECT taken.id, taken.unit_id, greatest(taken.starts_at, clock_timestamp()) AS starts_at, taken.campaign_at,
            units.pace_min_s, random() * (units.pace_max_s - units.pace_min_s) AS spread_s
        FROM taken JOIN units ON units.id = taken.unit_id
        WHERE taken.status = 'sending' AND taken.source = 'campaign'
    ), paced AS (
        -- What a turn began late is made good by later gaps, drawn from the lower half of what the pace allows.
        SELECT drawn.*, least(:most_behind_s,
            lanes.campaign_behind_s
                + coalesce(extract(epoch FROM drawn.starts_at - drawn.campaign_at), 0)) AS behind_s
        FROM drawn JOIN lanes USING (unit_id)
    ), timed AS (
        UPDATE lanes SET message_id = paced.id,
            campaign_at = paced.starts_at + (paced.pace_min_s + paced.spread_s
                - least(paced.behind_s, paced.spread_s / 2)) * interval '1 second',
            campaign_behind_s = paced.behind_s - least(paced.behind_s, paced.spread_s / 2)
        FROM paced WHERE lanes.unit_id = paced.unit_id
    ), marked AS (
        UPDATE lanes SET message_id = taken.id FROM taken
        WHERE lanes.unit_id = taken.unit_id AND taken.status = 'sending' AND taken.source IS DISTINCT FROM 'campaign'
    )
    SELECT taken.status, taken.id, taken.tenant_id, taken.unit_id, taken.evolution_server_id AS server_id,
        taken.conversation_id, taken.contact_id, connections.instance_name, taken.number,
        taken.body AS text, taken.proposed_id AS message_id, taken.media_id, taken.is_cold, taken.is_test,
        taken.sending_at, taken.kind, taken.refers_to,
        extract(epoch FROM greatest(taken.starts_at, CASE WHEN taken.is_cold THEN taken.next_cold_at END)
            - clock_timestamp()) AS wait_s
    FROM taken
    JOIN unit_whatsapp_connections AS connections ON connections.unit_id = taken.unit_id
    """
)
# Until the time that something waits for, and not for a second more, or the gap between two turns would be that long.
PUT_TO_REST = text(
    """
    UPDATE lanes SET
        has_work = EXISTS (SELECT FROM messages WHERE unit_id = lanes.unit_id AND status = 'queued'),
        next_send_at = coalesce(
            least(CASE WHEN next_cold_at > now() THEN next_cold_at END,
                CASE WHEN campaign_at > now() THEN campaign_at END),
            now() + interval '1 second')
    WHERE unit_id = ANY(CAST(:units AS uuid[]))
    """
)
SECONDS_TO_NEXT = text(
    f"""
    SELECT extract(epoch FROM least(
        min(next_send_at) FILTER (WHERE has_work), min(campaign_at) FILTER (WHERE NOT has_work)) - clock_timestamp())
    FROM lanes
    WHERE evolution_server_id = ANY(CAST(:servers AS uuid[])) AND is_open AND message_id IS NULL
        AND (has_work OR campaign_at IS NOT NULL) AND tenant_id <> ALL ({SUSPENDED})
    """
)
LOCK_UNITS = text(
    "SELECT id FROM units WHERE id = ANY(CAST(:units AS uuid[])) ORDER BY id FOR NO KEY UPDATE SKIP LOCKED"
)
# What an echo or a receipt has touched already is left to `delivery.confirm_sent`.
RECORD_SENT = text(
    """
    UPDATE messages SET status = 'sent', sent_at = :at, external_id = sent.external_id,
        error_code = NULL, error_details = NULL
    FROM unnest(CAST(:ids AS uuid[]), CAST(:external_ids AS text[])) AS sent (id, external_id)
    WHERE messages.id = sent.id AND messages.status = 'sending' AND messages.external_id IS NULL
        AND NOT EXISTS (
            SELECT FROM messages AS other
            WHERE other.unit_id = messages.unit_id AND other.external_id = sent.external_id)
        AND NOT EXISTS (
            SELECT FROM early_receipts AS early
            WHERE early.unit_id = messages.unit_id AND early.external_id = sent.external_id)
    RETURNING messages.id
    """
)
# No receipt ever comes for a test: it is delivered as soon as it is sent. One step after the other, as each is told.
DELIVER_TESTS = text(
    """
    UPDATE messages SET status = 'delivered', accepted_at = sent_at, delivered_at = sent_at
    WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'sent'
    """
)
RETURN_TO_QUEUE = text(
    """
    UPDATE messages SET status = 'queued', sending_at = NULL, relay_id = NULL, look_up_at = NULL
    WHERE id = ANY(CAST(:ids AS uuid[])) AND status = 'sending'
    RETURNING id
    """
)
# A cold message puts off the next cold one by the lane's gap, counted from the moment its send began.
RELEASE_LANES = text(
    """
    UPDATE lanes SET message_id = NULL,
        away_count = coalesce(freed.away_count, lanes.away_count),
        away_reason = CASE WHEN freed.away_count IS NULL THEN lanes.away_reason ELSE freed.away_reason END,
        held_until = freed.held_until, next_cold_at = freed.next_cold_at,
        has_work = EXISTS (SELECT FROM messages WHERE unit_id = freed.unit_id AND status = 'queued'),
        next_send_at = CASE
            WHEN freed.next_cold_at > now() AND NOT EXISTS (
                SELECT FROM messages WHERE unit_id = freed.unit_id AND status = 'queued' AND NOT is_cold)
            THEN greatest(freed.next_cold_at, freed.held_until)
            ELSE coalesce(freed.held_until, now())
        END
    FROM (
        SELECT lane.unit_id, release.away_count, release.away_reason,
            CASE WHEN release.pause_s > 0 THEN now() + release.pause_s * interval '1 second' END AS held_until,
            CASE WHEN release.cold_age_s IS NOT NULL AND lane.cold_gap_s > 0
                THEN greatest(lane.next_cold_at,
                    clock_timestamp() + (lane.cold_gap_s - release.cold_age_s) * interval '1 second')
                ELSE lane.next_cold_at END AS next_cold_at
        FROM unnest(CAST(:units AS uuid[]), CAST(:messages AS uuid[]), CAST(:pauses AS float8[]),
            CAST(:cold_ages AS float8[]), CAST(:away_counts AS int[]), CAST(:away_reasons AS text[]))
            AS release (unit_id, message_id, pause_s, cold_age_s, away_count, away_reason)
        JOIN lanes AS lane ON lane.unit_id = release.unit_id AND lane.message_id = release.message_id
    ) AS freed
    WHERE lanes.unit_id = freed.unit_id
    """
)
# A server that hangs must not take every caretaker: of each only a few units at a time.
CLAIM_DOUBTS = text(
    """
    WITH due AS (
        SELECT messages.id, messages.unit_id, messages.look_up_at, lanes.evolution_server_id AS server_id
        FROM messages JOIN lanes ON lanes.unit_id = messages.unit_id
        WHERE messages.status = 'unconfirmed' AND messages.look_up_at <= now() AND messages.sending_at IS NOT NULL
            AND lanes.is_open AND lanes.evolution_server_id <> ALL(CAST(:busy AS uuid[]))
        ORDER BY messages.look_up_at LIMIT :most FOR UPDATE OF messages SKIP LOCKED
    ), ranked AS (
        SELECT unit_id, row_number() OVER (PARTITION BY server_id ORDER BY min(look_up_at)) AS place
        FROM due GROUP BY unit_id, server_id
    ), taken AS (
        UPDATE messages SET look_ups = look_ups + 1,
            look_up_at = now() + (CAST(:later AS int[]))[look_ups + 1] * interval '1 second'
        FROM due JOIN ranked USING (unit_id) WHERE messages.id = due.id AND ranked.place <= :units_each
        RETURNING messages.tenant_id, messages.unit_id, messages.sending_at, due.server_id
    )
    SELECT taken.tenant_id, taken.unit_id, taken.server_id, connections.instance_name, connections.phone,
        min(taken.sending_at) AS first_at, max(taken.sending_at) AS last_at
    FROM taken JOIN unit_whatsapp_connections AS connections ON connections.unit_id = taken.unit_id
    GROUP BY 1, 2, 3, 4, 5
    """
)
# Units that are away keep their wishes until they are back.
CLAIM_FILES = text(
    """
    WITH due AS (
        SELECT media.id, media.fetch_at, messages.unit_id, messages.external_id, connections.instance_name,
            lanes.evolution_server_id AS server_id
        FROM media
        JOIN messages ON messages.media_id = media.id
        JOIN lanes ON lanes.unit_id = messages.unit_id
        JOIN unit_whatsapp_connections AS connections ON connections.unit_id = messages.unit_id
        WHERE media.fetch_at <= now() AND media.fetch_attempts < :attempts AND messages.external_id IS NOT NULL
            AND lanes.is_open AND lanes.evolution_server_id <> ALL(CAST(:busy AS uuid[]))
            AND connections.instance_name IS NOT NULL
        ORDER BY media.fetch_at LIMIT :most FOR UPDATE OF media SKIP LOCKED
    ), ranked AS (
        SELECT id, row_number() OVER (PARTITION BY server_id ORDER BY fetch_at) AS place FROM due
    )
    UPDATE media SET fetch_attempts = fetch_attempts + 1, fetch_at = now() + :lease_s * interval '1 second'
    FROM due JOIN ranked USING (id)
    WHERE media.id = due.id AND ranked.place <= :files_each
    RETURNING media.tenant_id, media.id AS media_id, media.fetch_attempts AS attempt,
        due.unit_id, due.server_id, due.instance_name, due.external_id
    """
)
# Whatever was asked for so often ended with its worker each time.
GIVE_UP_FILES = text(
    """
    UPDATE media SET state = 'unavailable', fetch_at = NULL, fetch_error = :code
    WHERE fetch_at <= now() AND fetch_attempts >= :attempts
    """
)
