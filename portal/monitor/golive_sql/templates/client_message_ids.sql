DO $golive$
DECLARE
    -- The older table, or the portal's.
    of regclass := coalesce(to_regclass('portal_older.messages'), to_regclass(format('%I.messages', current_schema())));
    one record;
    counted bigint;
BEGIN
    PERFORM set_config('lock_timeout', '4s', true);
    PERFORM set_config('portal.is_system', 'on', true);
    IF (
        SELECT count(*) < 2 FROM pg_attribute
        WHERE attrelid = of AND attname IN ('conversation_id', 'client_message_id') AND NOT attisdropped
    ) THEN
        RAISE NOTICE 'client_message_id: there is none yet, so none twice';
        RETURN;
    END IF;
    EXECUTE format(
        'SELECT count(*) FROM (SELECT FROM %s WHERE client_message_id IS NOT NULL'
        ' GROUP BY conversation_id, client_message_id HAVING count(*) > 1) AS twice', of
    ) INTO counted;
    IF counted = 0 THEN
        RAISE NOTICE 'client_message_id: none is there twice in a conversation';
    ELSE
        RAISE WARNING 'client_message_id: % are there more than once in a conversation; the first message keeps it', counted;
    END IF;
    FOR one IN EXECUTE format(
        'SELECT conversation_id, client_message_id, count(*) AS times FROM %s WHERE client_message_id IS NOT NULL'
        ' GROUP BY conversation_id, client_message_id HAVING count(*) > 1 ORDER BY 3 DESC, 1, 2 LIMIT 20', of
    ) LOOP
        RAISE WARNING 'client_message_id % is there % times in conversation %',
            one.client_message_id, one.times, one.conversation_id;
    END LOOP;
    PERFORM set_config('portal.is_system', '', true);
END $golive$;
