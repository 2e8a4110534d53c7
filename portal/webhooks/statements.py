"""The statements that take deliveries which are due, as SQL: many endpoints at once, whoever they belong to.

Only for work across tenants (`across_tenants`): the guard that reads statements does not see into these.
"""

from sqlalchemy import text

# What some worker is posting at this moment: its attempt is counted, not answered yet, and its lease not over.
_UNDER_WAY = """
    SELECT count(*) AS number FROM webhook_deliveries
    WHERE endpoint_id = endpoint.id AND state = 'waiting' AND attempts > 0 AND error_code IS NULL
        AND next_attempt_at > now() AND next_attempt_at <= now() + :lease_s * interval '1 second'
"""
# The endpoints are locked first: the statement after that sees what other workers took before. Those that are well and
# those that are only probed are asked for apart, each with as many as may be posted to. A suspended company's programs
# are told once it goes on.
LOCK_DUE_ENDPOINTS = text(
    f"""
    SELECT endpoint.id
    FROM webhook_endpoints AS endpoint
    CROSS JOIN LATERAL (
        SELECT next_attempt_at FROM webhook_deliveries
        WHERE endpoint_id = endpoint.id AND state = 'waiting' AND next_attempt_at <= now()
        ORDER BY next_attempt_at LIMIT 1
    ) AS first
    CROSS JOIN LATERAL ({_UNDER_WAY}) AS under_way
    WHERE endpoint.disabled_at IS NULL AND coalesce(endpoint.paused_until <= now(), true)
        AND endpoint.tenant_id <> ALL (ARRAY(SELECT id FROM tenants WHERE suspended_at IS NOT NULL))
        AND (endpoint.failures >= :unwell) = :is_probe AND under_way.number < :each
    ORDER BY under_way.number, first.next_attempt_at
    LIMIT :most FOR NO KEY UPDATE OF endpoint SKIP LOCKED
    """
)
# Of each endpoint what happened first, and no endpoint gets its second turn before the others had their first.
TAKE_DUE = text(
    f"""
    WITH open AS (
        SELECT endpoint.id, endpoint.failures >= :unwell AS is_probe, under_way.number AS under_way,
            CASE WHEN endpoint.failures >= :unwell THEN 1 ELSE :each END - under_way.number AS room
        FROM webhook_endpoints AS endpoint
        CROSS JOIN LATERAL ({_UNDER_WAY}) AS under_way
        WHERE endpoint.id = ANY(CAST(:endpoints AS uuid[]))
    ), due AS (
        SELECT delivery.id, delivery.next_attempt_at AS due_at, open.is_probe,
            open.under_way + row_number() OVER (PARTITION BY open.id ORDER BY delivery.next_attempt_at,
                delivery.position) AS turn
        FROM open CROSS JOIN LATERAL (
            SELECT id, next_attempt_at, position FROM webhook_deliveries
            WHERE endpoint_id = open.id AND state = 'waiting' AND next_attempt_at <= now()
            ORDER BY next_attempt_at, position LIMIT greatest(open.room, 0) FOR NO KEY UPDATE SKIP LOCKED
        ) AS delivery
    ), chosen AS (
        SELECT id, is_probe FROM due ORDER BY turn, due_at LIMIT :most
    )
    UPDATE webhook_deliveries AS delivery SET attempts = least(delivery.attempts + 1, 32767), last_attempt_at = now(),
        next_attempt_at = now() + :lease_s * interval '1 second', response_status = NULL, error_code = NULL,
        took_ms = NULL
    FROM chosen, webhook_endpoints AS endpoint
    WHERE delivery.id = chosen.id AND endpoint.id = delivery.endpoint_id
    RETURNING delivery.id, delivery.position, delivery.tenant_id, delivery.endpoint_id, delivery.message_id,
        delivery.topic, delivery.status, delivery.created_at AS happened_at, delivery.attempts AS attempt,
        chosen.is_probe, endpoint.url, endpoint.secret_encrypted, endpoint.previous_secret_encrypted,
        endpoint.previous_until
    """
)
