"""Which language and time zone this request speaks."""

from flask import g, has_request_context, request, session
from flask_login import current_user

LOCALES = ("pt_BR", "en")
DEFAULT_TIME_ZONE = "America/Sao_Paulo"


def choose_locale() -> str:
    """The person's choice, else the one made on this browser, else the browser's own, else Portuguese."""
    if not has_request_context():
        # Commands and workers have no browser; the help of the commands is English too.
        return "en"
    return _chosen(_account_locale())


def locale_without_database() -> str:
    """The same, where the person's own choice counts only if their account was read already."""
    account = g.get("account") or getattr(g.get("_login_user"), "account", None)
    return _chosen(account.locale if account is not None else None)


def _chosen(of_account: str | None) -> str:
    for choice in (of_account, session.get("locale")):
        if choice in LOCALES:
            return str(choice)
    best = request.accept_languages.best_match(["pt-BR", "pt", "en"], default="pt-BR")
    return "en" if best == "en" else "pt_BR"


def choose_time_zone() -> str:
    """The zone of the unit the page is about."""
    return str(g.get("time_zone", DEFAULT_TIME_ZONE))


def _account_locale() -> str | None:
    account = g.get("account") or getattr(current_user, "account", None)
    return account.locale if account is not None else None
