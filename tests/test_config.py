"""The settings: all that is wrong is said at once, and nothing weak starts in production."""

import pytest

from portal.config import KNOWN_API_KEYS, REQUIRED, Config, ConfigError

GOOD = {
    "DATABASE_URL": "postgresql://portal@db.test:5432/portal",
    "REDIS_URL": "redis://cache.test:6379/0",
    "SECRET_KEY": "k" * 32,
    "BASE_URL": "https://portal.test",
    "EVOLUTION_API_URL": "https://evolution.test",
    "EVOLUTION_API_KEY": "e" * 16,
}


def test_required_settings_are_enough_for_production() -> None:
    config = Config.load(GOOD)

    assert config.is_production
    assert (config.log_level, config.trusted_proxies, config.encryption_keys) == ("INFO", 0, ())


def test_one_error_names_everything_that_is_missing() -> None:
    with pytest.raises(ConfigError) as refused:
        Config.load({})

    assert refused.value.problems == [f"{name} is not set" for name in REQUIRED]
    assert all(name in str(refused.value) for name in REQUIRED)


def test_one_error_names_everything_that_is_wrong() -> None:
    env = {
        **GOOD,
        "REDIS_URL": " ",
        "PORTAL_ENV": "staging",
        "LOG_LEVEL": "loud",
        "TRUSTED_PROXIES": "some",
    }

    with pytest.raises(ConfigError) as refused:
        Config.load(env)

    assert [problem.split()[0] for problem in refused.value.problems] == [
        "REDIS_URL",
        "PORTAL_ENV",
        "LOG_LEVEL",
        "TRUSTED_PROXIES",
    ]


@pytest.mark.parametrize("proxies", ["some", "-1", "1.5", "²"])
def test_proxies_that_are_no_number_are_refused(proxies: str) -> None:
    with pytest.raises(ConfigError, match="TRUSTED_PROXIES"):
        Config.load({**GOOD, "TRUSTED_PROXIES": proxies})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SECRET_KEY", "k" * 31),
        ("EVOLUTION_API_KEY", "e" * 15),
        *[("EVOLUTION_API_KEY", key) for key in KNOWN_API_KEYS],
        ("BASE_URL", "http://portal.test"),
        ("BASE_URL", "portal.test"),
        ("ENCRYPTION_KEYS", "short"),
        ("ENCRYPTION_KEYS", "k" * 32 + ",short"),
    ],
)
def test_weak_value_stops_production_but_not_development(name: str, value: str) -> None:
    weak = {**GOOD, name: value}

    with pytest.raises(ConfigError, match=name) as refused:
        Config.load(weak)

    assert len(refused.value.problems) == 1
    assert not Config.load({**weak, "PORTAL_ENV": "development"}).is_production


@pytest.mark.parametrize("name", ["SECRET_KEY", "EVOLUTION_API_KEY", "DATABASE_URL"])
def test_development_still_needs_every_required_setting(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} is not set"):
        Config.load({**GOOD, name: "", "PORTAL_ENV": "development"})


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_database_of_any_postgresql_scheme_gets_our_driver(scheme: str) -> None:
    config = Config.load({**GOOD, "DATABASE_URL": f"{scheme}://portal:a%40b@db.test/portal?sslmode=require"})

    assert config.database_url == "postgresql+psycopg://portal:a%40b@db.test/portal?sslmode=require"


@pytest.mark.parametrize("url", ["mysql://db.test/portal", "sqlite:///portal.db", "db.test/portal"])
def test_any_other_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="DATABASE_URL"):
        Config.load({**GOOD, "DATABASE_URL": url})


def test_values_are_read_without_what_surrounds_them() -> None:
    config = Config.load(
        {
            **GOOD,
            "BASE_URL": " https://portal.test/ ",
            "EVOLUTION_API_URL": "https://evolution.test/",
            "LOG_LEVEL": "debug",
            "TRUSTED_PROXIES": "1",
            "ENCRYPTION_KEYS": f" {'n' * 32} ,,{'o' * 32}",
        }
    )

    assert (config.base_url, config.evolution_api_url) == ("https://portal.test", "https://evolution.test")
    assert (config.log_level, config.trusted_proxies) == ("DEBUG", 1)
    assert config.encryption_keys == ("n" * 32, "o" * 32)


def test_shown_settings_hold_no_secret() -> None:
    config = Config.load(
        {**GOOD, "ENCRYPTION_KEYS": "n" * 32, "DATABASE_URL": "postgresql://portal:password@db.test/p"}
    )

    shown = repr(config)

    assert not [secret for secret in ("k" * 32, "e" * 16, "n" * 32, "password") if secret in shown]


def test_a_key_that_no_header_can_carry_is_refused() -> None:
    with pytest.raises(ConfigError, match="plain ASCII"):
        Config.load({**GOOD, "EVOLUTION_API_KEY": "chave-com-acentuação-bem-longa"})


@pytest.mark.parametrize(("value", "is_verified"), [("", True), ("on", True), (" Off ", False)])
def test_certificate_of_redis_is_verified_unless_that_is_off(value: str, is_verified: bool) -> None:
    env = {**GOOD, "REDIS_URL": "rediss://cache.test:6379/0", "REDIS_TLS_VERIFY": value}

    assert Config.load(env).redis_tls == ({} if is_verified else {"ssl_cert_reqs": "none"})
    assert Config.load({**env, "REDIS_URL": GOOD["REDIS_URL"]}).redis_tls == {}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("REDIS_TLS_VERIFY", "no"),
        ("SECRET_KEY_FALLBACKS", "k" * 32 + ",change-me"),
        ("SENTRY_DSN", "oops"),
        ("SMTP_URL", "smtp://mail.test:abc"),
        ("SMTP_URL", "https://mail.test"),
    ],
)
def test_optional_setting_that_cannot_work_stops_the_start(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=name):
        Config.load({**GOOD, "MAIL_FROM": "portal@portal.test", name: value})
