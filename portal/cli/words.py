"""What commands say when something is wrong."""

from collections.abc import Callable
from functools import wraps
from typing import ParamSpec

import click

from portal.errors import DomainError, Invalid

P = ParamSpec("P")


def in_words(command: Callable[P, None]) -> Callable[P, None]:
    """Say what is wrong in one line per field, and end with status 1."""

    @wraps(command)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        try:
            command(*args, **kwargs)
        except Invalid as e:
            raise click.ClickException("; ".join(f"{name}: {text}" for name, text in e.fields.items())) from e
        except DomainError as e:
            raise click.ClickException(e.message) from e

    return run
