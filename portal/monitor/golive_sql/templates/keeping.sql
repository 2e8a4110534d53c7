-- What is not taken over stays beside what was, under a name that the portal leaves alone.
CREATE FUNCTION portal_older.add_legacy_column(of text, name text) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
    legacy text := CASE WHEN name LIKE 'legacy\_%' THEN name ELSE 'legacy_' || name END;
    number text;
    type text;
BEGIN
    SELECT '_' || attnum, format_type(atttypid, atttypmod) INTO number, type
    FROM pg_attribute WHERE attrelid = to_regclass(format('portal_older.%I', of)) AND attname = name;
    -- Longer ones PostgreSQL would cut off, and two could become the same.
    IF octet_length(legacy) > 63 OR legacy <> name AND portal_older.has_column(of, legacy) THEN
        WHILE octet_length(legacy || number) > 63 LOOP
            legacy := left(legacy, -1);
        END LOOP;
        legacy := legacy || number;
    END IF;
    EXECUTE format('ALTER TABLE %I ADD COLUMN IF NOT EXISTS %I %s', of, legacy, type);
    RETURN legacy;
END $fn$;

-- Keep the values of a column that cannot be told from what became of them: `as_now` says in SQL what can be.
CREATE FUNCTION portal_older.keep(of text, name text, as_now text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    differs text := format(
        's.id = t.id AND s.became IS NULL AND s.left_out IS NULL AND NOT s.is_made'
        ' AND s.old->>%1$L IS NOT NULL AND s.old->>%1$L IS DISTINCT FROM (%2$s)', name, as_now
    );
    counted bigint;
    legacy text;
BEGIN
    IF NOT portal_older.has_column(of, name) THEN
        RETURN;
    END IF;
    EXECUTE format('SELECT count(*) FROM %1$I AS t, portal_older.staged_%1$s AS s WHERE %2$s', of, differs) INTO counted;
    IF counted = 0 THEN
        RETURN;
    END IF;
    legacy := portal_older.add_legacy_column(of, name);
    EXECUTE format(
        'UPDATE %1$I AS t SET %2$I = o.%3$I FROM portal_older.staged_%1$s AS s,'
        ' jsonb_populate_record(NULL::portal_older.%1$I, s.old) AS o WHERE %4$s', of, legacy, name, differs
    );
    RAISE NOTICE '%: % rows keep what % was in %', of, counted, name, legacy;
END $fn$;

-- Keep every column but those that were taken over.
CREATE FUNCTION portal_older.keep_others(of text, taken text[]) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    name text;
    changes text[] := '{}';
    names text[] := '{}';
BEGIN
    FOR name IN
        SELECT attname FROM pg_attribute
        WHERE attrelid = to_regclass(format('portal_older.%I', of)) AND attnum > 0 AND NOT attisdropped
            AND NOT attname = ANY (taken)
        ORDER BY attnum
    LOOP
        changes := changes || format('%I = o.%I', portal_older.add_legacy_column(of, name), name);
        names := names || name;
    END LOOP;
    IF changes = '{}' THEN
        RETURN;
    END IF;
    EXECUTE format(
        'UPDATE %1$I AS t SET %2$s FROM portal_older.staged_%1$s AS s,'
        ' jsonb_populate_record(NULL::portal_older.%1$I, s.old) AS o'
        ' WHERE s.id = t.id AND s.became IS NULL AND s.left_out IS NULL AND NOT s.is_made',
        of, array_to_string(changes, ', ')
    );
    RAISE NOTICE '%: not used by the portal and kept with the prefix legacy_: %', of, array_to_string(names, ', ');
END $fn$;

-- Rows that became a part of another one, or have no place, are kept whole. The portal does not read them.
CREATE FUNCTION portal_older.keep_whole_rows(of text) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM portal_older.staged_%s WHERE coalesce(became::text, left_out) IS NOT NULL', of)
    INTO counted;
    IF counted = 0 THEN
        RETURN;
    END IF;
    CREATE TABLE IF NOT EXISTS legacy_rows (
        table_name text NOT NULL,
        id uuid NOT NULL,
        became_id uuid,
        reason text NOT NULL,
        content jsonb NOT NULL,
        PRIMARY KEY (table_name, id)
    );
    ALTER TABLE legacy_rows ENABLE ROW LEVEL SECURITY;
    EXECUTE format(
        'INSERT INTO legacy_rows (table_name, id, became_id, reason, content)'
        ' SELECT %1$L, id, became, coalesce(left_out, ''is the same as another one''), old'
        ' FROM portal_older.staged_%1$s WHERE coalesce(became::text, left_out) IS NOT NULL', of
    );
    RAISE WARNING '%: % rows are kept in legacy_rows only', of, counted;
END $fn$;
