"""Jobs are named by strings and queues by constants: each name leads to what it means."""

import ast
from importlib import import_module
from pathlib import Path

import pytest

from portal import jobs, queue, worker
from portal.worker import Supervisor
from tests.conftest import make_config

PORTAL = Path(queue.__file__).parent


def test_every_queue_has_a_job_and_a_worker_of_its_own(app: object) -> None:
    supervisor = Supervisor(app, make_config("postgresql://db.test/p", "redis://cache.test"))  # type: ignore[arg-type]

    assert set(queue.RELAY_JOBS) == set(queue.QUEUES)
    assert [child.name for child in supervisor._children] == list(queue.QUEUES)


@pytest.mark.parametrize("name", queue.RELAY_JOBS.values())
def test_name_of_a_job_leads_to_a_function_without_arguments(name: str) -> None:
    module, _, function = name.rpartition(".")

    job = getattr(import_module(module), function)

    assert job.__module__ == jobs.__name__
    assert job.__code__.co_argcount == 0


@pytest.mark.parametrize("name", queue.QUEUES)
def test_job_is_enqueued_under_its_name_with_nothing_in_it(redis_server: object, name: str) -> None:
    queue.enqueue_relay(name)

    (job,) = queue.relay_queue(name).jobs
    assert job.func_name == queue.RELAY_JOBS[name]
    assert (list(job.args), job.kwargs) == ([], {})


def test_workers_read_what_is_enqueued(redis_server: object) -> None:
    queue.enqueue_relay(queue.INBOX)
    reader = worker.RelayWorker([queue.INBOX], connection=queue.parts.redis, serializer=worker.JSONSerializer)

    found = reader.queue_class.dequeue_any(
        reader.queues, None, connection=reader.connection, serializer=reader.serializer
    )

    assert found is not None
    assert found[0].func_name == queue.RELAY_JOBS[queue.INBOX]


def test_nothing_is_enqueued_past_the_table_of_names() -> None:
    calls = {path.name for path in PORTAL.rglob("*.py") if _calls_enqueue(ast.parse(path.read_text()))}

    assert calls == {"queue.py"}


def _calls_enqueue(tree: ast.Module) -> bool:
    names = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and _is_method(node)}
    return bool(names & {"enqueue", "enqueue_in", "enqueue_at", "enqueue_call", "enqueue_many"})


def _is_method(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Attribute)
