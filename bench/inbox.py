"""The inbox with 10,000, 100,000 and 1,000,000 messages: how long its pages, its polls and its search take."""

import argparse
import json
import re
import statistics
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

from flask.testing import FlaskClient
from sqlalchemy import Engine

from bench import inbox_rows
from bench.inbox_rows import BIG_THREAD, FREQUENT_WORD, INSERTED, NAME, RARE_WORD
from bench.looks import look_often, timed_statements
from bench.rounds import percentile
from bench.stage import Stage, open_stage
from portal.db import db
from portal.permissions import Role
from portal.services import accounts, sessions

ROUNDS = 40
# PostgreSQL plans a prepared statement anew for some times before it decides on one plan for good.
WARM_UP_ROUNDS = 15
LIST = "/t/bench/conversations"
PART = {"HX-Request": "true"}
# Target of the milliseconds that 95 of 100 may take, by what the name of a page begins with.
TARGETS = {"list": 50.0, "thread": 50.0, "poll": 5.0}


@dataclass(frozen=True)
class Figure:
    """Milliseconds of a page's requests within the portal, how many statements one takes, and its size.

    `cpu_ms`: the processor that the portal itself needs, without the database's; the least that any of them took tells
    most on a busy machine.
    """

    page: str
    median_ms: float
    p95_ms: float
    least_ms: float
    cpu_ms: float
    statements: int
    kilobytes: float

    @property
    def is_late(self) -> bool:
        return self.p95_ms > TARGETS.get(self.page.partition(" ")[0].rstrip(":,"), float("inf"))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--messages", default="10000,100000,1000000", help="one size or several")
    options.add_argument("--json", action="store_true")
    options.add_argument("--inserts", action="store_true", help="also what the search's index costs those that come in")
    chosen = options.parse_args()
    told = []
    for size in map(int, chosen.messages.split(",")):
        with open_stage(gateways=()) as (stage, _folder):
            inbox_rows.fill(stage, size)
            figures = measure(stage)
            inserts = inbox_rows.measure_inserts(stage) if chosen.inserts and size >= INSERTED else None
        told.append({"messages": size, "pages": [asdict(figure) for figure in figures], "inserts": inserts})
        if not chosen.json:
            show(size, figures, inserts)
    if chosen.json:
        print(json.dumps(told, indent=2))


def show(size: int, figures: list[Figure], inserts: dict[str, float] | None) -> None:
    print(f"{size:,} messages")
    for one in figures:
        late = "  LATE" if one.is_late else ""
        print(
            f"  {one.page:<38} {one.median_ms:7.1f} ms, p95 {one.p95_ms:7.1f}, least {one.least_ms:6.1f},"
            f" CPU {one.cpu_ms:5.1f},"
            f" {one.statements:>3} statements, {one.kilobytes:6.1f} KB{late}"
        )
    for name, seconds in (inserts or {}).items():
        print(f"  {name}: {seconds:.2f}")


def measure(stage: Stage) -> list[Figure]:
    admin, agent = browsers(stage)
    return [timed(stage, page, look) for page, look in (*pages(stage, admin), *pages_of_agent(agent))]


def pages(stage: Stage, admin: FlaskClient) -> Iterator[tuple[str, Callable[[], tuple[int, int]]]]:
    """What is looked at, and the look: its status and its length."""
    quiet, big = inbox_rows.quiet_conversation(stage), inbox_rows.conversation_of(stage, BIG_THREAD)
    yield "home", looking(admin, "/t/bench/home")
    yield "units", looking(admin, "/t/bench/")
    yield "unit", looking(admin, "/t/bench/units/unit-2")
    yield "list: all open", looking(admin, LIST)
    yield "list: waiting", looking(admin, f"{LIST}?work=waiting")
    yield "list: mine", looking(admin, f"{LIST}?work=mine")
    yield "list: resolved", looking(admin, f"{LIST}?work=resolved")
    yield "list: only unread", looking(admin, f"{LIST}?unread=1")
    yield "list: of one unit", looking(admin, f"{LIST}?unit=unit-2")
    yield "list: waiting, of one unit", looking(admin, f"{LIST}?unit=unit-2&work=waiting")
    yield "list: resolved, of one unit", looking(admin, f"{LIST}?unit=unit-2&work=resolved")
    yield (
        "list: resolved, an old page",
        looking(admin, f"{LIST}?work=resolved&before={inbox_rows.deep_position(stage)}"),
    )
    yield "thread", looking(admin, f"{LIST}/{quiet}")
    yield "thread: of 5,000 messages", looking(admin, f"{LIST}/{big}")
    yield (
        "thread: old page of 5,000",
        looking(admin, f"{LIST}/{big}?before={inbox_rows.middle_position(stage, BIG_THREAD)}"),
    )
    yield "poll: list without news", looking(admin, poll_in(admin, LIST, "conversation-list"), status=204)
    yield "poll: thread without news", looking(admin, poll_in(admin, f"{LIST}/{quiet}", "messages"), status=204)
    for what, words in {
        "a name": NAME,
        "a rare word": RARE_WORD,
        "a frequent word": FREQUENT_WORD,
        "two frequent words": f"{FREQUENT_WORD} obrigada",
        "the beginning of words": "ent",
        "nothing that is there": "hipopótamo",
    }.items():
        yield f"search: {what}", looking(admin, f"{LIST}?q={words}", is_part=True)


def pages_of_agent(agent: FlaskClient) -> Iterator[tuple[str, Callable[[], tuple[int, int]]]]:
    yield "list: agent of one unit", looking(agent, LIST)
    yield "search: frequent, agent of one unit", looking(agent, f"{LIST}?q={FREQUENT_WORD}", is_part=True)


def browsers(stage: Stage) -> tuple[FlaskClient, FlaskClient]:
    """An administrator's and an agent's, who share a part of what is open."""
    admin = browser(stage, "admin@bench.test", Role.TENANT_ADMIN)
    agent = browser(stage, "agent@bench.test", Role.AGENT, unit="unit-3")
    inbox_rows.assign(stage, "admin@bench.test")
    return admin, agent


def browser(stage: Stage, email: str, role: Role, *, unit: str = "", tenant: str | None = "bench") -> FlaskClient:
    """A browser in which that person is signed in."""
    with stage.app.app_context():
        user = accounts.create_user(
            email=email,
            role=role,
            password="long enough for one",
            tenant_slug=tenant,
            unit_slugs=(unit,) if unit else (),
        )
        account = accounts.find_account(user.id)
        if account is None:
            raise RuntimeError("nobody can sign in")
        token = sessions.start(account, address="127.0.0.1", user_agent="a measurement")
    client = stage.app.test_client()
    with client.session_transaction() as session:
        session["_user_id"], session["_fresh"] = token, True
    return client


def looking(
    client: FlaskClient, address: str, *, status: int = 200, is_part: bool = False
) -> Callable[[], tuple[int, int]]:
    def look() -> tuple[int, int]:
        answer = client.get(address, headers=PART if is_part or status == 204 else None)
        if answer.status_code != status:
            raise RuntimeError(f"{address}: {answer.status_code} instead of {status}")
        return answer.status_code, len(answer.data)

    return look


def poll_in(client: FlaskClient, address: str, part: str) -> str:
    found = re.search(rf'id="{part}"[^>]*hx-get="([^"]+)"', client.get(address).text)
    if found is None:
        raise RuntimeError(f"{part} does not poll")
    return found[1].replace("&amp;", "&")


def timed(stage: Stage, page: str, look: Callable[[], tuple[int, int]]) -> Figure:
    look_often(look, WARM_UP_ROUNDS)
    took, cpu = look_often(look, ROUNDS)
    with timed_statements(engine_of(stage)) as statements:
        _status, length = look()
    return Figure(
        page,
        median_ms=statistics.median(took),
        p95_ms=percentile(took, 0.95),
        least_ms=min(took),
        cpu_ms=statistics.median(cpu),
        statements=len(statements),
        kilobytes=length / 1024,
    )


def engine_of(stage: Stage) -> Engine:
    with stage.app.app_context():
        return db.engine


if __name__ == "__main__":
    main()
