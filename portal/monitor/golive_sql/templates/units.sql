CREATE FUNCTION portal_older.free_slug(tenant uuid, wanted text) RETURNS text LANGUAGE plpgsql AS $fn$
DECLARE
    base text := coalesce(nullif(portal_older.as_slug(wanted), ''), 'unit');
    chosen text := base;
    n integer := 1;
BEGIN
    WHILE EXISTS (SELECT FROM units WHERE units.tenant_id = tenant AND units.slug = chosen) LOOP
        n := n + 1;
        chosen := left(base, 54) || '-' || n;
    END LOOP;
    RETURN chosen;
END $fn$;

CREATE FUNCTION portal_older.copy_units(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    unit record;
BEGIN
    -- Those whose short name can stay get it first.
    FOR unit IN
        SELECT id, old, portal_older.blank_to_null(old->>'name') AS name, portal_older.blank_to_null(old->>'slug') AS slug
        FROM portal_older.staged_units
        ORDER BY is_made, (old->>'slug' = portal_older.as_slug(old->>'slug')) IS NOT TRUE, n
    LOOP
        INSERT INTO units (id, tenant_id, name, slug, created_at)
        VALUES (
            unit.id, tenant, left(coalesce(unit.name, unit.slug, 'Unit'), 120),
            portal_older.free_slug(tenant, coalesce(unit.slug, unit.name)),
            coalesce(portal_older.as_instant(unit.old->>'created_at'), now())
        );
        INSERT INTO lanes (unit_id, tenant_id) VALUES (unit.id, tenant);
    END LOOP;
    PERFORM portal_older.keep('units', 'id', 't.id::text');
    PERFORM portal_older.keep('units', 'name', 't.name');
    PERFORM portal_older.keep('units', 'slug', 't.slug');
    PERFORM portal_older.keep('units', 'created_at', portal_older.if_instant('created_at'));
    PERFORM portal_older.keep_others('units', '{id,name,slug,created_at}');
END $fn$;

-- In SQL: the older value where it was understood as an instant, and had come.
CREATE FUNCTION portal_older.if_instant(name text) RETURNS text LANGUAGE sql AS $fn$
    SELECT format('CASE WHEN portal_older.as_instant(s.old->>%1$L) < now() THEN s.old->>%1$L END', name)
$fn$;

-- Nothing is believed of their state, and SQL cannot make the secret of a webhook: a worker asks Evolution as soon as
-- there is one, gives the instance a new secret and sets its webhook. Whoever is linked there need not scan again.
CREATE FUNCTION portal_older.copy_connections(tenant uuid) RETURNS void LANGUAGE plpgsql AS $fn$
DECLARE
    counted bigint;
BEGIN
    ALTER TABLE portal_older.staged_unit_whatsapp_connections ADD instance text;
    UPDATE portal_older.staged_unit_whatsapp_connections AS s SET left_out = 'its unit is not there'
    WHERE NOT EXISTS (SELECT FROM portal_older.staged_units AS unit WHERE unit.id = s.unit_id) OR unit_id IS NULL;
    UPDATE portal_older.staged_unit_whatsapp_connections AS s SET left_out = 'its unit has another one'
    FROM portal_older.staged_unit_whatsapp_connections AS first
    WHERE s.left_out IS NULL AND first.left_out IS NULL AND first.unit_id = s.unit_id AND first.n < s.n;
    UPDATE portal_older.staged_unit_whatsapp_connections AS s SET instance = found.name
    FROM (
        SELECT n, name, row_number() OVER (PARTITION BY name ORDER BY n) AS nth
        FROM (
            SELECT n, portal_older.blank_to_null(coalesce(old->>'instance_id', old->>'instance_name')) AS name
            FROM portal_older.staged_unit_whatsapp_connections
            WHERE left_out IS NULL AND coalesce(lower(btrim(old->>'provider')), 'evolution') LIKE 'evolution%'
        ) AS named
    ) AS found
    WHERE found.n = s.n AND nth = 1 AND length(found.name) <= 60
        AND NOT EXISTS (SELECT FROM unit_whatsapp_connections WHERE instance_name = found.name);

    INSERT INTO unit_whatsapp_connections (
        id, tenant_id, unit_id, created_at, instance_name, instance_made_at, check_at, status, status_reason,
        connected_at, disconnected_at, qr_updated_at
    )
    SELECT s.id, tenant, s.unit_id, made_at, instance,
        CASE WHEN instance IS NOT NULL THEN made_at END, CASE WHEN instance IS NOT NULL THEN now() END,
        CASE WHEN instance IS NULL THEN 'not_configured' ELSE 'disconnected' END,
        CASE WHEN instance IS NOT NULL THEN 'connection_lost' END,
        portal_older.as_instant(old->>'connected_at'), portal_older.as_instant(old->>'disconnected_at'),
        portal_older.as_instant(old->>'qr_updated_at')
    FROM portal_older.staged_unit_whatsapp_connections AS s
    CROSS JOIN LATERAL (SELECT coalesce(portal_older.as_instant(old->>'created_at'), now()) AS made_at) AS made
    WHERE left_out IS NULL;
    INSERT INTO unit_whatsapp_connections (id, tenant_id, unit_id)
    SELECT md5('connection of ' || units.id)::uuid, tenant, units.id FROM units
    WHERE tenant_id = tenant AND NOT EXISTS (SELECT FROM unit_whatsapp_connections WHERE unit_id = units.id);

    SELECT count(*) INTO counted FROM portal_older.staged_unit_whatsapp_connections
    WHERE left_out IS NULL AND instance IS NULL AND old->>'instance_id' IS NOT NULL;
    PERFORM portal_older.tell(
        counted, 'unit_whatsapp_connections: the instance of % is another one''s too, of another provider, or has no name'
        ' that fits: connect those units anew'
    );
    PERFORM portal_older.keep('unit_whatsapp_connections', 'id', 't.id::text');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'provider', 't.provider');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'instance_id', 't.instance_name');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'instance_name', 't.instance_name');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'status', 't.status');
    PERFORM portal_older.keep('unit_whatsapp_connections', 'status_reason', 't.status_reason');
    PERFORM portal_older.keep('unit_whatsapp_connections', name, portal_older.if_instant(name))
    FROM unnest(ARRAY['created_at', 'connected_at', 'disconnected_at', 'qr_updated_at']) AS name;
    PERFORM portal_older.keep_others('unit_whatsapp_connections', ARRAY[
        'id', 'unit_id', 'provider', 'instance_id', 'instance_name', 'status', 'status_reason', 'created_at',
        'connected_at', 'disconnected_at', 'qr_updated_at'
    ]);
    PERFORM portal_older.keep_whole_rows('unit_whatsapp_connections');
END $fn$;
