"""Where somebody came from counts only when it is in this portal."""

import pytest
from flask import Flask

from portal.web.addresses import own_path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("http://portal.test/t/acme?unit=centro", "/t/acme?unit=centro"),
        ("http://portal.test/", "/"),
        ("http://elsewhere.test/t/acme", None),
        ("http://portal.test//elsewhere.test", None),
        ("http://portal.test/\\elsewhere.test", None),
        ("http://portal.test", None),
        ("http://[", None),
        ("/t/acme", None),
        ("javascript:alert(1)", None),
        (None, None),
    ],
)
def test_only_a_path_of_this_portal_is_led_back_to(app: Flask, url: str | None, path: str | None) -> None:
    with app.test_request_context("/", base_url="http://portal.test"):
        assert own_path(url) == path
