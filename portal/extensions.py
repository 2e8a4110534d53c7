"""Flask extensions without an app; `create_app` binds them."""

from functools import cached_property
from typing import Any

import redis
from babel.support import NullTranslations
from flask import Flask
from flask_babel import Babel, Domain, get_locale
from flask_bootstrap import Bootstrap5
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address
from flask_login import LoginManager
from flask_migrate import Migrate
from flask_wtf import CSRFProtect
from htmx_flask import Htmx
from jinja2 import pass_eval_context
from jinja2.nodes import EvalContext
from markupsafe import Markup

from portal.config import Config
from portal.secrets import Vault


class KnownWords(Domain):  # type: ignore[misc]
    """Flask-Babel's own, which finds a language's words again without writing its name out: a page has hundreds."""

    def get_translations(self) -> NullTranslations:
        locale = get_locale()
        try:
            known: NullTranslations = self.cache[locale]
        except KeyError:
            known = self.cache[locale] = super().get_translations()
        return known


class Translator(Babel):  # type: ignore[misc]
    def init_app(self, app: Flask, *rest: Any, **named: Any) -> None:
        super().init_app(app, *rest, **named)
        app.jinja_env.globals["_"] = self._say

    @cached_property
    def domain_instance(self) -> KnownWords:
        return KnownWords(domain=self.domain)

    @pass_eval_context
    def _say(self, eval_context: EvalContext, message: str, **values: object) -> str:
        """`_()` of a template. Jinja's own looks for itself and for the language anew each time: half of the time."""
        said = self.domain_instance.get_translations().gettext(message)
        if eval_context.autoescape:
            said = Markup(said)
        # As everywhere in Jinja, `%%` stands for `%` whether there are values or not.
        return said % values if "%" in said else said


class CalledLimits(Limiter):
    """Limits of functions, counted where these are called. No blueprint and no app has one to look for before a view.

    But while the storage is away, whatever is asked shows whether it is back.
    """

    def _check_request_limit(self, callable_name: str | None = None, in_middleware: bool = True) -> None:
        if not in_middleware or self._storage_dead:
            super()._check_request_limit(callable_name, in_middleware)


babel = Translator()
bootstrap = Bootstrap5()
csrf = CSRFProtect()
htmx = Htmx()
limiter = CalledLimits(get_remote_address)
login = LoginManager()
migrate = Migrate()


class Parts:
    """The parts of our own that need settings, for code that must not know Flask."""

    vault: Vault
    redis: redis.Redis
    config: Config


parts = Parts()


def init_parts(app: Flask, config: Config) -> None:
    """Build what holds keys or connections, one set per process."""
    parts.config = config
    parts.vault = Vault(config.encryption_keys or (config.secret_key, *config.secret_key_fallbacks))
    # Short timeouts: Redis only says "look", so nobody may wait for it.
    parts.redis = redis.Redis.from_url(
        config.redis_url, socket_connect_timeout=0.5, socket_timeout=5, **config.redis_tls
    )
    app.extensions["portal"] = parts
