"""A running portal from the inside: an app of this process on the same database."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from flask import Flask

from portal.app import create_app
from portal.config import Config
from portal.db import db
from portal.extensions import limiter, parts
from portal.web.api.limits import limiter as api_limiter


@contextmanager
def app_of(env: Mapping[str, str]) -> Iterator[Flask]:
    """The app with the settings of this environment."""
    # There is one of each in a process, and other tests have theirs.
    shared = (parts, limiter, api_limiter)
    before = [dict(vars(each)) for each in shared]
    try:
        app = create_app(Config.load(env))
        yield app
        with app.app_context():
            db.engine.dispose()
    finally:
        for each, kept in zip(shared, before, strict=True):
            vars(each).clear()
            vars(each).update(kept)
