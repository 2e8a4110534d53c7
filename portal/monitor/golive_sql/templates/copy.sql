DO $golive$
DECLARE
    tenant uuid := md5('tenant legacy')::uuid;
    one record;
BEGIN
    PERFORM pg_advisory_xact_lock({lock});
    PERFORM set_config('lock_timeout', '4s', true);
    IF (SELECT version_num FROM alembic_version) IS DISTINCT FROM '{head}' THEN
        RAISE EXCEPTION 'older database: it is copied once the revision is {head}';
    END IF;
    IF to_regnamespace('portal_older') IS NULL THEN
        RAISE NOTICE 'older database: there is none to copy';
        RETURN;
    END IF;
    -- Where the policies are forced on the owner, nothing is seen or written without this.
    PERFORM set_config('portal.is_system', 'on', true);
    PERFORM set_config('timezone', 'UTC', true);
    IF EXISTS (SELECT FROM tenants WHERE slug = 'legacy') THEN
        RAISE EXCEPTION 'older database: there is a company with the short name legacy already'
            USING HINT = 'The older rows become that company''s. Give the other one another short name.';
    END IF;
{functions}
    INSERT INTO tenants (id, name, slug) VALUES (tenant, 'Legacy', 'legacy');
    PERFORM portal_older.stage(name) FROM unnest({older}) AS name;
    PERFORM portal_older.make_missing_rows();
    PERFORM portal_older.copy_units(tenant);
    PERFORM portal_older.copy_connections(tenant);
    PERFORM portal_older.copy_users(tenant);
    PERFORM portal_older.copy_contacts(tenant);
    PERFORM portal_older.copy_conversations(tenant);
    PERFORM portal_older.copy_messages(tenant);
    PERFORM portal_older.check_counts(name) FROM unnest({older}) AS name;
    PERFORM portal_older.check_texts();
    PERFORM portal_older.turn_references();

    FOR one IN SELECT oid::regprocedure AS name FROM pg_proc WHERE pronamespace = 'portal_older'::regnamespace LOOP
        EXECUTE format('DROP FUNCTION %s', one.name);
    END LOOP;
    SELECT string_agg(format('portal_older.%I', relname), ', ') AS names INTO one
    FROM pg_class WHERE relnamespace = 'portal_older'::regnamespace AND relkind IN ('r', 'p') AND NOT relispartition;
    EXECUTE format('DROP TABLE %s', one.names);
    DROP SCHEMA portal_older;
    PERFORM set_config('portal.is_system', '', true);
    RAISE NOTICE 'older database: copied to the company legacy';
END $golive$;
