"""The settings of one process, read once from the environment."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

from sentry_sdk.utils import BadDsn, Dsn

from portal import __version__

DEVELOPMENT = "development"
PRODUCTION = "production"
SHORTEST_SECRET = 32
SHORTEST_API_KEY = 16
# Evolution's built-in default (contract §2): anybody can look it up.
KNOWN_API_KEYS = frozenset({"BQYHJGJHJ"})
REQUIRED = ("DATABASE_URL", "REDIS_URL", "SECRET_KEY", "BASE_URL", "EVOLUTION_API_URL", "EVOLUTION_API_KEY")
DRIVER = "postgresql+psycopg://"
LOG_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")
SHORTEST_METRICS_TOKEN = 16
CHECKPOINT_MINUTES = "10,20,30,60"
SWITCH = {"on": True, "off": False}
# What Heroku and Railway call the commit that they run.
VERSIONS = ("RELEASE_VERSION", "HEROKU_SLUG_COMMIT", "RAILWAY_GIT_COMMIT_SHA")
LONGEST_VERSION = 80
# Of an address, also of one that urlsplit refuses and the database's driver takes.
PASSWORD = re.compile(r"://[^:/@]*:([^/]+)@")


OPTIONAL = ("SMTP_URL", "MAIL_FROM", "SENTRY_DSN", "METRICS_TOKEN", "ALERT_WEBHOOK_URL", "ALERT_MAIL_TO")


def _minutes(listed: str) -> tuple[float, ...]:
    """Growing numbers above 0; nothing where they are not."""
    try:
        minutes = tuple(float(number) for number in listed.split(","))
    except ValueError:
        return ()
    grows = all(before < after < math.inf for before, after in zip((0.0, *minutes), minutes, strict=False))
    return minutes if grows else ()


class ConfigError(Exception):
    """Every setting that is missing or weak, in one message."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("The portal cannot start:\n" + "\n".join(f"  - {problem}" for problem in problems))
        self.problems = problems


@dataclass(frozen=True)
class Config:
    database_url: str = field(repr=False)
    redis_url: str = field(repr=False)
    secret_key: str = field(repr=False)
    base_url: str
    evolution_api_url: str
    evolution_api_key: str = field(repr=False)
    portal_env: str = PRODUCTION
    log_level: str = "INFO"
    encryption_keys: tuple[str, ...] = field(default=(), repr=False)
    # Secret keys of before, the newest first: what they signed is still good.
    secret_key_fallbacks: tuple[str, ...] = field(default=(), repr=False)
    trusted_proxies: int = 0
    evolution_timeout_s: float = 90.0
    # Off where the host of Redis makes its certificate itself, as Heroku does.
    redis_tls_verify: bool = True
    # `smtp://user:password@host:587` (STARTTLS) or `smtps://…:465`; without it links are shown instead of sent.
    smtp_url: str = field(default="", repr=False)
    mail_from: str = ""
    sentry_dsn: str = field(default="", repr=False)
    # With which Prometheus reads `/metrics`; without it there is no such page.
    metrics_token: str = field(default="", repr=False)
    # Where alerts go, as JSON and as mail. Whoever knows the address of the webhook can post there, so it is a secret.
    alert_webhook_url: str = field(default="", repr=False)
    alert_mail_to: str = ""
    # When a release is looked at after it was registered, in minutes.
    golive_checkpoint_minutes: tuple[float, ...] = _minutes(CHECKPOINT_MINUTES)
    # What the running code calls itself.
    release_version: str = __version__

    @classmethod
    def load(cls, env: Mapping[str, str]) -> "Config":
        """Read the settings of the README's table. Raises ConfigError naming all that is wrong."""
        values = {name: env.get(name, "").strip() for name in REQUIRED}
        portal_env = env.get("PORTAL_ENV", PRODUCTION).strip() or PRODUCTION
        log_level = env.get("LOG_LEVEL", "INFO").strip().upper() or "INFO"
        proxies = env.get("TRUSTED_PROXIES", "").strip() or "0"
        tls_verify = env.get("REDIS_TLS_VERIFY", "").strip().lower() or "on"
        problems = [f"{name} is not set" for name, value in values.items() if not value]
        problems += _unreadable(
            portal_env, log_level, proxies, database=values["DATABASE_URL"], key=values["EVOLUTION_API_KEY"]
        )
        if tls_verify not in SWITCH:
            problems.append(f"REDIS_TLS_VERIFY must be {' or '.join(SWITCH)}")
        optional = {name: env.get(name, "").strip() for name in OPTIONAL}
        problems += _unusable_mail(optional["SMTP_URL"], optional["MAIL_FROM"])
        problems += _unusable_dsn(optional["SENTRY_DSN"])
        problems += _unusable_alerts(optional)
        minutes = env.get("GOLIVE_CHECKPOINT_MINUTES", "").strip() or CHECKPOINT_MINUTES
        if not _minutes(minutes):
            problems.append(
                "GOLIVE_CHECKPOINT_MINUTES must be growing numbers above 0, with commas between: 10,20,30,60"
            )
        keys = {name: _keys(env.get(name, "")) for name in ("ENCRYPTION_KEYS", "SECRET_KEY_FALLBACKS")}
        if portal_env == PRODUCTION:
            problems += _weak(values, keys)
        if problems:
            raise ConfigError(problems)
        return cls(
            database_url=_with_driver(values["DATABASE_URL"]),
            redis_url=values["REDIS_URL"],
            secret_key=values["SECRET_KEY"],
            base_url=values["BASE_URL"].rstrip("/"),
            evolution_api_url=values["EVOLUTION_API_URL"].rstrip("/"),
            evolution_api_key=values["EVOLUTION_API_KEY"],
            portal_env=portal_env,
            log_level=log_level,
            encryption_keys=keys["ENCRYPTION_KEYS"],
            secret_key_fallbacks=keys["SECRET_KEY_FALLBACKS"],
            trusted_proxies=int(proxies),
            redis_tls_verify=SWITCH[tls_verify],
            smtp_url=optional["SMTP_URL"],
            mail_from=optional["MAIL_FROM"],
            sentry_dsn=optional["SENTRY_DSN"],
            metrics_token=optional["METRICS_TOKEN"],
            alert_webhook_url=optional["ALERT_WEBHOOK_URL"],
            alert_mail_to=optional["ALERT_MAIL_TO"],
            golive_checkpoint_minutes=_minutes(minutes),
            release_version=_version(env),
        )

    @property
    def is_production(self) -> bool:
        return self.portal_env == PRODUCTION

    @property
    def redis_tls(self) -> dict[str, str]:
        """What a client of Redis is told besides the address; one without TLS knows no such word."""
        is_unverified = self.redis_url.startswith("rediss://") and not self.redis_tls_verify
        return {"ssl_cert_reqs": "none"} if is_unverified else {}

    @property
    def secrets(self) -> frozenset[str]:
        """Every value of these that nobody may see, and passwords of addresses as they are written there and meant."""
        urls = (self.database_url, self.redis_url, self.smtp_url)
        passwords = [found[1] for url in urls if (found := PASSWORD.search(url))]
        keys = (self.secret_key, *self.secret_key_fallbacks, *self.encryption_keys)
        others = (self.evolution_api_key, self.metrics_token, self.alert_webhook_url)
        return frozenset({*keys, *others, *passwords, *map(unquote, passwords)} - {""})


def _keys(listed: str) -> tuple[str, ...]:
    return tuple(key.strip() for key in listed.split(",") if key.strip())


def _unreadable(portal_env: str, log_level: str, proxies: str, *, database: str, key: str) -> list[str]:
    problems = []
    if portal_env not in (PRODUCTION, DEVELOPMENT):
        problems.append(f"PORTAL_ENV must be {PRODUCTION} or {DEVELOPMENT}")
    if log_level not in LOG_LEVELS:
        problems.append(f"LOG_LEVEL must be one of {', '.join(LOG_LEVELS)}")
    if not (proxies.isascii() and proxies.isdigit()):
        problems.append("TRUSTED_PROXIES must be the number of proxies in front of the portal")
    if not key.isascii():
        problems.append("EVOLUTION_API_KEY must be plain ASCII, for it goes into an HTTP header")
    if database and not _with_driver(database).startswith(DRIVER):
        problems.append("DATABASE_URL must begin with postgresql://")
    return problems


def _unusable_mail(smtp_url: str, mail_from: str) -> list[str]:
    problems = []
    if smtp_url and not _is_smtp(smtp_url):
        problems.append("SMTP_URL must look like smtp://user:password@host:587 or smtps://user:password@host:465")
    if smtp_url and "@" not in mail_from:
        problems.append("MAIL_FROM must be an e-mail address where SMTP_URL is set")
    return problems


def _is_smtp(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("smtp", "smtps") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _unusable_dsn(sentry_dsn: str) -> list[str]:
    try:
        Dsn(sentry_dsn or "https://key@sentry.test/1")
    except BadDsn:
        return ["SENTRY_DSN must be the address that Sentry shows for the project"]
    return []


def _unusable_alerts(optional: Mapping[str, str]) -> list[str]:
    problems = []
    if 0 < len(optional["METRICS_TOKEN"]) < SHORTEST_METRICS_TOKEN:
        problems.append(f"METRICS_TOKEN is shorter than {SHORTEST_METRICS_TOKEN} characters")
    if optional["ALERT_WEBHOOK_URL"] and not _is_http(optional["ALERT_WEBHOOK_URL"]):
        problems.append("ALERT_WEBHOOK_URL must begin with https:// or http:// and name a host")
    if optional["ALERT_MAIL_TO"] and "@" not in optional["ALERT_MAIL_TO"]:
        problems.append("ALERT_MAIL_TO must be an e-mail address")
    if optional["ALERT_MAIL_TO"] and not optional["SMTP_URL"]:
        problems.append("ALERT_MAIL_TO needs SMTP_URL, or nothing can be sent there")
    return problems


def _is_http(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _version(env: Mapping[str, str]) -> str:
    """What the operator or the platform calls the running code, else the portal's own version."""
    named = (env.get(name, "").strip() for name in VERSIONS)
    return next((name for name in named if name), __version__)[:LONGEST_VERSION]


def _weak(values: Mapping[str, str], keys: Mapping[str, tuple[str, ...]]) -> list[str]:
    problems = []
    if 0 < len(values["SECRET_KEY"]) < SHORTEST_SECRET:
        problems.append(f"SECRET_KEY is shorter than {SHORTEST_SECRET} characters")
    for name, listed in keys.items():
        if any(len(key) < SHORTEST_SECRET for key in listed):
            problems.append(f"{name} holds a key shorter than {SHORTEST_SECRET} characters")
    key = values["EVOLUTION_API_KEY"]
    if key in KNOWN_API_KEYS or 0 < len(key) < SHORTEST_API_KEY:
        problems.append(f"EVOLUTION_API_KEY is a known default or shorter than {SHORTEST_API_KEY} characters")
    if values["BASE_URL"] and urlsplit(values["BASE_URL"]).scheme != "https":
        problems.append("BASE_URL must begin with https://")
    return problems


def _with_driver(url: str) -> str:
    """Accept Heroku's `postgres://`, which SQLAlchemy 2.1 refuses."""
    scheme, _, rest = url.partition("://")
    return f"{DRIVER}{rest}" if scheme in ("postgres", "postgresql") else url
