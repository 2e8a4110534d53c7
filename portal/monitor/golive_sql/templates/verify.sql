DO $golive$
DECLARE
    missing text;
    counted bigint;
BEGIN
    SELECT string_agg(item, '; ') FILTER (WHERE is_there IS NOT TRUE), count(*) INTO missing, counted
    FROM (
{checks}
    ) AS checks;
    IF missing IS NOT NULL THEN
        RAISE EXCEPTION 'the database is not as it should be; missing: %', missing;
    END IF;
    RAISE NOTICE 'verified: % of % checks passed', counted, counted;
    RAISE NOTICE 'ALL MIGRATIONS APPLIED SUCCESSFULLY';
END $golive$;
