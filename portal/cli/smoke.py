"""The operators' command for the smoke test: `flask --app wsgi smoke`."""

import json
from collections.abc import Sequence
from contextlib import suppress

import click

from portal import phone
from portal.extensions import parts
from portal.monitor.smoke.calls import Call, Order, SmokeTest
from portal.monitor.smoke.client import Client, checked_url, is_of_this_machine
from portal.monitor.smoke.drawing import in_terminal
from portal.monitor.smoke.failures import Failed
from portal.monitor.smoke.scans import Code, Scanner, SimulatedPhone
from portal.monitor.smoke.units import Unit

PASSWORD = "PORTAL_SMOKE_PASSWORD"
SIMULATOR = "simulator"
# Whole ones, for a limit that is "inf" or "nan" never comes.
SECONDS = click.IntRange(0, 999_999)
# Somebody of the simulator, who gets what a simulated unit sends. Elsewhere the number could be anybody's.
SIMULATED_CUSTOMER = "+55 11 98888-0001"


def _address(context: click.Context, option: click.Parameter, url: str) -> str:
    try:
        return checked_url(url)
    except ValueError as e:
        raise click.BadParameter(str(e)) from e


def _number(context: click.Context, option: click.Parameter, typed: str) -> str:
    try:
        return phone.canonical(typed) if typed else ""
    except phone.NotAPhone as e:
        raise click.BadParameter("is no telephone number") from e


def _from_environment(context: click.Context, option: click.Parameter, password: str) -> str:
    # Everybody on the machine sees command lines.
    if context.get_parameter_source(option.name or "") is click.core.ParameterSource.COMMANDLINE or not password:
        raise click.UsageError(f"Give the password in {PASSWORD}, and not on the command line.")
    return password


class Person:
    """Whoever sits at the terminal with the unit's phone; told on standard error, so that the result stays apart."""

    def __init__(self, url: str, *, is_drawn: bool) -> None:
        self._url, self._is_drawn = url, is_drawn

    def show(self, unit: Unit, code: Code) -> None:
        click.echo(f"\nScan the code in WhatsApp › Linked devices › Link a device: {self._url}{unit.page}", err=True)
        if self._is_drawn:
            with suppress(ValueError):
                # The colours as well where standard error is a file, which somebody may follow.
                click.echo(in_terminal(code.picture), err=True, color=True)
        if self._is_drawn and code.pairing_code:
            click.echo(f"Or type the pairing code {code.pairing_code} there.", err=True)

    def wait(self, waited_s: float, at_most_s: float) -> None:
        click.echo(f"Waiting for the phone, {waited_s:.0f} of {at_most_s:.0f} s", err=True)


@click.command("smoke")
@click.option("--url", required=True, callback=_address, help="Where the portal runs: https://portal.example.com.")
@click.option("--email", required=True, help=f"Of an administrator of a company; the password comes in {PASSWORD}.")
@click.option("--password", envvar=PASSWORD, default="", hidden=True, callback=_from_environment)
@click.option("--code", default="", help="Of the account's second factor, where it has one.")
@click.option("--unit", default="", help="Which unit connects and sends: short name or id. Else the only one.")
@click.option("--phone", "number", default="", callback=_number, help="Who gets the message: not the unit itself.")
@click.option("--scan-with", type=click.Choice(["phone", SIMULATOR]), default="phone", show_default=True)
@click.option("--scan-limit", "scan_limit_s", default=300, show_default=True, type=SECONDS, metavar="SECONDS")
@click.option("--delivery-limit", "delivery_limit_s", default=120, show_default=True, type=SECONDS, metavar="SECONDS")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object instead of lines.")
def smoke(
    url: str,
    email: str,
    password: str,
    code: str,
    unit: str,
    number: str,
    scan_with: str,
    scan_limit_s: int,
    delivery_limit_s: int,
    as_json: bool,
) -> None:
    """Make the eight calls of a first day against a running portal: from signing in to a delivered message.

    Pauses until the unit's phone is linked; a unit that is connected already is used as it is. Ends with status 0 only
    when the message was delivered. Needs no database.
    """
    is_simulated = scan_with == SIMULATOR
    if not (number or (is_simulated and is_of_this_machine(url))):
        raise click.UsageError("Say with --phone who gets the message, say your own number.")
    order = Order(
        email=email,
        password=password,
        number=number or phone.canonical(SIMULATED_CUSTOMER),
        unit=unit,
        code=code,
        scan_limit_s=scan_limit_s,
        delivery_limit_s=delivery_limit_s,
    )
    scanner = _simulated_phone() if is_simulated else Person(url, is_drawn=not as_json)
    test = SmokeTest(Client(url), order, scanner)
    calls = []
    for call in test.run():
        calls.append(call)
        if not as_json:
            click.echo(_line(len(calls), len(test.calls), call))
    _finish(calls, total=len(test.calls), as_json=as_json)


def _simulated_phone() -> Scanner:
    try:
        simulated = SimulatedPhone(parts.config.evolution_api_url)
        simulated.check()
    except (ValueError, Failed) as e:
        raise click.ClickException(f"EVOLUTION_API_URL: {e}") from e
    return simulated


def _line(number: int, total: int, call: Call) -> str:
    verdict = "ok" if call.is_ok else "FAILED"
    status = "-" if call.status is None else call.status
    return f"{number}/{total} {call.name:<14} {verdict:<6} {status:>3} {call.took_ms:>6.0f} ms  {call.detail}"


def _finish(calls: Sequence[Call], *, total: int, as_json: bool) -> None:
    passed = sum(call.is_ok for call in calls)
    if as_json:
        click.echo(json.dumps({"calls": [_as_json(call) for call in calls], "passed": passed, "total": total}))
    else:
        click.echo(f"{passed}/{total} calls passed")
    if passed < total:
        click.get_current_context().exit(1)


def _as_json(call: Call) -> dict[str, object]:
    return {
        "name": call.name,
        "ok": call.is_ok,
        "status": call.status,
        "took_ms": round(call.took_ms, 1),
        "detail": call.detail,
    }
