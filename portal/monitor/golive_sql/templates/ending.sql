-- References from tables that are not moved lead to the portal's rows from now on, and must not keep one from being
-- erased. Of the tables that are only kept no reference is made again.
CREATE FUNCTION portal_older.turn_references() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    one record;
BEGIN
    FOR one IN
        SELECT conname, conrelid::regclass AS source, target.relname AS target,
            replace(pg_get_constraintdef(pg_constraint.oid), 'portal_older.', '') AS definition,
            CASE WHEN cardinality(conkey) = 1 THEN attname END AS name,
            owner.relname LIKE 'legacy\_%' AS is_kept, confdeltype IN ('a', 'r') AS is_in_the_way,
            NOT EXISTS (
                SELECT FROM pg_attribute WHERE attrelid = conrelid AND attnum = ANY (conkey) AND attnotnull
            ) AS can_be_empty
        FROM pg_constraint
        JOIN pg_class AS target ON target.oid = confrelid
        JOIN pg_class AS owner ON owner.oid = conrelid
        JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1]
        WHERE contype = 'f' AND conparentid = 0 AND target.relnamespace = 'portal_older'::regnamespace
            AND owner.relnamespace <> 'portal_older'::regnamespace
        ORDER BY 2, 1
    LOOP
        EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', one.source, one.conname);
        BEGIN
            IF one.name IS NOT NULL THEN
                EXECUTE format(
                    'UPDATE %1$s AS t SET %2$I = s.became FROM portal_older.staged_%3$s AS s'
                    ' WHERE t.%2$I::text = s.id::text AND s.became IS NOT NULL', one.source, one.name, one.target
                );
            END IF;
            IF one.is_kept THEN
                RAISE NOTICE '%: its reference % is not made again', one.source, one.conname;
                CONTINUE;
            END IF;
            EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I %s', one.source, one.conname, CASE
                WHEN one.is_in_the_way AND one.can_be_empty THEN regexp_replace(
                    replace(one.definition, ' ON DELETE RESTRICT', ''),
                    '( REFERENCES [^(]*\([^)]*\)( MATCH FULL)?)', '\1 ON DELETE SET NULL'
                )
                ELSE one.definition
            END);
            RAISE NOTICE '%: its reference % leads to the portal''s % now', one.source, one.conname, one.target;
            IF one.is_in_the_way AND NOT one.can_be_empty THEN
                RAISE WARNING '%: its reference % will keep rows of % from being erased: %',
                    one.source, one.conname, one.target, one.definition
                    USING HINT = 'Let it be empty and make it ON DELETE SET NULL, make it ON DELETE CASCADE, or drop it.';
            END IF;
        EXCEPTION WHEN others THEN
            RAISE WARNING '%: its reference % cannot be made again and is gone: % (%)',
                one.source, one.conname, one.definition, SQLERRM;
        END;
    END LOOP;
END $fn$;

CREATE FUNCTION portal_older.check_counts(of text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    older bigint := 0;
    copied bigint;
    kept bigint := 0;
    made bigint;
BEGIN
    IF to_regclass(format('portal_older.%I', of)) IS NOT NULL THEN
        EXECUTE format('SELECT count(*) FROM portal_older.%I', of) INTO older;
    END IF;
    EXECUTE format(
        'SELECT count(*) FILTER (WHERE NOT is_made), count(*) FILTER (WHERE is_made)'
        ' FROM portal_older.staged_%1$s AS s JOIN %1$I AS t USING (id) WHERE s.became IS NULL AND s.left_out IS NULL', of
    ) INTO copied, made;
    IF to_regclass('legacy_rows') IS NOT NULL THEN
        EXECUTE 'SELECT count(*) FROM legacy_rows WHERE table_name = $1' INTO kept USING of;
    END IF;
    IF older <> copied + kept THEN
        RAISE EXCEPTION '%: of % older rows only % were copied and % kept: nothing was changed', of, older, copied, kept;
    END IF;
    RAISE NOTICE '%: % older rows, % copied, % in legacy_rows, % made', of, older, copied, kept, made;
END $fn$;

CREATE FUNCTION portal_older.check_texts() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    SELECT count(*) INTO counted FROM portal_older.staged_messages AS s
    WHERE NOT EXISTS (SELECT FROM messages WHERE messages.id = s.id AND messages.body = coalesce(s.old->>'content', ''));
    IF counted > 0 THEN
        RAISE EXCEPTION 'messages: the text of % is not what it was: nothing was changed', counted;
    END IF;
END $fn$;
