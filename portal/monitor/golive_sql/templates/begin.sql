DO $golive$
DECLARE
    here text := current_schema();
    known text[] := {revisions};
    portal_tables text[] := {tables};
    older_tables text[] := {older};
    older_campaigns text[] := {campaigns};
    versions text[];
    present text[];
    suspects text;
    one record;
    of text;
    counted bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({lock});
    PERFORM set_config('lock_timeout', '4s', true);
    IF to_regclass(format('%I.alembic_version', here)) IS NOT NULL THEN
        EXECUTE format('SELECT array_agg(version_num::text) FROM %I.alembic_version', here) INTO versions;
    END IF;
    IF versions IS NOT NULL THEN
        IF cardinality(versions) > 1 OR NOT versions[1] = ANY (known) THEN
            RAISE EXCEPTION 'alembic_version says %, which this script does not know', versions
                USING HINT = 'The database is newer than the script, or belongs to another program.';
        END IF;
        RAISE NOTICE 'begin: the database is at revision %', versions[1];
        RETURN;
    END IF;

    SELECT array_agg(relname::text ORDER BY array_position(portal_tables, relname::text) DESC) INTO present
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relkind IN ('r', 'p', 'v', 'm', 'f')
        AND relname = ANY (portal_tables);
    -- Whoever has these has the portal's own tables: to move them aside would lose what tells the tenants apart.
    SELECT string_agg(DISTINCT relname, ', ') INTO suspects
    FROM pg_class LEFT JOIN pg_attribute ON attrelid = pg_class.oid AND attname = 'tenant_id' AND NOT attisdropped
    WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = ANY (present)
        AND (attname IS NOT NULL OR relname = 'tenants');
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these tables look like the portal''s own, but no revision is noted: %', suspects
            USING HINT = 'Say which one it is with: flask --app wsgi db stamp REVISION';
    END IF;
    SELECT string_agg(relname, ', ') INTO suspects
    FROM pg_class
    WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = ANY (present) AND relkind NOT IN ('r', 'p');
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these are no tables, and their names are needed: %', suspects
            USING HINT = 'Rename or drop them, and run this script again. Nothing was changed.';
    END IF;

    SELECT string_agg(name, ', ' ORDER BY name) INTO suspects
    FROM unnest(present) AS name WHERE NOT name = ANY (older_tables || older_campaigns);
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these tables are another program''s, and their names are needed: %', suspects
            USING HINT = 'Rename them or move them to another schema, and run this script again. Nothing was changed.';
    END IF;

    -- What hangs on the older tables by more than a reference would keep them from being dropped in the end.
    WITH named AS (
        SELECT oid FROM pg_class
        WHERE relnamespace = to_regnamespace(quote_ident(here)) AND relname = ANY (present)
            AND relname = ANY (older_tables)
    ), moved AS (
        -- The parts of one that is partitioned go with it.
        SELECT oid, reltype FROM pg_class
        WHERE oid IN (SELECT oid FROM named UNION SELECT relid FROM named, pg_partition_tree(named.oid))
    ), moved_types AS (
        SELECT unnest(ARRAY[pg_type.oid, typarray]) AS oid FROM pg_type JOIN moved ON pg_type.oid = reltype
    ), moved_sequences AS (
        SELECT objid AS oid FROM pg_depend JOIN pg_class ON pg_class.oid = objid AND relkind = 'S'
        WHERE classid = 'pg_class'::regclass AND refclassid = 'pg_class'::regclass
            AND refobjid IN (SELECT oid FROM moved) AND deptype IN ('a', 'i')
    ), depending AS (
        SELECT classid, objid, objsubid FROM pg_depend
        WHERE refclassid = 'pg_class'::regclass
            AND refobjid IN (SELECT oid FROM moved UNION ALL SELECT oid FROM moved_sequences)
            OR refclassid = 'pg_type'::regclass AND refobjid IN (SELECT oid FROM moved_types)
    ), hanging AS (
        SELECT 'view ' || rule.ev_class::regclass::text AS name
        FROM depending JOIN pg_rewrite AS rule ON classid = 'pg_rewrite'::regclass AND objid = rule.oid
        WHERE rule.ev_class NOT IN (SELECT oid FROM moved)
        UNION
        SELECT 'function ' || objid::regprocedure::text
        FROM depending WHERE classid = 'pg_proc'::regclass
        UNION
        SELECT format('policy %s on %s', polname, polrelid::regclass)
        FROM depending JOIN pg_policy AS policy ON classid = 'pg_policy'::regclass AND objid = policy.oid
        WHERE polrelid NOT IN (SELECT oid FROM moved)
        UNION
        SELECT pg_describe_object(classid, objid, objsubid)
        FROM depending JOIN pg_attrdef AS value ON classid = 'pg_attrdef'::regclass AND objid = value.oid
        WHERE adrelid NOT IN (SELECT oid FROM moved)
        UNION
        -- Columns of the type of a row, and types made of it.
        SELECT pg_describe_object(classid, objid, objsubid)
        FROM depending
        WHERE classid = 'pg_class'::regclass AND objsubid > 0
                AND objid NOT IN (SELECT oid FROM moved UNION ALL SELECT oid FROM moved_sequences)
            OR classid = 'pg_type'::regclass AND objid NOT IN (SELECT oid FROM moved_types)
        UNION
        SELECT format('table %s, which inherits from %s', inhrelid::regclass, inhparent::regclass)
        FROM pg_inherits
        WHERE inhparent IN (SELECT oid FROM moved) AND inhrelid NOT IN (SELECT oid FROM moved)
    )
    SELECT string_agg(name, ', ' ORDER BY name) INTO suspects FROM hanging;
    IF suspects IS NOT NULL THEN
        RAISE EXCEPTION 'these hang on tables that have to be moved: %', suspects
            USING HINT = 'Drop them, and run this script again. Nothing was changed.';
    END IF;

    IF present && older_tables THEN
        CREATE SCHEMA IF NOT EXISTS portal_older;
        RAISE NOTICE 'begin: this is an older database';
    END IF;
    FOREACH of IN ARRAY coalesce(present, '{}') LOOP
        FOR one IN
            SELECT 'trigger ' || tgname AS name FROM pg_trigger
            WHERE tgrelid = to_regclass(format('%I.%I', here, of)) AND NOT tgisinternal AND of = ANY (older_tables)
            UNION ALL
            SELECT 'policy ' || polname FROM pg_policy
            WHERE polrelid = to_regclass(format('%I.%I', here, of)) AND of = ANY (older_tables)
        LOOP
            RAISE WARNING 'older table %: its % is not made again', of, one.name;
        END LOOP;
        EXECUTE format('SELECT count(*) FROM %I.%I', here, of) INTO counted;
        IF of = ANY (older_tables) THEN
            EXECUTE format('ALTER TABLE %I.%I SET SCHEMA portal_older', here, of);
            EXECUTE format('ALTER TABLE portal_older.%I DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY', of);
            EXECUTE format('SELECT count(*) FROM portal_older.%I', of) INTO counted;
            RAISE NOTICE 'older table %: moved aside, % rows', of, counted;
        ELSIF counted = 0 THEN
            -- Made in advance and never used.
            EXECUTE format('DROP TABLE %I.%I', here, of);
            RAISE NOTICE 'older table %: dropped, it had no rows', of;
        ELSE
            FOR one IN
                SELECT indexrelid::regclass AS index, relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid
                WHERE indrelid = to_regclass(format('%I.%I', here, of))
            LOOP
                EXECUTE format('ALTER INDEX %s RENAME TO %I', one.index, left('legacy_' || one.relname, 63));
            END LOOP;
            EXECUTE format('ALTER TABLE %I.%I RENAME TO %I', here, of, 'legacy_' || of);
            -- For its owner only: hosts like Supabase give every table to whoever asks over their HTTP API.
            EXECUTE format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', here, 'legacy_' || of);
            RAISE WARNING 'older table %: kept as legacy_%, % rows', of, of, counted;
        END IF;
    END LOOP;

    -- Last: without it no block below does anything, so that none goes on after this one was refused.
    EXECUTE format(
        'CREATE TABLE IF NOT EXISTS %I.alembic_version ('
        'version_num varchar(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))', here
    );
    RAISE NOTICE 'begin: no revision is noted yet, so all are applied';
END $golive$;
