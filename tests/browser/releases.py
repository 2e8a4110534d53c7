"""A release in the middle of its first hour, written into the database rather than waited for."""

import json

from tests.running.stack import Stack

# Something of everything: OK, a warning, critical.
READINGS = [
    {"metric": "http_5xx", "level": "critical", "value": "17", "detail": "17 of 1240 responses were 5xx"},
    {"metric": "database", "level": "ok", "value": "12.3 ms", "detail": "p95 of 5021 statements, 0 connection errors"},
    {"metric": "outbound_success", "level": "warning", "value": "87.5 %", "detail": "8 sends: 7 taken, 1 failed"},
    {"metric": "overall", "level": "critical", "value": "NO-GO", "detail": "1 critical, 1 at a warning, 10 OK"},
]
CHECKS = [
    {"name": "base url", "ok": False, "detail": "BASE_URL is not https", "group": "settings", "took_ms": 0.1},
    {"name": "database", "ok": True, "detail": "PostgreSQL 15.4", "group": "parts", "took_ms": 2.5},
]

_RELEASE = """
    INSERT INTO releases (id, version, totals, verdict)
    VALUES (gen_random_uuid(), '3f2c9a7b1e5d4c6f8a9b0c1d2e3f4a5b6c7d8e9f', '{}', 'NO-GO')
"""
_CHECKPOINTS = """
    INSERT INTO release_checkpoints (id, release_id, number, due_at)
    SELECT gen_random_uuid(), id, number, registered_at + number * interval '10 min'
    FROM releases, generate_series(1, 4) AS number
"""
_DONE = """
    UPDATE release_checkpoints SET checked_at = due_at, verdict = 'NO-GO', readings = %s::jsonb, totals = '{}'::jsonb
    WHERE number = 1
"""
_GATE = """
    INSERT INTO golive_evidence (id, item, is_ok, detail, record)
    VALUES (gen_random_uuid(), 'gate', false, '1/2 checks passed', %s::jsonb)
"""
_ALERT = """
    INSERT INTO alerts (id, metric, level, value) VALUES (gen_random_uuid(), 'http_5xx', 'critical', '17')
"""
_NOTICE = """
    INSERT INTO alert_notices (id, alert_id, kind, channel, level, value, attempts, error)
    SELECT gen_random_uuid(), id, 'opened', 'webhook', 'critical', '17', 8, 'unreachable' FROM alerts
"""


def seed_release(stack: Stack) -> None:
    """A release with a checkpoint that found something, a gate that failed, and an alert that nobody could be told."""
    stack.rows.change(_RELEASE)
    stack.rows.change(_CHECKPOINTS)
    stack.rows.change(_DONE, json.dumps(READINGS))
    stack.rows.change(_GATE, json.dumps({"stage": "full", "checks": CHECKS}))
    stack.rows.change(_ALERT)
    stack.rows.change(_NOTICE)
