"""The release gate as a command: `flask --app wsgi release-gate`."""

import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path

import click
from flask import Flask, current_app
from flask.cli import with_appcontext
from jinja2 import TemplateError

from portal.extensions import parts
from portal.monitor import gate
from portal.monitor.gate import Answer, Application, CheckResult, Stage


@click.command("release-gate")
@click.option("--json", "as_json", is_flag=True, help="Say it as one JSON object.")
@click.option(
    "--stage",
    type=click.Choice([stage.value for stage in Stage]),
    default=Stage.FULL.value,
    show_default=True,
    help="`release` leaves out what needs this release's web and worker up.",
)
@with_appcontext
def release_gate(as_json: bool, stage: str) -> None:
    """Try whether the portal may go live. Ends with status 0 only when every check passed."""
    at = Stage(stage)
    with _quiet():
        results = gate.run(at, application_of(current_app._get_current_object()))  # type: ignore[attr-defined]
    is_recorded = gate.record(at, results)
    if as_json:
        click.echo(json.dumps(_as_json(results)))
    else:
        _say(results)
    if not is_recorded:
        click.echo("Not recorded as evidence: the database does not take it.", err=True)
    if not all(result.is_ok for result in results):
        raise SystemExit(1)


def application_of(app: Flask) -> Application:
    """What the gate looks at of this app."""
    return Application(
        root=Path(app.static_folder or "").parent,
        settings=app.config,
        context=app.app_context,
        fetch=_Inside(app),
        compile_templates=_compiler(app),
    )


@contextmanager
def _quiet() -> Iterator[None]:
    """The gate asks the web app this and that: its lines about requests would stand between those of the checks."""
    requests = logging.getLogger("portal.web.headers")
    before = requests.level
    requests.setLevel(logging.WARNING)
    try:
        yield
    finally:
        requests.setLevel(before)


class _Inside:
    """Answers as the web would, in this process."""

    def __init__(self, app: Flask) -> None:
        self._app = app

    def __call__(self, method: str, path: str, *, body: str | None = None) -> Answer:
        answer = self._app.test_client().open(
            path,
            method=method,
            data=body,
            content_type="application/json",
            base_url=parts.config.base_url,
            # Read at once, or the file that it is made of stays open.
            buffered=True,
        )
        return Answer(answer.status_code, answer.text)


def _compiler(app: Flask) -> Callable[[], tuple[int, list[str]]]:
    def compile_all() -> tuple[int, list[str]]:
        names = app.jinja_env.list_templates()
        return len(names), [name for name in names if not _compiles(app, name)]

    return compile_all


def _compiles(app: Flask, name: str) -> bool:
    try:
        app.jinja_env.get_template(name)
    except TemplateError:
        return False
    return True


def _say(results: list[CheckResult]) -> None:
    for group, found in groupby(results, key=lambda result: result.group):
        click.echo(group)
        for one in found:
            click.echo(f"  {'ok  ' if one.is_ok else 'FAIL'}  {one.name}: {one.detail} ({one.took_ms:.0f} ms)")
    click.echo(gate.summary(results))


def _as_json(results: list[CheckResult]) -> dict[str, object]:
    checks = [
        {"name": one.name, "ok": one.is_ok, "detail": one.detail, "group": one.group, "took_ms": one.took_ms}
        for one in results
    ]
    return {"checks": checks, "passed": sum(one.is_ok for one in results), "total": len(results)}
