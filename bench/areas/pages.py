"""Pages of an inbox with 1,000,000 messages, against an empty view for the same person and against OFFSET pages."""

import base64
import statistics
from collections.abc import Callable
from functools import partial
from uuid import UUID

from bench import inbox, inbox_rows, usual_build
from bench.inbox import WARM_UP_ROUNDS, looking
from bench.looks import look_often, slowest_statement_ms
from bench.rounds import Figure, Figures, Measured, compare, percentile, ratios
from bench.stage import Stage, open_stage
from portal.permissions import ApiScope
from portal.services import api_tokens
from portal.tenancy import TenantScope, acting_for
from portal.web.access import signed_in

AREA = "pages"
MEDIAN, P95, STATEMENT, KILOBYTES = "median ms", "p95 ms", "slowest statement ms", "KB"
EMPTY, FIRST, OLD = "empty view", "list: all open", "list: resolved, an old page"
MESSAGES, OLD_MESSAGES = "API: messages", "API: messages, an old page"
USUAL, USUAL_OLD = "usual build: list", "usual build: list, an old page"
USUAL_MESSAGES, USUAL_OLD_MESSAGES = "usual build: messages", "usual build: messages, an old page"
# What design asks of a page, a thread being one, and of a poll.
IN_TIME = ("list", "thread")
POLL = "poll"
# What its polls ask for anew every three to five seconds.
COUNTS = ("home", "unit")
Look = Callable[[], tuple[int, int]]


def measure(*, is_quick: bool) -> Figures:
    rounds, times, size = (2, 5, 10_000) if is_quick else (3, 20, 1_000_000)
    with open_stage(gateways=()) as (stage, _folder):
        stage.app.add_url_rule("/bench/empty", view_func=empty)
        inbox_rows.fill(stage, size)
        looks = all_looks(stage)
        for look in looks.values():
            look_often(look, WARM_UP_ROUNDS)
        acts = {page: partial(look_at, stage, look, times) for page, look in looks.items()}
        found = compare(AREA, rounds, {**acts, **pages_of_usual_build(stage, times)})
    deep = [(USUAL_OLD, OLD), (USUAL_OLD_MESSAGES, OLD_MESSAGES)]
    peers = [*deep, (FIRST, EMPTY), (OLD, "list: resolved"), (OLD_MESSAGES, MESSAGES), (USUAL_OLD, USUAL)]
    return {
        **found,
        **slowest(found),
        **ratios(found, AREA, MEDIAN, [*peers, (USUAL_OLD_MESSAGES, USUAL_MESSAGES)]),
        **ratios(found, AREA, STATEMENT, deep),
    }


@signed_in
def empty() -> str:
    return ""


def look_at(stage: Stage, look: Look, times: int) -> Measured:
    took, cpu = look_often(look, times)
    _status, length = look()
    return {
        MEDIAN: statistics.median(took),
        P95: percentile(took, 0.95),
        "CPU ms": statistics.median(cpu),
        STATEMENT: slowest_statement_ms(inbox.engine_of(stage), look),
        KILOBYTES: length / 1024,
    }


def all_looks(stage: Stage) -> dict[str, Look]:
    admin, _agent = inbox.browsers(stage)
    looks = {page: look for page, look in inbox.pages(stage, admin) if page.startswith((*IN_TIME, POLL, *COUNTS))}
    return {EMPTY: looking(admin, "/bench/empty"), **looks, **looks_of_api(stage)}


def looks_of_api(stage: Stage) -> dict[str, Look]:
    with stage.connect() as connection:
        row = connection.execute("SELECT id FROM tenants").fetchone()
    assert row is not None
    scope = TenantScope(UUID(str(row[0])))
    with stage.app.app_context(), acting_for(scope):
        _token, secret = api_tokens.create(scope, name="A measurement", kind="live", scopes=[ApiScope.READ])
    client = stage.app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    cursor = base64.urlsafe_b64encode(inbox_rows.deep_message(stage).encode()).decode()
    address = "/messages?limit=50"
    return {MESSAGES: looking(client, address), OLD_MESSAGES: looking(client, f"{address}&cursor={cursor}")}


def pages_of_usual_build(stage: Stage, times: int) -> dict[str, Callable[[], Measured]]:
    """As deep as the portal's old pages: behind nine tenths."""
    with usual_build.create_app(stage.env["DATABASE_URL"]).app_context():
        usual_build.db.create_all()
    for statement in usual_build.COPY_ROWS:
        stage.run(statement)
    stage.run("VACUUM ANALYZE")
    conversations = stage.count("SELECT count(*) * 9 / 10 FROM usual_conversations") // usual_build.PAGE
    messages = stage.count("SELECT count(*) * 9 / 10 FROM usual_messages") // usual_build.MESSAGES_PAGE
    addresses = {
        USUAL: "/conversations",
        USUAL_OLD: f"/conversations?page={conversations}",
        USUAL_MESSAGES: "/messages",
        USUAL_OLD_MESSAGES: f"/messages?page={messages}",
    }
    arguments = ("--times", str(times), "--page")
    return {
        name: partial(usual_build.in_own_process, stage.env, *arguments, address) for name, address in addresses.items()
    }


def slowest(found: Figures) -> Figures:
    """Of the pages that have a target, the one with the worst figure, round by round."""

    def worst(beginnings: tuple[str, ...], what: str) -> Figure:
        of = [each for name, each in found.items() if name.startswith(beginnings) and name.endswith(what)]
        return Figure(tuple(map(max, zip(*(each.rounds for each in of), strict=True))))

    lists, threads, polls = (f"{AREA}: {kind}" for kind in (*IN_TIME, POLL))
    return {
        f"{AREA}: slowest list, {P95}": worst((lists,), P95),
        f"{AREA}: slowest thread, {P95}": worst((threads,), P95),
        f"{AREA}: slowest poll, {P95}": worst((polls,), P95),
        f"{AREA}: largest, {KILOBYTES}": worst((lists, threads), KILOBYTES),
    }
