DO $golive$
BEGIN
    PERFORM pg_advisory_xact_lock({lock});
    PERFORM set_config('lock_timeout', '4s', true);
    IF (SELECT version_num FROM alembic_version) >= '{number}' THEN
        RAISE NOTICE '{number}: there already';
        RETURN;
    END IF;
{statements}
    RAISE NOTICE '{number}: applied. %', {title};
END $golive$;
