"""Which addresses a company may give for its programs, here and in production, and what is shown of them."""

from dataclasses import replace

import pytest

from portal.extensions import parts
from portal.services.webhook_addresses import LONGEST_URL, address_problem, without_query

PUBLIC = "https://crm.example.com/hook"
TAKEN_ANYWHERE = (
    PUBLIC,
    f"{PUBLIC}?key=only-they-know",
    "https://crm.example.com:8443/",
    "https://8.8.8.8/hook",
    "https://[2606:4700::1111]/hook",
    "https://bücher.example/hook",
)
TAKEN_IN_DEVELOPMENT = (
    "http://crm.example.com/hook",
    "http://localhost:9000/hook",
    "http://127.0.0.1:9000/hook",
    "http://[::1]:9000/hook",
)
REFUSED = (
    "",
    "crm.example.com/hook",
    "//crm.example.com/hook",
    "ftp://crm.example.com/hook",
    "javascript:alert(1)",
    "https://",
    "https:///hook",
    "https://crm.example.com:0/",
    "https://crm.example.com:99999/",
    "https://crm..example.com/",
    "https://[::1",
    "https://crm.example.com/a b",
    "https://crm.example.com/\x00",
    "https://user:word@crm.example.com/",
    "https://user@crm.example.com/",
    f"https://crm.example.com/{'a' * LONGEST_URL}",
    "https://10.0.0.1/",
    "https://172.16.0.1/",
    "https://192.168.0.1/",
    "https://169.254.169.254/latest/meta-data/",
    "https://100.64.0.1/",
    "https://0.0.0.0/",
    "https://224.0.0.1/",
    "https://167772161/",
    "https://0xa000001/",
    "https://0xa.0.0.1/",
    "https://012.0.0.1/",
    "https://10.1/",
    "https://１０.0.0.1/",
    "https://10。0。0。1/",
    "https://10.0.0.1./",
    "https://[fd00::1]/",
    "https://[fe80::1]/",
    "https://[::]/",
    "https://[::ffff:10.0.0.1]/",
)
REFUSED_IN_PRODUCTION = (
    *TAKEN_IN_DEVELOPMENT,
    "https://localhost/",
    "https://LOCALHOST./",
    "https://crm.localhost/",
    "https://127.0.0.1/",
    "https://127.1/",
    "https://2130706433/",
    "https://[::1]/",
    "https://[::ffff:127.0.0.1]/",
)


@pytest.fixture
def production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "config", replace(parts.config, portal_env="production"))


@pytest.mark.parametrize("url", [*TAKEN_ANYWHERE, *TAKEN_IN_DEVELOPMENT])
def test_address_is_taken_in_development(app: object, url: str) -> None:
    assert address_problem(url) is None


@pytest.mark.parametrize("url", TAKEN_ANYWHERE)
def test_address_is_taken_in_production(production: None, url: str) -> None:
    assert address_problem(url) is None


@pytest.mark.parametrize("url", REFUSED, ids=range(len(REFUSED)))
def test_address_is_refused_even_in_development(app: object, url: str) -> None:
    assert address_problem(url)


@pytest.mark.parametrize("url", [*REFUSED, *REFUSED_IN_PRODUCTION], ids=range(len(REFUSED + REFUSED_IN_PRODUCTION)))
def test_address_is_refused_in_production(production: None, url: str) -> None:
    assert address_problem(url)


def test_longest_address_is_taken() -> None:
    assert address_problem(PUBLIC.ljust(LONGEST_URL, "a")) is None


def test_what_is_shown_of_an_address_ends_before_its_query() -> None:
    assert without_query("https://crm.example.com:8443/a/b?token=1#c") == "https://crm.example.com:8443/a/b"
