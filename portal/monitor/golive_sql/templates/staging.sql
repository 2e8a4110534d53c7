-- Each older table as rows of JSON, so that it does not matter which columns it has, with the ids that they get here.
CREATE FUNCTION portal_older.stage(of text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    in_order text := 'o.ctid';
BEGIN
    EXECUTE format(
        'CREATE TABLE portal_older.staged_%s (n bigint PRIMARY KEY, id uuid NOT NULL, old jsonb NOT NULL,'
        ' unit_id uuid, contact_id uuid, conversation_id uuid, is_made boolean NOT NULL DEFAULT false,'
        -- The row that this one became a part of, or why it has no place.
        ' became uuid, left_out text)', of
    );
    IF to_regclass(format('portal_older.%I', of)) IS NULL THEN
        RETURN;
    END IF;
    IF portal_older.has_column(of, 'created_at') THEN
        in_order := 'o.created_at NULLS LAST, o.ctid';
    END IF;
    EXECUTE format(
        $q$
        INSERT INTO portal_older.staged_%1$s (n, id, old, unit_id, contact_id, conversation_id)
        SELECT n, CASE WHEN known IS NOT NULL AND nth = 1 THEN known ELSE md5(concat(%1$L, n, old))::uuid END, old,
            portal_older.as_id('units', old->>'unit_id'), portal_older.as_id('contacts', old->>'contact_id'),
            portal_older.as_id('conversations', old->>'conversation_id')
        FROM (
            SELECT n, old, known, row_number() OVER (PARTITION BY known ORDER BY n) AS nth
            FROM (
                SELECT row_number() OVER (ORDER BY %2$s) AS n, to_jsonb(o) AS old,
                    portal_older.as_id(%1$L, to_jsonb(o)->>'id') AS known
                FROM portal_older.%1$I AS o
            ) AS numbered
        ) AS ranked
        $q$, of, in_order
    );
    EXECUTE format('CREATE UNIQUE INDEX ON portal_older.staged_%s (id)', of);
    EXECUTE format('ANALYZE portal_older.staged_%s', of);
END $fn$;

CREATE FUNCTION portal_older.has_column(of text, name text) RETURNS boolean LANGUAGE sql STABLE AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_attribute
        WHERE attrelid = to_regclass(format('portal_older.%I', of)) AND attname = name AND NOT attisdropped
    )
$fn$;

CREATE FUNCTION portal_older.make_row(of text, made uuid, content jsonb) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    EXECUTE format(
        'INSERT INTO portal_older.staged_%1$s (n, id, old, is_made)'
        ' SELECT coalesce(max(n), 0) + 1, $1, $2, true FROM portal_older.staged_%1$s', of
    ) USING made, content;
END $fn$;

-- Whatever refers to a row that is not there gets one: nothing is left out, and nobody has to guess whose it is.
CREATE FUNCTION portal_older.make_missing_rows() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    without_place uuid := md5('conversations of no id')::uuid;
    unit uuid := md5('units of no id')::uuid;
    counted bigint;
BEGIN
    UPDATE portal_older.staged_messages SET conversation_id = without_place WHERE conversation_id IS NULL;
    PERFORM portal_older.make_row('conversations', missing.id, '{"status": "closed"}')
    FROM (SELECT DISTINCT conversation_id AS id FROM portal_older.staged_messages) AS missing
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_conversations AS there WHERE there.id = missing.id);
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'messages: % conversations were missing and are made');

    UPDATE portal_older.staged_conversations SET contact_id = md5('contact of ' || id)::uuid WHERE contact_id IS NULL;
    PERFORM portal_older.make_row('contacts', missing.id, '{}')
    FROM (SELECT DISTINCT contact_id AS id FROM portal_older.staged_conversations) AS missing
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_contacts AS there WHERE there.id = missing.id);
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'conversations: % contacts were missing and are made');

    UPDATE portal_older.staged_conversations AS conversation SET unit_id = unit
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_units AS there WHERE there.id = conversation.unit_id);
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'conversations: % are of no unit and go to one of their own, “Without a unit”');
    IF counted > 0 THEN
        PERFORM portal_older.make_row('units', unit, '{"name": "Without a unit", "slug": "without-a-unit"}');
    END IF;
END $fn$;

-- A warning about so many rows, unless there is none.
CREATE FUNCTION portal_older.tell(counted bigint, sentence text) RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    IF counted > 0 THEN
        RAISE WARNING '%', replace(sentence, '%', counted::text);
    END IF;
END $fn$;
