"""What happens beside a worker that is at something long."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import Flask

from tests.background.work import Act


@pytest.fixture
def elsewhere(app: Flask) -> Callable[[Act], object]:
    """Do it on another connection, as another process would, and wait for it."""

    def do(act: Act) -> object:
        def in_context() -> object:
            with app.app_context():
                return act()

        with ThreadPoolExecutor(1) as pool:
            return pool.submit(in_context).result(20)

    return do
