"""What Evolution says of a unit now: a few short calls, during which no connection to the database is held."""

import threading
import time
from concurrent.futures import Future
from dataclasses import dataclass

from portal import evolution_versions
from portal.evolution import errors
from portal.evolution.client import EvolutionClient
from portal.evolution.errors import EvolutionError, EvolutionUnavailable
from portal.evolution.types import ChatFilter, StoredPage, Webhook
from portal.evolution_versions import Numbers
from portal.models import EvolutionServer
from portal.monitor.diagnose.facts import Facts
from portal.outbox import backfill, intents, servers
from portal.outbox.backfill import Comparison
from portal.secrets import Unreadable
from portal.tenancy import TenantScope

CALL_S = 3.0
# No call begins later than this.
NO_MORE_AFTER_S = 4.0
# Whatever Evolution or the network do meanwhile, nobody waits for longer.
LONGEST_S = 9.5


@dataclass(frozen=True)
class Question:
    """What is to be asked, and by what the answers are judged."""

    # None: no server is known yet, or its key cannot be read.
    client: EvolutionClient | None
    has_server: bool
    # Without one only the server itself is asked.
    instance_name: str | None
    webhook: Webhook | None
    version: Numbers
    chats: ChatFilter
    accepted_secret_hash: str | None
    comparison: Comparison | None


@dataclass
class Answer:
    """What came back; None in a field: that was not asked, or not said."""

    # Why Evolution did not say the rest.
    error: str | None = None
    is_missing: bool = False
    is_loaded: bool | None = None
    state: str | None = None
    webhook_faults: tuple[str, ...] | None = None
    # Its only fault is the secret: that of before, which is still taken, or any other one.
    has_secret_of_before: bool = False
    has_other_secret: bool = False
    settings_faults: tuple[str, ...] | None = None
    stored: StoredPage | None = None
    # Of the messages stored lately: those that should be here and are not, and those of chats that the unit leaves out.
    missed: int | None = None
    left_out: int | None = None


def prepare(facts: Facts) -> Question:
    """Whom to ask for what; reads the last rows that this needs."""
    connection, server = facts.connection, facts.server
    version = evolution_versions.numbers(server.version if server else None)
    name = connection.instance_name if facts.has_instance else None
    until = connection.previous_accepted_until
    return Question(
        client=_client(server),
        has_server=server is not None,
        instance_name=name,
        webhook=intents.webhook(name, facts.secret, version) if name and facts.secret else None,
        version=version,
        chats=intents.chat_filter(facts.unit),
        accepted_secret_hash=connection.previous_webhook_secret_hash if until and until > facts.at else None,
        comparison=backfill.outline(connection, facts.unit) if name else None,
    )


def ask(question: Question) -> Answer:
    """Ask one thing after the other, until something is not answered or the time is over.

    In a thread that can be left behind: a name may be looked up, and the head of an answer may trickle, for as long
    as they like.
    """
    told = Future[Answer]()
    threading.Thread(target=_tell, args=(question, told), daemon=True).start()
    try:
        return told.result(timeout=LONGEST_S)
    except TimeoutError:
        return Answer(error=errors.TIMED_OUT)


def look_through(scope: TenantScope, question: Question, answer: Answer) -> None:
    """Compare the messages that Evolution has with ours."""
    if answer.stored is not None and question.comparison is not None:
        answer.missed, answer.left_out = backfill.look_through(scope, question.comparison, answer.stored)
    elif answer.state == "open" and answer.error is None:
        # They were compared a moment ago, and nothing is old enough since.
        answer.missed = answer.left_out = 0


def _tell(question: Question, told: Future[Answer]) -> None:
    try:
        told.set_result(_ask(question))
    except Exception as e:
        told.set_exception(e)


def _ask(question: Question) -> Answer:
    answer = Answer()
    if question.client is None:
        answer.error = servers.UNREADABLE_KEY if question.has_server else None
        return answer
    steps = (_ask_state, _ask_settings, _ask_webhook, _ask_messages) if question.instance_name else (_ask_server,)
    begun_at = time.monotonic()
    try:
        for step in steps:
            if time.monotonic() - begun_at > NO_MORE_AFTER_S:
                answer.error = errors.TIMED_OUT
            if answer.error or answer.is_missing or answer.is_loaded is False:
                break
            step(question.client, question, answer)
    except EvolutionError as e:
        answer.error = e.code
    return answer


def _client(server: EvolutionServer | None) -> EvolutionClient | None:
    try:
        return servers.client_for(server.id, call_timeout_s=CALL_S) if server else None
    except Unreadable:
        return None


def _ask_server(client: EvolutionClient, question: Question, answer: Answer) -> None:
    client.verify_key()


def _ask_state(client: EvolutionClient, question: Question, answer: Answer) -> None:
    try:
        answer.state = client.connection_state(question.instance_name or "")
    except EvolutionUnavailable as e:
        if e.code != errors.INSTANCE_UNKNOWN:
            raise
        answer.is_missing = True
        return
    answer.is_loaded = answer.state is not None


def _ask_settings(client: EvolutionClient, question: Question, answer: Answer) -> None:
    instance = client.fetch_instance(question.instance_name or "")
    answer.settings_faults = tuple(intents.settings_faults(instance.settings, question.chats))


def _ask_webhook(client: EvolutionClient, question: Question, answer: Answer) -> None:
    wanted = question.webhook
    if wanted is None:
        return
    found = client.find_webhook(question.instance_name or "")
    faults = intents.webhook_faults(found, wanted, question.version)
    is_of_before = intents.is_of_before(found, wanted, faults, question.accepted_secret_hash)
    is_ours = found is not None and found.url.rpartition("/")[0] == wanted.url.rpartition("/")[0]
    answer.webhook_faults, answer.has_secret_of_before = tuple(faults), is_of_before
    answer.has_other_secret = "url" in faults and is_ours and not is_of_before


def _ask_messages(client: EvolutionClient, question: Question, answer: Answer) -> None:
    span = question.comparison
    if answer.state == "open" and span is not None and span.compared_until < span.until:
        name = question.instance_name or ""
        answer.stored = client.find_messages(name, since=span.since, until=span.until, page=1)
