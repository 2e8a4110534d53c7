"""The usual build of the same card, to compare with: insert per request, a job per message that sleeps, OFFSET pages.

It has tables of its own, with the indexes that such a build has, in the stage's database, and asks for no login. Its
work is done in processes of its own, `python -m bench.usual_build`, since the portal watches all of SQLAlchemy in its.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime

import requests
from flask import Flask, jsonify, render_template_string, request
from flask.typing import ResponseReturnValue
from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from bench.looks import look_often, slowest_statement_ms
from bench.people import list_rows
from bench.rounds import Measured, percentile
from portal.phone import NotAPhone, canonical

PAGE, MESSAGES_PAGE = 30, 50
WARM_UP_LOOKS = 5


class Base(DeclarativeBase):
    pass


db = SQLAlchemy(model_class=Base, disable_autonaming=True)


class Event(db.Model):  # type: ignore[name-defined]
    __tablename__ = "usual_events"
    id: Mapped[int] = mapped_column(primary_key=True)
    event: Mapped[str]
    instance: Mapped[str] = mapped_column(index=True)
    body: Mapped[dict[str, object]] = mapped_column(JSON)
    received_at: Mapped[datetime] = mapped_column(default=lambda: datetime.now(UTC))


class Contact(db.Model):  # type: ignore[name-defined]
    __tablename__ = "usual_contacts"
    id: Mapped[int] = mapped_column(primary_key=True)
    phone: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    city: Mapped[str]
    tags: Mapped[str]


class Conversation(db.Model):  # type: ignore[name-defined]
    __tablename__ = "usual_conversations"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    preview: Mapped[str]
    last_message_at: Mapped[datetime] = mapped_column(index=True)


class Message(db.Model):  # type: ignore[name-defined]
    __tablename__ = "usual_messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    conversation_id: Mapped[int] = mapped_column(index=True)
    body: Mapped[str]
    occurred_at: Mapped[datetime] = mapped_column(index=True)


# From the portal's own rows, in the same order.
COPY_ROWS = (
    "INSERT INTO usual_conversations (id, name, preview, last_message_at) SELECT row_number() OVER (ORDER BY c.id),"
    " p.name, c.last_message_preview, c.last_message_at FROM conversations c JOIN contacts p ON p.id = c.contact_id"
    " WHERE c.status = 'closed'",
    "INSERT INTO usual_messages (id, conversation_id, body, occurred_at) SELECT row_number() OVER (ORDER BY m.id), 1,"
    " m.body, m.occurred_at FROM messages m",
)
LIST = """<!doctype html><title>Conversations</title><ul>
{% for one in page.items %}<li><a href="/conversations/{{ one.id }}">{{ one.name }}</a>
<time>{{ one.last_message_at }}</time><p>{{ one.preview }}</p></li>{% endfor %}</ul>
{% for number in page.iter_pages() %}<a href="?page={{ number }}">{{ number }}</a>{% endfor %}"""


def create_app(database_url: str) -> Flask:
    app = Flask(__name__)
    app.config["SQLALCHEMY_DATABASE_URI"] = database_url.replace("postgresql://", "postgresql+psycopg://")
    db.init_app(app)
    app.post("/webhooks/whatsapp/evolution/<secret>")(take)
    app.get("/conversations")(list_conversations)
    app.get("/messages")(list_messages)
    return app


def serve() -> Flask:
    return create_app(os.environ["DATABASE_URL"])


def take(secret: str) -> ResponseReturnValue:
    body = request.get_json()
    db.session.add(Event(event=body["event"], instance=body["instance"], body=body))
    db.session.commit()
    return {"status": "stored"}


def list_conversations() -> ResponseReturnValue:
    page = db.paginate(db.select(Conversation).order_by(Conversation.last_message_at.desc()), per_page=PAGE)
    return render_template_string(LIST, page=page)


def list_messages() -> ResponseReturnValue:
    page = db.paginate(db.select(Message).order_by(Message.id.desc()), per_page=MESSAGES_PAGE)
    return jsonify([{"id": one.id, "body": one.body, "at": one.occurred_at} for one in page])


def send(url: str, number: str, text: str, gap_s: float) -> None:
    """A job of RQ: one message, after its gap."""
    time.sleep(gap_s)
    requests.post(url, json={"number": number, "text": text}, timeout=90)


def import_people(rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Each row is looked up and added or changed; one commit for all."""
    for number, name, city, tags in rows:
        try:
            phone = canonical(number)
        except NotAPhone:
            continue
        contact = db.session.scalar(db.select(Contact).where(Contact.phone == phone))
        if contact is None:
            db.session.add(Contact(phone=phone, name=name, city=city, tags=tags))
        else:
            contact.name, contact.city, contact.tags = name, city, tags
    db.session.commit()


def in_own_process(env: Mapping[str, str], *arguments: str) -> Measured:
    """What `main` measures with these."""
    command = [sys.executable, "-m", "bench.usual_build", *arguments]
    told: Measured = json.loads(subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE).stdout)
    return told


def measure_import(rows: int) -> Measured:
    db.drop_all()
    db.create_all()
    began_at = time.monotonic()
    import_people(list_rows(rows))
    return {"rows/s": rows / (time.monotonic() - began_at)}


def measure_page(app: Flask, address: str, times: int) -> Measured:
    client = app.test_client()

    def look() -> None:
        answer = client.get(address)
        if answer.status_code != 200:
            raise RuntimeError(f"{address}: {answer.status_code}")

    look_often(look, WARM_UP_LOOKS)
    took, cpu = look_often(look, times)
    return {
        "median ms": statistics.median(took),
        "p95 ms": percentile(took, 0.95),
        "CPU ms": statistics.median(cpu),
        "slowest statement ms": slowest_statement_ms(db.engine, look),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, help="import so many people")
    parser.add_argument("--page", help="look at this address")
    parser.add_argument("--times", type=int)
    flags = parser.parse_args()
    app = serve()
    with app.app_context():
        print(json.dumps(measure_import(flags.rows) if flags.rows else measure_page(app, flags.page, flags.times)))


if __name__ == "__main__":
    main()
