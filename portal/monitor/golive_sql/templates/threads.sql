-- One for each person at each unit, as the portal has them. The id of one that became a part of another leads there.
CREATE FUNCTION portal_older.copy_conversations(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    ALTER TABLE portal_older.staged_conversations ADD is_closed boolean;
    UPDATE portal_older.staged_conversations SET is_closed = coalesce(lower(btrim(old->>'status')), '') IN (
        'closed', 'resolved', 'finished', 'done', 'archived', 'fechada', 'fechado', 'encerrada', 'encerrado'
    );
    UPDATE portal_older.staged_conversations AS s SET contact_id = contact.became
    FROM portal_older.staged_contacts AS contact WHERE contact.id = s.contact_id AND contact.became IS NOT NULL;
    UPDATE portal_older.staged_conversations AS s
    SET became = CASE WHEN kept <> s.id THEN kept END, is_closed = found.is_closed
    FROM (
        SELECT n, first_value(id) OVER one AS kept, bool_and(is_closed) OVER (PARTITION BY unit_id, contact_id) AS is_closed
        FROM portal_older.staged_conversations
        WINDOW one AS (PARTITION BY unit_id, contact_id ORDER BY is_made, n)
    ) AS found
    WHERE found.n = s.n;
    SELECT count(*) INTO counted FROM portal_older.staged_conversations WHERE became IS NOT NULL;
    PERFORM portal_older.tell(counted, 'conversations: % are with a person who has another one at the unit, and join it');

    INSERT INTO conversations (id, tenant_id, unit_id, contact_id, status, created_at)
    SELECT id, tenant, unit_id, contact_id, CASE WHEN is_closed THEN 'closed' ELSE 'open' END,
        coalesce(portal_older.as_instant(old->>'created_at'), now())
    FROM portal_older.staged_conversations WHERE became IS NULL;
    INSERT INTO conversation_aliases (id, tenant_id, unit_id, conversation_id)
    SELECT id, tenant, unit_id, became FROM portal_older.staged_conversations WHERE became IS NOT NULL;
    PERFORM portal_older.keep('conversations', 'id', 't.id::text');
    PERFORM portal_older.keep('conversations', 'unit_id', 't.unit_id::text');
    PERFORM portal_older.keep('conversations', 'contact_id', 't.contact_id::text');
    PERFORM portal_older.keep('conversations', 'status', 't.status');
    PERFORM portal_older.keep('conversations', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('conversations', '{id,unit_id,contact_id,status,created_at}');
    PERFORM portal_older.keep_whole_rows('conversations');
END $fn$;

-- Nothing of them is ever sent: what still waited is cancelled, and what may have left is in doubt and settled.
CREATE FUNCTION portal_older.as_status(is_inbound boolean, told text, external_id text) RETURNS text
LANGUAGE sql IMMUTABLE AS $fn$
    SELECT CASE
        WHEN is_inbound THEN 'received'
        WHEN told IN ('sent', 'delivered', 'read', 'failed', 'cancelled') THEN told
        WHEN told IN ('seen', 'played') THEN 'read'
        WHEN told IN ('error', 'undelivered', 'rejected') THEN 'failed'
        WHEN told = 'canceled' THEN 'cancelled'
        WHEN external_id IS NOT NULL THEN 'sent'
        WHEN told IN ('queued', 'pending', 'scheduled') THEN 'cancelled'
        ELSE 'unconfirmed'
    END
$fn$;

CREATE FUNCTION portal_older.is_customer(sender text) RETURNS boolean LANGUAGE sql IMMUTABLE AS $fn$
    SELECT coalesce(
        lower(btrim(sender)) IN ('customer', 'client', 'contact', 'cliente', 'contato', 'user', 'lead'), false
    )
$fn$;

CREATE FUNCTION portal_older.understand_messages() RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    ALTER TABLE portal_older.staged_messages ADD is_inbound boolean, ADD status text, ADD at timestamptz,
        ADD external_id text, ADD client_message_id text, ADD body text;
    UPDATE portal_older.staged_messages AS s SET
        conversation_id = coalesce(conversation.became, conversation.id),
        unit_id = conversation.unit_id,
        is_inbound = coalesce(
            portal_older.is_customer(sender) OR sender IS DISTINCT FROM 'agent' AND told = 'received', false
        ),
        at = portal_older.as_instant(s.old->>'created_at'),
        body = coalesce(s.old->>'content', ''),
        external_id = CASE WHEN length(found.external_id) <= 80 THEN found.external_id END,
        client_message_id = CASE WHEN length(found.client_message_id) <= 120 THEN found.client_message_id END
    FROM portal_older.staged_conversations AS conversation, (
        SELECT n, lower(btrim(old->>'sender')) AS sender, lower(btrim(old->>'status')) AS told,
            portal_older.blank_to_null(old->>'external_id') AS external_id,
            portal_older.blank_to_null(old->>'client_message_id') AS client_message_id
        FROM portal_older.staged_messages
    ) AS found
    WHERE found.n = s.n AND conversation.id = s.conversation_id;
    UPDATE portal_older.staged_messages SET
        status = portal_older.as_status(
            is_inbound, lower(btrim(old->>'status')), portal_older.blank_to_null(old->>'external_id')
        ),
        -- Of no time: before all others, rather than as if they had just come.
        at = coalesce(at, (SELECT min(at) FROM portal_older.staged_messages), now());
END $fn$;

-- WhatsApp's id is one message's at a unit, and an id that a client gave one message's in a conversation.
CREATE FUNCTION portal_older.keep_first_ids() RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    UPDATE portal_older.staged_messages AS s SET external_id = NULL
    FROM (
        SELECT n, row_number() OVER (PARTITION BY unit_id, external_id ORDER BY n) AS nth
        FROM portal_older.staged_messages WHERE external_id IS NOT NULL
    ) AS found
    WHERE found.n = s.n AND nth > 1;
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'messages: % have an external_id that an earlier one of the unit has');
    UPDATE portal_older.staged_messages AS s SET client_message_id = NULL
    FROM (
        SELECT n, row_number() OVER (PARTITION BY conversation_id, client_message_id ORDER BY n) AS nth
        FROM portal_older.staged_messages WHERE client_message_id IS NOT NULL
    ) AS found
    WHERE found.n = s.n AND nth > 1;
    GET DIAGNOSTICS counted = ROW_COUNT;
    PERFORM portal_older.tell(counted, 'messages: % have a client_message_id that an earlier one of the conversation has');
END $fn$;

CREATE FUNCTION portal_older.copy_messages(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    PERFORM portal_older.understand_messages();
    PERFORM portal_older.keep_first_ids();
    -- As history: no program is told of it, and nobody has to look at it.
    INSERT INTO messages (
        id, tenant_id, unit_id, conversation_id, direction, kind, body, status, source, occurred_at, created_at,
        external_id, client_message_id, retry_count, last_retry_at, error_details, is_history, handled_at,
        sent_at, accepted_at, delivered_at, read_at, failed_at
    )
    SELECT id, tenant, unit_id, conversation_id, CASE WHEN is_inbound THEN 'inbound' ELSE 'outbound' END,
        CASE WHEN btrim(body, E' \t\r\n') = '' THEN 'unknown' ELSE 'text' END, body, status,
        CASE WHEN lower(btrim(old->>'sender')) = 'agent' THEN 'person' END, at, at,
        external_id, client_message_id, portal_older.as_count(old->>'retry_count'),
        portal_older.as_instant(old->>'last_retry_at'), old->>'error_details', true,
        CASE WHEN status IN ('failed', 'unconfirmed') THEN now() END,
        CASE WHEN status IN ('sent', 'delivered', 'read') THEN coalesce(portal_older.as_instant(old->>'sent_at'), at) END,
        CASE WHEN status IN ('sent', 'delivered', 'read') THEN coalesce(portal_older.as_instant(old->>'sent_at'), at) END,
        CASE WHEN status IN ('delivered', 'read') THEN coalesce(portal_older.as_instant(old->>'delivered_at'), at) END,
        CASE WHEN status IN ('received', 'read') THEN coalesce(portal_older.as_instant(old->>'read_at'), at) END,
        CASE WHEN status = 'failed' THEN coalesce(portal_older.as_instant(old->>'failed_at'), at) END
    FROM portal_older.staged_messages;
    UPDATE conversations SET
        last_message_at = newest.occurred_at, last_message_preview = left(newest.body, 200),
        last_message_direction = newest.direction, last_message_kind = newest.kind, last_inbound_at = heard.at
    FROM (
        SELECT DISTINCT ON (conversation_id) conversation_id, occurred_at, body, direction, kind
        FROM messages WHERE tenant_id = tenant ORDER BY conversation_id, occurred_at DESC, id DESC
    ) AS newest
    LEFT JOIN (
        SELECT conversation_id, max(occurred_at) AS at FROM messages
        WHERE tenant_id = tenant AND direction = 'inbound' GROUP BY conversation_id
    ) AS heard USING (conversation_id)
    WHERE conversations.id = newest.conversation_id;

    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE NOT portal_older.is_customer(old->>'sender') AND lower(btrim(old->>'sender')) IS DISTINCT FROM 'agent';
    PERFORM portal_older.tell(counted, 'messages: % are of a sender that is unknown here; see messages.legacy_sender');
    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE NOT is_inbound AND lower(btrim(old->>'status')) IS DISTINCT FROM status;
    PERFORM portal_older.tell(counted, 'messages: % that were sent have another status now; see messages.legacy_status');
    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE portal_older.as_instant(old->>'created_at') IS NULL;
    PERFORM portal_older.tell(counted, 'messages: % have no time, and stand before all others');
    SELECT count(*) INTO counted FROM portal_older.staged_messages
    WHERE portal_older.as_instant(old->>'created_at') = now();
    PERFORM portal_older.tell(counted, 'messages: % have a time that is still to come, and get that of this move');
    PERFORM portal_older.keep_of_messages();
END $fn$;

CREATE FUNCTION portal_older.keep_of_messages() RETURNS void LANGUAGE plpgsql AS $fn$
BEGIN
    PERFORM portal_older.keep('messages', 'id', 't.id::text');
    PERFORM portal_older.keep('messages', 'conversation_id', 't.conversation_id::text');
    PERFORM portal_older.keep(
        'messages', 'sender', 'CASE WHEN t.direction = ''inbound'' THEN ''customer'' WHEN t.source = ''person'' THEN ''agent'' END'
    );
    PERFORM portal_older.keep('messages', 'content', 't.body');
    PERFORM portal_older.keep('messages', 'status', 't.status');
    PERFORM portal_older.keep('messages', 'external_id', 't.external_id');
    PERFORM portal_older.keep('messages', 'client_message_id', 't.client_message_id');
    PERFORM portal_older.keep('messages', 'retry_count', 't.retry_count::text');
    PERFORM portal_older.keep('messages', 'error_details', 't.error_details');
    PERFORM portal_older.keep('messages', name, portal_older.if_instant(name))
    FROM unnest(ARRAY['created_at', 'last_retry_at', 'sent_at', 'delivered_at', 'read_at', 'failed_at']) AS name;
    PERFORM portal_older.keep_others('messages', ARRAY[
        'id', 'conversation_id', 'sender', 'content', 'status', 'external_id', 'created_at', 'client_message_id',
        'retry_count', 'last_retry_at', 'error_details', 'sent_at', 'delivered_at', 'read_at', 'failed_at'
    ]);
END $fn$;
