"""The floor of the webhook door: one Flask view that stores the same row, with one INSERT and one commit."""

import hashlib
import os
import threading

import psycopg
from flask import Flask, request
from flask.typing import ResponseReturnValue

app = Flask(__name__)
_kept = threading.local()
WHOSE = "SELECT tenant_id, unit_id, instance_name FROM unit_whatsapp_connections"
STORE = (
    "INSERT INTO webhook_events (tenant_id, unit_id, instance_name, event, body_hash, body)"
    " VALUES (%s, %s, %s, 'messages.upsert', %s, %s)"
)


@app.post("/webhooks/whatsapp/evolution/<secret>")
def take(secret: str) -> ResponseReturnValue:
    body = request.get_data()
    connection, whose = _mine()
    connection.execute(STORE, (*whose, hashlib.sha256(body).digest(), body.decode()))
    connection.commit()
    return {"status": "stored"}


def _mine() -> "tuple[psycopg.Connection[tuple[object, ...]], tuple[object, ...]]":
    """This thread's connection, and whose every event is."""
    if not hasattr(_kept, "mine"):
        connection = psycopg.connect(os.environ["DATABASE_URL"])
        whose = connection.execute(WHOSE).fetchone()
        assert whose is not None
        _kept.mine = connection, whose
    return _kept.mine
