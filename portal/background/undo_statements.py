"""The statements that undo an import, as SQL; what import_statements.py says of its own holds for these."""

from sqlalchemy import text

from portal.background.import_statements import of_tenant

# The contacts that the import added or changed, numbered, so that some thousand at a time can be taken.
MAKE_TOUCHED = of_tenant(
    """
    CREATE TEMPORARY TABLE import_touched ON COMMIT DROP AS
    SELECT CAST(row_number() OVER (ORDER BY is_added DESC, id) AS int) AS place, id, is_added
    FROM (
        SELECT id, true AS is_added FROM contacts WHERE tenant_id = :tenant_id AND import_id = :import_id
        UNION ALL
        SELECT contact_id, false FROM import_changes WHERE tenant_id = :tenant_id AND import_id = :import_id
    ) AS touched
    """
)
# The checks of foreign keys keep the plan that they made first, be it for an empty table or another tenant: they make
# it anew, and by keys.
FORGET_PLANS = text("DISCARD PLANS")
LOOK_UP_BY_KEYS = text("SELECT set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)")
DROP_TOUCHED = text("DROP TABLE IF EXISTS pg_temp.import_touched")
INDEX_TOUCHED = text("CREATE INDEX ON import_touched (place)")
ANALYZE_TOUCHED = text("ANALYZE import_touched")
COUNT_TOUCHED = text("SELECT count(*) FROM import_touched")
TAKE_TAGS = of_tenant(
    """
    WITH taken AS (
        DELETE FROM contact_tags WHERE tenant_id = :tenant_id AND import_id = :import_id RETURNING tag_id
    )
    SELECT DISTINCT tag_id FROM taken
    """
)
# Tags bear the instant of the import that made them.
REMOVE_TAGS = of_tenant(
    """
    DELETE FROM tags
    WHERE tenant_id = :tenant_id AND id = ANY(CAST(:tags AS uuid[])) AND created_at = :made_at
        AND NOT EXISTS (
            SELECT FROM contact_tags WHERE contact_tags.tenant_id = :tenant_id AND contact_tags.tag_id = tags.id)
    """
)
# What the import added goes, unless somebody has something to do with it since: then it says why it stays.
# A conversation that begins at this moment waits for the lock, and then finds the contact gone or kept.
REMOVE_CONTACTS = of_tenant(
    """
    WITH held AS MATERIALIZED (
        SELECT person.*
        FROM import_touched AS touched
        CROSS JOIN LATERAL (
            SELECT id, ctid AS row_at, edited_at, merged_into_id, opted_out_at FROM contacts
            WHERE tenant_id = :tenant_id AND id = touched.id
            LIMIT 1 FOR UPDATE
        ) AS person
        WHERE touched.place > :after AND touched.place <= :upto AND touched.is_added
    ), judged AS MATERIALIZED (
        SELECT id, row_at, CASE
            WHEN merged_into_id IS NOT NULL
                OR id IN (
                    SELECT other.merged_into_id FROM contacts AS other
                    WHERE other.tenant_id = :tenant_id AND other.merged_into_id IS NOT NULL)
                OR EXISTS (SELECT FROM contact_merges WHERE kept_id = held.id OR other_id = held.id) THEN 'merged'
            WHEN EXISTS (SELECT FROM conversations WHERE contact_id = held.id) THEN 'conversation'
            WHEN EXISTS (SELECT FROM campaign_recipients WHERE contact_id = held.id) THEN 'campaign'
            WHEN opted_out_at IS NOT NULL
                OR EXISTS (SELECT FROM consent_events WHERE contact_id = held.id) THEN 'consent'
            WHEN edited_at IS NOT NULL
                OR EXISTS (SELECT FROM contact_tags WHERE contact_id = held.id AND import_id IS NULL) THEN 'edited'
            WHEN EXISTS (SELECT FROM import_changes WHERE contact_id = held.id)
                OR EXISTS (SELECT FROM contact_tags WHERE contact_id = held.id) THEN 'imported_again'
            END AS reason
        FROM held
    ), removed AS (
        -- They are held, so that none of them moves.
        DELETE FROM contacts
        WHERE tenant_id = :tenant_id AND ctid = ANY (ARRAY(SELECT row_at FROM judged WHERE reason IS NULL))
    ), kept AS (
        UPDATE contacts SET import_id = NULL
        WHERE tenant_id = :tenant_id AND ctid = ANY (ARRAY(SELECT row_at FROM judged WHERE reason IS NOT NULL))
    )
    SELECT reason, count(*) FROM judged GROUP BY reason
    """
)
# As it was before, where it still is as the import left it.
RESTORE_CONTACTS = of_tenant(
    """
    WITH judged AS MATERIALIZED (
        SELECT person.id, change.before, CASE
            WHEN change.after = jsonb_build_object(
                'name', person.name, 'named_at', person.named_at, 'attributes', person.attributes) THEN NULL
            WHEN EXISTS (
                SELECT FROM import_changes AS later
                WHERE later.contact_id = person.id AND later.import_id > :import_id) THEN 'imported_again'
            ELSE 'edited' END AS reason
        FROM import_touched AS touched
        JOIN import_changes AS change ON change.tenant_id = :tenant_id AND change.import_id = :import_id
            AND change.contact_id = touched.id
        JOIN contacts AS person ON person.tenant_id = :tenant_id AND person.id = touched.id
        WHERE touched.place > :after AND touched.place <= :upto AND NOT touched.is_added
        ORDER BY touched.place
        FOR NO KEY UPDATE OF person
    ), restored AS (
        UPDATE contacts SET name = before ->> 'name', named_at = CAST(before ->> 'named_at' AS timestamptz),
            attributes = before -> 'attributes'
        FROM judged WHERE contacts.tenant_id = :tenant_id AND contacts.id = judged.id AND reason IS NULL
    )
    SELECT reason, count(*) FROM judged GROUP BY reason
    """
)
FORGET_CHANGES = of_tenant("DELETE FROM import_changes WHERE tenant_id = :tenant_id AND import_id = :import_id")
