-- The columns that say of somebody that they had been shut out.
CREATE FUNCTION portal_older.shut_out_by(old jsonb) RETURNS text[] LANGUAGE sql IMMUTABLE AS $fn$
    SELECT coalesce(array_agg(key ORDER BY key), '{}')
    FROM (SELECT key, lower(key) AS name, lower(btrim(value)) AS told FROM jsonb_each_text(old)) AS each
    WHERE CASE
        WHEN name IN ('active', 'is_active', 'enabled', 'is_enabled', 'status') THEN told IN (
            'false', 'f', '0', 'no', 'n', 'off', 'inactive', 'blocked', 'disabled', 'banned', 'suspended', 'deleted',
            'inativo', 'inativa', 'bloqueado', 'bloqueada', 'desativado', 'desativada'
        )
        WHEN name IN ('blocked', 'is_blocked', 'banned', 'is_banned', 'disabled', 'is_disabled') THEN
            told NOT IN ('', 'false', 'f', '0', 'no', 'n', 'off')
        WHEN name IN ('disabled_at', 'deleted_at', 'blocked_at', 'banned_at') THEN told <> ''
    END
$fn$;

-- Their passwords are of no use here, so everybody chooses a new one by the link for that.
CREATE FUNCTION portal_older.copy_users(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
    one record;
BEGIN
    ALTER TABLE portal_older.staged_users ADD email text;
    UPDATE portal_older.staged_users AS s SET email = found.email
    FROM (
        SELECT n, email, row_number() OVER (PARTITION BY email ORDER BY n) AS nth
        FROM (SELECT n, lower(portal_older.blank_to_null(old->>'email')) AS email FROM portal_older.staged_users) AS told
    ) AS found
    WHERE found.n = s.n AND nth = 1 AND length(found.email) <= 254 AND found.email LIKE '_%@_%'
        AND found.email !~ '\s' AND NOT EXISTS (SELECT FROM users WHERE users.email = found.email);

    INSERT INTO users (id, tenant_id, email, role, created_at, disabled_at)
    SELECT id, tenant, coalesce(email, format('legacy-%s@legacy.invalid', replace(id::text, '-', ''))),
        CASE WHEN lower(btrim(old->>'role')) IN ('admin', 'tenant_admin') THEN 'tenant_admin' ELSE 'agent' END,
        coalesce(portal_older.as_instant(old->>'created_at'), now()),
        -- Whoever had been shut out must not come back by a link to a new password.
        CASE WHEN email IS NULL OR portal_older.shut_out_by(old) <> '{}' THEN now() END
    FROM portal_older.staged_users;
    INSERT INTO user_units (tenant_id, user_id, unit_id)
    SELECT tenant, s.id, s.unit_id
    FROM portal_older.staged_users AS s JOIN users ON users.id = s.id AND users.role = 'agent'
    WHERE EXISTS (SELECT FROM units WHERE units.tenant_id = tenant AND units.id = s.unit_id);

    SELECT count(*) INTO counted FROM portal_older.staged_users WHERE email IS NULL;
    PERFORM portal_older.tell(
        counted, 'users: % have no e-mail address that is theirs alone, and are disabled under a made-up one'
    );
    FOR one IN
        SELECT name, count(*) AS times FROM portal_older.staged_users, unnest(portal_older.shut_out_by(old)) AS name
        GROUP BY name ORDER BY name
    LOOP
        RAISE WARNING 'users: % are disabled, because their % says so', one.times, one.name;
    END LOOP;
    SELECT count(*) INTO counted FROM portal_older.staged_users
    WHERE coalesce(lower(btrim(old->>'role')), '') NOT IN ('admin', 'tenant_admin', 'agent');
    PERFORM portal_older.tell(counted, 'users: % had a role that is unknown here, and become agents of their unit');
    SELECT count(*) INTO counted FROM users
    WHERE tenant_id = tenant AND role = 'agent' AND NOT EXISTS (SELECT FROM user_units WHERE user_id = users.id);
    PERFORM portal_older.tell(counted, 'users: % agents are of no unit, and see nothing until they are given one');
    SELECT count(*) INTO counted FROM users WHERE tenant_id = tenant AND role = 'tenant_admin' AND disabled_at IS NULL;
    IF counted = 0 THEN
        RAISE WARNING 'users: nobody is an administrator; make one with: flask --app wsgi users invite';
    END IF;
    PERFORM portal_older.keep('users', 'id', 't.id::text');
    PERFORM portal_older.keep('users', 'email', 't.email');
    PERFORM portal_older.keep('users', 'role', 'CASE t.role WHEN ''tenant_admin'' THEN ''admin'' ELSE t.role END');
    PERFORM portal_older.keep('users', 'unit_id', '(SELECT unit_id::text FROM user_units WHERE user_id = t.id)');
    PERFORM portal_older.keep('users', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('users', '{id,email,role,unit_id,created_at}');
END $fn$;

-- One person for each number, however it was written.
CREATE FUNCTION portal_older.copy_contacts(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    ALTER TABLE portal_older.staged_contacts ADD phone text, ADD lid text, ADD chat_jid text, ADD name text;
    UPDATE portal_older.staged_contacts SET
        phone = portal_older.as_phone(old->>'phone'),
        lid = substring(old->>'phone' FROM '^\s*([0-9]{1,40})@lid\s*$'),
        chat_jid = substring(old->>'phone' FROM '^\s*([0-9][0-9-]{0,60}@g\.us)\s*$'),
        name = left(portal_older.blank_to_null(old->>'name'), 120);
    -- An address that nobody has: such a person can be read about, and made one with another by hand.
    UPDATE portal_older.staged_contacts SET lid = 'legacy-' || replace(id::text, '-', '')
    WHERE coalesce(phone, lid, chat_jid) IS NULL;
    SELECT count(*) INTO counted FROM portal_older.staged_contacts WHERE lid LIKE 'legacy-%' AND NOT is_made;
    PERFORM portal_older.tell(counted, 'contacts: % have no number that WhatsApp could know, and cannot be written to');
    UPDATE portal_older.staged_contacts AS s
    SET became = CASE WHEN kept <> s.id THEN kept END, name = coalesce(s.name, found.any_name)
    FROM (
        SELECT n, first_value(id) OVER one AS kept, first_value(name) OVER (one_by_name) AS any_name
        FROM portal_older.staged_contacts
        WINDOW one AS (PARTITION BY phone, lid, chat_jid ORDER BY is_made, n),
            one_by_name AS (PARTITION BY phone, lid, chat_jid ORDER BY name IS NULL, n)
    ) AS found
    WHERE found.n = s.n;
    SELECT count(*) INTO counted FROM portal_older.staged_contacts WHERE became IS NOT NULL;
    PERFORM portal_older.tell(counted, 'contacts: % are the same person as another one, by their number');

    INSERT INTO contacts (id, tenant_id, kind, phone, lid, chat_jid, name, created_at)
    SELECT id, tenant, CASE WHEN chat_jid IS NULL THEN 'person' ELSE 'group' END, phone, lid, chat_jid, name,
        coalesce(portal_older.as_instant(old->>'created_at'), now())
    FROM portal_older.staged_contacts WHERE became IS NULL;
    PERFORM portal_older.keep('contacts', 'id', 't.id::text');
    PERFORM portal_older.keep('contacts', 'phone', 't.phone');
    PERFORM portal_older.keep('contacts', 'name', 't.name');
    PERFORM portal_older.keep('contacts', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('contacts', '{id,phone,name,created_at}');
    PERFORM portal_older.keep_whole_rows('contacts');
END $fn$;
