"""The inbox's statement, as SQL: deliveries of many units at once, whoever they belong to.

Only for work across tenants (`across_tenants`): the guard that reads statements does not see into it.
"""

from sqlalchemy import text

# Each goes to the unit whose instance and secret it bears, now or shortly before; the places of those come back. Rows
# are numbered in the order in which the deliveries came. The limit holds from before the first row to the commit.
# They come as JSON, since psycopg writes arrays of texts in Python, which took 80 µs for each delivery.
STORE_DELIVERIES = text(
    """
    WITH told AS (
        SELECT told.*
        FROM set_config('lock_timeout', :longest_wait, true),
            ROWS FROM (json_to_recordset(CAST(:deliveries AS json))
                AS (instance_name text, secret_hash text, event text, body_hash text, body text))
            WITH ORDINALITY AS told (instance_name, secret_hash, event, body_hash, body, place)
    ), owned AS (
        SELECT told.*, sender.*
        FROM told CROSS JOIN LATERAL (
            SELECT tenant_id, unit_id FROM unit_whatsapp_connections
            WHERE instance_name = told.instance_name AND webhook_secret_hash = told.secret_hash
            UNION ALL
            SELECT tenant_id, unit_id FROM unit_whatsapp_connections
            WHERE previous_instance_name = told.instance_name AND previous_webhook_secret_hash = told.secret_hash
                AND previous_accepted_until > now()
            LIMIT 1
        ) AS sender
    ), stored AS (
        INSERT INTO webhook_events (tenant_id, unit_id, instance_name, event, body_hash, body)
        SELECT tenant_id, unit_id, instance_name, event, decode(body_hash, 'hex'), body FROM owned ORDER BY place
        ON CONFLICT DO NOTHING
    )
    SELECT place - 1 FROM owned
    """
)
