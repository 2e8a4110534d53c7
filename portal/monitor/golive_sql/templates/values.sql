CREATE FUNCTION portal_older.blank_to_null(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $fn$
    SELECT nullif(btrim(value, E' \t\r\n'), '')
$fn$;

-- An id that is no uuid, say a number, becomes one that is always the same.
CREATE FUNCTION portal_older.as_id(of text, value text) RETURNS uuid LANGUAGE sql IMMUTABLE AS $fn$
    SELECT CASE
        WHEN value ~* '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' THEN value::uuid
        WHEN value IS NOT NULL THEN md5(of || ':' || value)::uuid
    END
$fn$;

CREATE FUNCTION portal_older.as_count(value text) RETURNS integer LANGUAGE sql IMMUTABLE AS $fn$
    SELECT CASE WHEN value ~ '^[0-9]{1,9}$' THEN value::integer ELSE 0 END
$fn$;

-- Nothing for what is no instant, or none that a calendar of four digits has. All that is told has happened, so that
-- nothing is later than now.
CREATE FUNCTION portal_older.as_instant(value text) RETURNS timestamptz LANGUAGE plpgsql STABLE AS $fn$
DECLARE
    at timestamptz;
BEGIN
    IF value IS NULL OR value ~* 'infinity' THEN
        RETURN NULL;
    END IF;
    at := CASE
        WHEN value ~ '^[0-9]{10}$' THEN to_timestamp(value::bigint)
        WHEN value ~ '^[0-9]{13}$' THEN to_timestamp(value::bigint / 1000.0)
        ELSE value::timestamptz
    END;
    RETURN CASE WHEN at BETWEEN '0001-01-02' AND '9999-12-30' THEN least(at, now()) END;
EXCEPTION WHEN data_exception THEN
    RETURN NULL;
END $fn$;

-- What portal/phone.py makes of a number that somebody typed or WhatsApp reported; nothing for what is none. How long
-- the numbers of each country are is not known here: eight digits at least, but for the two smallest countries.
CREATE FUNCTION portal_older.as_phone(typed text) RETURNS text LANGUAGE plpgsql IMMUTABLE AS $fn$
DECLARE
    digits text := regexp_replace(typed, '[^0-9]', '', 'g');
    has_country boolean := typed ~ '^([^[:alnum:]_+＋]*[+＋]|[^0-9]*[+＋][0-9])';
BEGIN
    IF typed LIKE '%@%' THEN
        digits := substring(typed FROM '^\s*([0-9]+)(?:\:[0-9]+)?@(?:s\.whatsapp\.net|c\.us)\s*$');
        has_country := true;
    END IF;
    IF NOT has_country AND digits ~ '^9[0-9]{8}$' THEN
        RETURN NULL;
    END IF;
    IF NOT has_country AND digits ~ '^[1-9][0-9](9[0-9]{8}|[2-9][0-9]{7})$' THEN
        digits := '55' || digits;
    END IF;
    RETURN CASE
        WHEN digits ~ '^55[1-9][0-9](9[1-9][0-9]{7}|[2-5][0-9]{7})$' THEN digits
        WHEN digits ~ '^55[1-9][0-9][6-9][0-9]{7}$' THEN left(digits, 4) || '9' || right(digits, 8)
        WHEN digits ~ '^(521|549)[0-9]{10}$' THEN left(digits, 2) || right(digits, 10)
        WHEN digits ~ '^55' THEN NULL
        -- Without a plus, what is shorter could more likely be dialled within a city only.
        WHEN digits ~ '^[1-9][0-9]{9,14}$' OR has_country AND digits ~ '^([1-9][0-9]{7,14}|6(83|90)[0-9]{4})$' THEN digits
    END;
END $fn$;

CREATE FUNCTION portal_older.as_slug(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $fn$
    SELECT btrim(left(btrim(regexp_replace(lower(translate(
        value,
        'áàâãäéèêëíìîïóòôõöúùûüçñÁÀÂÃÄÉÈÊËÍÌÎÏÓÒÔÕÖÚÙÛÜÇÑ',
        'aaaaaeeeeiiiiooooouuuucnaaaaaeeeeiiiiooooouuuucn'
    )), '[^a-z0-9]+', '-', 'g'), '-'), 60), '-')
$fn$;
