DO $golive$
DECLARE
    version text;
    stamped bigint;
BEGIN
    PERFORM pg_advisory_xact_lock({lock});
    PERFORM set_config('lock_timeout', '4s', true);
    version := (SELECT version_num FROM alembic_version);
    IF version >= '{number}' THEN
        RAISE NOTICE '{number}: there already';
        RETURN;
    END IF;
    -- A console that goes on after an error must not leave a hole.
    IF version IS DISTINCT FROM {before} THEN
        RAISE EXCEPTION '{number}: the one before it is not there, the database is at %', coalesce(version, 'none')
            USING HINT = 'Mend what the first error says, and run the whole script again.';
    END IF;
{statements}
    GET DIAGNOSTICS stamped = ROW_COUNT;
    IF stamped <> 1 THEN
        RAISE EXCEPTION '{number}: it cannot be noted in alembic_version';
    END IF;
    RAISE NOTICE '{number}: applied. %', {title};
END $golive$;
