"""The factory: settings in, a wired Flask app out."""

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from portal import __version__, cli, error_reports, logs, web
from portal.config import Config
from portal.db import db
from portal.extensions import babel, bootstrap, csrf, htmx, init_parts, limiter, login, migrate
from portal.monitor.database import CountedPool

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

ROOT = Path(__file__).resolve().parent.parent
LARGEST_PAGE_REQUEST = 1024 * 1024
DATABASE_CONNECT_TIMEOUT_S = 5
SIGNED_IN_FOR = timedelta(days=14)


def create_app(config: Config) -> Flask:
    """Build the web app, which the workers and commands share."""
    logs.configure(level=config.log_level, as_json=config.is_production, own_secrets=config.secrets)
    if config.sentry_dsn:
        error_reports.start(config.sentry_dsn, environment=config.portal_env, release=__version__)
    app = web.Portal("portal", template_folder=str(ROOT / "templates"), static_folder=str(ROOT / "static"))
    app.config.update(_flask_settings(config))
    init_parts(app, config)
    db.init_app(app)
    migrate.init_app(app, db, directory=str(ROOT / "migrations"))
    for extension in (bootstrap, csrf, htmx, limiter, login):
        extension.init_app(app)
    # Builds upon that of htmx.
    app.request_class = web.WholeRequest
    babel.init_app(app, locale_selector=web.choose_locale, timezone_selector=web.choose_time_zone)
    web.register(app)
    cli.register(app)
    app.wsgi_app = behind_proxies(app.wsgi_app, config.trusted_proxies)  # type: ignore[method-assign, assignment]
    return app


def behind_proxies(wsgi_app: "WSGIApplication", hops: int) -> "WSGIApplication":
    """Believe what the last so many proxies say of the caller, and nothing that came in before them.

    Each adds to whom it serves; the name that was asked for is set once in a chain.
    """
    return ProxyFix(wsgi_app, x_for=hops, x_proto=hops, x_host=1) if hops else wsgi_app


def _flask_settings(config: Config) -> dict[str, object]:
    return {
        "SECRET_KEY": config.secret_key,
        "SECRET_KEY_FALLBACKS": [*reversed(config.secret_key_fallbacks)],
        "SQLALCHEMY_DATABASE_URI": config.database_url,
        # Errors of the database are logged: without their parameters, which are messages, numbers and secrets.
        "SQLALCHEMY_ENGINE_OPTIONS": {
            "poolclass": CountedPool,
            # The one that was used last, which knows the most of what is asked and need not be tried.
            "pool_use_lifo": True,
            "pool_size": 10,
            "max_overflow": 30,
            "connect_args": {"connect_timeout": DATABASE_CONNECT_TIMEOUT_S},
            "hide_parameters": True,
            "use_insertmanyvalues": False,
        },
        "MAX_CONTENT_LENGTH": LARGEST_PAGE_REQUEST,
        # With this prefix browsers take it from this host only, over HTTPS.
        "SESSION_COOKIE_NAME": "__Host-session" if config.is_production else "session",
        "SESSION_COOKIE_SECURE": config.is_production,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "REMEMBER_COOKIE_SECURE": config.is_production,
        "REMEMBER_COOKIE_HTTPONLY": True,
        "REMEMBER_COOKIE_SAMESITE": "Lax",
        "PERMANENT_SESSION_LIFETIME": SIGNED_IN_FOR,
        "BOOTSTRAP_SERVE_LOCAL": True,
        "BABEL_DEFAULT_LOCALE": "pt_BR",
        "BABEL_DEFAULT_TIMEZONE": "America/Sao_Paulo",
        "BABEL_TRANSLATION_DIRECTORIES": str(ROOT / "portal" / "translations"),
        "RATELIMIT_STORAGE_URI": config.redis_url,
        "RATELIMIT_STORAGE_OPTIONS": {"socket_connect_timeout": 0.5, "socket_timeout": 1, **config.redis_tls},
        # Redis away must not lock people out: the limits then count per process.
        "RATELIMIT_IN_MEMORY_FALLBACK_ENABLED": True,
        # Of requests that notice it at once only the first one turns to them; the others go unlimited, but go on.
        "RATELIMIT_SWALLOW_ERRORS": True,
        "WTF_CSRF_TIME_LIMIT": None,
    }
